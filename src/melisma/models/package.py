"""Packages: a folder that holds a trained network, with `melisma.json`, which says what it is and which files it has.

A package may come from a stranger. It holds plain files only, in one folder; a Whisper model's conversions lie in two
folders of it. Weights are safetensors, ONNX or CTranslate2's, never pickles; every file that decides a result is listed
with its SHA-256, and nothing that is not listed is loaded.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from melisma.core import licences
from melisma.core.errors import InputError, ModelError
from melisma.core.files import sha256_of, write_atomically
from melisma.models.onnx_file import check_whole
from melisma.text.language import normalise

FACTS = "melisma.json"
CARD, RUN = "README.md", "run_manifest.json"
REMOVED = "REMOVED_DATA.json"  # written beside a model by `melisma data remove`, of whose data something was taken out
ONNX, SAFETENSORS = "model.onnx", "model.safetensors"
WHISPER = "whisper"  # a kind of package
CTRANSLATE2_FOLDER, ONNX_FOLDER = "ctranslate2", "onnx"  # of conversions of a Whisper model
CONVERSIONS = (CTRANSLATE2_FOLDER, ONNX_FOLDER)
CTRANSLATE2_WEIGHTS = f"{CTRANSLATE2_FOLDER}/model.bin"  # CTranslate2's own format, no pickle: `_check_ctranslate2`
SCHEMA: Literal["melisma.package/1"] = "melisma.package/1"
_LARGEST_FACTS = 8 << 20  # bytes; a hundred thousand labels take 2 MB
_LARGEST_INDEX = 32 << 20
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")
_CTRANSLATE2_HEAD = 32  # bytes
_CONVERTED = re.compile(rf"(?:{'|'.join(CONVERSIONS)})/{_FILE.pattern}")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
# Formats that run code as they are read, or may.
_PICKLED = frozenset((".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".h5", ".npy", ".npz", ".msgpack"))
_DECIDING = frozenset((".safetensors", ".onnx", ".json", ".onnx_data", ".data", ".py", ".txt", ".model"))

Line = Annotated[str, Field(max_length=300, pattern=r"^[^\x00-\x1f]*$")]

Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,35}$")]


class _Checked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class FileMark(_Checked):
    """A file as it was when the package was made."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=0)]


class DataSource(_Checked):
    """What a model was trained on: a corpus, an address or another model, and its licence as it was given.

    A licence that is not known here may be `vouched` for by whoever made the package.
    """

    name: Line
    license: Line
    vouched: bool = False

    @property
    def commercial(self) -> bool:
        """Whether it may be used commercially, as far as anybody says."""
        found = licences.terms(self.license)
        return found.commercial or (self.vouched and not found.known and bool(self.license.strip()))


