"""A corpus of units spoken by a vocoder: a file for each line, over any executor, and not again what is done."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from melisma.core.errors import InputError
from melisma.core.files import make_folder, sha256_of
from melisma.core.records import Float32
from melisma.data import lines, sound_file
from melisma.data.manifest import Utterance
from melisma.data.recordings import file_name, hashed
from melisma.data.report import Problem
from melisma.data.units.sound import samples_of
from melisma.scale.again import again
from melisma.scale.local import LocalExecutor
from melisma.scale.protocol import Executor, Outcome, Progress, Task
from melisma.units import vocoders
from melisma.units.clock import SAMPLE_RATE
from melisma.units.line import UnitLine
from melisma.units.pitch import pitch
from melisma.units.read import parse, read_lines
from melisma.units.voice import Spoken, VocoderFacts

JOURNAL = ".synthesize.journal"
MANIFEST, AUDIO = "manifest.jsonl", "audio"
_MOST_FRAMES = 1_800_000  # ten hours
NOBODY, THEMSELVES = "nobody", "same"  # speakers beside those that a vocoder knows by name


@dataclass(frozen=True, slots=True)
class Speak:
    """Stage: a line of a corpus → its sound in a file.

    Parameters
    ----------
    vocoder : str
        Its file, as the processes of the executor see it.
    sha256 : str
        Of that file.
    out : str
        Folder of the files.
    corpus : str
        Folder of the corpus, for the pitch of its recordings.
    speaker : str
        A name, "nobody" for a voice between all, or "same" for each line's own where the vocoder knows it.
    with_pitch : bool
        Whether the pitch of the recordings is told.
    format : str
        "wav" or "flac".
    device : str
        Where a checkpoint works.
    """

    vocoder: str
    sha256: str
    out: str
    corpus: str = "."
    speaker: str = NOBODY
    with_pitch: bool = False
    format: str = "wav"
    device: str = "cpu"

    @property
    def name(self) -> str:
        """Of the stage."""
        return "synthesize"

    def configuration(self) -> str:
        """Return what decides the samples."""
        return repr((1, self.sha256, self.speaker, self.with_pitch, self.format))

    def __call__(self, item: str) -> dict[str, Any]:
        """Speak a line."""
        line = parse(item)
        vocoder = vocoders.opened(Path(self.vocoder), self.sha256, self.device)
        spoken = spoken_of(line, vocoder.facts, self.speaker, Path(self.corpus) if self.with_pitch else None)
        place = Path(AUDIO) / file_name(line.id, f".{self.format}")
        written = sound_file.write(Path(self.out) / place, vocoder.blocks(spoken))
        return {"file": place.as_posix(), "n_samples": written.n_samples, "sha256": written.sha256}


def spoken_of(line: UnitLine, facts: VocoderFacts, speaker: str = NOBODY, corpus: Path | None = None) -> Spoken:
    """Return what is to be said of a line.

    Parameters
    ----------
    line : UnitLine
        Of a corpus.
    facts : VocoderFacts
        Who says it.
    speaker : str
        As of `Speak`.
    corpus : Path, optional
        Where the recordings are, if their pitch is to be told.

    Raises
    ------
    InputError
        If the recording cannot be read.
    """
    if not line.n_frames:
        raise InputError(f"{line.id} has no units")
    who = line.speaker_id if speaker == THEMSELVES else speaker
    if speaker == THEMSELVES and who not in facts.speakers:
        who = None
    f0 = pitch(samples_of(line, corpus), line.n_frames) if corpus is not None else None
    return Spoken(line.frames(), None if who == NOBODY else who, f0)


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a corpus as tasks.

    Parameters
    ----------
    corpus : Path
        Its folder or its file.
    with_audio : bool
        Whether another recording under the same name makes a line anew.
    limit : int, optional
        Only so many, from the first on.
    """

    corpus: Path
    with_audio: bool = False
    limit: int | None = None

    def __len__(self) -> int:
        return sum(1 for _ in self.lines())

    def __iter__(self) -> Iterator[Task]:
        seen: set[int] = set()
        for line in self.lines():
            if hashed(line.id) in seen:
                raise InputError(f"{self.corpus}: the id {line.id[:200]!r} is there twice")
            seen.add(hashed(line.id))
            yield self.task(line)

    def lines(self) -> Iterator[UnitLine]:
        """Yield the lines themselves."""
        for number, line in enumerate(read_lines(self.corpus)):
            if self.limit is not None and number >= self.limit:
                return
            yield line

    def task(self, line: UnitLine) -> Task:
        """Return the task of a line."""
        text = line.to_json()
        said = hashlib.sha256(text.encode("utf-8", "surrogatepass"))
        if self.with_audio:
            try:
                about = (self.folder / line.audio).stat()
                said.update(f"\n{about.st_size} {about.st_mtime_ns}".encode())
            except (OSError, ValueError):
                pass  # the stage says so
        return Task(line.id, text, said.hexdigest())

    @property
    def folder(self) -> Path:
        """Where paths of the corpus begin."""
        return self.corpus if self.corpus.is_dir() else self.corpus.parent


