"""What somebody uploads, or names in the library, held to what our decoder says of it before anything is kept."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from threading import BoundedSemaphore

from melisma.audio.container import HEAD, AudioInfo, mp3_head
from melisma.audio.probe import open_source
from melisma.audio.tags import read_tags
from melisma.core.errors import AudioError, AudioTooLong, EmptyAudio, InputError, NotFound
from melisma.formats.karaoke_media import media_type_of
from melisma.server import names
from melisma.server.context import Context
from melisma.store import keys
from melisma.store.service.files import Incoming
from melisma.store.service.songs import Names, Recording

# Media type and suffix by what libsndfile and ffmpeg call a container.
_CONTAINERS = {
    "mp3": ("audio/mpeg", ".mp3"),
    "flac": ("audio/flac", ".flac"),
    "wav": ("audio/wav", ".wav"),
    "wavex": ("audio/wav", ".wav"),
    "rf64": ("audio/wav", ".wav"),
    "w64": ("audio/x-w64", ".w64"),
    "ogg": ("audio/ogg", ".ogg"),
    "aiff": ("audio/aiff", ".aiff"),
    "au": ("audio/basic", ".au"),
    "caf": ("audio/x-caf", ".caf"),
    "mov": ("audio/mp4", ".m4a"),
    "matroska": ("audio/x-matroska", ".mka"),
    "aac": ("audio/aac", ".aac"),
    "asf": ("audio/x-ms-wma", ".wma"),
    "ac3": ("audio/ac3", ".ac3"),
    "amr": ("audio/amr", ".amr"),
    "ape": ("audio/x-ape", ".ape"),
    "wv": ("audio/x-wavpack", ".wv"),
    "mpegts": ("video/mp2t", ".ts"),
    "mpeg": ("video/mpeg", ".mpg"),
    "avi": ("video/x-msvideo", ".avi"),
    "flv": ("video/x-flv", ".flv"),
}
_REFINED = {
    "audio/ogg;codecs=opus": ("audio/ogg;codecs=opus", ".opus"),
    "audio/webm": ("audio/webm", ".webm"),
}
_OTHER = ("application/octet-stream", ".audio")
_AT_ONCE = BoundedSemaphore(max(2, os.cpu_count() or 2))  # each decodes a recording: more would only wait for the CPU


def examine(path: Path, name: str, max_duration_s: float) -> tuple[str, str, int]:
    """Find out what a file is, by decoding it, block by block, into nothing.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        What to call it in a sentence: the path is nobody's business.
    max_duration_s : float
        The longest that is taken: refused by what the header promises, and again as soon as more than that came out,
        for a header may promise little.

    Returns
    -------
    tuple of str, str and int
        Media type, suffix with its dot, and length in ms.

    Raises
    ------
    AudioError
        If it is no recording, or cannot be decoded, or holds nothing, or is too long.
    """
    try:
        with _AT_ONCE, open_source(path) as source:
            info = source.info
            _check_length(source.promised_s or 0.0, name, max_duration_s)
            n_frames = 0
            for block in source.blocks():
                n_frames += len(block)
                _check_length(n_frames / info.sample_rate, name, max_duration_s)
    except AudioError as error:
        raise type(error)(_called(str(error), path, name)) from error
    if not n_frames:
        raise EmptyAudio(f"{name} holds no sound")
    return (*_kind(path, info), max(1, round(1000 * n_frames / info.sample_rate)))


def take_upload(context: Context, incoming: Incoming, given_name: str) -> tuple[Recording, Names]:
    """Examine an upload; nothing is kept yet. Errors as in `examine`."""
    name = names.file_name(given_name)
    path = incoming.flush()
    media_type, suffix, duration_ms = examine(path, name, context.settings.limits.duration_s)
    found = Recording(incoming.content, media_type, suffix, incoming.size_bytes, duration_ms, name)
    return found, _tags(path, name)


def take_from_library(context: Context, path: Path, library_path: str) -> tuple[Recording, Names]:
    """Examine a recording of the library, which stays where it is. Errors as in `examine`."""
    name = names.file_name(path.name)
    size = path.stat().st_size
    most = context.settings.limits.upload_bytes
    if size > most:
        raise AudioError(f"{name} is larger than the {most // 1_000_000} MB that this service takes")
    media_type, suffix, duration_ms = examine(path, name, context.settings.limits.duration_s)
    mark = keys.mark_file(path)
    if mark is None:
        raise NotFound("recording", library_path)
    found = Recording(mark.content, media_type, suffix, mark.size, duration_ms, name, library_path)
    return found, _tags(path, name)


def named(given: Names, found: Names) -> Names:
    """Prefer what the caller says of a song over what its file says."""
    return replace(given, title=given.title or found.title, artist=given.artist or found.artist)


def _check_length(duration_s: float, name: str, most: float) -> None:
    if duration_s > most:
        limit = f"{most / 3600:.3g} h" if most >= 3600 else f"{most:g} s"
        raise AudioTooLong(f"{name} is longer than the {limit} that this service takes: cut it into pieces")


def _called(sentence: str, path: Path, name: str) -> str:
    """Call the file by its name, whatever path the sentence has."""
    for spelling in {str(path), str(path.absolute()), str(path.resolve())}:
        sentence = sentence.replace(spelling, name)
    return names.without_paths(sentence).replace(path.name, name)


def _kind(path: Path, info: AudioInfo) -> tuple[str, str]:
    """Return media type and suffix, by the content."""
    if info.container not in _CONTAINERS and mp3_head(path) is not None:
        return _CONTAINERS["mp3"]
    with path.open("rb") as file:
        told = media_type_of(file.read(HEAD)) or ""
    return _REFINED.get(told) or _CONTAINERS.get(info.container, _OTHER)


def _tags(path: Path, name: str) -> Names:
    """Return what the file says of itself; its name is the title where it says nothing."""
    tags = read_tags(path)
    stem = name.rpartition(".")[0] or name
    try:
        return Names(names.line(tags.title or stem, "title"), names.line(tags.artist, "artist"))
    except InputError:
        return Names(stem)
