"""Forced alignment of a corpus: every utterance of a manifest timed by an engine, and how much of it could be."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from melisma.audio.resample import Resampler
from melisma.core.errors import InputError, MelismaError
from melisma.core.files import format_named, make_folder, write_atomically
from melisma.core.records import Alignment, Float32, Waveform
from melisma.data import by_recording, cuts, manifest, recordings
from melisma.data.align_figures import Figures, differences_ms
from melisma.data.cuts import SAMPLE_RATE, Part
from melisma.data.manifest import Utterance
from melisma.data.recordings import Recordings
from melisma.data.report import Problem
from melisma.pipeline import tiers
from melisma.pipeline.align import AlignConfig, align
from melisma.pipeline.by_itself import by_itself, decisive, settled
from melisma.pipeline.settings import AUTO, RouterSettings
from melisma.scale.protocol import Executor, Progress
from melisma.text import language as languages
from melisma.text import lyrics as lyrics_text

JSON, TEXT, LRC = "transcription_base.json", "transcription_base.txt", "karaoke.lrc"
MANIFEST = "manifest.jsonl"
_OURS = {JSON, TEXT, LRC, MANIFEST, "alignment_report.json"}
MAX_UTTERANCE_S = 1800.0  # what engines take at once; cut longer ones with `melisma data segment`


@dataclass(frozen=True, slots=True)
class Settings:
    """How a corpus is aligned, and what counts as aligned.

    Parameters
    ----------
    engine : str
        As `melisma align --engine` takes it.
    language : str, optional
        Of all utterances; what each says of itself without, or what its text tells where it says "und".
    min_confidence : float
        Mean confidence of its words below which an utterance does not count, in [0, 1].
    min_words : float
        Share of its words that must have a time, in [0, 1].
    """

    engine: str = AUTO
    language: str | None = None
    min_confidence: float = 0.5
    min_words: float = 0.9

    def __post_init__(self) -> None:
        for name, value in (("confidence", self.min_confidence), ("share of words", self.min_words)):
            if not 0 <= value <= 1:
                raise InputError(f"the least {name} lies between 0 and 1, {value:g} does not")

    def check(self) -> None:
        """Refuse, before any audio is read, an engine that cannot be used, and what is no language code."""
        if self.language is not None:
            languages.normalise(self.language)
        router = RouterSettings.from_env()
        tiers.check(self.engine, router)
        named = tiers.wanted(self.engine, router)
        if named != AUTO:
            tiers.usable(named, router, chosen=True)


@dataclass(frozen=True, slots=True)
class Align:
    """Stage: a recording and its utterances → files for each below `out`, and the times of its words.

    Its `router` is that of the machine that asks, so that every worker has the same.
    """

    out: str
    engine: str = AUTO
    language: str | None = None
    router: RouterSettings = field(default_factory=settled)

    @property
    def name(self) -> str:
        """Of the stage."""
        return "align"

    def configuration(self) -> str:
        """Return what decides the outcome: our release and the engines as they are now, too."""
        named = tiers.wanted(self.engine, self.router)
        asked = tiers.listed(self.router) if named == AUTO else (named,)
        return repr((2, version("melisma"), self.out, named, decisive(self.router, asked), self.language))

    def __call__(self, item: tuple[str, list[str]]) -> list[dict[str, Any]]:
        """Align the utterances of one recording: its path, and their lines."""
        path, lines = by_recording.read_item(item)
        asked = [i for i, each in enumerate(lines) if each.transcript.split() and each.duration <= MAX_UTTERANCE_S]
        made = {i: _not_asked(each) for i, each in enumerate(lines)}
        out = Path(self.out)
        spans = [cuts.span_of(lines[i].start, lines[i].duration) for i in asked]
        for k, part in cuts.parts(path, spans, out):
            utterance = lines[asked[k]]
            try:
                made[asked[k]] = self._one(utterance, part, path)
            except MelismaError as error:
                made[asked[k]] = {"error": str(error), "kind": _kind(error), "again": not error.lasting}
        return [made[i] for i in range(len(lines))]

    def _one(self, utterance: Utterance, part: Part, source: Path) -> dict[str, Any]:
        if not part.n_samples:
            raise InputError(f"{source} has no sound at {utterance.start:.2f} s")
        track = utterance.id[:200]
        config = AlignConfig(self._language(utterance), self.engine, track_id=track, settings=by_itself(self.router))
        found = align(self._waveform(part), lyrics_text.from_text(utterance.transcript), config=config)
        files = _write(found, utterance, Path(self.out))
        words = _words(found, utterance.duration)
        return {
            "files": files,
            "words": words,
            "n_words": len(found.words),
            "confidence": None if found.confidence_avg is None else round(found.confidence_avg, 4),
            "engine": found.engine,
            "warnings": list(found.warnings),
            "off_ms": differences_ms(words, utterance.words),
        }

    def _language(self, utterance: Utterance) -> str | None:
        said = self.language or utterance.language
        return None if said in ("", "und", "mul") else said

    def _waveform(self, part: Part) -> Waveform:
        """Return a part at the rate of the engine that is asked first."""
        samples = np.concatenate(list(part.blocks()))
        named = tiers.wanted(self.engine, self.router)
        rate = SAMPLE_RATE if named == AUTO else tiers.engine_named(named).facts.sample_rate
        if rate == SAMPLE_RATE:
            return Waveform(samples, rate)
        resampler = Resampler(SAMPLE_RATE, rate, 1)
        both: Float32 = np.concatenate([resampler.push(samples[:, None]), resampler.flush()])[:, 0]
        return Waveform(both, rate)


def _not_asked(utterance: Utterance) -> dict[str, Any]:
    if not utterance.transcript.split():
        return {"error": "it has no transcript", "kind": "no transcript"}
    said = f"it is longer than {MAX_UTTERANCE_S / 60:g} min: cut it with melisma data segment"
    return {"error": said, "kind": "too long"}


def _kind(error: MelismaError) -> str:
    """Return the name of an error in words, such as "wrong lyrics"."""
    name = type(error).__name__
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()


def _words(found: Alignment, duration_s: float) -> list[list[Any]]:
    """Return the timed words as [text, start, end], seconds to the millisecond, within the utterance."""
    return [
        [word.text, min((word.start_ms or 0) / 1000, duration_s), min((word.end_ms or 0) / 1000, duration_s)]
        for word in found.words
        if not word.unsung
    ]


def folder_of(identifier: str) -> Path:
    """Return the folder of an utterance below the output: its id, made safe, and never one of our files' names.

    Examples
    --------
    >>> folder_of("cv/sl/17").as_posix()
    'cv/sl/17'
    >>> folder_of("a/karaoke.lrc").as_posix()
    'by-hash,96ee071a3f7d1b2d'
    """
    safe = recordings.file_name(identifier, "")
    if _OURS.isdisjoint(part.lower() for part in safe.parts):
        return safe
    # No safe id holds a comma.
    return Path("by-hash," + hashlib.sha256(identifier.encode("utf-8", "surrogatepass")).hexdigest()[:16])


def _write(found: Alignment, utterance: Utterance, out: Path) -> list[list[Any]]:
    """Write the files of an utterance; return their paths below `out` and their sizes."""
    folder = folder_of(utterance.id)
    make_folder(out / folder)
    texts = {
        JSON: json.dumps(_document(found, utterance), ensure_ascii=False, indent=1) + "\n",
        TEXT: "".join(f"[{_clock(s['start'])} --> {_clock(s['end'])}] {s['text']}\n" for s in _segments(found)),
        LRC: format_named("elrc").write(found),
    }
    written = []
    for name, text in texts.items():
        data = text.encode("utf-8", "replace")
        write_atomically(out / folder / name, data)
        written.append([(folder / name).as_posix(), len(data)])
    return written


def _document(found: Alignment, utterance: Utterance) -> dict[str, Any]:
    """Return `melisma.alignment/1` with segments as transcribers write them, in seconds from the utterance's start."""
    plain: dict[str, Any] = json.loads(format_named("json").write(found))
    about = {"id": utterance.id, "audio": utterance.audio, "start_s": utterance.start}
    return plain | about | {"transcript": utterance.transcript, "segments": _segments(found)}


