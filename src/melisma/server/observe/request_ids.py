"""The name of a call, by which its answer, its log lines and its job are found."""

from __future__ import annotations

import re
import uuid

HEADER = "X-Request-ID"
_SHAPE = re.compile(r"[\x21-\x7e]{1,128}")


def request_id(given: str | None) -> str:
    """Return what the caller calls it, if that is 1 to 128 printable ASCII characters without blanks; else a new one.

    Examples
    --------
    >>> request_id("abc-1")
    'abc-1'
    >>> len(request_id("two words"))
    32
    """
    if given is not None and _SHAPE.fullmatch(given):
        return given
    return uuid.uuid4().hex
