"""A song of DALI, read back from JSON: what is known of it, its notes, words, lines and paragraphs with their times.

The JSON holds what the pickle held, value for value, under the same names (`info`, `annotations`), so that DALI's own
code reads it too; `schema` and `origin` say what it is and which file it was made of.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from melisma.core.errors import FormatError, InputError
from melisma.data.dali.pickled import FORMAT, refuse

SCHEMA = "melisma.dali/1"
Level = Literal["notes", "words", "lines", "paragraphs"]
LEVELS: tuple[Level, ...] = ("notes", "words", "lines", "paragraphs")  # from the lowest to the highest
_MAX_BYTES = 64 << 20

Finite = Annotated[float, Field(allow_inf_nan=False)]
# It becomes the name of a file.
SongId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$")]


class _Record(BaseModel):
    """Of a file that others wrote: what is not named here is kept as it is."""

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True)


class Segment(_Record):
    """A note, word, line or paragraph.

    Parameters
    ----------
    text : str
        What is sung; of a note its syllable.
    time : (float, float)
        Start and end in seconds of the recording that the annotation was made for.
    freq : list of float
        The range of its pitch in Hz, lowest and highest; of a note the same twice.
    index : int, optional
        Its place in the level above: the word of a note, the line of a word. Paragraphs have none.
    """

    text: str
    time: tuple[Finite, Finite]
    freq: list[Finite] = []
    index: int | None = None


class Branch(_Record):
    """A paragraph, line or word of the vertical form: `text` holds what it is made of, or a note's own text."""

    text: str | list[Branch]
    time: tuple[Finite, Finite]
    freq: list[Finite] = []


class Parameters(_Record):
    """The two numbers that DALI fits: a note at beat b sounds at `offset` seconds + 60 b / `fr`."""

    fr: Finite
    offset: Finite


class Annotations(_Record):
    """The levels side by side ("horizontal": notes, words, lines, paragraphs), or one in another ("vertical")."""

    type: Literal["horizontal", "vertical"]
    annot: dict[str, Any]
    annot_param: Parameters


class Audio(_Record):
    """Where the recording is: an address or the id of a video, and whether it was there when DALI looked."""

    url: str | None = None
    working: bool | str | None = None


class Metadata(_Record):
    """What the shops say; any of it may be missing."""

    language: str | None = None
    genres: list[str] = []
    album: str | None = None
    release_date: str | int | None = None


class Info(_Record):
    """What is known of a song."""

    id: SongId
    title: str = ""
    artist: str = ""
    dataset_version: float | int | str | None = None
    ground_truth: bool | str | None = Field(None, alias="ground-truth")
    scores: dict[str, Any] = {}
    audio: Audio = Audio()
    metadata: Metadata = Metadata()


class Origin(_Record):
    """The file that a song was read from: its name and SHA-256."""

    file: str
    sha256: str


class Song(_Record):
    """A song as its JSON holds it; `corrected` are the parameters that DALI's ground truth has for it."""

    schema_: Literal["melisma.dali/1"] = Field(alias="schema")
    origin: Origin
    info: Info
    annotations: Annotations
    corrected: Parameters | None = None

    @property
    def ncc(self) -> float | None:
        """How well the annotation fits the recording it was made for, by DALI's measure in [0, 1]; None if unknown."""
        value = self.info.scores.get("NCC")
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None

    @property
    def is_ground_truth(self) -> bool:
        """Whether a person has set offset and frame rate."""
        said = self.info.ground_truth
        return self.corrected is not None or (said if isinstance(said, bool) else str(said).lower() == "true")

    def levels(self) -> Levels:
        """Return its levels side by side, moved to the ground truth where there is one.

        Raises
        ------
        FormatError
            If they are not what their type says.
        """
        try:
            if self.annotations.type == "vertical":
                found = flattened(
                    [Branch.model_validate(each) for each in self.annotations.annot.get("hierarchical", [])]
                )
            else:
                found = Levels.model_validate(self.annotations.annot)
        except ValidationError as error:
            raise refuse(f"{self.info.id}: {_first(error)}") from error
        if self.corrected is None:
            return found
        return found.moved(*correction(self.annotations.annot_param, self.corrected))


