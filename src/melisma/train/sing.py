"""A folder of sung speech: aligned clips, languages and speakers in turn, each sung once before any sings again."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from melisma.audio import decode
from melisma.core.errors import AudioError, FormatError, InputError, OutputError
from melisma.core.files import write_atomically
from melisma.train.sung_time import Phone
from melisma.train.sung_voice import CannotSing, SingConfig, check_phones, sing
from melisma.train.world import SAMPLE_RATE

log = logging.getLogger(__name__)
Progress = Callable[[float, float], None]  # hours done, hours wanted

# The manifest is written anew after so many clips: a run that is cut off loses no more.
_SAVE_EVERY = 50
# Each clip is sung so often at most: more would be the same sounds again.
_MOST_TAKES = 8


@dataclass(frozen=True, slots=True)
class AlignedClip:
    """A recording of speech and when each of its phones sounds, in seconds."""

    id: str
    audio: Path
    language: str
    speaker_id: str
    transcript: str
    phones: tuple[Phone, ...]
    license: str = ""
    source: str = ""


def read_aligned(path: Path) -> list[AlignedClip]:
    """Read a manifest of aligned speech; relative audio paths start from its folder.

    Raises
    ------
    InputError
        If the file cannot be read.
    FormatError
        If a line lacks a field or holds phones that no clip can have.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    clips = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            clip = AlignedClip(
                **{key: str(row[key]) for key in ("id", "language", "speaker_id", "transcript")},
                audio=path.parent / row["audio"],
                phones=tuple((str(label), float(start), float(end)) for label, start, end in row["phones"]),
                license=str(row.get("license", "")),
                source=str(row.get("source", "")),
            )
            check_phones(clip.phones, math.inf)
        except (ValueError, KeyError, TypeError, InputError) as error:
            what = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise FormatError(f"aligned speech {path}", what, number) from error
        clips.append(clip)
    return clips


def sing_folder(
    clips: Iterable[AlignedClip],
    out: Path,
    *,
    hours: float,
    seed: int,
    workers: int = 1,
    config: SingConfig | None = None,
    progress: Progress | None = None,
) -> Path:
    """Sing clips until there are so many hours, and write them with their phone times.

    Languages take turns, and speakers within them, so that small languages are used up first. What is drawn for a clip
    depends on the seed, its id and the take only. A run that was cut off goes on where it was when it is called again;
    clips that cannot be sung are left out, and logged.

    Parameters
    ----------
    clips : iterable of AlignedClip
    out : Path
        The folder, made where it is missing: manifest.jsonl, sung.json (seed and settings) and the audio as FLAC.
    hours : float
        Of song.
    seed : int
    workers : int
        Processes; 1 works in this one.
    config : SingConfig, optional
    progress : callable, optional
        Is told the hours done and wanted after each clip.

    Returns
    -------
    Path
        The manifest, each file of which is whole.

    Raises
    ------
    InputError
        If there is no clip, an id twice, no time wanted, no clip that can be sung, or the folder was begun otherwise.
    OutputError
        If a file cannot be written.
    MissingDependency
        If pyworld is not installed.
    """
    config = config or SingConfig()
    listed = list(clips)
    _check_request(listed, hours, workers)
    _begin(out, seed, config)
    manifest = out / "manifest.jsonl"
    done = {row["id"]: row for row in _read_rows(manifest)}
    rows: list[dict[str, Any]] = []
    total_s, n_new = 0.0, 0
    for row, new in _sung_rows(in_turn(listed, seed), out, done, _Job(seed, config), workers):
        rows.append(row)
        total_s, n_new = total_s + row["duration"], n_new + new
        if progress:
            progress(total_s / 3600, hours)
        if total_s >= hours * 3600:
            break
        if new and n_new % _SAVE_EVERY == 0:
            _write_rows(manifest, rows)
    if not rows:
        raise InputError(f"none of the {len(listed)} clips could be sung: are their phone times right?")
    if total_s < hours * 3600:
        log.warning("the clips gave %.2f h of song, not %.2f h", total_s / 3600, hours)
    _write_rows(manifest, rows)
    return manifest


@dataclass(frozen=True, slots=True)
class _Job:
    seed: int
    config: SingConfig


def in_turn(clips: Sequence[AlignedClip], seed: int) -> Iterator[tuple[AlignedClip, int]]:
    """Order clips: languages in turn, speakers in turn within each, shuffled by the seed; then all again as take 1."""
    languages: dict[str, dict[str, list[AlignedClip]]] = {}
    for clip in sorted(clips, key=lambda c: _hash(f"{seed}/{c.id}")):
        languages.setdefault(clip.language, {}).setdefault(clip.speaker_id, []).append(clip)
    order = list(_alternate([list(_alternate(list(speakers.values()))) for speakers in languages.values()]))
    for take in range(_MOST_TAKES):
        for clip in order:
            yield clip, take