def _segments(found: Alignment) -> list[dict[str, Any]]:
    """Return the lines that have times, with their timed words."""
    segments: list[dict[str, Any]] = []
    for i in range(len(found.lines)):
        span = found.line_ms(i)
        if span is None:
            continue
        words = [
            {"word": w.text, "start": (w.start_ms or 0) / 1000, "end": (w.end_ms or 0) / 1000}
            | ({} if w.confidence is None else {"probability": round(w.confidence, 4)})
            for w in found.line_words(i)
            if not w.unsung
        ]
        about = {"id": len(segments), "start": span[0] / 1000, "end": span[1] / 1000, "text": found.line_text(i)}
        segments.append(about | {"words": words})
    return segments


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds * 1000), 60000)
    return f"{minutes:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


@dataclass(slots=True)
class Made:
    """What a run has found so far."""

    figures: Figures = field(default_factory=Figures)
    problems: list[Problem] = field(default_factory=list)
    n_reused: int = 0


def run(
    found: Recordings,
    out: Path,
    settings: Settings,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> tuple[Iterator[Utterance], Made]:
    """Align a manifest; return the lines of the new one, and what was found when they are used up.

    Parameters
    ----------
    found : Recordings
        The manifest.
    out : Path
        Folder; `<id>/` below it takes the files of an utterance, `.<name>.journal` beside it what is done already.
    settings : Settings
        Engine, language, and what counts.
    executor : Executor, optional
        Who does it; all cores of this machine without.
    progress : callable, optional
        Told of the share that is done.

    Returns
    -------
    iterator of Utterance, Made
        The utterances that count as aligned, with `words`; all others are among the problems.
    """
    made = Made()
    stage = Align(str(out), settings.engine, settings.language)
    target = out / MANIFEST

    def walk() -> Iterator[Utterance]:
        for recording, done in by_recording.outcomes(found, out, stage, executor=executor, progress=progress):
            made.n_reused += len(recording.utterances) if done.reused else 0
            values = done.value or [{"error": done.error, "kind": "unreadable"}] * len(recording.utterances)
            for utterance, facts in zip(recording.utterances, values, strict=True):
                if _counts(utterance, facts, settings, made):
                    yield manifest.rebased(_timed(utterance, facts), found.manifest, target)

    return walk(), made


def _counts(utterance: Utterance, facts: dict[str, Any], settings: Settings, made: Made) -> bool:
    """Enter an utterance into the figures; tell whether it counts as aligned."""
    if facts.get("kind") == "no transcript":
        made.figures.n_without_transcript += 1
        return False
    wrong = _complaint(facts, settings)
    made.figures.add(utterance, facts, covered=wrong is None)
    if wrong is not None:
        made.problems.append(Problem(utterance.id, *wrong))
    return wrong is None


def _complaint(facts: dict[str, Any], settings: Settings) -> tuple[str, str] | None:
    """Return why an utterance does not count as aligned: a word for it, and a sentence."""
    if "error" in facts:
        return facts["kind"], facts["error"]
    n_timed, n_words, confidence = len(facts["words"]), facts["n_words"], facts["confidence"]
    if n_timed < settings.min_words * n_words:
        return "untimed words", f"{n_words - n_timed} of its {n_words} words have no time"
    if confidence is not None and confidence < settings.min_confidence:
        return "low confidence", f"its words have a mean confidence of {confidence:.2f}"
    return None


def _timed(utterance: Utterance, facts: dict[str, Any]) -> Utterance:
    words = [{"text": text, "start": start, "end": end} for text, start, end in facts["words"]]
    about = {"aligned_by": facts["engine"], "alignment_confidence": facts["confidence"]}
    return utterance.changed(words=words, **{key: value for key, value in about.items() if value is not None})


def write(found: Recordings, out: Path, settings: Settings, **how: Any) -> Made:
    """Align a manifest into a folder with a manifest of its own; see `run`."""
    make_folder(out)
    utterances, made = run(found, out, settings, **how)
    manifest.write(out / MANIFEST, utterances)
    return made
