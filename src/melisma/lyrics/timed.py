"""Whether a text times its lines, as far as a provider must know; reading it is the business of `formats`."""

from __future__ import annotations

import re

_ROW = re.compile(r"^[ \t]*((?:\[[0-9]{1,3}:[0-9]{2}(?:[.:,][0-9]{1,3})?\][ \t]*)+)(.*)$", re.MULTILINE)


def is_timed(text: str) -> bool:
    r"""Tell whether an LRC text times words, at more than one moment if it has more than one line.

    Examples
    --------
    >>> is_timed("[00:01.00]Oh\n[00:05.00]yes"), is_timed("[00:00.00]Oh\n[00:00.00]yes"), is_timed("[00:01.00] ")
    (True, False, False)
    """
    rows = [(found[1].strip(), found[2]) for found in _ROW.finditer(text)]
    worded = [tags for tags, words in rows if re.search(r"\w", words)]
    return bool(worded) and (len(worded) == 1 or len(set(worded)) > 1)
