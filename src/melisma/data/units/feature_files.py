"""Features of a corpus on disk: shards of rows in `.npy` files, an index of utterances, and who made them."""

from __future__ import annotations

import hashlib
import json
import os
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from melisma.core.errors import FormatError, InputError, OutputError
from melisma.core.files import make_folder
from melisma.core.records import Float32
from melisma.data import manifest
from melisma.data.lines import hold, partial_of
from melisma.data.recordings import hashed
from melisma.units.encoder import EncoderFacts

FOLDER, ABOUT, INDEX = "features", "features.json", "index.jsonl"
DTYPES = ("float16", "float32")
SHARD = re.compile(r"shard-\d{5,9}(-[0-9a-f]{16})?\.npy")
_HEADER = 128  # bytes before the rows
_MAGIC = b"\x93NUMPY\x01\x00"
_LARGEST_JSON = 1 << 20


class FeatureLine(BaseModel):
    """Where the features of an utterance are: rows [first, first + n_frames) of a shard.

    `audio` is relative to the folder of the corpus, the one that `features` lies in.
    """

    model_config = ConfigDict(frozen=True)

    id: str = Field(min_length=1, max_length=1000)
    audio: str = Field(min_length=1, max_length=4096)
    start: float = Field(0.0, ge=0, allow_inf_nan=False)
    duration: float = Field(gt=0, allow_inf_nan=False)
    speaker_id: str = ""
    language: str = "und"
    shard: str = Field(pattern=rf"^{SHARD.pattern}$")
    first: int = Field(ge=0)
    n_frames: int = Field(ge=0)

    def line(self) -> str:
        """Return its line, without the newline."""
        return self.model_dump_json(exclude_defaults=True)


class _Encoder(BaseModel):
    name: str = Field(max_length=500)
    kind: str = Field(max_length=50)
    layer: int | None
    n_dims: int = Field(ge=1, le=1 << 20)
    fingerprint: str = Field(max_length=200)
    licence: str = Field("unknown", max_length=200)


class _About(BaseModel):
    format: int = Field(ge=1, le=1)
    encoder: _Encoder
    dtype: str = Field(pattern="^float(16|32)$")
    n_utterances: int = Field(ge=0)
    n_frames: int = Field(ge=0)
    n_shards: int = Field(ge=0)


@dataclass(frozen=True, slots=True)
class Features:
    """The features of a corpus: read one after another, or by the id of an utterance.

    Parameters
    ----------
    folder : Path
        Where the shards are.
    encoder : EncoderFacts
        Who made them.
    dtype : str
        "float16" or "float32", on disk; what is read is float32.
    n_utterances, n_frames : int
        How many there are.
    """

    folder: Path
    encoder: EncoderFacts
    dtype: str
    n_utterances: int
    n_frames: int
    _places: list[tuple[Any, Any]] = field(default_factory=list, repr=False, compare=False)

    @classmethod
    def open(cls, folder: str | Path) -> Features:
        """Open the features in a folder, or in the folder `features` of a corpus.

        Raises
        ------
        InputError
            If there are none, or what says what they are is damaged.
        """
        folder = Path(folder)
        folder = folder / FOLDER if (folder / FOLDER / ABOUT).is_file() else folder
        about = read_about(folder)
        if about is None:
            raise InputError(f"{folder} holds no features: make them with melisma units extract")
        facts = EncoderFacts(**about.encoder.model_dump())
        return cls(folder, facts, about.dtype, about.n_utterances, about.n_frames)

    def lines(self) -> Iterator[FeatureLine]:
        """Yield where each utterance is, in order.

        Raises
        ------
        FormatError
            If a line is damaged; it names the line.
        InputError
            If there are more or fewer lines than `features.json` says.
        """
        count = 0
        for count, line in enumerate(manifest.lines(self.folder / INDEX), 1):  # noqa: B007 - counted to the end
            yield _parse(line.data, line.number)
        if count != self.n_utterances:
            said = f"{self.folder / INDEX} has {count:,} lines, {ABOUT} says {self.n_utterances:,}"
            raise InputError(f"{said}: let melisma units extract run to its end")

    def __iter__(self) -> Iterator[tuple[str, Float32]]:
        """Yield the id and the features of each utterance, float32 [n_frames, n_dims], in order; one is in memory."""
        return ((line.id, features) for line, features in self.items())

    def items(self) -> Iterator[tuple[FeatureLine, Float32]]:
        """Yield what is known of each utterance, and its features, float32 [n_frames, n_dims]."""
        name, rows = "", np.zeros((0, 0), np.float32)
        for line in self.lines():
            if line.shard != name:
                name, rows = line.shard, self._rows(line.shard)
            yield line, self._cut(rows, line)

    def __len__(self) -> int:
        return self.n_utterances

    def __getitem__(self, name: str) -> Float32:
        """Return the features of an utterance by its id, float32 [n_frames, n_dims].

        Raises
        ------
        KeyError
            If there is none of that id.
        """
        line = self.line_of(name)
        return self._cut(self._rows(line.shard), line)

    def line_of(self, name: str) -> FeatureLine:
        """Return where an utterance is, by its id; KeyError if there is none of it. 16 bytes an utterance are kept."""
        if not self._places:
            self._places.append(self._learn_places())
        keys, offsets = self._places[0]
        wanted = hashed(name)
        at = int(np.searchsorted(keys, wanted))
        with (self.folder / INDEX).open("rb") as file:
            while at < len(keys) and keys[at] == wanted:
                file.seek(int(offsets[at]))
                line = _parse(file.readline(manifest.MAX_LINE), None)
                if line.id == name:
                    return line
                at += 1
        raise KeyError(name)

    def _learn_places(self) -> tuple[Any, Any]:
        keys, offsets = array("q"), array("q")
        for line in manifest.lines(self.folder / INDEX):
            keys.append(hashed(_parse(line.data, line.number).id))
            offsets.append(line.offset)
        order = np.argsort(np.array(keys, np.int64), kind="stable")
        return np.array(keys, np.int64)[order], np.array(offsets, np.int64)[order]

    def _rows(self, shard: str) -> Any:
        """Return the rows of a shard, mapped from its file."""
        path = self.folder / shard
        try:
            rows = np.load(path, mmap_mode="r", allow_pickle=False)
        except OSError as error:
            raise InputError(f"the features in {path} cannot be read: {error.strerror or error}") from error
        except (ValueError, EOFError) as error:
            raise InputError(f"{path} is damaged: it is no array of features") from error
        if rows.ndim != 2 or rows.shape[1] != self.encoder.n_dims or rows.dtype.name not in DTYPES:
            raise InputError(f"{path} holds {rows.dtype.name} {list(rows.shape)}, not rows of {self.encoder.n_dims}")
        return rows

    def _cut(self, rows: Any, line: FeatureLine) -> Float32:
        if line.first + line.n_frames > len(rows):
            raise InputError(f"{self.folder / line.shard} ends before the features of {line.id} do")
        return np.array(rows[line.first : line.first + line.n_frames], np.float32)


