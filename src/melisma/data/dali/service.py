"""The one door to DALI: its annotations, converted once, and the recordings that were found for them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from melisma.core.artifacts import Artifacts
from melisma.core.errors import FormatError, InputError, NotFound
from melisma.core.files import make_folder, write_atomically
from melisma.data.dali import unpickler
from melisma.data.dali.annotation import LEVELS, Parameters, Song, dumps, read_song, song_from
from melisma.data.dali.integrity import check, counts
from melisma.data.dali.languages import code_of
from melisma.data.dali.pickled import FORMAT, refuse
from melisma.data.report import Problem, Report
from melisma.scale.again import again, writes_here
from melisma.scale.local import LocalExecutor
from melisma.scale.protocol import Executor, Progress, Task

LICENCE = "CC-BY-NC-SA-4.0"
SOURCE = "DALI"
INDEX = "index.jsonl"
# The first that is there is taken.
AUDIO_SUFFIXES = (".flac", ".wav", ".opus", ".ogg", ".oga", ".m4a", ".webm", ".mka", ".mp4", ".aac", ".mp3")


@dataclass(frozen=True, slots=True)
class Header:
    """What is known of a song without its notes: a line of the index.

    Parameters
    ----------
    id, title, artist, url : str
        As DALI has them; `url` may be the id of a video.
    language : str
        BCP 47, "und" where it is not known; `language_name` as DALI calls it.
    ncc : float, optional
        DALI's own score of the annotation against the recording it was made for.
    ground_truth, working : bool
        Whether a person set offset and frame rate; whether the video was there when DALI looked.
    version : str
        Of the data set.
    genres : tuple of str
    n_words, n_lines : int
    start_s, end_s : float
        First and last moment that anything is sung, in the recording that the annotation was made for.
    faults : mapping of str to int
        What is wrong between its levels, see `integrity`.
    """

    id: str
    title: str
    artist: str
    language: str
    language_name: str
    ncc: float | None
    ground_truth: bool
    version: str
    genres: tuple[str, ...]
    url: str
    working: bool
    n_words: int
    n_lines: int
    start_s: float
    end_s: float
    faults: dict[str, int]


def header_of(song: Song) -> Header:
    """Sum up a song."""
    levels = song.levels()
    times = [t for name in LEVELS for each in levels.level(name) for t in each.time]
    info = song.info
    working = info.audio.working
    return Header(
        id=info.id,
        title=info.title,
        artist=info.artist,
        language=code_of(info.metadata.language),
        language_name=info.metadata.language or "",
        ncc=song.ncc,
        ground_truth=song.is_ground_truth,
        version="" if info.dataset_version is None else _version(info.dataset_version),
        genres=tuple(info.metadata.genres),
        url=info.audio.url or "",
        working=working if isinstance(working, bool) else str(working).lower() == "true",
        n_words=len(levels.words),
        n_lines=len(levels.lines),
        start_s=min(times, default=0.0),
        end_s=max(times, default=0.0),
        faults=counts(check(levels)),
    )


def _version(said: float | int | str) -> str:
    """Spell a version in one way: 1 and 1.0 are the same.

    >>> _version(1), _version(1.0), _version("2.0")
    ('1.0', '1.0', '2.0')
    """
    return said if isinstance(said, str) else f"{float(said):g}" + (".0" if float(said).is_integer() else "")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which songs are meant; what is None or empty does not matter.

    Parameters
    ----------
    languages : tuple of str
        Codes (en) or DALI's names (english).
    min_ncc, max_ncc : float, optional
        A song without a score passes neither.
    genres, artists : tuple of str
        Any of them; compared without case.
    ground_truth : bool, optional
    versions : tuple of str
        Such as 1.0.
    ids : tuple of str
    """

    languages: tuple[str, ...] = ()
    min_ncc: float | None = None
    max_ncc: float | None = None
    genres: tuple[str, ...] = ()
    artists: tuple[str, ...] = ()
    ground_truth: bool | None = None
    versions: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()

    def takes(self, song: Header) -> bool:
        """Say whether a song is meant."""
        folded = {each.casefold() for each in song.genres}
        checks = (
            not self.languages
            or {each.casefold() for each in self.languages} & {song.language, song.language_name.casefold()},
            self.min_ncc is None or (song.ncc is not None and song.ncc >= self.min_ncc),
            self.max_ncc is None or (song.ncc is not None and song.ncc <= self.max_ncc),
            not self.genres or folded & {each.casefold() for each in self.genres},
            not self.artists or song.artist.casefold() in {each.casefold() for each in self.artists},
            self.ground_truth is None or song.ground_truth == self.ground_truth,
            not self.versions or song.version in {_numbered(each) for each in self.versions},
            not self.ids or song.id in self.ids,
        )
        return all(checks)