class Levels(_Record):
    """The levels of a song, in order of time. A level may be missing."""

    notes: list[Segment] = []
    words: list[Segment] = []
    lines: list[Segment] = []
    paragraphs: list[Segment] = []

    def level(self, name: Level) -> list[Segment]:
        """Return one level."""
        found: list[Segment] = getattr(self, name)
        return found

    def moved(self, rate: float, offset_s: float) -> Levels:
        """Return them where each time t stands at rate * t + offset_s seconds."""

        def move(each: Segment) -> Segment:
            start, end = each.time
            return each.model_copy(update={"time": (rate * start + offset_s, rate * end + offset_s)})

        return self.model_copy(update={name: [move(each) for each in self.level(name)] for name in LEVELS})


def correction(old: Parameters, new: Parameters) -> tuple[float, float]:
    """Return rate and offset that take times of the old parameters to those of the new: t becomes rate * t + offset.

    Raises
    ------
    FormatError
        If a frame rate is zero or less.
    """
    if old.fr <= 0 or new.fr <= 0:
        raise refuse("a frame rate is not above zero")
    rate = old.fr / new.fr
    return rate, new.offset - rate * old.offset


def corrected_parameters(old: Parameters, rate: float, offset_s: float) -> Parameters:
    """Return DALI's parameters after times t have become rate * t + offset_s: the inverse of `correction`."""
    return Parameters(fr=old.fr / rate, offset=rate * old.offset + offset_s)


def flattened(paragraphs: list[Branch]) -> Levels:
    """Turn the vertical form into levels; texts of words, lines and paragraphs are put together from their notes.

    Notes of a word are joined as they are, words by a space.
    """
    out: dict[str, list[Segment]] = {name: [] for name in LEVELS}

    def add(branch: Branch, depth: int, parent: int | None) -> str:
        name = LEVELS[depth]
        rows = out[name]
        place = len(rows)
        extras = dict(branch.model_extra or {})
        rows.append(Segment(text="", time=branch.time, freq=branch.freq, index=parent, **extras))
        if isinstance(branch.text, str):
            text = branch.text
        elif depth == 0:
            raise refuse("a note holds further notes")
        else:
            text = ("" if depth == 1 else " ").join([add(each, depth - 1, place) for each in branch.text])
        rows[place] = rows[place].model_copy(update={"text": text})
        return text

    for paragraph in paragraphs:
        add(paragraph, len(LEVELS) - 1, None)
    return Levels(**out)


def nested(levels: Levels) -> list[Branch]:
    """Turn levels into the vertical form; what has no place in the level above is left out (see `integrity`)."""
    rows: list[list[dict[str, Any]]] = []
    for depth, name in enumerate(LEVELS):
        below = rows[depth - 1] if depth else []
        level = levels.level(name)
        made = [{**each.model_dump(exclude={"index"})} for each in level]
        children: dict[int, list[dict[str, Any]]] = {}
        if depth:
            for child, segment in zip(below, levels.level(LEVELS[depth - 1]), strict=True):
                if segment.index is not None:
                    children.setdefault(segment.index, []).append(child)
        for place, found in children.items():
            if 0 <= place < len(made):
                made[place]["text"] = found
        rows.append(made)
    return [Branch.model_validate(each) for each in rows[-1]]


def song_from(values: Any, name: str, sha256: str) -> dict[str, Any]:
    """Turn what a pickle held into what the JSON of a song holds, checked.

    Raises
    ------
    FormatError
        If it is no song of DALI; the sentence names the first field that is wrong.
    """
    if not isinstance(values, dict) or not {"info", "annotations"} <= values.keys():
        raise refuse(f"{name} holds no song: attributes info and annotations are missing")
    clash = values.keys() & {"schema", "origin", "corrected"}
    if clash:
        raise refuse(f"{name} has an attribute of its own called {sorted(clash)[0]}")
    song = {"schema": SCHEMA, "origin": {"file": name, "sha256": sha256}, **values}
    try:
        Song.model_validate(song).levels()
    except ValidationError as error:
        raise refuse(f"{name}: {_first(error)}") from error
    return song


def read_song(path: Path) -> Song:
    """Read a song that was converted.

    Raises
    ------
    FormatError
        If it is none; the sentence names the first field that is wrong.
    InputError
        If it cannot be read.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise refuse(f"{path.name} is larger than any song")
        return Song.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise FormatError(FORMAT, f"{path}: {_first(error)}") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return "".join(f"{part}: " for part in first["loc"]) + first["msg"]


def dumps(song: dict[str, Any]) -> bytes:
    """Write the JSON of a song, one line in UTF-8."""
    return (json.dumps(song, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n").encode("utf-8")
