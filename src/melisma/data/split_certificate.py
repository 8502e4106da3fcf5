"""The certificate of a split: what was drawn, what was checked, and whether the parts are still those."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from melisma.core.errors import InputError
from melisma.core.files import sha256_of, write_atomically
from melisma.data import manifest
from melisma.data.index import Index
from melisma.data.index_file import key, seen_from

__all__ = ["Amount", "Certificate", "Checked", "Language", "Part", "check_disjoint", "read", "verify"]

NAME = "split.json"  # as it lies beside the parts
SHORT = 15  # letters of a text that is said by everybody: below it, two unknown speakers may be two
CHECKED: Literal["disjoint"] = "disjoint"


@dataclass(frozen=True, slots=True)
class Amount:
    """How much there is of a language in a part: utterances, hours, and known speakers."""

    utterances: int = 0
    hours: float = 0.0
    speakers: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """A manifest of the split: the name of its file, its SHA-256, and how much there is in it."""

    file: str
    sha256: str
    utterances: int
    hours: float
    speakers: int


@dataclass(frozen=True, slots=True)
class Language:
    """How a language was divided.

    Parameters
    ----------
    parts : dict of str to Amount
        By the name of the part.
    groups : int
        Of utterances that had to stay together.
    largest_group : float
        Share of the language's audio in the largest of them.
    shares : dict of str to float
        Of the language's audio that each part has.
    off : float
        The largest difference from a share that was wanted.
    why : str
        What is the reason, where that is more than 0.01; else empty.
    """

    parts: dict[str, Amount]
    groups: int
    largest_group: float
    shares: dict[str, float]
    off: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """What no two parts share, and what could not be known.

    Parameters
    ----------
    speakers, recordings, files, texts : str
        "disjoint": no speaker, no recording (by id, path or as a cut of another), no two files of one SHA-256 (where
        the manifest says it), no text of `SHORT` letters that speakers unknown to us say twice.
    near_duplicates : str
        "disjoint", by acoustic fingerprints of every recording, or "not checked".
    near_duplicate_pairs : int
        How many pairs of recordings were found to be copies of each other, and kept together.
    unknown_speakers : int
        Utterances whose speaker the manifest does not name: only their recordings keep them apart.
    shared_texts : int
        Texts of `SHORT` letters or more in validation or test that somebody else says in training: allowed, and to be
        known where a model of language is judged.
    """

    speakers: Literal["disjoint"]
    recordings: Literal["disjoint"]
    files: Literal["disjoint"]
    texts: Literal["disjoint"]
    near_duplicates: Literal["disjoint", "not checked"]
    near_duplicate_pairs: int
    unknown_speakers: int
    shared_texts: int


@dataclass(frozen=True, slots=True)
class Certificate:
    """The facts of a split; the same manifest, shares and seed give the same to the byte.

    Parameters
    ----------
    seed : int
        What was drawn with.
    wanted : dict of str to float
        The share of each part.
    manifest, manifest_sha256 : str
        Name and SHA-256 of what was divided.
    parts : dict of str to Part
        "train", "valid" and "test", those that there are.
    checked : Checked
        What they do not share.
    languages : dict of str to Language
        How each was divided.
    data : dict
        Licences and sources of everything, as `melisma.data.licences.Taint.as_dict` says them.
    """

    seed: int
    wanted: dict[str, float]
    manifest: str
    manifest_sha256: str
    parts: dict[str, Part]
    checked: Checked
    languages: dict[str, Language]
    data: dict[str, Any]
    schema: Literal["melisma.split/1"] = "melisma.split/1"

    def to_json(self) -> bytes:
        """Return it as its file holds it."""
        facts = {"schema": self.schema, **asdict(self)}
        return (json.dumps(facts, ensure_ascii=False, indent=1) + "\n").encode("utf-8")

    def write(self, path: Path) -> None:
        """Write it as JSON, whole or not at all."""
        write_atomically(path, self.to_json())


def read(path: Path) -> Certificate:
    """Read a certificate.

    Raises
    ------
    InputError
        If the file is missing or is no certificate.
    """
    try:
        return TypeAdapter(Certificate).validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read the certificate {path}: {error.strerror or error}") from error
    except ValidationError as error:
        raise InputError(f"{path} is no certificate of a split: {manifest.fault(error)}") from error


def verify(certificate: Certificate, *, train: Path, valid: Path, test: Path | None = None) -> None:
    """Check that manifests are those of a certificate, to the byte, and share nothing that they must not.

    What can be checked without listening is checked anew: speakers, recordings, files, texts, amounts. That no two
    recordings sound the same is taken from the certificate, since the manifests are those that it was made for.

    Raises
    ------
    InputError
        If not; it names the first difference.
    """
    given = {"train": train, "valid": valid} | ({} if test is None else {"test": test})
    for name, path in given.items():
        said = certificate.parts.get(name)
        if said is None:
            raise InputError(f"the certificate knows no part {name!r}, which {path} should be")
        if sha256(path) != said.sha256:
            raise InputError(f"{path} is not the part {name!r} of the certificate: it was changed, or another split's")
    opened = {name: Index.open(path) for name, path in given.items()}
    _check(opened)
    for name, index in opened.items():
        said, found = certificate.parts[name], amounts(index)
        if (said.utterances, said.speakers) != (len(index), _n_speakers(index)):
            raise InputError(f"the certificate is wrong about how much there is in the part {name!r}")
        told = {code: each.parts[name] for code, each in certificate.languages.items() if name in each.parts}
        if told != found:
            code = min(code for code in told.keys() | found.keys() if told.get(code) != found.get(code))
            raise InputError(f"the certificate is wrong about how much there is of {code!r} in the part {name!r}")


def check_disjoint(**parts: Path) -> None:
    """Check that manifests share no speaker, recording, file, cut or id, and no text of unknown speakers.

    Parameters
    ----------
    **parts : Path
        Manifests by name, such as train and valid.

    Raises
    ------
    InputError
        If they do; it names what, and an utterance on each side.
    """
    _check({name: Index.open(path) for name, path in parts.items()})


def _check(parts: Mapping[str, Index]) -> None:
    named = list(parts.items())
    keys = {name: _keys(index, named[0][1]) for name, index in named}
    for k, (name, index) in enumerate(named):
        for other, its in named[k + 1 :]:
            for what, ours in keys[name].items():
                theirs = keys[other][what]
                shared = np.intersect1d(ours[ours != 0], theirs[theirs != 0])
                if len(shared):
                    a = index[int(np.flatnonzero(ours == shared[0])[0])]
                    b = its[int(np.flatnonzero(theirs == shared[0])[0])]
                    raise InputError(f"{name} and {other} share {_what(what, a)}: {a.id!r} and {b.id!r}")


def _what(what: str, utterance: manifest.Utterance) -> str:
    return f"the speaker {utterance.speaker_id!r}" if what == "speaker" else what


def _keys(index: Index, first: Index) -> dict[str, NDArray[np.uint64]]:
    """Return, by what they are keys of, uint64 [n] that no two parts may share; 0 where there is nothing to share."""
    clip_of = np.asarray(index.column("clip_of"))
    ids = np.asarray(index.column("id"))
    return {
        "speaker": speakers(index),
        "an id": ids,
        "a recording by its id": np.asarray(index.column("recording")),
        "a recording by its path": _audio(index, first),
        "a file by its SHA-256": np.asarray(index.column("file")),
        "an utterance and cuts of it": np.where(clip_of != 0, clip_of, ids),
        "a text of unknown speakers": texts(index),
    }


def _audio(index: Index, first: Index) -> NDArray[np.uint64]:
    """Return keys of paths that can be compared with those of the first manifest, which may lie in another folder."""
    way = manifest.way_between(index.path.parent, first.path.parent)
    if way == ".":
        return np.asarray(index.column("audio"))
    folder = str(Path(first.path.parent).resolve())
    moved = (key(seen_from(folder, manifest.by_way(each, way).audio)) for each in index)
    return np.fromiter(moved, np.uint64, len(index))


def speakers(index: Index) -> NDArray[np.uint64]:
    """Return the key of each utterance's speaker, uint64 [n]; 0 where nobody is named."""
    codes, names = index.category("speaker_id")
    table = np.array([key(name) if name else 0 for name in names] or [0], np.uint64)
    return table[codes]


