"""Alignment and recording → one HTML page that plays the song and fills each word as it is sung.

The page stands alone: script, style, lyrics and audio are inside, nothing is fetched, and a content security policy
holds it to that. It is written in ASCII only, so it survives any encoding, and Python keeps it at one byte a character.
"""

from __future__ import annotations

import base64
import html
import json
import re
import zlib
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from melisma.core.errors import AudioError, EmptyAudio, FormatError, InputError, NotAudio
from melisma.core.page_head import page_head
from melisma.core.page_policy import page_policy
from melisma.core.records import Alignment, Word
from melisma.formats._sung import is_backing, sung_groups
from melisma.formats.karaoke_media import media_type_of

MAX_AUDIO_BYTES = 200_000_000  # base64 makes 267 MB of it; Chromium's longest string is 512 MB
DOUBT_BELOW = 0.5  # words under this confidence are marked when the reader asks for it
# Hues of voice and ground, degrees in OKLCH: the ground runs from blue to plum, for brown and olive look dull.
_HUES = ((355, 285), (25, 320), (60, 280), (245, 265), (285, 270), (315, 295))
_SCRIPTS = ("timeline.js", "stage.js", "player.js", "main.js")
_MEDIA_TYPE = re.compile(r"(audio|video)/[\w.+-]+(;[\w-]+=[\w.+-]+)*", re.ASCII)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]+")


def page(alignment: Alignment, audio: bytes, media_type: str, *, title: str | None = None) -> str:
    """Write the karaoke page of a song.

    Parameters
    ----------
    alignment : Alignment
        Words and lines on the timeline of `audio`.
    audio : bytes
        The recording as a browser can play it (MP3, Ogg, WAV, FLAC, M4A, WebM), embedded as it is; at most
        `MAX_AUDIO_BYTES`. The page is 4/3 as large.
    media_type : str
        Media type of `audio`, such as ``"audio/mpeg"``.
    title : str, optional
        What stands above the lyrics; "Karaoke" where nothing is given.

    Returns
    -------
    str
        One self-contained HTML document in ASCII.

    Raises
    ------
    FormatError
        If the alignment holds no word or breaks a promise of `Alignment.check`.
    EmptyAudio
        If `audio` holds no byte.
    AudioError
        If `audio` is larger than the limit.
    InputError
        If `media_type` is not that of audio or video.
    """
    _check(alignment, len(audio), media_type)
    title = _UNPRINTABLE.sub(" ", title or "").strip() or "Karaoke"
    # One script of one scope: the parts share their names with each other and with nothing else.
    script = f'"use strict";\n(() => {{\n{"".join(map(_part, _SCRIPTS))}}})();\n'
    style = _part("page.css")
    policy = html.escape(page_policy(script, style, media_src="blob:", img_src="data:"))
    return Template(_part("page.html")).substitute(
        head=page_head(policy, _ascii(html.escape(title)), style, drawn="M4 5h8M4 8h8M4 11h4", notch=True),
        song=_json(_song(alignment, title, media_type)),
        recording=f"data:{media_type};base64,{base64.b64encode(audio).decode('ascii')}",
        script=script,
    )


def page_for_file(
    alignment: Alignment, audio_path: str | Path, *, media_type: str | None = None, title: str | None = None
) -> str:
    """Write the karaoke page of a song whose recording is a file.

    Parameters
    ----------
    alignment : Alignment
        Words and lines on the timeline of the recording.
    audio_path : str or Path
        The recording.
    media_type : str, optional
        Its media type; told from the file's content where nothing is given.
    title : str, optional
        What stands above the lyrics; the file's name without its suffix where nothing is given.

    Returns
    -------
    str
        One self-contained HTML document in ASCII.

    Raises
    ------
    AudioError
        If the file cannot be read or is larger than the limit.
    NotAudio
        If its content is of no kind that browsers play; also whatever `page` raises.
    """
    path = Path(audio_path)
    try:
        n_bytes = path.stat().st_size
        audio = path.read_bytes() if 0 < n_bytes <= MAX_AUDIO_BYTES else b""
    except OSError as error:
        raise AudioError(f"cannot read {path}: {error.strerror or error}") from error
    _check_size(n_bytes, str(path))
    media_type = media_type or media_type_of(audio)
    if media_type is None:
        raise NotAudio(f"{path} is not audio that a browser plays: convert it to MP3, Ogg, M4A, FLAC or WAV first")
    return page(alignment, audio, media_type, title=path.stem if title is None else title)


def _check(alignment: Alignment, n_bytes: int, media_type: str) -> None:
    try:
        alignment.check()
    except ValueError as error:
        raise FormatError("karaoke page", str(error)) from error
    if not alignment.words:
        raise FormatError("karaoke page", "the alignment holds no word, so there is nothing to sing")
    for i, word in enumerate(alignment.words):
        if word.confidence is not None and not 0 <= word.confidence <= 1:
            raise FormatError("karaoke page", f"word {i} ({word.text!r}) has confidence {word.confidence}, not in 0..1")
    _check_size(n_bytes, "the recording")
    if not _MEDIA_TYPE.fullmatch(media_type):
        raise InputError(f"{media_type!r} is not the media type of a recording, such as 'audio/mpeg'")


def _check_size(n_bytes: int, what: str) -> None:
    if n_bytes == 0:
        raise EmptyAudio(f"{what} is empty")
    if n_bytes > MAX_AUDIO_BYTES:
        raise AudioError(
            f"{what} has {n_bytes / 1e6:.0f} MB, a karaoke page holds at most {MAX_AUDIO_BYTES / 1e6:.0f} MB: "
            "convert it to MP3 or Opus first"
        )


def _song(alignment: Alignment, title: str, media_type: str) -> dict[str, Any]:
    """Gather what the page's script reads."""
    confidence = alignment.confidence_avg
    return {
        "title": title,
        "hues": _HUES[zlib.crc32(title.encode("utf-8")) % len(_HUES)],  # a song keeps its colour
        "language": alignment.language,
        "engine": alignment.engine,
        "confidence": None if confidence is None else round(float(confidence), 3),
        "doubt_below": DOUBT_BELOW,
        "duration_ms": alignment.duration_ms,
        "media_type": media_type,
        "lines": _lines(alignment),
    }


def _lines(alignment: Alignment) -> list[dict[str, Any]]:
    """Gather the lines in the order in which they are sung; `index` numbers words that are not the next of the text."""
    found: list[dict[str, Any]] = []
    at = 0
    for group in sung_groups(alignment):
        words = [alignment.words[i] for i in group]
        line: dict[str, Any] = {
            "stanza": alignment.lines[words[0].line].stanza,
            "words": [_word(word) for word in words],
        }
        if group != tuple(range(at, at + len(group))):
            line["index"] = list(group)
        if is_backing(words):
            line["backing"] = True
        found.append(line)
        at += len(group)
    return found


def _word(word: Word) -> list[str | int | float | None]:
    """Text, start in ms, end in ms, confidence; plain numbers, whatever NumPy type a caller used."""
    start, end, confidence = word.start_ms, word.end_ms, word.confidence
    return [
        word.text,
        None if start is None else int(start),
        None if end is None else int(end),
        None if confidence is None else round(float(confidence), 3),
    ]


def _json(value: dict[str, Any]) -> str:
    """Write JSON that no HTML parser can take for markup: no `<`, `>` or `&`, and ASCII only."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return re.sub("[<>&]", lambda found: f"\\u{ord(found[0]):04x}", text)


def _ascii(text: str) -> str:
    return text.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _part(name: str) -> str:
    return files("melisma.formats").joinpath("karaoke_page", name).read_text(encoding="ascii")