class PackageFacts(_Checked):
    """What `melisma.json` says.

    Parameters
    ----------
    name : str
        Of the model.
    kind : {"transformers", "phone-net", "whisper"}
        Samples to logits, as transformers' CTC models; log-mels to phones, as `melisma.models.phone_net`; or log-mels
        to text. What follows of labels, units and frames is said of the first two only.
    units : {"characters", "phones"}
        What its labels spell; phones are spelt by espeak-ng.
    labels, blank : tuple of str, int
        By id; the id of the blank.
    normalise : bool
        Whether samples are brought to mean 0 and variance 1 over a recording.
    sample_rate, stride : int
        Hz; samples from one frame to the next.
    reach : int
        Frames that one of them sees on either side; of phone networks.
    languages : tuple of str
        That it was trained on; none where nobody knows.
    license : str
        Of the weights, where somebody has said one; empty for the terms of what it was trained on.
    sources : tuple of DataSource
        What it was trained on. None at all means that nobody knows, and forbids commercial use.
    precision : {"float32", "float16", "int8"}
        How the weights are stored.
    listens_to : {"mix", "voice"}
        What it was trained to hear.
    n_parameters : int
        Of the network.
    base : str
        Of a Whisper model, the checkpoint that its training began with; empty where nobody knows.
    compute : {"", "float32"}
        What CTranslate2 is to compute a Whisper model in, where 8 bits say something else; empty for what suits the
        device.
    files : mapping of str to FileMark
        Every file that decides a result.
    """

    schema_: Annotated[Literal["melisma.package/1"], Field(alias="schema")] = SCHEMA
    name: Annotated[str, Field(pattern=f"^{_NAME.pattern}$")]
    kind: Literal["transformers", "phone-net", "whisper"]
    units: Literal["characters", "phones", ""] = ""
    labels: Annotated[tuple[Annotated[str, Field(max_length=100)], ...], Field(max_length=100_000)] = ()
    blank: Annotated[int, Field(ge=0)] = 0
    normalise: bool = True
    sample_rate: Annotated[int, Field(ge=1000, le=192_000)] = 16000
    stride: Annotated[int, Field(ge=0, le=100_000)] = 0
    reach: Annotated[int, Field(ge=0, le=100_000)] = 0
    languages: Annotated[tuple[Code, ...], Field(max_length=1000)] = ()
    license: Line = ""
    sources: Annotated[tuple[DataSource, ...], Field(max_length=10_000)] = ()
    precision: Literal["float32", "float16", "int8"] = "float32"
    listens_to: Literal["mix", "voice"] = "voice"
    n_parameters: Annotated[int, Field(ge=0)] = 0
    base: Line = ""
    compute: Literal["", "float32"] = ""
    files: Annotated[dict[str, FileMark], Field(min_length=1, max_length=1000)]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.kind == WHISPER:
            if self.labels or self.units or self.stride:
                raise ValueError("a Whisper model has no labels, units and frames")
        elif not self.units or len(self.labels) < 2 or not self.stride:
            raise ValueError(
                f"units, labels or stride: a network of the kind {self.kind} has them, and two labels or more"
            )
        elif self.blank >= len(self.labels):
            raise ValueError(f"the blank is label {self.blank} of {len(self.labels)}")
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("two labels are the same")
        if self.kind == "phone-net" and self.blank != 0:
            raise ValueError("the blank of a phone network is label 0")
        for code in self.languages:
            try:
                normalise(code)
            except InputError as error:
                raise ValueError(str(error)) from error
        strange = next((name for name in self.files if not self._may_list(name)), None)
        if strange is not None:
            raise ValueError(f"{strange[:80]!r} is no file of a package")
        return self

    def _may_list(self, name: str) -> bool:
        converted = self.kind == WHISPER and _CONVERTED.fullmatch(name) is not None
        return converted or (_FILE.fullmatch(name) is not None and name != FACTS)

    @property
    def conversions(self) -> tuple[str, ...]:
        """Folders of conversions that it has: of a Whisper model for CTranslate2, and as ONNX."""
        return tuple(each for each in CONVERSIONS if any(name.startswith(f"{each}/") for name in self.files))

    @property
    def terms(self) -> licences.Terms:
        """Its licence: the one that was given, or else what all sources allow together."""
        data = licences.all_of([licences.terms(source.license) for source in self.sources])
        own = licences.terms(self.license) if self.license else data
        return replace(own, commercial=not self.tainted_by and (own.commercial or not self.license))

    @property
    def tainted_by(self) -> tuple[str, ...]:
        """The sources that forbid commercial use, or are not known to allow it, as `name (licence)`."""
        if not self.sources:
            return ("data that nobody has named",)
        return tuple(
            f"{source.name or 'data without a name'} ({licences.label(source.license)})"
            for source in self.sources
            if not source.commercial
        )


def is_name(name: str) -> bool:
    """Tell whether a model may be called so: small letters, digits, dots, hyphens and underscores, 64 at most."""
    return _NAME.fullmatch(name) is not None


def is_package(folder: Path) -> bool:
    """Tell whether a folder says that it is one."""
    return (folder / FACTS).is_file()


def read(folder: Path) -> PackageFacts:
    """Read what a package says of itself; its files are not looked at.

    Raises
    ------
    ModelError
        If there is no `melisma.json`, or it is too large, or not as it must be; the sentence names the field.
    """
    path = folder / FACTS
    try:
        found = os.stat(path, follow_symlinks=False)
    except OSError as error:
        raise ModelError(f"{folder.name} is no package: it has no readable {FACTS}") from error
    return _read(path, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=64)