def _numbered(said: str) -> str:
    try:
        return _version(float(said))
    except ValueError:
        return said


@dataclass(frozen=True, slots=True)
class Converting:
    """Stage: reads one .gz file of DALI and writes its JSON; returns the song's header.

    Parameters
    ----------
    folder : str
        Where the JSON goes.
    corrected : mapping of str to (float, float)
        Frame rate and offset of DALI's ground truth, by song.
    """

    folder: str
    corrected: dict[str, tuple[float, float]]

    name = "convert"

    def configuration(self) -> str:
        """Return what decides the outcome."""
        said = json.dumps([self.folder, sorted(self.corrected.items())])
        return hashlib.sha256(said.encode()).hexdigest()

    def __call__(self, item: Any) -> Any:
        """Convert the file at the path `item`."""
        path = Path(item)
        packed = unpickler.read_packed(path)
        values = unpickler.loads(unpickler.unpack(packed, path.name))
        song = song_from(values, path.name, hashlib.sha256(packed).hexdigest())
        told = self.corrected.get(song["info"]["id"])
        if told is not None:
            song["corrected"] = {"fr": told[0], "offset": told[1]}
        checked = Song.model_validate(song)
        if f"{checked.info.id}.gz" != path.name:
            raise refuse(f"{path.name} holds the song {checked.info.id}: a file is named by its song")
        write_atomically(Path(self.folder) / f"{checked.info.id}.json", dumps(song))
        return asdict(header_of(checked))


def read_ground_truth(path: Path) -> dict[str, tuple[float, float]]:
    """Read DALI's ground truth, a gzipped pickle of {id: {"fr", "offset"}}; return (fr, offset) by song.

    Raises
    ------
    FormatError
        If it is none.
    """
    values = unpickler.load(path)
    if not isinstance(values, dict):
        raise refuse(f"{path.name} is no table of songs")
    out = {}
    for key, each in values.items():
        try:
            found = Parameters.model_validate(each)
        except ValueError as error:
            raise refuse(f"{path.name}: the song {key[:100]} lacks a frame rate or an offset") from error
        out[key] = (found.fr, found.offset)
    return out


class DaliService:
    """DALI as it lies on this machine.

    Parameters
    ----------
    annotations : Path
        Folder of songs that were converted (`convert`).
    audio : Path, optional
        Folder of recordings, each named by its song's id; MELISMA_DALI_AUDIO, or data/dali_audio, without it.
    """

    def __init__(self, annotations: Path, audio: Path | None = None) -> None:
        self.annotations = annotations
        said = os.environ.get("MELISMA_DALI_AUDIO")
        self.audio = audio or (Path(said) if said else Artifacts.of().data / "dali_audio")

    def headers(self, selection: Selection | None = None) -> Iterator[Header]:
        """Yield what is known of the songs that are meant, in the order of their ids.

        Raises
        ------
        InputError
            If the folder holds no songs that were converted.
        FormatError
            If its index is damaged.
        """
        wanted = selection or Selection()
        path = self.annotations / INDEX
        try:
            with path.open(encoding="utf-8") as file:
                for number, line in enumerate(file, 1):
                    song = _header(line, path, number)
                    if wanted.takes(song):
                        yield song
        except FileNotFoundError as error:
            raise InputError(
                f"{self.annotations} holds no {INDEX}: convert DALI's files first, with melisma dali convert"
            ) from error
        except UnicodeDecodeError as error:
            raise refuse(f"{path} is no UTF-8") from error

    def header(self, song_id: str) -> Header:
        """Return what is known of one song; NotFound if there is none."""
        found = next(self.headers(Selection(ids=(song_id,))), None)
        if found is None:
            raise NotFound("song of DALI", song_id)
        return found

    def song(self, song_id: str) -> Song:
        """Read one song; NotFound if there is none."""
        self.header(song_id)  # an id that is in the index is the name of a file, and no path
        return read_song(self.annotations / f"{song_id}.json")

    def audio_of(self, song_id: str) -> Path | None:
        """Return the recording of a song; None if there is none."""
        for suffix in AUDIO_SUFFIXES:
            path = self.audio / f"{song_id}{suffix}"
            if path.is_file():
                return path
        return None


