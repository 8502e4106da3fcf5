"""Datasets of Hugging Face on this machine's disk (`save_to_disk`), read and written without decoding any audio."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from melisma.core.errors import InputError, ManifestError, MelismaError, MissingDependency
from melisma.core.files import make_folder, write_atomically
from melisma.data.exchange.drafts import Defaults, Draft, Ids
from melisma.data.exchange.tables import whole_folder
from melisma.data.index import Index
from melisma.data.recordings import file_name

# What data sets call the fields of an utterance; the first that there is counts.
_CALLED = {
    "id": ("id", "segment_id", "utterance_id", "file_id"),
    "transcript": ("transcript", "text", "sentence", "transcription", "normalized_text"),
    "language": ("language", "locale", "lang"),
    "speaker_id": ("speaker_id", "client_id", "speaker"),
    "license": ("license", "licence"),
    "source": ("source",),
    "recording_id": ("recording_id",),
    "start": ("start",),
    "duration": ("duration",),
}


def _library() -> ModuleType:
    try:
        return import_module("datasets")
    except ImportError as error:
        raise MissingDependency("data sets of Hugging Face need the package datasets: pip install datasets") from error


@contextmanager
def _quiet(datasets: ModuleType) -> Iterator[None]:
    """Keep the library's own bars off the terminal."""
    shown = datasets.utils.logging.is_progress_bar_enabled()
    datasets.utils.logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            datasets.utils.logging.enable_progress_bar()


def read(source: Path, defaults: Defaults, extracted: Path) -> Iterator[Draft]:
    """Yield the rows of a data set, or of all parts of one, whose names they keep as `split`.

    Parameters
    ----------
    source : Path
        What `save_to_disk` wrote.
    defaults : Defaults
        What the rows do not say.
    extracted : Path
        Folder for audio that lies inside the data set, written as it is.

    Raises
    ------
    InputError
        If it cannot be loaded, or has no column of audio.
    ManifestError
        If a row names no audio.
    """
    datasets = _library()
    with _quiet(datasets):
        try:
            loaded = datasets.load_from_disk(str(source.resolve()))
        except (OSError, ValueError, KeyError, TypeError, NotImplementedError) as error:
            raise InputError(f"{source} is no data set that was saved to disk: {error}") from error
        parts = loaded.items() if isinstance(loaded, datasets.DatasetDict) else [("", loaded)]
        for name, rows in parts:
            yield from _rows(datasets, rows, _Place(source, name, defaults, extracted))


class _Place:
    """Which rows are read, and where their audio goes."""

    def __init__(self, source: Path, part: str, defaults: Defaults, extracted: Path) -> None:
        self.source, self.part, self.defaults, self.extracted = source, part, defaults, extracted
        self.files = Ids()  # of this part, so that no audio is written over that of another row


def _rows(datasets: ModuleType, rows: Any, place: _Place) -> Iterator[Draft]:
    audio = next((name for name, kind in rows.features.items() if isinstance(kind, datasets.Audio)), None)
    if audio is not None:
        rows = rows.cast_column(audio, datasets.Audio(decode=False))
    elif "audio" in rows.features:
        audio = "audio"
    else:
        raise InputError(f"{place.source} has no column of audio, but {', '.join(rows.features)}")
    for number, row in enumerate(rows, 1):
        fields = _fields(row, audio, place, number)
        yield Draft(place.source, number, _audio(row[audio], fields["id"], place, number), fields)


def _fields(row: Mapping[str, Any], audio: str, place: _Place, number: int) -> dict[str, Any]:
    defaults = place.defaults
    fields: dict[str, Any] = {
        "id": f"{place.part or 'row'}-{number}",
        "language": defaults.language,
        "speaker_id": defaults.speaker,
        "license": defaults.license,
        "source": defaults.source,
    }
    used = {audio}
    for name, called in _CALLED.items():
        found = next((each for each in called if row.get(each) is not None), None)
        if found is not None:
            fields[name] = row[found]
            used |= {found}
    for name, value in row.items():
        if name in ("words", "derived_from", "more") or name in used or value is None:
            continue
        if isinstance(value, (str, int, float, list)) and name not in fields:
            fields[name] = value
    if isinstance(row.get("more"), str):  # what we had no column for
        try:
            fields |= {k: v for k, v in json.loads(row["more"]).items() if k not in fields}
        except (ValueError, AttributeError) as error:
            raise ManifestError(place.source, number, f"its column 'more' is no JSON object: {error}") from error
    return fields | ({"split": place.part} if place.part else {})


def _audio(said: Any, id: object, place: _Place, number: int) -> Path:
    """Return the file of a row; what lies in the data set itself is written out under a safe name."""
    path, data = (said.get("path"), said.get("bytes")) if isinstance(said, dict) else (said, None)
    if isinstance(data, bytes) and data:
        suffix = Path(path).suffix if isinstance(path, str) else ""
        suffix = suffix if suffix[1:].isascii() and suffix[1:].isalnum() and len(suffix) < 6 else ".audio"
        target = place.extracted / file_name(place.files.own(f"{place.part}/{id}".lstrip("/")), suffix)
        if not (target.is_file() and target.stat().st_size == len(data) and _hash(target.read_bytes()) == _hash(data)):
            make_folder(target.parent)
            write_atomically(target, data)
        return target
    if not isinstance(path, str) or not path or "\0" in path:
        raise ManifestError(place.source, number, "names no audio")
    if "://" in path:
        raise ManifestError(place.source, number, f"its audio lies elsewhere ({path[:60]!a}): download it first")
    return (place.defaults.audio_root or place.source) / path


def _hash(data: bytes) -> bytes:
    return hashlib.blake2b(data).digest()


def write(index: Index, out: Path) -> int:
    """Write a data set for `datasets.load_from_disk`; return how many rows it has.

    `audio` names each recording by its whole path; `cast_column("audio", datasets.Audio())` makes it sound. `start`
    and `duration` say which part of it an utterance is. Fields that Melisma does not know, and words, stand as JSON in
    the column `more`.

    Raises
    ------
    InputError
        If an id comes twice, or a recording is missing.
    OutputError
        If it cannot be written.
    MissingDependency
        If datasets is not installed.
    """
    datasets = _library()
    index.refuse_duplicates()
    text, number = datasets.Value("string"), datasets.Value("float64")
    kinds = {name: number if name in ("start", "duration") else text for name in ("audio", *_CALLED, "more")}
    with (
        whole_folder(out) as folder,
        tempfile.TemporaryDirectory(dir=folder, prefix=".cache-") as cache,
        _quiet(datasets),
    ):
        try:
            made = datasets.Dataset.from_generator(
                _written, features=datasets.Features(kinds), cache_dir=cache, gen_kwargs={"index": index}
            )
        except datasets.exceptions.DatasetGenerationError as error:
            if isinstance(error.__cause__, MelismaError):
                raise error.__cause__ from None
            raise
        made.save_to_disk(str(folder / "made"))
        for each in (folder / "made").iterdir():
            os.replace(each, folder / each.name)
        (folder / "made").rmdir()
    return len(index)


def _written(index: Index) -> Iterator[dict[str, Any]]:
    root = os.path.realpath(index.path.parent)
    for each in index:
        path = os.path.normpath(os.path.join(root, each.audio))
        if not os.path.isfile(path):
            raise InputError(f"there is no recording {path!a}")
        more = {k: v for k, v in each.model_dump(exclude_defaults=True).items() if k not in _CALLED and k != "audio"}
        yield {name: getattr(each, name) for name in _CALLED} | {
            "audio": path,
            "more": json.dumps(more, ensure_ascii=False) if more else None,
        }
