"""Lists of addresses to fetch: one a line, with comments and a few words on each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from melisma.core.errors import FormatError, InputError
from melisma.data.fetching.protocol import Unfetched, Wanted, check_address

# The words that may stand behind an address, and the field that each fills: nothing else of a list is ever obeyed.
_WORDS = {"id": "id", "license": "licence", "licence": "licence", "language": "language", "speaker": "speaker_id"}
_PAIR = re.compile(r"(\w+)=(\"[^\"]*\"|\S+)")
_LARGEST = 64 << 20  # bytes


def read_list(path: Path, common: Wanted) -> Iterator[Wanted]:
    """Yield what a list in UTF-8 asks for.

    A line holds an address, and behind it, where the list knows more, `license=CC-BY-4.0 language=hr speaker=ana
    id=name`; a value with blanks stands in double quotes. `#` at the beginning or behind a blank begins a comment.

    Parameters
    ----------
    path : Path
        The list.
    common : Wanted
        What holds where a line says nothing else; its address is of no meaning.

    Raises
    ------
    InputError
        If it cannot be read.
    FormatError
        If a line holds no address of the web, or words that are not known; before anything is yielded.
    """
    try:
        if path.is_file() and path.stat().st_size > _LARGEST:
            raise InputError(f"{path} is larger than a list of addresses can be")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"the list {path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no list of addresses in UTF-8") from error
    return iter(list(parse_list(text.splitlines(), common)))


def parse_list(lines: Iterable[str], common: Wanted) -> Iterator[Wanted]:
    """Yield what the lines of a list ask for; see `read_list`."""
    for number, line in enumerate(lines, 1):
        line = re.sub(r"(^|\s)#.*", "", line).strip()
        if not line:
            continue
        url, _, rest = line.partition(" ") if "\t" not in line else _at_blank(line)
        try:
            check_address(url)
        except Unfetched as error:
            raise FormatError("list of addresses", error.reason, number) from error
        words = {name.lower(): value.strip('"') for name, value in _PAIR.findall(rest)}
        odd = [name for name in words if name not in _WORDS] or _PAIR.sub("", rest).split()
        if odd:
            known = ", ".join(sorted(set(_WORDS) - {"licence"}))
            raise FormatError("list of addresses", f"{odd[0][:40]!r} is none of {known}", number)
        yield replace(common, url=url, **{_WORDS[name]: value for name, value in words.items()})


def _at_blank(line: str) -> tuple[str, str, str]:
    url, *rest = line.split(None, 1)
    return url, " ", rest[0] if rest else ""
