"""What a removal does: which files go, which are written again without what goes, which models are marked."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from melisma.core.files import sha256_of
from melisma.data.align_corpus import JSON, LRC, TEXT, folder_of
from melisma.data.exchange.kaldi import ORIGINAL_IDS
from melisma.data.fetching.archive import NAME as ARCHIVE
from melisma.data.folder import SUFFIXES
from melisma.data.normalize import MADE
from melisma.data.recordings import file_name
from melisma.data.removal import journals, models
from melisma.data.removal.choose import Gone, Selection, choose
from melisma.data.removal.lines import manifests, walk
from melisma.scale.protocol import Progress

# What commands, and people, put beside a recording under its name.
_BESIDE = """
.txt .norm.txt .lrc .elrc .srt .vtt .json .source.json .word.json .words.json .lab .TextGrid .textgrid .ass .ttml .csv
.normalized.txt .info.json .description
"""
_COMPANIONS = tuple(_BESIDE.split())
_TEXTS = frozenset({".json", ".csv", ".tsv", ".md"})
_KALDI = frozenset({"wav.scp", "segments", "text", "utt2spk", ORIGINAL_IDS})
_LARGEST_TEXT = 256 << 20


@dataclass(slots=True)
class Plan:
    """What happens in one folder.

    Parameters
    ----------
    root : Path
        The folder.
    files : list of Path
        Go: audio, transcripts, alignments, indexes.
    manifests, journals, archives : list of Path
        Are written again without what goes.
    kept : list of (Path, str)
        Stay although they hold something that goes, and why.
    mentions : list of Path
        Reports and lists that name what goes: to be written again by the commands that made them.
    models : list of models.Trained
        Trained on it.
    """

    root: Path
    gone: Gone
    files: list[Path] = field(default_factory=list)
    manifests: list[Path] = field(default_factory=list)
    journals: list[Path] = field(default_factory=list)
    archives: list[Path] = field(default_factory=list)
    kept: list[tuple[Path, str]] = field(default_factory=list)
    mentions: list[Path] = field(default_factory=list)
    models: list[models.Trained] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.files or self.manifests or self.journals or self.archives)


def plan(selection: Selection, roots: Iterable[Path], progress: Progress | None = None) -> list[Plan]:
    """Look through folders and say what a removal would do; nothing is changed.

    Raises
    ------
    InputError
        If the selection is empty, or there is no such folder.
    ManifestError
        If a manifest cannot be read.
    """
    below = {Path(os.path.realpath(root)): list(walk(Path(os.path.realpath(root)))) for root in roots}
    found = {root: manifests(files) for root, files in below.items()}
    gone = choose(selection, [path for paths in found.values() for path in paths], progress)
    lost, used = _audio(gone)
    made: list[Plan] = []
    for root, files in below.items():
        if progress is not None:
            progress("look for files", len(made) / len(below))
        made.append(_plan_one(root, files, found[root], gone, lost, used))
    return made


def _audio(gone: Gone) -> tuple[set[str], dict[str, int]]:
    """Return the audio that goes, and that of it which lines that stay need, with how many they are."""
    lost = {file for table in gone.tables.values() for _, file in table.lost}
    names = {hash(file): file for file in lost}
    hashes = np.fromiter(names, np.int64, len(names))
    used: Counter[int] = Counter()
    for table in gone.tables.values():
        used.update(table.n_using(hashes))
    return lost, {names[each]: n for each, n in used.items()}


def _plan_one(
    root: Path, files: list[Path], found: list[Path], gone: Gone, lost: set[str], used: dict[str, int]
) -> Plan:
    made = Plan(root, gone)
    made.manifests = [path for path in found if gone.tables[path].n_gone]
    there = {str(path): path for path in files}
    going: dict[Path, None] = {}
    for name in sorted(lost):
        if name in used:
            made.kept.append((Path(name), f"{used[name]} utterances that stay are cut from it"))
        elif name in there:
            going |= dict.fromkeys([there[name], *_companions(there[name], there)])
            if there[name].is_symlink() and not _inside(os.path.realpath(name), root):
                made.kept.append((Path(os.path.realpath(name)), f"it lies outside {root}, only the link to it goes"))
        elif os.path.lexists(name) and not _inside(name, root):
            made.kept.append((Path(name), f"it lies outside {root}: name its folder too"))
        elif os.path.lexists(name):
            made.kept.append((Path(name), "it is reached through a link to a folder, or hidden: remove it by hand"))
    going |= dict.fromkeys(_copies(lost - used.keys(), files, going))
    for path in made.manifests:
        going |= dict.fromkeys(_alignments(path, gone))
        index = path.with_name(f".{path.name[:200]}.idx")
        going |= dict.fromkeys([index] if str(index) in there else [])
    made.models = models.trained_on(gone, files, made.manifests)
    going |= dict.fromkeys(path for model in made.models for path in model.prepared)
    made.files = [path for path in going if _inside(str(path), root)]
    names = names_of(gone, lost)
    made.journals = [path for path in files if path.name.endswith(".journal") and journals.holds(path, names)]
    made.archives = [path for path in files if path.name == ARCHIVE and journals.archive_holds(path, gone)]
    done = {*made.files, *made.manifests, *made.archives}
    done |= {model.evidence for model in made.models}
    left = [path for path in files if path not in done]
    texts = (path for path in left if path.suffix.lower() in _TEXTS or path.name in _KALDI)
    made.mentions = [path for path in texts if _mentions(path, names)]
    made.mentions += _normalised(left, root, gone, there)
    return made


def _normalised(left: list[Path], root: Path, gone: Gone, there: dict[str, Path]) -> Iterator[Path]:
    """Yield what `data normalize --texts` may have written of it: texts called by its ids, beside no recording."""
    called = {file_name(identifier, MADE).parts for identifier in gone.ids}
    for path in (path for path in left if path.name.endswith(MADE)):
        parts = path.relative_to(root).parts
        if any(parts[i:] in called for i in range(len(parts))):
            stem = path.name.removesuffix(MADE)
            if not any(str(path.with_name(stem + suffix)) in there for suffix in SUFFIXES):
                yield path


def names_of(gone: Gone, lost: set[str]) -> frozenset[str]:
    """Return the names by which journals and reports know what goes."""
    return frozenset(gone.ids) | lost | {os.path.basename(name) for name in lost}


def _inside(name: str, root: Path) -> bool:
    return os.path.commonpath([os.path.realpath(os.path.dirname(name)), root]) == str(root)


def _companions(audio: Path, there: dict[str, Path]) -> list[Path]:
    names = [str(audio.with_name(f"{audio.stem}{end}")) for end in _COMPANIONS]
    return [there[name] for name in names if name in there]


def _copies(lost: set[str], files: list[Path], going: dict[Path, None]) -> list[Path]:
    """Return files that no manifest names and that are, byte for byte, what goes: set aside by `dedupe`, for one."""
    by_size: dict[int, list[str]] = defaultdict(list)
    for name in lost:
        if os.path.isfile(name):
            by_size[os.path.getsize(name)].append(name)
    found, known = [], {str(path) for path in going}
    for path in files:
        if str(path) in known or path.is_symlink() or not path.is_file():
            continue
        alike = by_size.get(path.stat().st_size) or ()
        if alike and path.stat().st_size and sha256_of(path) in {sha256_of(Path(name)) for name in alike}:
            found.append(path)
    return found


def _alignments(manifest: Path, gone: Gone) -> list[Path]:
    """Return what `data align` wrote for the utterances that go, beside the manifest that it wrote."""
    found: list[Path] = []
    places = [place for place in (manifest.parent, manifest.parent / "outputs") if place.is_dir()]
    for identifier in dict.fromkeys(identifier for identifier, _ in gone.tables[manifest].lost):
        for place in places:
            folder = place / folder_of(identifier)
            found += [folder / name for name in (JSON, TEXT, LRC) if (folder / name).is_file()]
    return found


def _named(line: str, *, spaced: bool) -> list[str]:
    """Return what a line of a report or table may name; the tables of Kaldi part their columns by spaces."""
    found = re.split(r"[\"',;|\t\n`]+", line)
    return [*found, *map(os.path.basename, line.split())] if spaced else found


def _mentions(path: Path, names: frozenset[str]) -> bool:
    try:
        if path.stat().st_size > _LARGEST_TEXT:
            return False
        with path.open(encoding="utf-8", errors="replace") as file:
            return any(not names.isdisjoint(_named(line, spaced=path.name in _KALDI)) for line in file)
    except OSError:
        return False
