"""Bodies that may be JSON or a form with files: read within bounds, and held to the same schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from melisma.core.errors import InputError, LyricsError, TooLarge, UnsupportedMedia
from melisma.server import names
from melisma.server.multipart import MULTIPART, Form, Kind, Rule, media_type
from melisma.server.settings import Limits
from melisma.text import encoding

M = TypeVar("M", bound=BaseModel)

JSON = "application/json"
_FIELD_BYTES = 4000  # of a short text of a form
_TRUE, _FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off", ""})


def is_form(request: Request) -> bool:
    """Tell whether the body is a form.

    Raises
    ------
    UnsupportedMedia
        If it is neither a form nor JSON.
    """
    found = media_type(request)
    if found not in (JSON, MULTIPART):
        raise UnsupportedMedia(f"the body is {found[:60] or 'of no kind'!r}: send {JSON}, or {MULTIPART} with a file")
    return found == MULTIPART


async def read_json(request: Request, model: type[M], limits: Limits) -> M:
    """Read a body of JSON.

    Raises
    ------
    TooLarge
        As soon as it is larger than bodies may be.
    RequestValidationError
        If it does not fit the schema.
    """
    data = bytearray()
    try:
        async for chunk in request.stream():
            data += chunk
            if len(data) > limits.body_bytes:
                raise TooLarge(f"the body is larger than the {limits.body_bytes} bytes that this service takes")
    except ClientDisconnect as error:
        raise InputError("the body broke off before its end") from error
    return fitted(model, bytes(data))


def fitted(model: type[M], given: bytes | Mapping[str, Any]) -> M:
    """Hold JSON, or what is made of a form, to a schema; RequestValidationError if it does not fit."""
    try:
        return model.model_validate_json(given) if isinstance(given, bytes) else model.model_validate(given)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise RequestValidationError([{**each, "loc": ("body", *each["loc"])} for each in found]) from error


def rules(limits: Limits, texts: tuple[str, ...]) -> dict[str, Rule]:
    """Return what the form of a song may hold: its sound, its lyrics as text or file, and some short texts."""
    lyrics = 4 * limits.lyrics_chars  # bytes of UTF-8
    known = {
        "audio": Rule(Kind.FILE, limits.upload_bytes),
        "lyrics": Rule(Kind.TEXT, lyrics),
        "lyrics_file": Rule(Kind.BYTES, min(lyrics, encoding.MAX_BYTES)),
    }
    return known | {name: Rule(Kind.TEXT, _FIELD_BYTES) for name in texts}


def lyrics_of(form: Form, limits: Limits) -> str | None:
    """Return the lyrics of a form, from whichever part they are in; None where there are none.

    Raises
    ------
    InputError
        If they come twice, are too long, or are no text, or their file is empty.
    """
    if "lyrics" in form.texts and form.blobs.get("lyrics_file", ("", b""))[1]:
        raise InputError("the form has both lyrics and lyrics_file: send one of them")
    name, data = form.blobs.get("lyrics_file", ("", b""))
    if data or name:  # browsers send neither where no file was chosen
        called = names.file_name(name, "the lyrics file")
        if not data.strip():
            raise LyricsError(f"{called} is empty")
        found = encoding.decode(data, called)
    elif form.texts.get("lyrics", "").strip():
        found = form.texts["lyrics"]
    else:
        return None
    return names.text(found, "lyrics", limits.lyrics_chars)


def options_of(form: Form, flags: tuple[str, ...] = (), numbers: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the short texts of a form as JSON would have them; those that are empty are left out.

    Raises
    ------
    InputError
        If one that is a flag or a number is none.
    """
    found: dict[str, Any] = {name: text.strip() for name, text in form.texts.items() if text.strip()}
    found.pop("lyrics", None)
    for name in flags:
        if name in found:
            found[name] = _flag(name, found[name])
    for name in numbers:
        if name in found:
            try:
                found[name] = int(found[name])
            except ValueError:
                raise InputError(f"{name} is a whole number, not {found[name][:40]!r}") from None
    return found


def _flag(name: str, said: str) -> bool:
    if said.lower() not in _TRUE | _FALSE:
        raise InputError(f"{name} is true or false, not {said[:40]!r}")
    return said.lower() in _TRUE
