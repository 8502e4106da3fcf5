"""Kaldi's data folders, written: sorted, with speakers in front of utterances, as its scripts check them."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from melisma.core.errors import InputError
from melisma.data.exchange.kaldi import MORE, ORIGINAL_IDS, ORIGINAL_SPEAKERS
from melisma.data.exchange.tables import whole_folder, write_table
from melisma.data.index import Index
from melisma.data.manifest import Utterance

_STRANGE = re.compile(r"[^\w.=+@:-]")
Row = Callable[[Utterance], tuple[str, str] | None]


def write(index: Index, out: Path) -> int:
    """Write a Kaldi data folder; return how many utterances it holds.

    Names that hold a space or what a shell would mind are spelt with %XX, and speakers stand in front of utterances, so
    that both sort alike; `utt2original` and `spk2original` keep the names as they were. Other fields than those of
    Kaldi, licence, source and recording do not come along.

    Raises
    ------
    InputError
        If an id comes twice, or a recording's name would be taken for a command.
    OutputError
        If it cannot be written.
    """
    index.refuse_duplicates()
    root = os.path.realpath(index.path.parent)
    with whole_folder(out) as folder:
        # Audio comes once for each of its segments: equal lines stand side by side once they are sorted.
        write_table(folder / "wav.twice", (_recording(each, root) for each in index))
        _once(folder / "wav.twice", folder / "wav.scp")
        columns = _columns(root)
        counts = {name: write_table(folder / name, _rows(index, row)) for name, row in columns.items()}
        write_table(
            folder / "spk.twice", ((_speaker(each), json.dumps(each.speaker_id)) for each in index if _spelt(each))
        )
        _once(folder / "spk.twice", folder / ORIGINAL_SPEAKERS)
        _turn(folder / "utt2spk", folder / "spk2utt")
        return counts["segments"]


def _columns(root: str) -> dict[str, Row]:
    def segment(each: Utterance) -> tuple[str, str]:
        end = each.start + each.duration
        return utterance_id(each), f"{_recording(each, root)[0]} {each.start:.6f} {end:.6f}"

    found: dict[str, Row] = {
        "segments": segment,
        "text": lambda each: _filled(each, " ".join(each.transcript.split())),
        "utt2spk": lambda each: (utterance_id(each), _speaker(each)),
        "utt2lang": lambda each: _filled(each, "" if each.language == "und" else _STRANGE.sub("_", each.language)),
        "utt2dur": lambda each: (utterance_id(each), f"{each.duration:.6f}"),
        ORIGINAL_IDS: lambda each: None if utterance_id(each) == each.id else (utterance_id(each), json.dumps(each.id)),
    }
    return found | {name: _field(field) for name, field in MORE.items()}


def _field(name: str) -> Row:
    return lambda each: _filled(each, " ".join(getattr(each, name).split()))


def _filled(each: Utterance, value: str) -> tuple[str, str] | None:
    return (utterance_id(each), value) if value else None


def _rows(index: Index, row: Row) -> Iterator[tuple[str, str]]:
    return (found for each in index if (found := row(each)) is not None)


def _safe(name: str) -> str:
    return _STRANGE.sub(lambda found: quote(found[0], safe=""), name.replace("%", "%25"))


def _speaker(each: Utterance) -> str:
    return _safe(each.speaker_id) or utterance_id(each)


def _spelt(each: Utterance) -> bool:
    return bool(each.speaker_id) and _safe(each.speaker_id) != each.speaker_id


def utterance_id(each: Utterance) -> str:
    """Return the id that an utterance has in Kaldi's tables."""
    own, speaker = _safe(each.id), _safe(each.speaker_id)
    return own if own.startswith(speaker) else f"{speaker}-{own}"


def _recording(each: Utterance, root: str) -> tuple[str, str]:
    """Return a recording's id, by its name and a part of its path's hash, and its whole path."""
    path = os.path.normpath(os.path.join(root, each.audio))
    if path.endswith("|") or path != path.strip() or re.search(r"[\r\n\t]|\.ark:\d+$", path):
        raise InputError(f"Kaldi would not read the recording of {each.id!r} as a file: {path!a}; rename it")
    digest = hashlib.blake2b(path.encode("utf-8"), digest_size=5).hexdigest()
    return f"{_safe(Path(path).stem)[:60]}-{digest}", path


def _once(source: Path, target: Path) -> None:
    """Copy a sorted table without lines that come again."""
    if source.is_file():
        with (
            source.open(encoding="utf-8", newline="\n") as lines,
            target.open("w", encoding="utf-8", newline="\n") as out,
        ):
            out.writelines(line for line, _ in groupby(lines))
        source.unlink()


def _turn(source: Path, target: Path) -> None:
    """Write spk2utt of utt2spk, which is sorted by speaker too."""
    if not source.is_file():
        return
    with source.open(encoding="utf-8") as lines, target.open("w", encoding="utf-8", newline="\n") as out:
        pairs = (line.split() for line in lines)
        for speaker, each in groupby(pairs, key=lambda pair: pair[1]):
            out.write(f"{speaker} {' '.join(pair[0] for pair in each)}\n")
