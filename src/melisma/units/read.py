"""`corpus_timestamped.jsonl` read back, a line at a time; whoever wrote it is not trusted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from melisma.core.errors import InputError
from melisma.units.clock import TIMEBASE
from melisma.units.codebook import MAX_UNITS
from melisma.units.line import JSON, UnitLine

MAX_LINE = 1 << 26  # bytes; three hours of speech take a quarter of it
_LONGEST_S = 1e7
_OFF_S = 0.0005  # by which a time may be rounded
_BOM = b"\xef\xbb\xbf"
_Seconds = Annotated[float, Field(ge=0, le=_LONGEST_S, allow_inf_nan=False)]
_Name = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00]+$")]


class _Unit(BaseModel):
    model_config = ConfigDict(frozen=True)

    unit: Annotated[int, Field(ge=0, lt=MAX_UNITS, strict=True)]
    run: Annotated[int, Field(gt=0, le=1 << 40, strict=True)]
    start: _Seconds | None = None
    end: _Seconds | None = None


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: _Name
    audio: _Name
    start: _Seconds = 0.0
    duration: _Seconds = 0.0
    speaker_id: Annotated[str, Field(max_length=4096)] | None = None
    language: Annotated[str, Field(max_length=100)] | None = None
    n_frames: Annotated[int, Field(ge=0, strict=True)] | None = None
    units: list[_Unit]


def read_lines(path: Path) -> Iterator[UnitLine]:
    """Yield the recordings of a corpus of units, one in memory at a time; empty lines are passed over.

    Parameters
    ----------
    path : Path
        The file, or the folder of the corpus.

    Raises
    ------
    InputError
        If it cannot be read or a line is wrong; the sentence names the file, the line and the field.
    """
    at = path / JSON if path.is_dir() else path
    try:
        with at.open("rb") as file:
            number = 0
            while data := file.readline(MAX_LINE + 1):
                number += 1
                if len(data) > MAX_LINE:
                    raise InputError(f"{at}, line {number}: is longer than {MAX_LINE >> 20} MiB")
                stripped = data.removeprefix(_BOM).strip() if number == 1 else data.strip()
                if stripped:
                    yield parse(stripped, f"{at}, line {number}")
    except OSError as error:
        raise InputError(f"{at} cannot be read: {error.strerror or error}") from error


def parse(line: bytes | str, where: str = "units") -> UnitLine:
    """Read one line; `where` begins the sentence if it is wrong.

    Raises
    ------
    InputError
        If it is no JSON object, a field is wrong, equal units stand side by side, or times and runs disagree.

    Examples
    --------
    >>> parse('{"id":"a","audio":"a.wav","units":[{"unit":7,"run":2}]}').frames()
    (7, 7)
    """
    try:
        said = _Line.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = "".join(f"{part}: " for part in first["loc"])
        raise InputError(f"{where}: {field}{first['msg']}") from error
    _check(said, where)
    units, runs = tuple(each.unit for each in said.units), tuple(each.run for each in said.units)
    about = (said.id, said.audio, units, runs, said.start, said.duration, said.speaker_id, said.language)
    return UnitLine(*about)


def _check(said: _Line, where: str) -> None:
    frame, before = 0, -1
    for i, each in enumerate(said.units):
        if each.unit == before:
            raise InputError(f"{where}: units: {i}: unit {each.unit} stands beside itself: its runs are one")
        stop = frame + each.run
        for name, time, at in (("start", each.start, frame), ("end", each.end, stop)):
            if time is not None and abs(time - TIMEBASE.seconds(at)) > _OFF_S:
                raise InputError(f"{where}: units: {i}: {name} is {time:g} s, its runs say {TIMEBASE.seconds(at):g} s")
        frame, before = stop, each.unit
    if said.n_frames is not None and said.n_frames != frame:
        raise InputError(f"{where}: n_frames: is {said.n_frames}, the runs have {frame}")
    if TIMEBASE.seconds(frame) > _LONGEST_S:
        raise InputError(f"{where}: units: they last longer than any recording does")
