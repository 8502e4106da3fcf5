"""Recordings of any format → 16 kHz, one channel, 16 bit, once: what trainings read without decoding anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from melisma.core.errors import InputError
from melisma.core.files import make_folder
from melisma.core.records import Float32
from melisma.data import by_recording, cuts, levels, loudness, manifest, recordings, sound_file
from melisma.data.cuts import SAMPLE_RATE, Part
from melisma.data.manifest import TimedWord, Utterance
from melisma.data.recordings import Recording, Recordings
from melisma.data.report import Problem
from melisma.scale.protocol import Executor, Outcome, Progress

_SILENT_DB = -80.0  # below, nothing is heard in 16 bit
_LATE_S = 0.5  # a manifest may say that much more than there is: durations are rounded, and codecs pad
_AUDIBLE = 1.0 - 2.0**-15  # the loudest that 16 bit can be


@dataclass(frozen=True, slots=True)
class Settings:
    """What is done with each utterance.

    Parameters
    ----------
    format : {"wav", "flac"}
        Of the files.
    trim : bool
        Cut silence off at both ends.
    trim_db : float
        What is silent there: this much below the loudest 10 ms of the utterance, in decibels.
    keep_s : float
        Silence that stays at each end where there was some, in seconds.
    lufs : float, optional
        Integrated loudness (ITU-R BS.1770-4) to bring each utterance to; as it is without one. The gain stays below
        what would clip.
    """

    format: str = "wav"
    trim: bool = True
    trim_db: float = 40.0
    keep_s: float = 0.1
    lufs: float | None = None

    def __post_init__(self) -> None:
        if self.format not in sound_file.FORMATS:
            raise InputError(f"audio is prepared as {' or '.join(sound_file.FORMATS)}, not as {self.format!r}")
        if not 0 < self.trim_db <= 120 or not 0 <= self.keep_s <= 60:
            raise InputError("silence is trimmed from 0 to 120 dB below the loudest, and 0 to 60 s of it are kept")
        if self.lufs is not None and not -70 <= self.lufs <= 0:
            raise InputError(f"a loudness lies between -70 and 0 LUFS, {self.lufs:g} does not")


@dataclass(frozen=True, slots=True)
class Preprocess:
    """Stage: a recording and its utterances → one file an utterance, and what became of each."""

    out: str
    settings: Settings = field(default_factory=Settings)

    @property
    def name(self) -> str:
        """Of the stage."""
        return "preprocess"

    def configuration(self) -> str:
        """Return what decides the outcome."""
        return repr((1, self.out, asdict(self.settings)))

    def __call__(self, item: tuple[str, list[str]]) -> list[dict[str, Any]]:
        """Prepare one recording: its path, and the lines of its utterances."""
        path, lines = by_recording.read_item(item)
        spans = [cuts.span_of(each.start, each.duration) for each in lines]
        made: dict[int, dict[str, Any]] = {}
        out = Path(self.out)
        for i, part in cuts.parts(path, spans, out):
            made[i] = self._one(lines[i], part, path)
        return [made[i] for i in range(len(lines))]

    def _one(self, utterance: Utterance, part: Part, source: Path) -> dict[str, Any]:
        target = Path(self.out) / _file_of(utterance, self.settings)
        wrong = _missing(utterance, part, source)
        if target.exists() and target.samefile(source):
            wrong = f"{source} would be written over by what is made of it"
        if wrong:
            return {"error": wrong}
        first, last, silent = self._kept(utterance, part)
        gain = self._gain(part, first, last)
        written = sound_file.write(target, part.blocks(first, last), gain)
        return {
            "first": first,
            "n_samples": written.n_samples,
            "sha256": written.sha256,
            "files": [[_file_of(utterance, self.settings).as_posix(), target.stat().st_size]],
            "cut_s": round((part.n_samples - written.n_samples) / SAMPLE_RATE, 4),
            "gain_db": round(20 * float(np.log10(gain)), 2),
            "silent": silent,
        }

    def _kept(self, utterance: Utterance, part: Part) -> tuple[int, int, bool]:
        """Return which samples stay, [first, last), and whether nothing is heard in them: then all of them do."""
        heard = levels.levels(part.blocks())
        if heard.max() < _SILENT_DB:
            return 0, part.n_samples, True
        if not self.settings.trim:
            return 0, part.n_samples, False
        return *_trimmed(utterance, heard, self.settings, part.n_samples), False

    def _gain(self, part: Part, first: int, last: int) -> float:
        """Return what to multiply by: up or down to the loudness that is asked for, never so that a sample clips."""
        peak = max((float(np.abs(block).max()) for block in part.blocks(first, last)), default=0.0)
        wanted = 1.0
        if self.settings.lufs is not None:
            found = loudness.measure(part.blocks(first, last), SAMPLE_RATE)
            wanted = 1.0 if found is None else 10.0 ** ((self.settings.lufs - found) / 20)
        return min(wanted, _AUDIBLE / peak) if peak * wanted > 1.0 else wanted


def _missing(utterance: Utterance, part: Part, source: Path) -> str | None:
    """Say that there is less sound than the manifest promises, if so."""
    if not part.n_samples:
        return f"{source} has no sound at {utterance.start:.2f} s"
    if part.n_samples < (utterance.duration - _LATE_S) * SAMPLE_RATE:
        end = utterance.start + part.n_samples / SAMPLE_RATE
        return f"{source} ends at {end:.2f} s, before the utterance does"
    return None


def _trimmed(utterance: Utterance, heard: Float32, settings: Settings, n_samples: int) -> tuple[int, int]:
    """Return what is left without the silence at the ends; no word is cut."""
    loud = np.flatnonzero(heard >= heard.max() - settings.trim_db)
    keep = round(settings.keep_s * SAMPLE_RATE)
    first, last = int(loud[0]) * levels.HOP - keep, int(loud[-1] + 1) * levels.HOP + keep
    for word in utterance.words or []:
        first = min(first, int(word.start * SAMPLE_RATE))
        last = max(last, int(np.ceil(word.end * SAMPLE_RATE)))
    return max(0, first), min(n_samples, last)


def _file_of(utterance: Utterance, settings: Settings) -> Path:
    return Path("audio") / recordings.file_name(utterance.id, f".{settings.format}")


@dataclass(slots=True)
class Made:
    """What a run has done so far: utterances are counted as they are yielded."""

    n_made: int = 0
    n_reused: int = 0
    seconds_in: float = 0.0
    seconds_out: float = 0.0
    problems: list[Problem] = field(default_factory=list)


def run(
    found: Recordings,
    out: Path,
    settings: Settings,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> tuple[Iterator[Utterance], Made]:
    """Prepare every utterance of a manifest; return what to write as the new manifest, and what was done.

    Parameters
    ----------
    found : Recordings
        The manifest.
    out : Path
        Folder: `audio/` below it takes the files, `.<name>.journal` beside it what is done already.
    settings : Settings
        What is done with each.
    executor : Executor, optional
        Who does it; all cores of this machine without.
    progress : callable, optional
        Told of the share that is done.

    Returns
    -------
    iterator of Utterance, Made
        The second is complete when the first is used up. Utterances that cannot be prepared are among its problems.
    """
    made = Made()
    stage = Preprocess(str(out), settings)

    def walk() -> Iterator[Utterance]:
        for recording, outcome in by_recording.outcomes(found, out, stage, executor=executor, progress=progress):
            yield from _told(recording, outcome, stage, made)

    return walk(), made


def _told(recording: Recording, outcome: Outcome, stage: Preprocess, made: Made) -> Iterator[Utterance]:
    if outcome.error is not None:
        made.problems += [Problem(each.id, "unreadable", outcome.error) for each in recording.utterances]
        return
    for utterance, facts in zip(recording.utterances, outcome.value, strict=True):
        if "error" in facts:
            made.problems.append(Problem(utterance.id, "missing", facts["error"]))
            continue
        if facts["silent"]:
            made.problems.append(Problem(utterance.id, "silent", f"nothing is heard in it (below {_SILENT_DB:g} dB)"))
        made.n_made += 1
        made.n_reused += outcome.reused
        made.seconds_in += utterance.duration
        made.seconds_out += facts["n_samples"] / SAMPLE_RATE
        yield prepared(utterance, facts, _file_of(utterance, stage.settings).as_posix())


def prepared(utterance: Utterance, facts: dict[str, Any], audio: str) -> Utterance:
    """Return an utterance as it is in its own file, with its words moved along."""
    shift, duration = facts["first"] / SAMPLE_RATE, facts["n_samples"] / SAMPLE_RATE
    return utterance.changed(
        audio=audio,
        start=0.0,
        duration=duration,
        words=moved(utterance.words, shift, duration),
        sha256=facts["sha256"],
        recording_id=utterance.recording_id or utterance.audio,
        recording_start=recording_start(utterance) + shift,
    )


def recording_start(utterance: Utterance) -> float:
    """Return where an utterance begins in what was recorded at once, in seconds."""
    before = (utterance.model_extra or {}).get("recording_start", 0.0)
    return utterance.start + (float(before) if isinstance(before, (int, float)) else 0.0)


def moved(words: list[TimedWord] | None, shift_s: float, duration_s: float) -> list[dict[str, Any]] | None:
    """Return words counted from a later beginning, within the utterance; times to the microsecond."""
    if words is None:
        return None

    def to(at: float) -> float:
        return min(max(0.0, round(at - shift_s, 6)), duration_s)

    return [{"text": word.text, "start": to(word.start), "end": to(word.end)} for word in words]


def write(found: Recordings, out: Path, settings: Settings, **how: Any) -> Made:
    """Prepare a manifest into a folder with a `manifest.jsonl`; see `run`."""
    make_folder(out)
    utterances, made = run(found, out, settings, **how)
    manifest.write(out / "manifest.jsonl", utterances)
    return made