def _parse(data: bytes, number: int | None) -> FeatureLine:
    try:
        return FeatureLine.model_validate_json(data)
    except ValidationError as error:
        raise FormatError("index of features", manifest.fault(error), number) from error


def read_about(folder: Path) -> _About | None:
    """Read what features a folder holds; None if it holds none.

    Raises
    ------
    InputError
        If what says so is damaged.
    """
    path = folder / ABOUT
    try:
        if path.stat().st_size > _LARGEST_JSON:
            raise InputError(f"{path} is larger than what says what features are")
        return _About.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValidationError as error:
        raise InputError(f"{path} is damaged: {manifest.fault(error)}") from error


def about_json(encoder: EncoderFacts, dtype: str, n_utterances: int, n_frames: int, n_shards: int) -> bytes:
    """Return the text of `features.json`."""
    said = {"format": 1, "encoder": encoder.as_dict(), "dtype": dtype}
    said |= {"n_utterances": n_utterances, "n_frames": n_frames, "n_shards": n_shards}
    return (json.dumps(said, indent=2, ensure_ascii=False) + "\n").encode()


class ShardWriter:
    """Writes rows of features to an `.npy` file as they come; it is there once `close` was called, or not at all.

    Parameters
    ----------
    path : Path
        The file.
    n_dims : int
        Of a row.
    dtype : str
        "float16" or "float32".
    """

    def __init__(self, path: Path, n_dims: int, dtype: str) -> None:
        self._path, self._n_dims, self._type = path, n_dims, np.dtype(dtype).newbyteorder("<")
        self.n_rows = 0
        make_folder(path.parent)  # a container of Modal sees no folder in which nothing lies yet
        try:
            self._partial = partial_of(path)
            self._file: BinaryIO = self._partial.open("xb")
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
        hold(self._file)
        self._write(bytes(_HEADER))
        self._digest = hashlib.sha256()

    def append(self, rows: Float32) -> bool:
        """Write rows, float32 [n, n_dims]; False, and nothing is written, where they do not fit in the numbers."""
        with np.errstate(over="ignore"):
            kept = np.ascontiguousarray(rows, self._type)
        if not np.isfinite(kept).all():
            return False
        data = kept.tobytes()
        self._write(data)
        self._digest.update(data)
        self.n_rows += len(rows)
        return True

    def close(self, *, by_content: bool = False) -> tuple[str, int]:
        """Give the file its name, return it with the size in bytes.

        By its content, the name is that of `path` and sixteen digits of the SHA-256 of the rows: what stands there
        under another one, such as the shard that an index speaks of already, is left alone.
        """
        final = self._path
        if by_content:
            final = final.with_name(f"{final.stem}-{self._digest.hexdigest()[:16]}{final.suffix}")
        shape = f"({self.n_rows}, {self._n_dims})"
        about = f"{{'descr': '{self._type.str}', 'fortran_order': False, 'shape': {shape}, }}".encode()
        head = _MAGIC + (_HEADER - 10).to_bytes(2, "little") + about.ljust(_HEADER - 11) + b"\n"
        size = self._file.tell()
        self._file.seek(0)
        self._write(head)
        try:
            self._file.flush()
            os.replace(self._partial, final)
            self._file.close()
        except OSError as error:
            raise OutputError(f"cannot write {final}: {error.strerror or error}") from error
        return final.name, size

    def abandon(self) -> None:
        """Leave nothing behind, unless it was closed."""
        self._file.close()
        self._partial.unlink(missing_ok=True)

    def _write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise OutputError(f"cannot write {self._path}: {error.strerror or error}") from error
