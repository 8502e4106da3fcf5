"""Files to alignments: bytes to text, then the reader of the format."""

from __future__ import annotations

import codecs
from pathlib import Path

from melisma.core.errors import FormatError, InputError
from melisma.core.files import format_named, format_of
from melisma.core.records import Alignment

MAX_BYTES = 200_000_000  # an hour of lyrics is under 5 MB in every format
# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)


def decode(data: bytes, format_name: str) -> str:
    """Decode a file: UTF-16 and UTF-32 by their byte order mark (Praat writes UTF-16), else UTF-8.

    Raises
    ------
    FormatError
        If the bytes are not of that encoding; no other one is guessed, since a wrong guess garbles every accent.
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1 if encoding.startswith("utf-8") else None
        raise FormatError(format_name, f"the file is not {encoding.upper()}: save it as UTF-8", line) from error


def load(path: str | Path, format: str | None = None) -> Alignment:
    """Read an alignment from a file, in the format named or told from the file's name.

    Raises
    ------
    UnknownName
        If the format is unknown, by name or by suffix.
    InputError
        If the file cannot be read, is over 200 MB, or its format has no reader.
    FormatError
        If the file does not hold what its format promises.
    """
    path = Path(path)
    chosen = format_named(format) if format else format_of(path)
    if chosen.read is None:
        raise InputError(f"files of the format {chosen.name!r} can be written but not read")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    if len(data) > MAX_BYTES:
        raise InputError(f"{path} is larger than {MAX_BYTES // 1_000_000} MB: no alignment is")
    return chosen.read(decode(data, chosen.name))
