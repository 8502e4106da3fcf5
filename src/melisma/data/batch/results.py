"""What a batch leaves behind: files for each line, a line for each in `results.jsonl`, and what failed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from melisma.core.errors import InputError, MelismaError, MissingDependency
from melisma.core.files import make_folder, write_atomically
from melisma.core.records import Alignment
from melisma.data import lines as text_lines
from melisma.data.batch.sounds import Sound, check, opened
from melisma.data.manifest import Utterance
from melisma.data.recordings import Recording
from melisma.data.report import Problem
from melisma.pipeline import rendered
from melisma.scale.protocol import Outcome

RESULTS = "results.jsonl"
Facts = dict[str, Any]  # of one line, as plain JSON


def each(path: Path, lines: list[Utterance], do: Callable[[int, Sound], Facts]) -> list[Facts]:
    """Do every line of a recording; one that cannot be done has an "error", and says whether another try may help.

    Raises
    ------
    MissingDependency
        If an extra is missing: it would be so for every line.
    AudioError, OSError
        If the recording cannot be read.
    """
    made: dict[int, Facts] = {}
    with opened(path, lines) as sounds:
        for i, sound in sounds:
            try:
                check(sound)
                made[i] = do(i, sound)
            except MelismaError as error:
                if isinstance(error, MissingDependency) and not isinstance(error, InputError):
                    raise
                made[i] = {"error": sound.told(str(error)), "kind": _kind(error), "again": not error.lasting}
    return [made[i] for i in range(len(lines))]


def _kind(error: MelismaError) -> str:
    """Return the name of an error in words, such as "wrong lyrics"."""
    name = type(error).__name__
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()


def about(found: Alignment, sound: Sound) -> Facts:
    """Return what a line of `results.jsonl` says of an alignment."""
    return {
        "language": found.language,
        "engine": found.engine,
        "duration_ms": found.duration_ms,
        "n_words": len(found.words),
        "n_timed": sum(not word.unsung for word in found.words),
        "confidence": None if found.confidence_avg is None else round(found.confidence_avg, 4),
        "warnings": [sound.told(warning) for warning in found.warnings],
    }


def of_this_manifest(found: Alignment, sound: Sound) -> Alignment:
    """Return an alignment whose warnings call the recording as the manifest does."""
    return replace(found, warnings=tuple(sound.told(warning) for warning in found.warnings))


def title_of(utterance: Utterance) -> str:
    """Return what stands above a karaoke page: the `title` of the line, or its id."""
    given = (utterance.model_extra or {}).get("title")
    return given if isinstance(given, str) and given.strip() else utterance.id


def put(out: Path, contents: Mapping[str, bytes]) -> list[list[Any]]:
    """Write files below a folder, in the order given; return their paths below it, and their sizes."""
    written: list[list[Any]] = []
    for name, data in contents.items():
        make_folder((out / name).parent)
        write_atomically(out / name, data)
        written.append([name, len(data)])
    return written


def check_formats(formats: Iterable[str], taken: Mapping[str, str] | None = None) -> None:
    """Refuse formats of which two would be written to one file.

    Parameters
    ----------
    formats : iterable of str
        Names.
    taken : mapping, optional
        Names of formats that are written anyhow, by suffix.
    """
    seen = dict(taken or {})
    for name in formats:
        suffix = rendered.suffix_of(name)
        if suffix in seen:
            raise InputError(f"{seen[suffix]} and {name} would both be written to NAME{suffix}: take one of them")
        seen[suffix] = name


@dataclass(slots=True)
class Made:
    """What a run has done."""

    n_done: int = 0
    n_reused: int = 0
    n_words: int = 0
    n_timed: int = 0
    audio_s: float = 0.0
    problems: list[Problem] = field(default_factory=list)

    def counts(self) -> dict[str, int | float]:
        """Return numbers by name, for a report."""
        return {
            "done": self.n_done,
            "done_earlier": self.n_reused,
            "failed": len(self.problems),
            "words": self.n_words,
            "words_timed": self.n_timed,
            "seconds": round(self.audio_s, 1),
        }


def write(out: Path, outcomes: Iterator[tuple[Recording, Outcome]]) -> Made:
    """Write `results.jsonl`, a line for each line that was done, in the order of the recordings."""
    made = Made()
    with text_lines.writing(out / RESULTS) as add:
        for recording, outcome in outcomes:
            for utterance, facts in zip(
                recording.utterances, outcome.value or _failed(recording, outcome), strict=True
            ):
                if "error" in facts:
                    made.problems.append(Problem(utterance.id, facts["kind"], facts["error"]))
                    continue
                add(_line(utterance, facts))
                made.n_done += 1
                made.n_reused += outcome.reused
                made.n_words += facts["n_words"]
                made.n_timed += facts["n_timed"]
                made.audio_s += facts["duration_ms"] / 1000
    return made


def _failed(recording: Recording, outcome: Outcome) -> list[Facts]:
    """Return what to say of every line of a recording that cannot be read: it is called as the manifest calls it."""
    called = recording.utterances[0].audio
    said = (outcome.error or "").replace(str(recording.path), called)
    return [{"error": said, "kind": "unreadable"}] * len(recording.utterances)


def _line(utterance: Utterance, facts: Facts) -> str:
    told = {"id": utterance.id, "audio": utterance.audio, "start": utterance.start}
    told |= {"files": [path for path, _ in facts["files"]]}
    return json.dumps(told | {key: facts[key] for key in facts if key != "files"}, ensure_ascii=False)
