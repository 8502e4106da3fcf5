"""An inventory written down: a table, and the manifests that can be made of it."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from melisma.core.errors import InputError
from melisma.data import manifest
from melisma.data.inventory import Examine, Folder, Inventory, Row, csv_head, csv_line, utterance
from melisma.data.lines import writing
from melisma.data.manifest import Utterance
from melisma.data.report import Problem
from melisma.scale.local import LocalExecutor
from melisma.scale.protocol import Executor, Progress

SMALL_S = (1.0, 120.0)  # seconds that an utterance of the small manifest may have: what the training recommends


@dataclass(frozen=True, slots=True)
class Outputs:
    """What is written.

    Parameters
    ----------
    table : Path
        CSV.
    manifest : Path, optional
        JSONL of the recordings that can be read and are no copies.
    untranscribed : bool
        Whether those without a transcript are in the manifest too.
    """

    table: Path
    manifest: Path | None = None
    untranscribed: bool = False


def write(
    folder: Path, outputs: Outputs, *, executor: Executor | None = None, progress: Progress | None = None
) -> tuple[Inventory, int]:
    """Take the inventory of a folder; return what was found, and how many lines the manifest has.

    Memory is 300 bytes a file, for finding copies; nothing else is held.

    Raises
    ------
    InputError
        If there is no such folder, or no recording in it.
    OutputError
        If something cannot be written.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder")
    found = Folder(folder)
    if not len(found):
        raise InputError(f"there is no recording in {folder}")
    result = Inventory(folder)
    journal = outputs.table.with_name(f".{outputs.table.name}.journal")
    lines = _Lines(folder, outputs)
    with ExitStack() as stack:
        row_to = stack.enter_context(writing(outputs.table))
        line_to = stack.enter_context(writing(outputs.manifest)) if outputs.manifest else None
        row_to(csv_head())
        for outcome in (executor or LocalExecutor()).run(Examine(), found, journal=journal, progress=progress):
            row, facts = result.add(outcome)
            row_to(csv_line(row))
            if line_to is not None and (line := lines.of(row, facts, result.problems)) is not None:
                line_to(line.line())
    lines.put_right()
    result.problems += found.problems
    return result, lines.n


@dataclass(slots=True)
class _Lines:
    """The manifest of an inventory as it is made: which recordings are in it, each once, with its text if it has one.

    The first of some copies may be of no use, without a text or under a name that no manifest can hold: then another
    stands for them.
    """

    folder: Path
    outputs: Outputs
    n: int = 0
    _taken: set[str] = field(default_factory=set)
    _mute: dict[bytes, str] = field(default_factory=dict)  # by hash: the id of a line without a text, "" of others
    _instead: dict[str, Utterance] = field(default_factory=dict)

    def of(self, row: Row, facts: dict[str, Any], problems: list[Problem]) -> Utterance | None:
        """Return the line to write for a recording; None for what is not wanted, unusable or there already."""
        known = self._mute.get(content := bytes.fromhex(row.sha256))
        if row.error or self.outputs.manifest is None or known == "" or (known and not row.has_transcript):
            return None
        line = utterance(row, facts, self.folder, self.outputs.manifest, self._taken)
        if line is None:
            kind, why = _NAME if row.duration_s else _EMPTY
            problems.append(Problem(row.filename, kind, why))
            return None
        if not (line.transcript or self.outputs.untranscribed):
            return None
        self._mute[content] = "" if line.transcript else line.id
        if known:  # a copy that says what the line does not
            self._instead[known] = line
            return None
        self.n += 1
        return line

    def put_right(self) -> None:
        """Put lines with a text in the place of those of copies that have none."""
        if self._instead and self.outputs.manifest is not None:
            there = manifest.read(self.outputs.manifest)
            manifest.write(self.outputs.manifest, (self._instead.get(each.id, each) for each in there))


_NAME = ("name", "its name is not UTF-8, which a manifest cannot hold")
_EMPTY = ("empty", "it holds no sound")


def small_beside(path: Path) -> Path:
    """Return where the small manifest of a manifest lies: `NAME_small.jsonl`."""
    return path.with_name(f"{path.stem}_small{path.suffix}")


def write_small(path: Path, n: int) -> Path:
    """Write a few utterances of a manifest beside it, as `NAME_small.jsonl`, to try a training on.

    Languages come in turn, the least first; which utterances of each is decided by their ids, so that the same
    manifest gives the same ones. None is shorter than 1 s or longer than 2 minutes.
    """
    chosen: dict[str, list[tuple[int, str]]] = {}
    for each in manifest.read(path):
        if SMALL_S[0] <= each.duration <= SMALL_S[1] and each.transcript:
            kept = chosen.setdefault(each.language, [])
            rank = -int.from_bytes(hashlib.sha256(each.id.encode("utf-8")).digest()[:8], "big")
            (heapq.heappush if len(kept) < n else heapq.heappushpop)(kept, (rank, each.id))
    wanted = _in_turn([sorted(kept, reverse=True) for _, kept in sorted(chosen.items())], n)
    small = small_beside(path)
    manifest.write(small, _those(path, lambda each: each.id in wanted))
    return small


def _in_turn(queues: list[list[tuple[int, str]]], n: int) -> set[str]:
    taken: list[str] = []
    for place in range(n):
        taken += [queue[place][1] for queue in sorted(queues, key=len) if place < len(queue)]
        if len(taken) >= n:
            break
    return set(taken[:n])


def _those(path: Path, wanted: Callable[[Utterance], bool]) -> Iterator[Utterance]:
    return (each for each in manifest.read(path) if wanted(each))
