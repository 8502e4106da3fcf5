"""A folder of sung speech: aligned clips, languages and speakers in turn, each sung once before any sings again."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from melisma.audio import codecs, decode
from melisma.core.errors import AudioError, FormatError, InputError
from melisma.core.files import make_folder, write_atomically
from melisma.train.aligned_folder import Utterance, read_manifest, write_audio, write_manifest
from melisma.train.processes import in_order
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
    """Sing clips until there are so many hours, write them with their phone times, and return the manifest.

    Languages take turns, and speakers within them, so that small languages are used up first. What is drawn for a clip
    depends on the seed, its id and the take only. A run that was cut off goes on where it was when it is called again;
    clips that cannot be sung are left out, and logged.

    Parameters
    ----------
    clips : iterable of AlignedClip
    out : Path
        The folder, made where it is missing: manifest.jsonl, sung.json (seed and settings) and the audio as FLAC.
    hours, seed : float, int
    workers : int
        Processes; 1 works in this one.
    config : SingConfig, optional
    progress : callable, optional
        Is told the hours done and wanted after each clip.

    Raises
    ------
    InputError
        If there is no clip, an id twice, no time wanted, no clip that can be sung, or the folder was begun otherwise.
    OutputError
        If a file cannot be written.
    MissingDependency
        If pyworld is not installed, or codecs are wanted and there is no ffmpeg that has them.
    """
    job = _Job(out, seed, config or SingConfig())
    listed = list(clips)
    _check_request(listed, hours, workers)
    codecs.check_share(job.config.codec)
    if job.config.codec:
        codecs.check()
    _begin(job)
    rows = _sing_for(hours, listed, job, workers, progress)
    if not rows:
        raise InputError(f"none of the {len(listed)} clips could be sung: are their phone times right?")
    write_manifest(out, rows)
    return out / "manifest.jsonl"


@dataclass(frozen=True, slots=True)
class _Job:
    out: Path
    seed: int
    config: SingConfig


@dataclass(frozen=True, slots=True)
class _Take:
    """A clip to be sung for the nth time, and the row of an earlier run that has done so."""

    clip: AlignedClip
    n: int
    done: Utterance | None

    @property
    def id(self) -> str:
        return _name(self.clip, self.n)


def _sing_for(
    hours: float, clips: Sequence[AlignedClip], job: _Job, workers: int, progress: Progress | None
) -> list[Utterance]:
    """Sing, or find sung, so many hours, and keep the manifest up to date with what is new."""
    done = {row.id: row for row in read_manifest(job.out)}
    takes = (_Take(clip, n, done.get(_name(clip, n))) for clip, n in in_turn(clips, job.seed))
    rows: list[Utterance] = []
    total_s, n_new = 0.0, 0
    for row in in_order(partial(_sung, job=job), takes, workers):
        if row is None:
            continue
        rows.append(row)
        total_s, n_new = total_s + row.duration, n_new + (row.id not in done)
        if progress:
            progress(total_s / 3600, hours)
        if total_s >= hours * 3600:
            return rows
        if row.id not in done and n_new % _SAVE_EVERY == 0:
            write_manifest(job.out, rows)
    if rows:
        log.warning("the clips gave %.2f h of song, not %.2f h", total_s / 3600, hours)
    return rows


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


def _sung(take: _Take, job: _Job) -> Utterance | None:
    """Sing a clip and write its sound, unless that is done; None if it cannot be sung."""
    if take.done:
        return take.done
    clip = take.clip
    rng = np.random.default_rng([job.seed, take.n, _hash(clip.id)])
    try:
        waveform = decode.load(clip.audio, sample_rate=SAMPLE_RATE, downmix="mean")
        length_s = len(waveform.samples) / SAMPLE_RATE
        # Times of 10 ms frames may end a little after the sound.
        phones = tuple((label, min(a, length_s), min(b, length_s)) for label, a, b in clip.phones)
        song = sing(waveform.samples, phones, job.config, rng)
    except (CannotSing, AudioError) as error:
        log.info("leaving out %s: %s", take.id, error)
        return None
    audio = f"{_folder(clip.language)}/{hashlib.sha256(take.id.encode()).hexdigest()[:20]}.flac"
    write_audio(job.out / audio, song.samples)
    return Utterance(
        id=take.id,
        audio=audio,
        transcript=clip.transcript,
        duration=round(song.duration_s, 4),
        language=clip.language,
        speaker_id=clip.speaker_id,
        license=clip.license,
        source=f"{clip.source or clip.id}, made to sing" + (f", coded as {song.codec}" if song.codec else ""),
        sung=True,
        phones=song.phones,
    )


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


def _begin(job: _Job) -> None:
    """Say in the folder how it is made; refuse one that was begun in another way."""
    path = job.out / "sung.json"
    settings = dataclasses.asdict(job.config)
    if not job.config.codec:
        del settings["codec"]  # folders that were begun before there were codecs do not name them
    stamp = json.dumps({"seed": job.seed, "config": settings}, indent=1) + "\n"
    try:
        found = path.read_text("utf-8") if path.exists() else None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    if found is None:
        make_folder(job.out)
        write_atomically(path, stamp.encode("utf-8"))
    elif found != stamp:
        raise InputError(
            f"{job.out} was begun with another seed or other settings: take a new folder, or empty this one"
        )
