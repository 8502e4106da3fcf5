"""Alignments from files and from standard input."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from melisma.core.errors import InputError

if TYPE_CHECKING:
    from melisma.core.records import Alignment


def read_alignment(path: Path, format_name: str | None = None) -> Alignment:
    """Read a file in the format named, or told from its name; ``-`` is standard input, whose format must be named.

    Raises
    ------
    UnknownName
        If the format is unknown.
    InputError
        If the file cannot be read, or no alignment can be read from this format.
    FormatError
        If the file does not hold what its format promises.
    """
    from melisma.core.files import format_named
    from melisma.formats.load import MAX_BYTES, decode, load

    if str(path) != "-":
        return load(path, format_name)
    if not format_name:
        raise InputError("standard input has no name that tells its format: say it with --from")
    chosen = format_named(format_name)
    if chosen.read is None:
        raise InputError(f"files of the format {chosen.name!r} can be written but not read")
    data = typer.get_binary_stream("stdin").read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise InputError(f"standard input is larger than {MAX_BYTES // 1_000_000} MB: no alignment is")
    return chosen.read(decode(data, chosen.name))
