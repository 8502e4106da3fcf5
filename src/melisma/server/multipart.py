"""Forms with files (RFC 7578), read as they come: files straight to disk, texts within bounds, nothing else kept.

The body is never in memory. It is parsed by python-multipart, in a thread, for writing to a disk may take a while.
"""

from __future__ import annotations

import codecs
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

import anyio.to_thread
from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from melisma.core.errors import InputError, TooLarge, UnsupportedMedia
from melisma.store.service.files import FileStore, Incoming

MULTIPART = "multipart/form-data"
_HEADERS, _HEADER_BYTES = 8, 2048  # of one part
_FRAME_BYTES = 4096  # what a part takes beside its content


class Kind(StrEnum):
    """What a part of a form holds: a file that goes to disk, a few bytes, or a text in UTF-8."""

    FILE = "file"
    BYTES = "bytes"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a part may be, and how many bytes it may have."""

    kind: Kind
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a form: its name as the caller gave it, and what came of it."""

    name: str
    incoming: Incoming


@dataclass(frozen=True, slots=True)
class Form:
    """What a form held.

    Parameters
    ----------
    texts : mapping of str to str
        Parts that are texts.
    files : mapping of str to Upload
        Parts that went to disk, for as long as the form is open.
    blobs : mapping of str to (str, bytes)
        Parts that are bytes, with the name of their file.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Upload] = field(default_factory=dict)
    blobs: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)


def media_type(request: Request) -> str:
    """Return the media type of a body, in lower case and without parameters; empty if nothing says it."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


@asynccontextmanager
async def read_form(request: Request, rules: Mapping[str, Rule], store: FileStore) -> AsyncIterator[Form]:
    """Read a form; its files are gone when the block ends, unless they were kept.

    Parameters
    ----------
    request : Request
        Whose body is the form.
    rules : mapping of str to Rule
        The parts that may come, each once.
    store : FileStore
        Where files wait.

    Raises
    ------
    UnsupportedMedia
        If the body is no form with parts.
    TooLarge
        As soon as a part is larger than its rule, or all are than all rules.
    InputError
        If the body breaks off, is no form, or has a part that is not wanted, comes twice, or is no text.
    StoreError
        If nothing can be written; NoRoom where the disk is full.
    """
    boundary = _boundary(request)
    most = sum(rule.max_bytes + _FRAME_BYTES for rule in rules.values())
    with ExitStack() as stack:
        reader = _Reader(rules, store, stack, boundary)
        n_bytes = 0
        try:
            async for chunk in request.stream():
                n_bytes += len(chunk)
                if n_bytes > most:
                    raise TooLarge(f"the form is larger than the {most // 1_000_000} MB that are taken here")
                await anyio.to_thread.run_sync(partial(reader.write, chunk))
        except ClientDisconnect as error:
            raise InputError("the form broke off before its end") from error
        yield await anyio.to_thread.run_sync(reader.end)


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind.decode("latin-1") != MULTIPART:
        raise UnsupportedMedia(f"the body is {kind.decode('latin-1')[:60] or 'of no kind'!r}, it has to be {MULTIPART}")
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= 70:  # RFC 2046, section 5.1.1
        raise InputError(f"the header Content-Type says {MULTIPART} without its boundary")
    return boundary


class _Reader:
    """The parts of a form as they come."""

    def __init__(self, rules: Mapping[str, Rule], store: FileStore, stack: ExitStack, boundary: bytes) -> None:
        self._rules, self._store, self._stack = rules, store, stack
        self._texts: dict[str, str] = {}
        self._files: dict[str, Upload] = {}
        self._blobs: dict[str, tuple[str, bytes]] = {}
        self._headers: dict[bytes, bytes] = {}
        self._header, self._value = b"", b""
        self._name, self._file_name, self._content = "", "", bytearray()
        self._rule: Rule | None = None
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._headers.clear,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers,
                "on_part_data": self._on_data,
                "on_part_end": self._on_part_end,
                "on_end": self._on_end,
            },
            max_header_count=_HEADERS,
            max_header_size=_HEADER_BYTES,
        )

    def write(self, chunk: bytes) -> None:
        """Take what has come."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise InputError(f"the body is no form: {error}") from error

    def end(self) -> Form:
        """Return the form, now that nothing more comes."""
        try:
            self._parser.finalize()
        except FormParserError as error:
            raise InputError(f"the body is no form: {error}") from error
        if not self._ended:
            raise InputError("the form breaks off before its last boundary")
        for upload in self._files.values():
            upload.incoming.flush()
        return Form(self._texts, self._files, self._blobs)

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header, self._value = b"", b""

    def _on_headers(self) -> None:
        """Look up what the part may be, before anything of it is taken."""
        _, options = parse_options_header(self._headers.get(b"content-disposition", b"").decode("latin-1"))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        rule = self._rules.get(name)
        if rule is None:
            known = ", ".join(sorted(self._rules))
            raise InputError(f"the form takes no part {name[:60]!r}, only {known}")
        if name in self._texts or name in self._files or name in self._blobs:
            raise InputError(f"the form has two parts {name!r}")
        self._name, self._rule = name, rule
        self._file_name = options.get(b"filename", b"").decode("utf-8", "replace")
        self._content.clear()
        if rule.kind is Kind.FILE:
            incoming = self._stack.enter_context(self._store.incoming(rule.max_bytes))
            self._files[name] = Upload(self._file_name, incoming)

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._rule is None:
            raise InputError("the form has a part without headers")
        if self._rule.kind is Kind.FILE:
            self._files[self._name].incoming.write(data[start:end])
            return
        self._content += data[start:end]
        if len(self._content) > self._rule.max_bytes:
            raise TooLarge(f"the part {self._name!r} is larger than the {self._rule.max_bytes} bytes that are taken")

    def _on_part_end(self) -> None:
        if self._rule is None:
            raise InputError("the form has a part without headers")
        if self._rule.kind is Kind.BYTES:
            self._blobs[self._name] = (self._file_name, bytes(self._content))
        elif self._rule.kind is Kind.TEXT:
            self._texts[self._name] = self._text()
        self._rule = None

    def _text(self) -> str:
        try:
            return bytes(self._content).removeprefix(codecs.BOM_UTF8).decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"the part {self._name!r} is not in UTF-8") from error

    def _on_end(self) -> None:
        self._ended = True
