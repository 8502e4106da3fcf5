"""Codebooks on disk: `codebook.npz` holds the centres, `codebook.json` says whose they are. No pickle is read."""

from __future__ import annotations

import io
import json
import lzma
import zipfile
import zlib
from pathlib import Path
from typing import IO, Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from melisma.core.errors import InputError
from melisma.core.files import make_folder, write_atomically
from melisma.core.records import Float32
from melisma.units.codebook import MAX_DIMS, MAX_UNITS, Codebook
from melisma.units.encoder_said import EncoderSaid

CENTRES, FACTS = "codebook.npz", "codebook.json"
SCHEMA = "melisma.codebook/1"
_MEMBER = "centres.npy"
_MAX_BYTES = 1 << 28  # of the centres; 65,536 of 1,024 dimensions
_MAX_FACTS = 1 << 24  # bytes of the JSON
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError)


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True)

    k: Annotated[int, Field(gt=0, le=MAX_UNITS)]
    encoder: EncoderSaid
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    facts: dict[str, Any] = {}


def write(codebook: Codebook, folder: Path) -> tuple[Path, Path]:
    """Write both files into a folder, each whole or not at all; return their paths.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    make_folder(folder)
    data = io.BytesIO()
    np.savez(data, centres=codebook.centres.astype("<f4"))  # members bear no time: the same centres, the same bytes
    about = {"schema": SCHEMA, "k": codebook.k, "sha256": codebook.sha256, "encoder": codebook.encoder.as_dict()}
    said = json.dumps(about | {"facts": codebook.facts}, ensure_ascii=False, indent=1)
    write_atomically(folder / CENTRES, data.getvalue())
    write_atomically(folder / FACTS, (said + "\n").encode("utf-8", "backslashreplace"))
    return folder / CENTRES, folder / FACTS


def read(path: Path) -> Codebook:
    """Read a codebook: its `.npz`, with the `.json` of the same name beside it, or the folder that holds both.

    Nothing of the files is executed, and no more is read than a codebook can be.

    Raises
    ------
    InputError
        If they cannot be read, are no codebook, or do not belong together.
    """
    centres_at = path / CENTRES if path.is_dir() else path
    if not centres_at.exists() and not centres_at.with_suffix(".json").exists():
        raise InputError(f"there is no codebook {centres_at}")
    facts_at = centres_at.with_suffix(".json")
    said = _facts(facts_at)
    centres = _centres(centres_at)
    codebook = Codebook(centres, said.encoder.facts(), said.facts)
    if codebook.k != said.k or codebook.sha256 != said.sha256:
        raise InputError(f"{facts_at} is about other centres than those of {centres_at}")
    return codebook


def _facts(path: Path) -> _Facts:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FACTS + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(data) > _MAX_FACTS:
        raise InputError(f"{path} is longer than the JSON of a codebook is")
    try:
        return _Facts.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{path} is no codebook: {where + ': ' if where else ''}{first['msg']}") from error


def _centres(path: Path) -> Float32:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(_MEMBER) as member:
            return _array(member, path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except (*_DAMAGED, KeyError, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{path} holds no centres of a codebook, or is damaged") from error


def _array(member: IO[bytes], path: Path) -> Float32:
    """Read an array whose header is looked at before anything as large as it says is asked for."""
    version = np.lib.format.read_magic(member)
    if version not in ((1, 0), (2, 0)):
        raise ValueError("no such version")
    reading = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = reading(member)
    if dtype != np.dtype("<f4") or fortran or len(shape) != 2:
        raise InputError(f"{path}: centres are float32 in rows, these are {dtype} of shape {shape}")
    if not 0 < shape[0] <= MAX_UNITS or not 0 < shape[1] <= MAX_DIMS or 4 * shape[0] * shape[1] > _MAX_BYTES:
        raise InputError(f"{path}: a codebook of shape {shape} is larger than any is, or empty")
    data = member.read(4 * shape[0] * shape[1])
    if len(data) != 4 * shape[0] * shape[1] or member.read(1):
        raise ValueError("another length than the header says")
    return np.frombuffer(data, "<f4").reshape(shape).astype(np.float32)