def _alternate(queues: Sequence[list[AlignedClip]]) -> Iterator[AlignedClip]:
    for i in range(max(map(len, queues), default=0)):
        yield from (queue[i] for queue in queues if i < len(queue))


def _sung_rows(
    order: Iterator[tuple[AlignedClip, int]], out: Path, done: dict[str, dict[str, Any]], job: _Job, workers: int
) -> Iterator[tuple[dict[str, Any], bool]]:
    """Yield rows in order, those that are there already and new ones, and whether they are new."""
    if workers == 1:
        for clip, take in order:
            row = done.get(_name(clip, take)) or _sing_one(clip, take, out, job)
            if row:
                yield row, row["id"] not in done
        return
    # Forked children would share the locks of this process's threads.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting: deque[dict[str, Any] | Future[dict[str, Any] | None]] = deque()
        try:
            for clip, take in order:
                waiting.append(done.get(_name(clip, take)) or pool.submit(_sing_one, clip, take, out, job))
                if len(waiting) < 4 * workers:
                    continue
                first = waiting.popleft()
                row = first if isinstance(first, dict) else first.result()
                if row:
                    yield row, row["id"] not in done
            for first in waiting:
                row = first if isinstance(first, dict) else first.result()
                if row:
                    yield row, row["id"] not in done
        finally:
            pool.shutdown(cancel_futures=True)


def _sing_one(clip: AlignedClip, take: int, out: Path, job: _Job) -> dict[str, Any] | None:
    """Sing a clip and write its sound; None if it cannot be sung."""
    name = _name(clip, take)
    rng = np.random.default_rng([job.seed, take, _hash(clip.id)])
    try:
        waveform = decode.load(clip.audio, sample_rate=SAMPLE_RATE, downmix="mean")
        length_s = len(waveform.samples) / SAMPLE_RATE
        # Times of 10 ms frames may end a little after the sound.
        phones = tuple((label, min(a, length_s), min(b, length_s)) for label, a, b in clip.phones)
        song = sing(waveform.samples, phones, job.config, rng)
    except (CannotSing, AudioError) as error:
        log.info("leaving out %s: %s", name, error)
        return None
    audio = f"{_folder(clip.language)}/{hashlib.sha256(name.encode()).hexdigest()[:20]}.flac"
    buffer = BytesIO()
    soundfile.write(buffer, song.samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    _make(out / audio)
    write_atomically(out / audio, buffer.getvalue())
    return {
        "id": name,
        "audio": audio,
        "transcript": clip.transcript,
        "duration": round(song.duration_s, 4),
        "language": clip.language,
        "speaker_id": clip.speaker_id,
        "license": clip.license,
        "source": f"{clip.source or clip.id}, made to sing",
        "sung": True,
        "phones": [[label, round(start, 4), round(end, 4)] for label, start, end in song.phones],
    }


def _name(clip: AlignedClip, take: int) -> str:
    return f"sung/{clip.id}" if take == 0 else f"sung/{clip.id}/{take}"


def _folder(language: str) -> str:
    """Keep what a language code may hold: it names a folder."""
    return "".join(c for c in language if c.isalnum() or c in "-_") or "und"


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8], "big")


def _check_request(clips: Sequence[AlignedClip], hours: float, workers: int) -> None:
    if not clips:
        raise InputError("there are no aligned clips to sing")
    if not (math.isfinite(hours) and hours > 0):
        raise InputError(f"cannot sing for {hours} hours: it takes a number over 0")
    if workers < 1:
        raise InputError(f"cannot sing with {workers} workers: it takes 1 or more")
    seen: set[str] = set()
    for clip in clips:
        if clip.id in seen:
            raise InputError(f"the clip {clip.id!r} is there twice")
        seen.add(clip.id)


def _begin(out: Path, seed: int, config: SingConfig) -> None:
    """Say in the folder how it is made; refuse one that was begun in another way."""
    path = out / "sung.json"
    stamp = json.dumps({"seed": seed, "config": dataclasses.asdict(config)}, indent=1) + "\n"
    try:
        found = path.read_text("utf-8") if path.exists() else None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    if found is not None and found != stamp:
        raise InputError(f"{out} was begun with another seed or other settings: take a new folder, or empty this one")
    _make(path)
    if found is None:
        write_atomically(path, stamp.encode("utf-8"))


def _make(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {path.parent}: {error.strerror or error}") from error


def _read_rows(manifest: Path) -> list[dict[str, Any]]:
    """Read the rows of an earlier run whose sound is there."""
    if not manifest.exists():
        return []
    try:
        rows = [json.loads(line) for line in manifest.read_text("utf-8").splitlines()]
        return [row for row in rows if (manifest.parent / row["audio"]).is_file()]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"cannot read {manifest}, which an earlier run left: {error}") from error


def _write_rows(manifest: Path, rows: Sequence[dict[str, Any]]) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_atomically(manifest, text.encode("utf-8"))