def _header(line: str, path: Path, number: int) -> Header:
    try:
        values = json.loads(line)
        header = Header(**{**values, "genres": tuple(values["genres"])})
    except (ValueError, TypeError, KeyError) as error:
        raise FormatError(FORMAT, f"{path} is damaged: make it again with melisma dali convert", number) from error
    return header


def files_of(folder: Path) -> list[Path]:
    """Return the annotation files of a folder, `*.gz`, in order; InputError if there are none."""
    try:
        found = sorted(path for path in folder.iterdir() if path.name.endswith(".gz") and path.is_file())
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error.strerror or error}") from error
    if not found:
        raise InputError(f"{folder} holds no .gz file: give the folder of DALI's annotations")
    return found


def convert(
    folder: Path,
    output: Path,
    *,
    ground_truth: Path | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Report:
    """Convert a folder of DALI's files to JSON, a file a song, with an index; what is done already is not done again.

    Parameters
    ----------
    folder : Path
        Of `*.gz`, as DALI publishes them.
    output : Path
        Where `<id>.json` and `index.jsonl` go.
    ground_truth : Path, optional
        DALI's table of parameters that a person has set.
    executor : Executor, optional
        Who does it; all cores of this machine without.
    progress : callable, optional

    Raises
    ------
    InputError
        If there is no file.
    """
    files = files_of(folder)
    corrected = read_ground_truth(ground_truth) if ground_truth else {}
    make_folder(output)
    tasks = [Task(path.name, str(path), _signature(path)) for path in files]
    stage = Converting(str(output.resolve()), corrected)
    headers: dict[str, dict[str, Any]] = {}
    problems: list[Problem] = []
    reused, here = 0, writes_here(executor)
    outcomes = (executor or LocalExecutor()).run(stage, tasks, journal=output / f".{INDEX}.journal", progress=progress)
    for task, outcome in zip(tasks, outcomes, strict=True):
        if outcome.reused and here and not (output / f"{outcome.value['id']}.json").is_file():
            outcome = again(executor, stage, task)  # somebody took away what an earlier run had made
        reused += outcome.reused
        if outcome.error is not None:
            problems.append(Problem(outcome.key, "refused", outcome.error))
        else:
            headers[outcome.value["id"]] = outcome.value
    write_index(output, headers.values())
    found = {"files": len(files), "songs": len(headers), "reused": reused, "refused": len(files) - len(headers)}
    settings = {"annotations": str(folder), "ground_truth": str(ground_truth) if ground_truth else None}
    return Report("dali convert", settings, found, problems, {"faults": _summed(headers.values())})


def write_index(output: Path, headers: Iterable[dict[str, Any]]) -> None:
    """Write the index of a folder of songs."""
    rows = sorted(headers, key=lambda each: str(each["id"]))
    text = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in rows)
    write_atomically(output / INDEX, text.encode("utf-8"))


def _summed(headers: Iterable[dict[str, Any]]) -> dict[str, int]:
    out: dict[str, int] = {}
    for each in headers:
        for kind, n in each["faults"].items():
            out[kind] = out.get(kind, 0) + n
    return dict(sorted(out.items()))


def _signature(path: Path) -> str:
    found = path.stat()
    return f"{found.st_size} {found.st_mtime_ns}"
