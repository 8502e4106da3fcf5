"""Why a recording did not come, out of what yt-dlp and the servers say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from melisma.core.errors import OutputError
from melisma.data.fetching.protocol import Fate, Unfetched, shown

# Sentences of YouTube and of yt-dlp's extractors, in the order in which they are looked for: the first that fits holds.
_SAID = (
    (Fate.NOT_AUDIO, r"requested format is not available|no video formats found|unsupported url|no media"),
    (Fate.THROTTLED, r"not a bot|rate.?limit|too many requests|try again later|temporarily blocked"),
    (Fate.AGE_GATED, r"confirm your age|age.?(restricted|gate|limit|verif)|inappropriate for some users"),
    (
        Fate.GEO_BLOCKED,
        r"in your (country|region|location|area)|geo.?(restrict|block)|from your (country|location|region)",
    ),
    (
        Fate.MEMBERS,
        r"members?.only|members on|this channel's members|music premium|premium (users|members|video)|requires payment"
        r"|purchase|rental|subscri(be|ption) to (watch|access)|registered users|login required|log in"
        r"|only available for",
    ),
    (Fate.PRIVATE, r"is private|private (video|track|playlist)|permission to (view|access)"),
    (
        Fate.GONE,
        r"unavailable|no longer (available|exists)|has been (removed|deleted)|does ?n.t exist|does not exist|not exist"
        r"|been terminated|account .*(closed|terminated)|copyright|isn.t available|is not available|not found"
        r"|was deleted",
    ),
    (Fate.LIVE, r"(premieres?|live event) (will begin )?in|is not currently live|has not started"),
    (
        Fate.REFUSED,
        r"refused: |no connection adapters|unknown url type|unsupported url scheme|file:// urls are disabled",
    ),
    (Fate.PRIVATE, r"sign in"),
)
_STATUS = {401: Fate.PRIVATE, 404: Fate.GONE, 410: Fate.GONE, 429: Fate.THROTTLED, 451: Fate.GEO_BLOCKED}
_HINTS = re.compile(
    r"\s*(Use --|See  ?https?:|You might want to use a VPN|; please report this issue|Confirm you are on).*"
)


@contextmanager
def unfetched(url: str) -> Iterator[None]:
    """Turn what yt-dlp raises inside into `Unfetched`, with what came of it and a sentence.

    Raises
    ------
    Unfetched
        For anything that has to do with the recording, its site or the network.
    OutputError
        If the disk is full, which no other recording would be spared.
    """
    from yt_dlp.utils import YoutubeDLError

    try:
        yield
    except YoutubeDLError as error:
        raise _explained(error, url) from error
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        # Extractors are written against pages as they were; one that meets another page falls over like this.
        raise Unfetched(Fate.FAILED, f"yt-dlp cannot read {shown(url)}: {shown(repr(error))}") from error
    except OSError as error:
        raise _of_system(error) from error


def _explained(error: BaseException, url: str) -> Exception:
    chain = list(_chain(error))
    for each in chain:
        if isinstance(each, Unfetched):
            return each
        fate = getattr(each, "fate", None)
        if isinstance(fate, Fate):
            return Unfetched(fate, str(each))
    system = next((each for each in chain if isinstance(each, OSError) and each.errno in (28, 122)), None)
    text = _sentence(str(error))
    if system or "No space left" in text or "Disk quota" in text:
        return _of_system(system or OSError(28, "No space left on device"))
    names = {type(each).__name__ for each in chain}
    if "GeoRestrictedError" in names:
        return Unfetched(Fate.GEO_BLOCKED, text)
    if "UnsupportedError" in names:
        return Unfetched(Fate.NOT_AUDIO, f"there is no recording at {shown(url)}")
    said = next((fate for fate, pattern in _SAID if re.search(pattern, text, re.IGNORECASE)), None)
    answered = (getattr(each, "status", None) for each in chain)
    status = next((each for each in answered if isinstance(each, int)), None)
    if status is not None and (said is None or said in (Fate.GONE, Fate.REFUSED)):
        return Unfetched(_by_status(status, url), f"the server answers {status}: {_phrase(text)}")
    if said is Fate.REFUSED:
        text = f"it leads to an address that is none of the web: {_elsewhere(text)}"
    return Unfetched(said or Fate.FAILED, text)


def _elsewhere(text: str) -> str:
    found = re.search(
        r"\b[a-z][a-z0-9+.-]*:(?://[^\s'\"]*)?", text.partition("refused:")[2] or text.partition("ERROR")[0]
    )
    return found[0] if found else text


def _by_status(status: int, url: str) -> Fate:
    if status == 403:  # of the large sites it is an address that has expired, or a pause that they want
        return Fate.FAILED if re.search(r"youtube|youtu\.be|googlevideo", url) else Fate.PRIVATE
    return _STATUS.get(status, Fate.FAILED)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all that it was raised from, as Python and as yt-dlp keep it."""
    waiting, seen = [error], set()
    while waiting:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        kept = getattr(each, "exc_info", None) or (None, None, None)
        more = (kept[1], getattr(each, "cause", None), each.__cause__, each.__context__)
        waiting += [one for one in more if isinstance(one, BaseException)]


def _sentence(text: str) -> str:
    """Return yt-dlp's message without its colours, its name, and the options of its own command line."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text).removeprefix("ERROR: ")
    text = re.sub(r" \(caused by .*", "", re.sub(r"^\[[\w:+]+\] ", "", text))
    return shown(_HINTS.sub("", " ".join(text.split())), 300) or "no reason given"


def _phrase(text: str) -> str:
    found = re.search(r"HTTP Error \d+: ([^:]+)", text)
    return found[1].strip() if found else text


def _of_system(error: OSError) -> Exception:
    if error.errno in (28, 122):  # no space left, quota exceeded
        return OutputError(f"the recording cannot be written: {error.strerror or error}")
    return Unfetched(Fate.FAILED, shown(error.strerror or str(error)))
