"""Which utterances go: those that are named, and all that were made of them."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from melisma.core.errors import InputError
from melisma.core.licences import label
from melisma.data.removal.lines import Line, read, read_at
from melisma.scale.protocol import Progress

Int64 = npt.NDArray[np.int64]
_COVERED = 0.5  # a cut that lies more than this within what goes is a part of it; a song with one line of it is not


@dataclass(frozen=True, slots=True)
class Selection:
    """What is to go.

    Parameters
    ----------
    sources : tuple of str
        By `source`, `source_url` or a name in `derived_from`; `*` stands for anything.
    ids : tuple of str
        Utterances.
    licences : tuple of str
        By any of their names.
    """

    sources: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()

    def check(self) -> None:
        """Refuse a selection of nothing, or of everything.

        Raises
        ------
        InputError
            If it names nothing, or a name is empty or only `*`.
        """
        named = (*self.sources, *self.ids, *self.licences)
        if not named:
            raise InputError("say what is to be removed: --source, --id or --license")
        if any(not name.strip("* ") for name in named):
            raise InputError("an empty name, or * alone, would remove everything: name sources, ids or licences")

    def as_dict(self) -> dict[str, list[str]]:
        """Return plain values."""
        return {"sources": list(self.sources), "ids": list(self.ids), "licences": list(self.licences)}


@dataclass(slots=True)
class Table:
    """A manifest, as much of it as tells what was made of what: 64 bytes a line, and the names of what goes.

    Parameters
    ----------
    manifest : Path
    offsets : array of int64
        Where each line begins.
    links : sequence of arrays of int64
        Hashes of id, clip_of, recording_id, audio file, SHA-256 and copy_of of each line, and of the names in
        derived_from; the last has a row for each of these, `owners` the line that it belongs to.
    going : bytearray
        1 for each line that goes.
    lost : list of (str, str)
        Id and audio file of the lines that go.
    seconds_gone : float
        How long they last together.
    """

    manifest: Path
    offsets: array[int] = field(default_factory=lambda: array("q"))
    links: tuple[array[int], ...] = field(default_factory=lambda: tuple(array("q") for _ in range(7)))
    owners: array[int] = field(default_factory=lambda: array("q"))
    going: bytearray = field(default_factory=bytearray)
    lost: list[tuple[str, str]] = field(default_factory=list)
    seconds_gone: float = 0.0

    @property
    def n_lines(self) -> int:
        """Lines of the manifest."""
        return len(self.offsets)

    @property
    def n_gone(self) -> int:
        """Lines that go."""
        return len(self.lost)

    def append(self, offset: int, line: Line) -> None:
        """Take the next line."""
        names = (line.id, line.clip_of, line.recording_id, line.file, line.sha256, line.copy_of)
        for kept, name in zip(self.links, names, strict=False):
            kept.append(hash(name))
        for name in line.derived_from:
            self.links[-1].append(hash(name))
            self.owners.append(len(self.offsets))
        self.offsets.append(offset)
        self.going.append(0)

    def drop(self, number: int, line: Line) -> None:
        """Note that a line goes."""
        self.going[number] = 1
        self.lost.append((line.id, line.file))
        self.seconds_gone += line.end - line.start

    def linked(self, names: Int64) -> Int64:
        """Return the numbers of lines that stay so far and have one of some names, by their hashes."""
        found = np.zeros(self.n_lines, bool)
        for kept in self.links[:-1]:
            found |= np.isin(np.frombuffer(kept, np.int64), names) if kept else False
        if self.owners:
            owners = np.frombuffer(self.owners, np.int64)
            found[owners[np.isin(np.frombuffer(self.links[-1], np.int64), names)]] = True
        return np.flatnonzero(found & (np.frombuffer(self.going, np.uint8) == 0)) if self.n_lines else np.empty(0, int)

    def n_using(self, files: Int64) -> Counter[int]:
        """Count the lines that stay, by the hash of their audio file, where that is one of some."""
        if not self.n_lines:
            return Counter()
        used = np.frombuffer(self.links[3], np.int64)[np.frombuffer(self.going, np.uint8) == 0]
        return Counter(used[np.isin(used, files)].tolist())


@dataclass(slots=True)
class Gone:
    """What is known to go, in the memory of its names; grows until nothing more follows from it."""

    selection: Selection
    # Sources under which an id goes: another corpus may call another utterance the same.
    ids: dict[str, set[str]] = field(default_factory=dict)
    parts: dict[str, list[tuple[float, float]]] = field(default_factory=dict)  # of files, by path and by SHA-256
    sources: set[str] = field(default_factory=set)  # that were named, or that what was named is of
    tables: dict[Path, Table] = field(default_factory=dict)
    _patterns: list[re.Pattern[str]] = field(default_factory=list)
    _licences: dict[str, bool] = field(default_factory=dict)
    _known: set[tuple[str, str, str, float]] = field(default_factory=set)
    _fresh: set[int] = field(default_factory=set)  # hashes of names that nobody has looked for yet

    def __post_init__(self) -> None:
        for name in self.selection.sources:
            self._patterns.append(re.compile(".*".join(map(re.escape, name.split("*"))), re.DOTALL))

    def takes(self, line: Line) -> bool:
        """Tell whether a line goes, by what is known so far."""
        return self._named(line) or self._made_of_it(line)

    def add(self, line: Line) -> None:
        """Remember that a line goes."""
        key = (line.id, line.source, line.file, line.start)
        if key in self._known:
            return
        self._known.add(key)
        self.ids.setdefault(line.id, set()).add(line.source)
        for name in (line.file, line.sha256):
            if name:
                self.parts.setdefault(name, []).append((line.start, line.end))
        self._fresh |= {hash(name) for name in (line.id, line.file, line.sha256) if name}

    def fresh(self) -> Int64:
        """Return the hashes of names that were added since this was last asked."""
        found, self._fresh = self._fresh, set()
        return np.fromiter(found, np.int64, len(found))

    def _named(self, line: Line) -> bool:
        if line.id in self.selection.ids or self._licence_goes(line.license):
            self.sources |= {line.source} - {""}
            return True
        names = {line.source, line.source_url, *line.derived_from} - {""}
        found = {name for name in names if any(pattern.fullmatch(name) for pattern in self._patterns)}
        self.sources |= found
        return bool(found)

    def _licence_goes(self, name: str) -> bool:
        if not self.selection.licences:
            return False
        if name not in self._licences:
            self._licences[name] = label(name) in {label(each) for each in self.selection.licences}
        return self._licences[name]

    def _made_of_it(self, line: Line) -> bool:
        same = (self.ids.get(name) for name in (line.id, line.clip_of, line.copy_of, line.recording_id))
        if any(sources is not None and _agree(line, sources) for sources in same):
            return True
        if any(name in self.ids for name in line.derived_from):
            return True
        return any(self._covers(name, line) for name in (line.file, line.sha256) if name)

    def _covers(self, name: str, line: Line) -> bool:
        enough = _COVERED * (line.end - line.start)
        parts = self.parts.get(name, ())
        return any(min(end, line.end) - max(start, line.start) > enough for start, end in parts)


def _agree(line: Line, sources: set[str]) -> bool:
    """Whether a line comes from one of some sources; ours always hand them on."""
    return line.source in sources or any(name in sources for name in line.derived_from)


def choose(selection: Selection, manifests: Sequence[Path], progress: Progress | None = None) -> Gone:
    """Find all that goes: read every manifest once, and then the lines that something leads to.

    The memory is 64 bytes for each line, and the names of what goes.

    Raises
    ------
    InputError
        If the selection is empty.
    ManifestError
        If a manifest cannot be read.
    """
    selection.check()
    gone = Gone(selection)
    for n_read, manifest in enumerate(manifests):
        if progress is not None:
            progress("read manifests", n_read / len(manifests))
        table = gone.tables[manifest] = Table(manifest)
        for number, (offset, line) in enumerate(read(manifest)):
            table.append(offset, line)
            if gone.takes(line):
                table.drop(number, line)
                gone.add(line)
    while len(names := gone.fresh()):
        for table in gone.tables.values():
            numbers = table.linked(names)
            offsets = (table.offsets[number] for number in numbers)
            for number, line in zip(numbers, read_at(table.manifest, offsets), strict=True):
                if gone.takes(line):
                    table.drop(int(number), line)
                    gone.add(line)
    return gone
