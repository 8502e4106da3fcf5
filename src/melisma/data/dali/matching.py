"""Songs of DALI against the recordings that were found for them: a stage, and what it leaves in match.jsonl."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from melisma.audio import decode
from melisma.core.errors import FormatError, InputError
from melisma.core.files import make_folder, write_atomically
from melisma.core.records import Emission
from melisma.data.dali.annotation import Finite, Level, Levels, Segment, Song, SongId, corrected_parameters, read_song
from melisma.data.dali.evidence import expected
from melisma.data.dali.integrity import repair
from melisma.data.dali.languages import code_of
from melisma.data.dali.offsets import LONGEST_S, MatchConfig, find
from melisma.data.dali.pickled import FORMAT
from melisma.data.dali.service import DaliService, Selection
from melisma.data.report import Problem, Report
from melisma.engines.phone import PhoneEngine
from melisma.scale.local import LocalExecutor
from melisma.scale.protocol import Executor, Progress, Task
from melisma.text import espeak
from melisma.text.language import detect

SCHEMA = "melisma.dali.match/1"
FILE = "match.jsonl"


class PlacedLines(BaseModel):
    """Lines [first, stop) that lie at one offset: what the annotation has at t is heard at rate * t + offset_s."""

    model_config = ConfigDict(frozen=True)

    first: int = Field(ge=0)
    stop: int = Field(ge=1)
    offset_s: Finite


class Placement(BaseModel):
    """A line of match.jsonl: where a song lies in its recording.

    Parameters
    ----------
    id : str
        Of the song.
    audio : str
        The recording; relative paths start at the folder of match.jsonl.
    duration_s : float
        Its length.
    language : str
        In which its words were spelt.
    accepted : bool
        Whether it is the song.
    score, found, evidence, ncc : float
        See `offsets.Match`; `ncc` is DALI's measure of annotated and heard voice, which decides nothing.
    rate : float
        Seconds of the recording per second of the annotation.
    pieces : list of PlacedLines
        One, unless the recording is cut otherwise.
    absent : list of int
        Lines that are not heard.
    fr, offset : float
        DALI's parameters, as its own `change_time` takes them, for the longest piece.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_: Literal["melisma.dali.match/1"] = Field(alias="schema")
    id: SongId
    audio: str
    duration_s: Finite
    language: str
    accepted: bool
    score: Finite
    found: Finite
    evidence: Finite
    ncc: Finite
    rate: Finite = Field(gt=0)
    pieces: list[PlacedLines]
    absent: list[int]
    fr: Finite
    offset: Finite


@dataclass(frozen=True, slots=True)
class Matching:
    """Stage: finds where a song lies in its recording."""

    annotations: str
    config: MatchConfig = field(default_factory=MatchConfig)

    name = "match"

    def configuration(self) -> str:
        """Return what decides the outcome."""
        return f"{self.config} {_engine().card.revision} 1"

    def __call__(self, item: Any) -> Any:
        """Match the song `item["id"]` against the file `item["audio"]`."""
        song = read_song(Path(self.annotations) / f"{item['id']}.json")
        levels = repair(song.levels()).levels
        language = language_of(song, levels)
        waveform = decode.load(item["audio"], downmix="mean", max_duration_s=LONGEST_S)
        emission = _engine().emit(waveform)
        spelt = [_engine().spell(word.text, language) for word in levels.words]
        match = find(expected(levels, spelt, emission), emission, self.config)
        if match is None:
            raise InputError(f"{item['id']} has no words to look for, or its recording is empty")
        longest = max(match.pieces, key=lambda piece: piece.stop - piece.first, default=None)
        offset_s = longest.offset_s if longest else 0.0
        fitted = corrected_parameters(song.corrected or song.annotations.annot_param, match.rate, offset_s)
        pieces = [asdict(piece) for piece in match.pieces]
        absent = [i for i, there in enumerate(match.present) if not there]
        placed = moved(levels, match.rate, [(p.first, p.stop, p.offset_s) for p in match.pieces], absent)
        return {
            "id": item["id"],
            "duration_s": waveform.duration_s,
            "language": language,
            "accepted": match.accepted(self.config),
            "score": round(match.score, 4),
            "found": round(match.found, 4),
            "evidence": round(match.evidence, 1),
            "ncc": round(voice_ncc(placed, emission), 4),
            "rate": match.rate,
            "pieces": pieces,
            "absent": absent,
            "fr": fitted.fr,
            "offset": fitted.offset,
        }


@cache
def _engine() -> PhoneEngine:
    return PhoneEngine()


def language_of(song: Song, levels: Levels) -> str:
    """Return the language whose rules spell a song's words: DALI's word for it, else what the words look like."""
    code = code_of(song.info.metadata.language)
    if code in espeak.languages():
        return code
    return detect("\n".join(line.text for line in levels.lines or levels.words)).code


def moved(levels: Levels, rate: float, pieces: list[tuple[int, int, float]], absent: list[int]) -> Levels:
    """Return the levels where they are heard, without lines that are not; places in the level above stay as they were.

    Parameters
    ----------
    levels : Levels
        Put right, see `integrity.repair`.
    rate : float
        Seconds of the recording per second of the annotation.
    pieces : list of (int, int, float)
        First line, the one behind the last, and offset in seconds.
    absent : list of int
        Lines that are not heard.
    """
    offsets = {line: offset for first, stop, offset in pieces for line in range(first, stop)}
    for line in absent:
        offsets.pop(line, None)
    lines_of: dict[Level, list[int]] = {"lines": list(range(len(levels.lines)))}
    lines_of["words"] = [0 if word.index is None else word.index for word in levels.words]
    lines_of["notes"] = [lines_of["words"][note.index or 0] for note in levels.notes] if levels.words else []
    out: dict[str, list[Segment]] = {}
    for name, lines in lines_of.items():
        out[name] = [
            each.model_copy(update={"time": (rate * each.time[0] + offsets[line], rate * each.time[1] + offsets[line])})
            for each, line in zip(levels.level(name), lines, strict=False)
            if line in offsets
        ]
    return levels.model_copy(update={**out, "paragraphs": []})