@dataclass(slots=True)
class Made:
    """What a run has done."""

    n_lines: int = 0
    n_reused: int = 0
    n_samples: int = 0
    problems: list[Problem] = field(default_factory=list)


def write(
    found: Lines, out: Path, stage: Speak, *, executor: Executor | None = None, progress: Progress | None = None
) -> Made:
    """Speak a corpus into a folder: a file for each line in `audio`, and `manifest.jsonl`.

    A run that was killed goes on where it was. In memory is 10 s of a line in each process, and its units.

    Parameters
    ----------
    found : Lines
        The corpus.
    out : Path
        Folder.
    stage : Speak
        Who speaks, and how.
    executor : Executor, optional
        Who does it; all cores of this machine without.
    progress : callable, optional
        Told of the share that is done.

    Raises
    ------
    InputError
        If the corpus cannot be read.
    OutputError
        If the folder cannot be written, or another run works in it.
    """
    make_folder(out)
    made = Made()
    outcomes = (executor or LocalExecutor()).run(stage, found, journal=out / JOURNAL, progress=progress)
    with lines.writing(out / MANIFEST) as add:
        for line, outcome in zip(found.lines(), outcomes, strict=True):
            if outcome.reused and not _still_there(out, outcome):
                outcome = again(executor, stage, found.task(line))
            made.n_lines += 1
            if outcome.error is not None:
                made.problems.append(Problem(line.id, "failed", outcome.error))
                continue
            made.n_reused += outcome.reused
            made.n_samples += outcome.value["n_samples"]
            add(_utterance(line, outcome.value).line())
    return made


def _still_there(out: Path, outcome: Outcome) -> bool:
    try:
        return bool(sha256_of(out / outcome.value["file"]) == outcome.value["sha256"])
    except OSError:
        return False


def _utterance(line: UnitLine, value: dict[str, Any]) -> Utterance:
    return Utterance(
        id=line.id,
        audio=value["file"],
        duration=value["n_samples"] / SAMPLE_RATE,
        language=line.language or "und",
        speaker_id=line.speaker_id or "",
        source="synthesised from units",
    )


def one(frames: tuple[int, ...], place: Path, stage: Speak, samples: Float32 | None = None) -> int:
    """Speak the units of every frame into one file, with the pitch of a recording if one is given.

    Parameters
    ----------
    frames : tuple of int
        Units.
    place : Path
        The file.
    stage : Speak
        Who speaks.
    samples : float32 [n_samples], optional
        The recording.

    Returns
    -------
    int
        How many samples there are.

    Raises
    ------
    InputError
        If there are none, or the vocoder does not know one of them.
    OutputError
        If it cannot be written.
    """
    if not frames:
        raise InputError("there are no units to speak")
    vocoder = vocoders.opened(Path(stage.vocoder), stage.sha256, stage.device)
    f0 = None if samples is None else pitch(samples, len(frames))
    spoken = Spoken(frames, None if stage.speaker in (NOBODY, THEMSELVES) else stage.speaker, f0)
    return sound_file.write(place, vocoder.blocks(spoken)).n_samples


def frames_of(text: str) -> tuple[int, ...]:
    """Read units that were written down: one a frame, or `unit:frames`.

    Raises
    ------
    InputError
        If a word is neither.

    Examples
    --------
    >>> frames_of("5 5 17:3")
    (5, 5, 17, 17, 17)
    """
    found: list[int] = []
    for word in text.split():
        unit, colon, run = word.partition(":")
        n_frames = run if colon else "1"
        if not (unit.isascii() and unit.isdecimal() and n_frames.isascii() and n_frames.isdecimal()):
            raise InputError(f"{word[:40]!r} is no unit: write 5 for a frame of it, or 5:3 for three")
        if len(unit) > 7 or len(n_frames) > 7:
            raise InputError(f"{word[:40]!r} is no unit that a vocoder knows, or more frames than anybody speaks")
        found += [int(unit)] * int(n_frames)
        if len(found) > _MOST_FRAMES:
            raise InputError(f"more than {_MOST_FRAMES:,} frames are no units that somebody wrote down")
    return tuple(found)
