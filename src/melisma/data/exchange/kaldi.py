"""Kaldi's data folders, read: wav.scp, segments, text, utt2spk and their kin. Commands in wav.scp are never run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from melisma.core.errors import InputError, ManifestError
from melisma.data.exchange.drafts import Defaults, Draft, rows

# Files of ours beside Kaldi's, that keep what it has no place for.
ORIGINAL_IDS, ORIGINAL_SPEAKERS = "utt2original", "spk2original"
MORE = {"utt2license": "license", "utt2source": "source", "utt2recording": "recording_id"}


class _Column:
    """A table `key value`, asked for keys: walked along where both are sorted, in memory where they are not."""

    def __init__(self, path: Path, *, walk: bool) -> None:
        self._path = path
        self._kept: dict[str, str] | None = None
        self._walk = _pairs(path) if walk and path.is_file() else None
        self._now: tuple[int, str, str] | None = None
        if self._walk is not None:
            self._now = next(self._walk, None)
        elif path.is_file():
            self._kept = {key: value for _, key, value in _pairs(path)}

    def get(self, key: str) -> str | None:
        """Return what stands under a key."""
        if self._kept is not None:
            return self._kept.get(key)
        if self._walk is None:
            return None
        while self._now is not None and self._now[1] < key:
            self._now = next(self._walk, None)
        return self._now[2] if self._now is not None and self._now[1] == key else None


def _pairs(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield line number, key and the rest of each line of a table."""
    for number, line in rows(path):
        key, *rest = line.split(None, 1)
        yield number, key, rest[0].strip() if rest else ""


def is_sorted(path: Path) -> bool:
    """Tell whether the keys of a table rise, as Kaldi wants them (LC_ALL=C); an absent table does."""
    before = ""
    for _, key, _ in _pairs(path) if path.is_file() else ():
        if key <= before:
            return False
        before = key
    return True


def read(folder: Path, defaults: Defaults) -> Iterator[Draft]:
    """Yield the utterances of a Kaldi data folder, in its order.

    A million of them are walked through in step where the tables are sorted, as Kaldi's own are; tables that are not
    are kept in memory. Without `segments` a recording is an utterance.

    Raises
    ------
    ManifestError
        If a line cannot be read, an id comes twice, or audio is a command or part of an archive: nothing is run.
    InputError
        If there is no wav.scp.
    """
    if not (folder / "wav.scp").is_file():
        raise InputError(f"{folder} is no Kaldi data folder: it has no wav.scp")
    segments = folder / "segments"
    first = segments if segments.is_file() else folder / "wav.scp"
    names = ["text", "utt2spk", "utt2lang", "utt2dur", "utt2uniq", ORIGINAL_IDS, *MORE]
    walk = is_sorted(first)
    if not walk:
        _refuse_twins(first)
    columns = {name: _Column(folder / name, walk=walk and is_sorted(folder / name)) for name in names}
    speakers = _Speakers(folder, columns["utt2spk"])
    root = defaults.audio_root or folder
    scp = folder / "wav.scp"
    recordings = {} if first == scp else {key: _audio(scp, number, rest, root) for number, key, rest in _pairs(scp)}
    for number, key, rest in _pairs(first):
        audio, fields = (
            (_audio(first, number, rest, root), dict[str, object]())
            if first == scp
            else _segment(first, number, rest, recordings)
        )
        fields |= {"id": key, "language": defaults.language, "license": defaults.license, "source": defaults.source}
        fields |= _said(columns, key, first, number)
        fields |= speakers.of(key, defaults.speaker)
        yield Draft(first, number, audio, fields)


def _refuse_twins(path: Path) -> None:
    seen: dict[str, int] = {}
    for number, key, _ in _pairs(path):
        if seen.setdefault(key, number) != number:
            raise ManifestError(path, number, f"{key!r} is in line {seen[key]} already")


def _audio(path: Path, number: int, said: str, root: Path) -> Path:
    """Return the file that a line of wav.scp names."""
    if said.endswith("|") or said.startswith("|"):
        raise ManifestError(
            path, number, "gives audio by a command, which is not run: write the audio to files (wav-copy) first"
        )
    if not said or said == "-":
        raise ManifestError(path, number, "names no file" if not said else "reads standard input, not a file")
    if re.search(r"\.ark:\d+$", said):
        raise ManifestError(
            path, number, "gives audio as part of an archive (.ark): write it to files (wav-copy) first"
        )
    return root / said


def _segment(path: Path, number: int, said: str, recordings: dict[str, Path]) -> tuple[Path, dict[str, object]]:
    parts = said.split()
    if len(parts) not in (3, 4):  # Kaldi allows a channel behind
        raise ManifestError(path, number, "is no segment: utterance, recording, start and end are expected")
    try:
        start, end = float(parts[1]), float(parts[2])
    except ValueError as error:
        raise ManifestError(path, number, f"start and end must be seconds, not {parts[1]} and {parts[2]}") from error
    if parts[0] not in recordings:
        raise ManifestError(path, number, f"there is no recording {parts[0]!r} in wav.scp")
    if end == -1:
        return recordings[parts[0]], {"start": start}
    if not 0 <= start < end < 1e9:
        raise ManifestError(path, number, f"ends at {end:g} s, starts at {start:g} s")
    return recordings[parts[0]], {"start": start, "duration": round(end - start, 6)}


def _said(columns: dict[str, _Column], key: str, path: Path, number: int) -> dict[str, object]:
    fields: dict[str, object] = {"transcript": columns["text"].get(key) or ""}
    if language := columns["utt2lang"].get(key):
        fields["language"] = language
    for name, field in MORE.items():
        if (value := columns[name].get(key)) is not None:
            fields[field] = value
    if (original := columns[ORIGINAL_IDS].get(key)) is not None:
        fields["id"] = _original(original, path.parent / ORIGINAL_IDS)
    uniq = columns["utt2uniq"].get(key)
    if uniq is not None and uniq != key:  # made of another utterance, by another speed or room
        fields["clip_of"] = uniq
    if path.name == "wav.scp" and (lasting := columns["utt2dur"].get(key)) is not None:
        try:
            fields["duration"] = float(lasting)
        except ValueError as error:
            raise ManifestError(path.parent / "utt2dur", None, f"{key}: {lasting!r} is no number of seconds") from error
    return fields


def _original(said: str, path: Path) -> object:
    try:
        return json.loads(said)
    except ValueError as error:
        raise ManifestError(path, None, f"{said[:60]!r} is no name in JSON") from error


class _Speakers:
    """Who says what, by utt2spk or by spk2utt, with gender where it is known."""

    def __init__(self, folder: Path, column: _Column) -> None:
        self._column = column
        self._of: dict[str, str] = {}
        if not (folder / "utt2spk").is_file() and (folder / "spk2utt").is_file():
            self._of = {name: speaker for _, speaker, names in _pairs(folder / "spk2utt") for name in names.split()}
        genders = folder / "spk2gender"
        self._gender = {key: value for _, key, value in _pairs(genders)} if genders.is_file() else {}
        originals = folder / ORIGINAL_SPEAKERS
        known = _pairs(originals) if originals.is_file() else ()
        self._original = {key: _original(value, originals) for _, key, value in known}

    def of(self, key: str, default: str) -> dict[str, object]:
        """Return the fields that say who speaks; an utterance that is its own speaker has an unknown one."""
        speaker = self._column.get(key) or self._of.get(key)
        if not speaker or speaker == key:
            return {"speaker_id": default}
        gender = {"gender": self._gender[speaker]} if speaker in self._gender else {}
        return {"speaker_id": self._original.get(speaker, speaker), **gender}