def voice_ncc(placed: Levels, emission: Emission) -> float:
    """Correlate where words are and where a voice is heard, normalised as DALI does it, in [0, 1]."""
    if emission.vocal is None:
        return 0.0
    frame_s = emission.timebase.stride / emission.timebase.sample_rate
    sung = np.zeros(len(emission.vocal))
    for each in placed.words:
        first = max(0, round(each.time[0] / frame_s))
        sung[first : max(first, round(each.time[1] / frame_s))] = 1
    power = float((sung**2).sum() * (emission.vocal.astype(np.float64) ** 2).sum())
    return float((sung * emission.vocal).sum() / np.sqrt(power)) if power > 0 else 0.0


def match_all(
    dali: DaliService,
    selection: Selection,
    output: Path,
    *,
    config: MatchConfig | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Report:
    """Match every song that is meant and whose recording is there; write match.jsonl, and return what came of it.

    What is done already, for the same recording, is not done again. Lines of songs that are not meant stay.

    Raises
    ------
    InputError
        If no song that is meant has a recording.
    FormatError
        If the match.jsonl that is there is damaged; nothing is written over it then.
    """
    config = config or MatchConfig()
    headers = list(dali.headers(selection))
    found = {song.id: path for song in headers if (path := dali.audio_of(song.id)) is not None}
    if not found:
        raise InputError(f"none of {len(headers):,} songs has a recording in {dali.audio}: get them with download")
    tasks = [
        Task(song_id, {"id": song_id, "audio": str(path.resolve())}, _signature(dali, song_id, path))
        for song_id, path in found.items()
    ]
    stage = Matching(str(dali.annotations.resolve()), config)
    meant = {song.id for song in headers}
    earlier = [each for each in read_placements(output) if each.id not in meant] if output.exists() else []
    make_folder(output.parent)
    outcomes = (executor or LocalExecutor()).run(
        stage, tasks, journal=output.with_name(f".{output.name}.journal"), progress=progress
    )
    rows: list[dict[str, Any]] = []
    problems, reused = [], 0
    for outcome in outcomes:
        reused += outcome.reused
        if outcome.error is not None:
            problems.append(Problem(outcome.key, "failed", outcome.error))
            continue
        audio = _beside(output.parent, found[outcome.key])
        rows.append({"schema": SCHEMA, **outcome.value, "audio": audio})
        problems += _problems(outcome.value)
    every = sorted([*rows, *(each.model_dump(by_alias=True) for each in earlier)], key=lambda row: str(row["id"]))
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in every)
    write_atomically(output, text.encode("utf-8"))
    counts = {"songs": len(headers), "recordings": len(found), "reused": reused, **_counts(rows, problems)}
    counts["kept_of_others"] = len(earlier)
    settings = {"annotations": str(dali.annotations), "audio": str(dali.audio), **asdict(config)}
    return Report("dali match", settings, counts, problems)


def _counts(rows: list[dict[str, Any]], problems: list[Problem]) -> dict[str, int]:
    kinds = Counter(problem.kind for problem in problems)
    return {
        "accepted": sum(row["accepted"] for row in rows),
        "another_song": kinds["another song"],
        "cut_otherwise": kinds["cut"],
        "failed": kinds["failed"],
    }


def _problems(row: dict[str, Any]) -> Iterator[Problem]:
    if not row["accepted"]:
        said = f"score {row['score']:.2f}, {row['found']:.0%} of it heard: this is another song, or too noisy to tell"
        yield Problem(row["id"], "another song", said)
        return
    if len(row["pieces"]) > 1:
        places = ", ".join(f"line {piece['first']} at {piece['offset_s']:+.2f} s" for piece in row["pieces"])
        yield Problem(row["id"], "cut", f"it is cut otherwise than annotated: {places}")
    if row["absent"]:
        yield Problem(row["id"], "absent", f"{len(row['absent'])} lines are not heard where they should be")


def _signature(dali: DaliService, song_id: str, audio: Path) -> str:
    sound, said = audio.stat(), (dali.annotations / f"{song_id}.json").stat()
    return f"{audio.name} {sound.st_size} {sound.st_mtime_ns} {said.st_size} {said.st_mtime_ns}"


def _beside(folder: Path, path: Path) -> str:
    """Return a path as seen from a folder, where one lies in or beside the other."""
    return os.path.relpath(path.resolve(), folder.resolve())


def read_placements(path: Path) -> Iterator[Placement]:
    """Yield the lines of a match.jsonl.

    Raises
    ------
    InputError
        If it cannot be read.
    FormatError
        If a line is wrong; the sentence names the line and the first such field.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                yield _placement(line, path, number)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}: run melisma dali match first") from error


def _placement(line: bytes, path: Path, number: int) -> Placement:
    try:
        return Placement.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"{part}: " for part in first["loc"])
        raise FormatError(FORMAT, f"{path}: {where}{first['msg']}", number) from error
