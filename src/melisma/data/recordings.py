"""The utterances of a manifest, recording by recording, so that each is decoded once."""

from __future__ import annotations

import hashlib
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from melisma.core.errors import ManifestError
from melisma.data import manifest
from melisma.data.manifest import Utterance

_STRANGE = re.compile(r"[^\w.+=@-]", re.ASCII)
_LONGEST = 100  # characters of a part of a path; file systems take 255 bytes
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)  # Windows opens these as devices


@dataclass(frozen=True, slots=True)
class Recording:
    """A file and the utterances that lie in it, in the order of the manifest."""

    path: Path
    utterances: tuple[Utterance, ...]


@dataclass(frozen=True, slots=True)
class Recordings:
    """The recordings of a manifest, in the order in which they are first named.

    Iterating reads their lines again: a line needs 16 bytes here, and 100 while `read` makes it.
    """

    manifest: Path
    n_utterances: int
    _offsets: npt.NDArray[np.int64]
    _firsts: npt.NDArray[np.int64]  # where in `_offsets` each recording begins

    def __len__(self) -> int:
        return len(self._firsts)

    def __iter__(self) -> Iterator[Recording]:
        ends = [*self._firsts[1:], len(self._offsets)][: len(self)]
        with self.manifest.open("rb") as file:
            for first, last in zip(self._firsts, ends, strict=True):
                found = []
                for offset in self._offsets[first:last]:
                    file.seek(offset)
                    found.append(manifest.parse(file.readline(), self.manifest, None))
                yield Recording(manifest.audio_path(self.manifest, found[0]), tuple(found))


def read(path: Path) -> Recordings:
    """Read a manifest through once, and note where the utterances of each recording are.

    Raises
    ------
    ManifestError
        If it cannot be read, a line is wrong, or two utterances have one id: what is made of them is named by it.
    """
    offsets, audios, ids, numbers = array("q"), array("q"), array("q"), array("q")
    for line in manifest.lines(path):
        utterance = manifest.parse(line.data, path, line.number)
        offsets.append(line.offset)
        audios.append(hashed(utterance.audio))
        ids.append(hashed(utterance.id))
        numbers.append(line.number)
    _check_ids(path, np.array(ids, np.int64), offsets, numbers)
    return _grouped(path, np.array(offsets, np.int64), np.array(audios, np.int64))


def _check_ids(path: Path, ids: npt.NDArray[np.int64], offsets: array[int], numbers: array[int]) -> None:
    """Refuse an id that comes twice; the sentence names the first line on which one does."""
    order = np.argsort(ids, kind="stable")
    again = np.flatnonzero(ids[order[1:]] == ids[order[:-1]])
    if not len(again):
        return
    second, first = min((int(order[i + 1]), int(order[i])) for i in again)
    with path.open("rb") as file:
        file.seek(offsets[second])
        name = manifest.parse(file.readline(), path, numbers[second]).id
    raise ManifestError(path, numbers[second], f"the id {name!r} is that of line {numbers[first]} too")


def hashed(text: str) -> int:
    """Hash a text to 63 bits: of a million texts, two agree by chance once in twenty million manifests."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little") >> 1


def _grouped(path: Path, offsets: npt.NDArray[np.int64], audios: npt.NDArray[np.int64]) -> Recordings:
    _, first_seen, group = np.unique(audios, return_index=True, return_inverse=True)
    order = np.argsort(first_seen[group], kind="stable") if len(audios) else np.zeros(0, np.int64)
    told_apart = audios[order]
    firsts = np.flatnonzero(np.concatenate([[True], told_apart[1:] != told_apart[:-1]])[: len(order)])
    return Recordings(path, len(offsets), offsets[order], firsts.astype(np.int64))


def file_name(identifier: str, suffix: str) -> Path:
    """Return a relative path to keep something of an utterance under: its id, made safe for any file system.

    Ids that are safe as they are stay so; others get a part of their hash, so that no two become one.

    >>> file_name("cv/sl/17", ".wav").as_posix()
    'cv/sl/17.wav'
    >>> file_name("../Žena", ".wav").as_posix()
    '_/_ena-fb7638a4.wav'
    """
    pieces = [_STRANGE.sub("_", piece)[:_LONGEST] for piece in identifier.split("/")]
    pieces = ["_" if piece.strip(".") == "" else piece for piece in pieces][:16]
    pieces = [f"_{piece}" if piece.startswith(("-", ".")) or _DEVICES.fullmatch(piece) else piece for piece in pieces]
    name = "/".join(pieces)
    if name != identifier or name != name.lower():  # file systems that fold case would make one file of "a" and "A"
        name += "-" + hashlib.sha256(identifier.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return Path(name + suffix)
