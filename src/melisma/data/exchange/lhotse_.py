"""Lhotse's manifests (cuts, or recordings with supervisions, in JSONL), read as the plain JSON that they are.

Lhotse need not be installed: it is what the tests compare with. Audio that is a command or an address is refused.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from melisma.core.errors import InputError, ManifestError
from melisma.data import manifest
from melisma.data.exchange.drafts import Defaults, Draft

Finite = Annotated[float, Field(allow_inf_nan=False)]
_NAMES = {"cuts": ("cuts",), "supervisions": ("recordings", "supervisions"), "recordings": ("recordings",)}


class _Source(BaseModel):
    type: str
    source: Any


class _Recording(BaseModel):
    id: str
    sources: list[_Source]
    duration: Finite
    transforms: list[Any] | None = None


class _Supervision(BaseModel):
    id: str
    recording_id: str
    start: Finite
    duration: Finite
    text: str | None = None
    language: str | None = None
    speaker: str | None = None
    gender: str | None = None
    custom: dict[str, Any] | None = None
    alignment: dict[str, list[list[Any] | dict[str, Any]]] | None = None


class _Cut(BaseModel):
    id: str
    type: Literal["MonoCut", "MultiCut"]
    start: Finite
    duration: Finite
    recording: _Recording
    supervisions: list[_Supervision] = []
    custom: dict[str, Any] | None = None


def read(source: Path, defaults: Defaults) -> Iterator[Draft]:
    """Yield the utterances of a file of cuts or of supervisions, or of a folder that holds some.

    Raises
    ------
    ManifestError
        If a line cannot be read, or audio is anything but a file.
    InputError
        If there is no such manifest.
    """
    kind, path = _found(source)
    root = defaults.audio_root or path.parent
    if kind == "cuts":
        for number, data in _lines(path):
            yield from _of_cut(_checked(_Cut, data, path, number), path, number, root, defaults)
        return
    beside = path if kind == "recordings" else path.with_name(path.name.replace("supervisions", "recordings"))
    if not beside.is_file():
        raise InputError(f"there is no {beside.name} beside {path}")
    recordings: dict[str, tuple[Path, float]] = {}
    for number, data in _lines(beside):
        found = _checked(_Recording, data, beside, number)
        recordings[found.id] = _file(found, beside, number, root), found.duration
    if kind == "recordings":
        for name, (audio, duration) in recordings.items():
            yield Draft(path, None, audio, _fields({"id": name, "duration": duration}, defaults))
        return
    for number, data in _lines(path):
        said = _checked(_Supervision, data, path, number)
        if said.recording_id not in recordings:
            raise ManifestError(path, number, f"there is no recording {said.recording_id!r} in {beside.name}")
        yield Draft(path, number, recordings[said.recording_id][0], _of_supervision(said, said.start, defaults))


def _found(source: Path) -> tuple[str, Path]:
    """Return what kind of manifest there is, and where."""
    if source.is_dir():
        for kind in _NAMES:
            found = sorted([*source.glob(f"*{kind}*.jsonl"), *source.glob(f"*{kind}*.jsonl.gz")])
            if len(found) > 1:
                raise InputError(
                    f"{source} holds several manifests, such as {found[0].name} and {found[1].name}: name one"
                )
            if found:
                return kind, found[0]
        raise InputError(f"{source} holds no cuts.jsonl.gz, nor supervisions.jsonl.gz and recordings.jsonl.gz")
    for kind in _NAMES:
        if kind in source.name:
            return kind, source
    first = next(_lines(source), None)
    said = {} if first is None else _checked(dict[str, Any], first[1], source, first[0])
    return ("cuts" if "type" in said else "supervisions" if "recording_id" in said else "recordings"), source


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    if path.suffix != ".gz":
        yield from ((line.number, line.data) for line in manifest.lines(path))
        return
    number = 0
    try:
        with gzip.open(path) as file:
            while data := file.readline(manifest.MAX_LINE + 1):
                number += 1
                if len(data) > manifest.MAX_LINE:
                    raise ManifestError(path, number, f"is longer than {manifest.MAX_LINE >> 20} MiB")
                if data.strip():
                    yield number, data
    except (OSError, EOFError, zlib.error) as error:
        raise ManifestError(path, number or None, f"cannot be unpacked: {error}") from error


def _checked(kind: Any, data: bytes, path: Path, number: int) -> Any:
    try:
        return TypeAdapter(kind).validate_json(data)
    except ValidationError as error:
        raise ManifestError(path, number, manifest.fault(error)) from error


def _file(recording: _Recording, path: Path, number: int, root: Path) -> Path:
    if len(recording.sources) != 1 or recording.sources[0].type != "file":
        kinds = ", ".join(repr(each.type) for each in recording.sources[:3]) or "nothing"
        raise ManifestError(path, number, f"the audio of {recording.id!r} is no file but {kinds}: refused")
    if recording.transforms:
        raise ManifestError(path, number, f"the audio of {recording.id!r} is changed as it is read: save it first")
    named = recording.sources[0].source
    if not isinstance(named, str) or not named or "\0" in named:
        raise ManifestError(path, number, f"the audio of {recording.id!r} has no name")
    return root / named


def _of_cut(cut: _Cut, path: Path, number: int, root: Path, defaults: Defaults) -> Iterator[Draft]:
    audio = _file(cut.recording, path, number, root)
    if not cut.supervisions:
        fields = {"id": cut.id, "start": cut.start, "duration": cut.duration, **_custom(cut.custom)}
        yield Draft(path, number, audio, _fields(fields, defaults))
    for said in cut.supervisions:
        begins, ends = max(0.0, said.start), min(cut.duration, said.start + said.duration)
        inside = said.model_copy(update={"start": begins, "duration": round(ends - begins, 8)})
        fields = _of_supervision(inside, cut.start + begins, defaults)
        yield Draft(path, number, audio, _custom(cut.custom) | fields)


def _of_supervision(said: _Supervision, start: float, defaults: Defaults) -> dict[str, Any]:
    """Return the fields of an utterance that begins at `start` of its recording."""
    fields: dict[str, Any] = {"id": said.id, "start": round(start, 8), "duration": said.duration}
    named = {"transcript": said.text, "language": said.language, "speaker_id": said.speaker, "gender": said.gender}
    fields |= {name: value for name, value in named.items() if value is not None}
    if said.alignment and "word" in said.alignment:
        # Lhotse counts the times of words from the beginning of the recording.
        fields["words"] = [_word(each, start) for each in said.alignment["word"]]
    return _fields(_custom(said.custom) | fields, defaults)


def _word(item: list[Any] | dict[str, Any], start: float) -> dict[str, Any]:
    values = list(item.values()) if isinstance(item, dict) else item
    try:
        begins = max(0.0, round(float(values[1]) - start, 8))
        return {"text": str(values[0]), "start": begins, "end": round(begins + float(values[2]), 8)}
    except (IndexError, TypeError, ValueError):
        return {"text": None}  # which no word is: the utterance is refused with its line


def _custom(said: dict[str, Any] | None) -> dict[str, Any]:
    kept = ("id", "audio", "start", "duration", "words", "transcript")
    return {name: value for name, value in (said or {}).items() if name not in kept}


def _fields(fields: dict[str, Any], defaults: Defaults) -> dict[str, Any]:
    known = {
        "language": defaults.language,
        "speaker_id": defaults.speaker,
        "license": defaults.license,
        "source": defaults.source,
    }
    return known | fields
