"""Copies of recordings moved out of the way, with what lies beside them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from melisma.core.errors import InputError
from melisma.core.files import write_atomically
from melisma.data import manifest, moves
from melisma.data.dedupe import KINDS, Copies, Copy, Item, Search, find
from melisma.data.folder import SUFFIXES
from melisma.data.inventory import Folder
from melisma.data.moves import Move, Plan
from melisma.data.report import Problem, Report
from melisma.data.transcripts import SUFFIXES as TEXTS
from melisma.scale.protocol import Executor, Progress

FOLDER = "duplicates"


def of_folder(folder: Path) -> tuple[list[Item], list[Problem]]:
    """Return the recordings of a folder, and what could not be looked through.

    Those with a text and with a source beside them are worth more.

    Raises
    ------
    InputError
        If it holds no recording.
    """
    found = []
    listed = Folder(folder)
    for task in listed:
        beside = task.item["beside"]
        has_text = any(name.endswith(TEXTS) for name in beside)
        has_source = any(name.endswith((".source.json", ".info.json")) for name in beside)
        worth = (not has_text, not has_source, *(n > 0 for n in _name_of_a_copy(task.key)))
        found.append(Item(task.key, folder / task.key, worth=worth))
    if not found:
        raise InputError(f"there is no recording in {folder}")
    return found, [each for each in listed.problems if each.kind == "folder"]


def _name_of_a_copy(name: str) -> Iterator[int]:
    """Count what file managers and browsers add to the name of a copy: "song (1).mp3", "song - Copy.mp3"."""
    stem = Path(name).stem.casefold()
    yield stem.count("copy") + stem.count("kopi")
    yield sum(stem.endswith(f"({n})") for n in range(1, 100))


def of_manifest(path: Path) -> tuple[list[Item], list[int]]:
    """Return the utterances of a manifest, and which are left out: their files were set aside by an earlier run.

    The second are numbers of utterances, from 0: an id may come twice, as where manifests were joined.
    """
    found: list[Item] = []
    gone: list[int] = []
    known: set[str] | None = None
    for number, each in enumerate(manifest.read(path)):
        audio = manifest.audio_path(path, each)
        if not audio.exists():
            known = set(_earlier(path)) if known is None else known
            if os.path.realpath(audio) in known:
                gone.append(number)
                continue
        worth = (not each.transcript, each.words is None, not each.license, not each.speaker_id)
        found.append(Item(each.id, audio, (each.start, each.duration), each.transcript, worth))
    return found, gone


def _earlier(path: Path) -> Iterator[str]:
    for journal in moves.journals(default_folder(path)):
        plan = moves.read(journal)
        yield from (os.path.realpath(plan.root / move.source) for move in plan.moves)


def default_folder(target: Path) -> Path:
    """Return where copies of a folder, or of the recordings of a manifest, go: `duplicates` in the folder of all."""
    if target.is_dir():
        return target / FOLDER
    folders = _audio_folders(target)
    return Path(os.path.commonpath(folders)) / FOLDER if folders else target.parent / FOLDER


def _audio_folders(path: Path) -> set[str]:
    return {os.path.realpath(manifest.audio_path(path, each).parent) for each in manifest.read(path)}


def _finish_earlier(target: Path, folder: Path) -> None:
    """Do what runs that were killed have left, where it is of this corpus."""
    begun = moves.journals(folder)
    if begun:
        own = [target] if target.is_dir() else map(Path, _audio_folders(target))
        among = [*own, folder]
        for each in begun:
            moves.finish(each, among)


def plan(items: Sequence[Item], copies: Copies, folder: Path) -> Plan:
    """Plan to move the files of which nothing is kept, and what lies beside them, into a folder.

    Of a link the link goes, and not the file that it leads to, which may lie anywhere.

    Parameters
    ----------
    items : sequence of Item
        All recordings.
    copies : Copies
        Which of them are copies.
    folder : Path
        Where they go, under the paths that they have from the folder around it.
    """
    dropped = {copy.number for copy in copies.copies}
    kept = {os.path.realpath(item.path) for number, item in enumerate(items) if number not in dropped}
    gone = dict.fromkeys(items[number].path for number in sorted(dropped))
    going = (path for path in gone if os.path.realpath(path) not in kept and path.exists())
    sources = list(dict.fromkeys(Path(os.path.realpath(path.parent), path.name) for path in going))
    together = [*sources, *_beside(sources)]
    folder = Path(os.path.realpath(folder))
    root = Path(os.path.commonpath([folder, *(path.parent for path in sources)])) if sources else folder
    found = []
    for source in together:
        inside = source.is_relative_to(folder.parent)
        below = source.relative_to(folder.parent) if inside else Path("elsewhere", *source.parts[1:])
        found.append(Move(source.relative_to(root), (folder / below).relative_to(root)))
    return Plan("data dedupe", root, found)


def _beside(sources: Iterable[Path]) -> Iterator[Path]:
    """Yield what has the name of a file that goes and no other recording's: texts, notes on where it is from."""
    by_folder: dict[Path, set[str]] = {}
    for source in sources:
        by_folder.setdefault(source.parent, set()).add(source.name)
    for here, going in by_folder.items():
        names = sorted(each.name for each in os.scandir(here) if each.is_file(follow_symlinks=False))
        recordings = [name for name in names if Path(name).suffix.lower() in SUFFIXES]
        stems = {Path(name).stem for name in recordings}
        staying = {Path(name).stem for name in recordings if name not in going}
        for name in names:
            owner = _owner(name, stems)
            if name not in recordings and owner is not None and owner not in staying:
                yield here / name


