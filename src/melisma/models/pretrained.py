"""A checkpoint as Hugging Face's libraries keep it: where it is, and what its small files say.

All of it was written by strangers: JSON is parsed within bounds, and nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from melisma.core.errors import EngineUnavailable, ModelError
from melisma.core.files import expanded

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(?:/[A-Za-z0-9][\w.-]{0,95})?")
_LARGEST_JSON = 32 << 20  # bytes; vocabularies of the largest alphabets take 100 kB
_WEIGHTS = ("*.safetensors", "*.onnx", "*.onnx_data", "*.onnx.data", "pytorch_model*.bin", "model.bin")
_SMALL = ("*.json", "*.txt", "README.md")
_OWN_CODE = (None, "eager", "sdpa")  # ways of computing attention that come with transformers and torch


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The labels of a network, in the order of their ids; those in `silent` spell no word."""

    labels: tuple[str, ...]
    blank: int
    silent: frozenset[str] = frozenset()
    delimiter: str | None = None  # stands between words; nothing is sung in it


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model by its id on the hub, or by its folder.

    Parameters
    ----------
    model : str
        Id or folder.
    revision : str
        Branch, tag or commit on the hub; of no meaning for a folder.
    """

    model: str
    revision: str = ""

    @property
    def is_folder(self) -> bool:
        """Whether it is named by its folder."""
        return expanded(self.model).is_dir() or not _HUB_ID.fullmatch(self.model)

    @property
    def name(self) -> str:
        """What a result says of it: the id, or the last part of the folder's name."""
        return expanded(self.model).resolve().name if self.is_folder else self.model

    def folder(self) -> Path | None:
        """Return where its files are on this machine, or None; asks no server."""
        if self.is_folder:
            path = expanded(self.model)
            return path if path.is_dir() else None
        folder = _cached(self.model, self.revision or "main")
        return folder if folder is not None and _has_weights(folder) else None

    def found_revision(self) -> str:
        """Return the commit that is on this machine, a hash of a folder's files, or the revision that was asked for."""
        folder = self.folder()
        if folder is None:
            return self.revision
        return content_hash(folder) if self.is_folder else folder.name

    def missing(self) -> str | None:
        """Say in one sentence that it is not here, and how it comes; None if it is, or may be fetched when loaded."""
        if self.folder() is not None or (not self.is_folder and may_fetch()):
            return None
        if self.is_folder:
            return f"there is no folder {self.model}"
        wanted = f" --revision {self.revision}" if self.revision else ""
        return (
            f"the model {self.model} is not on this machine: run `hf download {self.model}{wanted}`, "
            "or set MELISMA_DOWNLOAD=1 to have it fetched when it is needed"
        )

    def fetch(self) -> Path:
        """Return the folder of its files; those of the hub are fetched if they are not here.

        Raises
        ------
        EngineUnavailable
            If it is not here and cannot be fetched.
        """
        folder = self.folder()
        if folder is not None:
            return folder
        lacking = self.missing()
        if lacking:
            raise EngineUnavailable(lacking)
        from huggingface_hub import HfApi, snapshot_download

        try:
            files = HfApi().list_repo_files(self.model, revision=self.revision or None)
            weights = next((kind for kind in _WEIGHTS if any(Path(file).match(kind) for file in files)), _WEIGHTS[0])
            wanted = [*_SMALL, weights, *(("*.onnx*",) if weights == "*.onnx" else ())]
            return Path(snapshot_download(self.model, revision=self.revision or None, allow_patterns=wanted))
        except Exception as error:  # httpx's, the hub's and the file system's own; each means the same to us
            said = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            raise EngineUnavailable(f"the model {self.model} cannot be fetched: {said}") from error


def _cached(model: str, revision: str) -> Path | None:
    """Return the snapshot of a model in the hub's cache, laid out as its documentation says; None if there is none.

    huggingface_hub would tell as well, but takes a second to be imported, for each engine that is only listed.
    """
    environment = os.environ.get
    home = Path(environment("HF_HOME") or Path(environment("XDG_CACHE_HOME") or Path.home() / ".cache", "huggingface"))
    root = Path(environment("HF_HUB_CACHE") or environment("HUGGINGFACE_HUB_CACHE") or home / "hub").expanduser()
    kept = root / f"models--{model.replace('/', '--')}"
    if ".." in Path(revision).parts:
        return None
    try:
        commit = (kept / "refs" / revision).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        commit = revision
    folder = kept / "snapshots" / commit
    return folder if (folder / "config.json").is_file() else None


def may_fetch() -> bool:
    """Whether models may be fetched from a hub: only where the user says so, for they are large."""
    return os.environ.get("MELISMA_DOWNLOAD", "").strip().lower() in ("1", "true", "yes", "on")


def _has_weights(folder: Path) -> bool:
    return any(True for kind in _WEIGHTS for _ in folder.glob(kind))


def weights_mb(folder: Path) -> int:
    """Return the size of the weights, in MB: those of one format, the first that is there."""
    for kind in _WEIGHTS:
        size = sum(path.stat().st_size for path in folder.glob(kind))
        if size:
            return size // 2**20
    return 0


def content_hash(folder: Path) -> str:
    """Return a short hash of a model's files; read again only if one of them changed its size or time."""
    files = sorted({path for kind in ("*.json", *_WEIGHTS) for path in folder.glob(kind) if path.is_file()})
    return _hash(tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files))


def loaded_hash(folder: Path) -> str:
    """Return a short hash of what transformers loads of a folder: config.json, and the weights of the first format."""
    kinds = ("*.safetensors", "pytorch_model*.bin")
    weights = next((found for kind in kinds if (found := sorted(folder.glob(kind)))), [])
    files = [path for path in (folder / "config.json", *weights) if path.is_file()]
    return _hash(tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files))


