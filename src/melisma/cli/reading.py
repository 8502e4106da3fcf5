"""Alignments from files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from melisma.core.errors import FormatError, InputError

if TYPE_CHECKING:
    from melisma.core.records import Alignment

_LIMIT_BYTES = 100_000_000  # an alignment of 10 hours of speech is a tenth of this; more is not an alignment


def read_alignment(path: Path, format_name: str | None = None) -> Alignment:
    """Read a file (``-`` is standard input) in the format named, or told from its name.

    Raises
    ------
    UnknownName
        If the format is unknown.
    FormatError
        If the file is not of the format, or not UTF-8.
    InputError
        If alignments cannot be read from this format at all, or the file is far too large.
    """
    from melisma.core.files import format_named, format_of

    chosen = format_named(format_name) if format_name else format_of(path)
    if chosen.read is None:
        raise InputError(f"{path}: {chosen.name} can be written, but no alignment read from it")
    if str(path) == "-":
        data = typer.get_binary_stream("stdin").read(_LIMIT_BYTES + 1)
    else:
        with path.open("rb") as file:
            data = file.read(_LIMIT_BYTES + 1)
    if len(data) > _LIMIT_BYTES:
        raise InputError(f"{path} is larger than {_LIMIT_BYTES // 1_000_000} MB: no alignment is")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(chosen.name, f"{path} is not UTF-8 text (byte {error.start})") from error
    return chosen.read(text)