def texts(index: Index) -> NDArray[np.uint64]:
    """Return keys of long enough texts of unknown speakers, with their language and source, uint64 [n]; else 0."""
    said = np.asarray(index.column("said"))
    wanted = (speakers(index) == 0) & (said != 0) & (index.column("n_characters") >= SHORT)
    for salt, name in ((0x9E3779B97F4A7C15, "language"), (0xC2B2AE3D27D4EB4F, "source")):
        codes, names = index.category(name)  # type: ignore[arg-type]  # both are names of categories
        table = np.array([key(each) for each in names] or [0], np.uint64)
        said = (said ^ table[codes]) * np.uint64(salt)
    return np.where(wanted, said, np.uint64(0))


def amounts(index: Index) -> dict[str, Amount]:
    """Return how much there is of each language."""
    codes, names = index.category("language")
    milliseconds = lengths(index)
    known = speakers(index)
    found = {}
    for code in np.unique(codes):
        own = codes == code
        hours = int(milliseconds[own].sum()) / 3_600_000
        found[names[code]] = Amount(int(own.sum()), round(hours, 4), len(np.unique(known[own & (known != 0)])))
    return dict(sorted(found.items()))


def lengths(index: Index) -> NDArray[np.int64]:
    """Return durations in whole milliseconds, whose sums are the same in any order, int64 [n]."""
    found: NDArray[np.int64] = np.rint(np.asarray(index.column("duration")) * 1000).astype(np.int64)
    return found


def _n_speakers(index: Index) -> int:
    known = np.unique(speakers(index))
    return int(np.count_nonzero(known))


def part(path: Path, index: Index) -> Part:
    """Return the facts of a part that is written."""
    hours = round(int(lengths(index).sum()) / 3_600_000, 4)
    return Part(path.name, sha256(path), len(index), hours, _n_speakers(index))


def sha256(path: Path) -> str:
    """Return the SHA-256 of a manifest, in hexadecimal."""
    try:
        return sha256_of(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