def _owner(name: str, stems: set[str]) -> str | None:
    """Return the recording that a file belongs to, by its name: the longest stem that it begins with."""
    parts = name.split(".")
    candidates = (".".join(parts[:n]) for n in range(len(parts) - 1, 0, -1))
    return next((each for each in candidates if each in stems), None)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be done about copies.

    Parameters
    ----------
    target : Path
        A manifest or a folder.
    search : Search
        How copies are looked for.
    folder : Path, optional
        Where their files go; `default_folder` of the target without.
    apply : bool
        Whether they go.
    output : Path, optional
        Where the manifest is written without the copies.
    """

    target: Path
    search: Search
    folder: Path | None = None
    apply: bool = False
    output: Path | None = None


def run(asked: Asked, journal: Path, *, executor: Executor | None = None, progress: Progress | None = None) -> Report:
    """Find copies, and do with them what is asked; return what was found and done.

    `journal` keeps what was listened to. A move that was cut short by a crash is finished first, if moves are asked
    for; files that it moved are no longer missing.
    """
    folder = asked.folder or default_folder(asked.target)
    if asked.apply:
        _finish_earlier(asked.target, folder)
    gone: list[int] = []
    unlisted: list[Problem] = []
    if asked.target.is_dir():
        items, unlisted = of_folder(asked.target)
    else:
        items, gone = of_manifest(asked.target)
    found = find(items, asked.search, executor=executor, journal=journal, progress=progress)
    planned = plan(items, found, folder)
    problems, details = [*unlisted, *found.problems], _details(items, found)
    counts = _counts(items, found) | {"files_to_move": len(planned.moves), "set_aside_earlier": len(gone)}
    if asked.apply and planned.moves:
        undo_by = moves.free_journal(folder)
        done = moves.apply(planned, undo_by)
        problems += done.problems
        counts["files_moved"], details["undo"] = done.n_moved, str(undo_by)
    if asked.output is not None:
        counts["manifest_lines"] = _write(asked, asked.output, {copy.number for copy in found.copies}, set(gone))
    told = {"target": str(asked.target), "duplicates": str(folder), **asdict(asked.search)}
    return Report("data dedupe", told, counts, problems, details, applied=asked.apply or not planned.moves)


def _counts(items: Sequence[Item], found: Copies) -> dict[str, int | float]:
    by_kind = {f"copies_{kind}": sum(copy.kind == kind for copy in found.copies) for kind in KINDS}
    return {"recordings": len(items), "copies": len(found.copies), **by_kind, "parts_of_others": len(found.parts)}


def _details(items: Sequence[Item], found: Copies) -> dict[str, Any]:
    def told(copies: Iterable[Copy]) -> list[dict[str, Any]]:
        return [
            {"id": items[c.number].id, "kept": items[c.kept].id, "kind": c.kind, "similarity": c.similarity}
            for c in copies
        ]

    return {"copies": told(found.copies), "parts": told(found.parts), "kinds": dict(KINDS)}


def _write(asked: Asked, output: Path, copies: set[int], gone: set[int]) -> int:
    """Write the lines that are neither copies, by their numbers among the items, nor gone, by theirs among all."""
    there = (each for number, each in enumerate(manifest.read(asked.target)) if number not in gone)
    kept = (each for number, each in enumerate(there) if number not in copies)
    return manifest.write(output, (manifest.rebased(each, asked.target, output) for each in kept))


def mention(report: Path, found: Report) -> None:
    """Add what was found to the report of `melisma data validate`, where one lies beside the report of the copies."""
    try:
        said = json.loads(report.read_bytes())
    except (OSError, ValueError, RecursionError):
        return
    if isinstance(said, dict) and said.get("command") == "data validate" and isinstance(said.get("details"), dict):
        said["details"]["duplicates"] = {"counts": dict(found.counts), **found.details}
        text = json.dumps(said, ensure_ascii=False, indent=1) + "\n"
        write_atomically(report, text.encode("utf-8", "backslashreplace"))