def _read(path: Path, size: int, changed_ns: int) -> PackageFacts:
    folder = path.parent.name
    if path.is_symlink() or size > _LARGEST_FACTS:
        raise ModelError(f"{FACTS} of the package {folder} is a link, or larger than it can be")
    try:
        return PackageFacts.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ModelError(f"the package {folder} has no readable {FACTS}: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"{part}: " for part in first["loc"])
        raise ModelError(f"{FACTS} of the package {folder} is damaged: {where}{first['msg']}"[:400]) from error


def revision(folder: Path) -> str:
    """Return a short hash of what a package is: that of `melisma.json`, which lists the hashes of all files."""
    return hashlib.sha256(_bytes(folder / FACTS)).hexdigest()[:12]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read {path.name} of {path.parent.name}: {error.strerror or error}") from error


def check(folder: Path) -> PackageFacts:
    """Hold a package to what it says: plain files, none of them pickled, all that decide a result as they are listed.

    Takes as long as reading the files once; what has not changed since is not read again.

    Raises
    ------
    ModelError
        Naming the first file that is not as it must be.
    """
    facts = read(folder)
    for entry in _entries(folder):
        if entry.name in facts.conversions and not entry.is_symlink() and entry.is_dir(follow_symlinks=False):
            for inner in _entries(folder / entry.name):
                _check_entry(inner, facts, folder, f"{entry.name}/")
            continue
        _check_entry(entry, facts, folder)
    for name, mark in facts.files.items():
        _check_file(folder / name, mark)
    for name in facts.files:
        if name.endswith(".index.json"):
            _check_index(folder / name, facts)
        elif name.endswith(".onnx"):
            check_whole(folder / name)
        elif name == CTRANSLATE2_WEIGHTS:
            _check_ctranslate2(folder / name)
    return facts


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        return sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise ModelError(f"cannot read the package {folder.name}: {error.strerror or error}") from error


def _check_entry(entry: os.DirEntry[str], facts: PackageFacts, folder: Path, inside: str = "") -> None:
    name = inside + entry.name
    said = f"{name[:80]!a} in the package {folder.name}"
    if entry.is_symlink():
        raise ModelError(f"{said} is a link: a package holds plain files")
    if entry.name.startswith("."):
        return  # of git, of an operating system; nothing reads them
    if not entry.is_file(follow_symlinks=False):
        raise ModelError(f"{said} is no plain file: a package has no folders")
    suffix = Path(entry.name).suffix.lower()
    if suffix in _PICKLED and name != CTRANSLATE2_WEIGHTS:
        raise ModelError(f"{said} may run code when it is read: weights are safetensors or ONNX")
    decides = suffix in _DECIDING or bool(inside)
    if decides and name not in (FACTS, REMOVED) and name not in facts.files:
        raise ModelError(f"{said} is not listed in its {FACTS}")


def _check_file(path: Path, mark: FileMark) -> None:
    try:
        found = os.stat(path, follow_symlinks=False)
        if found.st_size != mark.bytes:
            digest = ""
        else:
            digest = _sha256(str(path), found.st_size, found.st_mtime_ns, found.st_ino)
    except OSError as error:
        raise ModelError(f"the package {path.parent.name} lacks its file {path.name}") from error
    if digest != mark.sha256:
        raise ModelError(f"{path.name} of the package {path.parent.name} is not the file that its {FACTS} lists")


@lru_cache(maxsize=1024)
def _sha256(path: str, size: int, changed_ns: int, inode: int) -> str:
    return sha256_of(path)


def _check_index(path: Path, facts: PackageFacts) -> None:
    """Refuse an index of weights that leads out of its folder: loaders join its names to the folder's."""
    try:
        if path.stat().st_size > _LARGEST_INDEX:
            raise ModelError(f"{path.name} of the package {path.parent.name} is larger than an index can be")
        index: Any = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path.name} of the package {path.parent.name} is no JSON") from error
    parts = index.get("weight_map") if isinstance(index, dict) else None
    for name in parts.values() if isinstance(parts, dict) else ():
        if not isinstance(name, str) or name not in facts.files:
            raise ModelError(f"{path.name} of the package {path.parent.name} names a file that is not listed")


def _check_ctranslate2(path: Path) -> None:
    """Refuse weights that are not CTranslate2's: a version, and the name of what they are, length first."""
    try:
        with path.open("rb") as file:
            head = file.read(_CTRANSLATE2_HEAD)
    except OSError as error:
        raise ModelError(f"cannot read {path.name} of the package {path.parent.parent.name}") from error
    version, length = int.from_bytes(head[:4], "little"), int.from_bytes(head[4:6], "little")
    if not 1 <= version <= 100 or head[6 : 6 + length] != b"WhisperSpec\0":
        raise ModelError(
            f"{CTRANSLATE2_WEIGHTS} of the package {path.parent.parent.name} is no Whisper of CTranslate2's"
        )


def seal(folder: Path, facts: dict[str, Any]) -> PackageFacts:
    """Write `melisma.json` into a folder whose other files are all there, with their hashes.

    Parameters
    ----------
    folder : Path
        With everything but `melisma.json`.
    facts : dict
        The fields of `PackageFacts` without `schema` and `files`.

    Raises
    ------
    InputError
        If the facts are not what a package can say.
    """
    files = {}
    inside = [path for name in CONVERSIONS for path in (folder / name).glob("*")]
    for path in sorted([*(path for path in folder.iterdir() if path.name not in CONVERSIONS), *inside]):
        if path.name in (FACTS, CARD, REMOVED) or path.name.startswith("."):
            continue  # a card may be written on
        found = path.stat()
        digest = _sha256(str(path), found.st_size, found.st_mtime_ns, found.st_ino)
        files[path.relative_to(folder).as_posix()] = {"sha256": digest, "bytes": found.st_size}
    whole = {"schema": SCHEMA, **facts, "files": files}
    try:
        made = PackageFacts.model_validate(whole)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"this cannot be a package: {where}: {first['msg']}") from error
    text = json.dumps(made.model_dump(mode="json", by_alias=True), ensure_ascii=False, indent=1) + "\n"
    write_atomically(folder / FACTS, text.encode("utf-8"))
    return made