@cache
def _hash(files: tuple[tuple[str, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for name, _, _ in files:
        digest.update(Path(name).name.encode() + b"\0")
        with Path(name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    ModelError
        If it is not there, larger than 32 MB, or holds something else.
    """
    try:
        if path.stat().st_size > _LARGEST_JSON:
            raise ModelError(f"{path.name} of the model {path.parent.name} is larger than a settings file can be")
        got = json.loads(path.read_bytes())
    except OSError as error:
        raise ModelError(f"the model {path.parent.name} has no readable {path.name}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path.name} of the model {path.parent.name} is no JSON: {error}") from error
    if not isinstance(got, dict):
        raise ModelError(f"{path.name} of the model {path.parent.name} holds no JSON object")
    return got


def check_settings(said: Mapping[str, Any], name: str) -> None:
    """Refuse settings of a network that have transformers fetch and run code which is not its own: kernels of the hub.

    Raises
    ------
    ModelError
        Naming the setting.
    """
    for key, value in said.items():
        if "kernel_config" in key or "use_kernels" in key or ("_implementation" in key and value not in _OWN_CODE):
            raise ModelError(f"the settings of the model {name[:80]} want code that is not in transformers: {key[:40]}")


def _optional(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}


@dataclass(frozen=True, slots=True)
class Preparation:
    """What a network wants done to a recording."""

    sample_rate: int = 16000
    normalise: bool = True  # to mean 0 and variance 1, over the whole recording


def read_preparation(folder: Path) -> Preparation:
    """Read what is to be done to a recording; where no file says so, by the kind of network.

    Without a file, networks whose convolutions are normalised by layers are taken for ones of normalised audio and
    those normalised by groups for ones of plain audio, as fairseq trained them. Log-mels are normalised after they are
    made.
    """
    nested = _optional(folder / "processor_config.json").get("feature_extractor")
    said = nested if isinstance(nested, dict) else _optional(folder / "preprocessor_config.json")
    config = read_json(folder / "config.json")
    plain = config.get("feat_extract_norm") == "group" or config.get("model_type") == "wav2vec2-bert"
    rate, normalise = said.get("sampling_rate", 16000), said.get("do_normalize", not plain)
    if not isinstance(rate, int) or isinstance(rate, bool) or not 1000 <= rate <= 192_000:
        raise ModelError(f"the model {folder.name} says that it takes audio at {rate!r} Hz")
    return Preparation(rate, bool(normalise))


def read_vocabulary(folder: Path) -> Vocabulary:
    """Read the labels of a CTC network from its own files, as transformers' tokenizers would.

    The blank is `<blank>` where there is such a label, as in models that come from fairseq, and else the one that pads,
    which is what transformers trains CTC with.
    """
    ids, said = _token_ids(folder), _optional(folder / "tokenizer_config.json")
    if "Phoneme" in str(said.get("tokenizer_class", "")):
        raise ModelError(f"the model {folder.name} spells phonemes, and this engine spells letters")
    config = read_json(folder / "config.json")
    n_labels = config.get("vocab_size")
    if not isinstance(n_labels, int) or not 2 <= n_labels <= 1_000_000:
        raise ModelError(f"config.json of the model {folder.name} gives no number of labels")
    names = {number: label for label, number in ids.items()}
    labels = tuple(names.get(i, f"<unused {i}>") for i in range(n_labels))
    pad = config.get("pad_token_id")
    blank = ids.get("<blank>", pad if isinstance(pad, int) else ids.get(_token(said, "pad_token") or "<pad>"))
    if blank is None or not 0 <= blank < n_labels:
        raise ModelError(f"the vocabulary of the model {folder.name} has no blank")
    delimiter = _token(said, "word_delimiter_token") or "|"
    silent = {_token(said, f"{kind}_token") for kind in ("unk", "bos", "eos", "pad")} - {None}
    silent |= {label for label in labels if len(label) > 2 and (label[0] + label[-1]) in ("<>", "[]")}
    silent |= {labels[blank]}
    inside = delimiter in labels and delimiter not in silent
    silent |= {delimiter} if inside else set()
    return Vocabulary(labels, blank, frozenset(map(str, silent)), delimiter if inside else None)


def _token_ids(folder: Path) -> dict[str, int]:
    """Return id by label: those of vocab.json or tokenizer.json, and those that were added."""
    if (folder / "vocab.json").is_file():
        found: Mapping[str, Any] = read_json(folder / "vocab.json")
    else:
        model = read_json(folder / "tokenizer.json").get("model")
        found = model.get("vocab", {}) if isinstance(model, dict) else {}
    if isinstance(found, dict) and found and all(isinstance(value, dict) for value in found.values()):
        raise ModelError(f"the model {folder.name} has a vocabulary and weights for each language, and names none")
    added = _optional(folder / "added_tokens.json")
    decoder = _optional(folder / "tokenizer_config.json").get("added_tokens_decoder")
    more = {
        entry.get("content"): int(number)
        for number, entry in (decoder if isinstance(decoder, dict) else {}).items()
        if isinstance(entry, dict) and str(number).isdecimal()
    }
    ids = {**(found if isinstance(found, dict) else {}), **added, **more}
    whole = all(isinstance(k, str) and isinstance(v, int) and not isinstance(v, bool) for k, v in ids.items())
    if not ids or not whole or len(set(ids.values())) != len(ids):
        raise ModelError(f"the vocabulary of the model {folder.name} is no table of labels and their ids")
    return ids


def _token(said: Mapping[str, Any], name: str) -> str | None:
    token = said.get(name)
    token = token.get("content") if isinstance(token, dict) else token
    return token if isinstance(token, str) and token else None
