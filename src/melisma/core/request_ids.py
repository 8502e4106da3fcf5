"""The name of a call, by which its answer, its log lines, its job and what it started are found."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Mapping

from melisma.core.errors import InputError

HEADER, VARIABLE = "X-Request-ID", "MELISMA_REQUEST_ID"
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


def started_by(given: str | None = None, environ: Mapping[str, str] | None = None) -> str | None:
    """Return the name of the call that started this program: what is given, else MELISMA_REQUEST_ID, else None.

    Raises
    ------
    InputError
        If it is not 1 to 128 printable ASCII characters without blanks.

    Examples
    --------
    >>> started_by(None, {"MELISMA_REQUEST_ID": "abc-1"})
    'abc-1'
    """
    said = given or (os.environ if environ is None else environ).get(VARIABLE, "").strip()
    if not said:
        return None
    if not _SHAPE.fullmatch(said):
        raise InputError(f"a request id is 1 to 128 printable ASCII characters without blanks, not {said[:40]!r}")
    return said
