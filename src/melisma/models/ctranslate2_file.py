"""Whether a Whisper model for CTranslate2 fits together, seen without the library that runs it.

CTranslate2 believes what stands beside its weights: a token or a head that there is none of is read, or written, beyond
the end of a table, and takes the whole process with it. So a stranger's settings are held to the sizes of the weights
before they are loaded. The file is walked name by name (`ctranslate2.specs.model_spec`); values are stepped over.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from melisma.core.errors import ModelError
from melisma.models.pretrained import read_json

WEIGHTS = "model.bin"
_NAME = b"WhisperSpec\0"
_EMBEDDINGS, _HEADS = "decoder/embeddings/weight", ("decoder/num_heads", "encoder/num_heads")
_LAYER = re.compile(r"decoder/layer_(\d{1,4})/")
_MOST_VALUES, _MOST_AXES = 100_000, 8
_NEWEST = 100  # version of the format
# Largest that a feature extractor may say; Whisper's have 80 or 128 bands, windows of 400 and 30 s.
_MOST = {"feature_size": 1024, "n_fft": 16_384, "hop_length": 16_384, "chunk_length": 120, "sampling_rate": 192_000}


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of a decoder: tokens, width, layers, and heads of each."""

    n_tokens: int
    width: int
    n_layers: int
    n_heads: int


def check(folder: Path) -> Sizes:
    """Refuse a model whose settings or tokens are beyond its weights.

    Parameters
    ----------
    folder : Path
        With `model.bin`, `tokenizer.json`, and what else faster-whisper reads.

    Raises
    ------
    ModelError
        Naming the file and what is wrong.
    """
    sizes = read_sizes(folder)
    if (folder / "config.json").is_file():
        _check_config(read_json(folder / "config.json"), sizes, folder.name)
    if (folder / "preprocessor_config.json").is_file():
        said = read_json(folder / "preprocessor_config.json")
        for key, most in _MOST.items():
            if key in said and not _in(said[key], 1, most + 1):
                raise ModelError(f"preprocessor_config.json of the model {folder.name}: {key} is not from 1 to {most}")
    if _last_token(read_json(folder / "tokenizer.json")) >= sizes.n_tokens:
        raise ModelError(
            f"tokenizer.json of the model {folder.name} has tokens beyond the {sizes.n_tokens} of its weights"
        )
    return sizes


def read_sizes(folder: Path) -> Sizes:
    """Read how large the decoder in `model.bin` is.

    Raises
    ------
    ModelError
        If it is none, or does not say.
    """
    said = f"{WEIGHTS} of the model {folder.name}"
    shapes: dict[str, tuple[int, ...]] = {}
    heads: dict[str, int] = {}
    try:
        with (folder / WEIGHTS).open("rb") as file:
            for name, shape, data in _values(file):
                shapes[name] = shape
                if name in _HEADS:
                    heads[name] = int.from_bytes(data, "little")
    except OSError as error:
        raise ModelError(f"{said} cannot be read: {error.strerror or error}") from error
    except (ValueError, struct.error) as error:
        raise ModelError(f"{said} is no Whisper of CTranslate2's, or a damaged one") from error
    n_layers = len({found[1] for name in shapes if (found := _LAYER.match(name))})
    table = shapes.get(_EMBEDDINGS, ())
    if len(table) != 2 or not n_layers or len(heads) < len(_HEADS):
        raise ModelError(f"{said} does not say how large its decoder is")
    if any(not each or table[1] % each for each in heads.values()):
        raise ModelError(f"{said} has heads that its width of {table[1]} cannot be shared among")
    return Sizes(table[0], table[1], n_layers, heads[_HEADS[0]])


def _values(file: BinaryIO) -> Iterator[tuple[str, tuple[int, ...], bytes]]:
    """Yield name, shape, and the first bytes of each value."""
    (version,) = struct.unpack("<I", file.read(4))
    if not 4 <= version <= _NEWEST or _text(file) != _NAME:
        raise ValueError("another format")
    _, n_values = struct.unpack("<II", file.read(8))
    if n_values > _MOST_VALUES:
        raise ValueError("more values than a model has")
    for _ in range(n_values):
        name = _text(file).rstrip(b"\0").decode("ascii", "replace")
        (n_axes,) = struct.unpack("<B", file.read(1))
        if n_axes > _MOST_AXES:
            raise ValueError("more axes than a value has")
        shape: tuple[int, ...] = struct.unpack(f"<{n_axes}I", file.read(4 * n_axes))
        _, n_bytes = struct.unpack("<BI", file.read(5))
        head = file.read(min(n_bytes, 8))
        file.seek(n_bytes - len(head), 1)
        yield name, shape, head


def _text(file: BinaryIO) -> bytes:
    (length,) = struct.unpack("<H", file.read(2))
    return file.read(length)


def _check_config(said: dict[str, Any], sizes: Sizes, name: str) -> None:
    heads = said.get("alignment_heads") or []
    within = isinstance(heads, list) and all(
        isinstance(each, list) and len(each) == 2 and _in(each[0], 0, sizes.n_layers) and _in(each[1], 0, sizes.n_heads)
        for each in heads
    )
    if not within:
        raise ModelError(
            f"config.json of the model {name}: alignment_heads are not among the {sizes.n_layers} layers of "
            f"{sizes.n_heads} heads that it has"
        )
    for key in ("lang_ids", "suppress_ids", "suppress_ids_begin"):
        listed = said.get(key) or []
        if not isinstance(listed, list) or not all(_in(each, -1, sizes.n_tokens) for each in listed):
            raise ModelError(f"config.json of the model {name}: {key} are not among its {sizes.n_tokens} tokens")


def _in(value: Any, first: int, stop: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and first <= value < stop


def _last_token(said: dict[str, Any]) -> int:
    """Return the highest id of a tokenizer's tokens."""
    model, added = said.get("model"), said.get("added_tokens")
    table = model.get("vocab") if isinstance(model, dict) else None
    ids = list(table.values()) if isinstance(table, dict) else []
    ids += [each.get("id") for each in added if isinstance(each, dict)] if isinstance(added, list) else []
    return max((each for each in ids if isinstance(each, int)), default=-1)
