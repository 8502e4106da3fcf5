"""The contract of lyrics providers, as a function that a plug-in's own tests call.

from melisma.testing.lyrics import check_provider

def test_it_keeps_the_contract():
    check_provider(MyProvider, "my_provider", known=SongQuery("Ana Lund", "The River"))
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from melisma.lyrics.protocol import Candidate, LyricsProvider, ProviderFailed, SongQuery
from melisma.testing.engines import ContractBroken

# Names that people have, and that programs trip over.
_ODD_NAMES = (
    "AC/DC",
    "../../etc/passwd",
    "?",
    "宇多田ヒカル",
    "a&b=c#d",
    "%00",
    "'; --",
    "x" * 300,
    "🎤",
    "\u202egnoS",
)
_LONGEST_CLAUSE = 300


def check_provider(make: Callable[[], LyricsProvider], name: str, known: SongQuery | None = None) -> None:
    """Hold a provider to its contract.

    Parameters
    ----------
    make : callable
        Makes one, without arguments, as its entry point does.
    name : str
        Of the entry point.
    known : SongQuery, optional
        A song that the provider has, where it is ready to be asked.

    Raises
    ------
    ContractBroken
        With a sentence that names the promise.
    """
    provider = make()
    if not isinstance(provider, LyricsProvider):
        raise ContractBroken(f"{type(provider).__name__} lacks a member of LyricsProvider")
    if provider.name != name:
        raise ContractBroken(f"it calls itself {provider.name!r}, its entry point {name!r}")
    key = provider.cache_key
    if key is not None and (not isinstance(key, str) or key != make().cache_key):
        raise ContractBroken(f"its cache_key is no text that stays the same: {key!r}")
    lacks = provider.missing()
    if lacks is not None:
        if not lacks.strip() or "\n" in lacks or len(lacks) > _LONGEST_CLAUSE:
            raise ContractBroken(f"what it lacks is no clause for a person: {lacks!r}")
        return
    for odd in _ODD_NAMES:
        for query in (SongQuery(odd, "Title"), SongQuery("Artist", odd, duration_s=200.5)):
            _check_answer(_asked(provider, query), query)
    if known is not None:
        found = _asked(provider, known)
        if found is None or not any(each.has_text for each in found):
            raise ContractBroken(f"it does not find {known.title!r} by {known.artist!r}, which it has")
        _check_answer(found, known)


def _asked(provider: LyricsProvider, query: SongQuery) -> Sequence[Candidate] | None:
    try:
        return provider.candidates(query)
    except ProviderFailed as error:
        if not str(error).strip() or "\n" in str(error):
            raise ContractBroken(f"its failure is no clause for a person: {error!r}") from error
        return None


def _check_answer(found: Sequence[Candidate] | None, query: SongQuery) -> None:
    for each in found or ():
        if not isinstance(each, Candidate):
            raise ContractBroken(f"it answers {query.title!r} with a {type(each).__name__}, not a Candidate")
        length = each.duration_s
        if length is not None and not (math.isfinite(length) and length > 0):
            raise ContractBroken(f"it says that a song lasts {length} s")
        if each.plain == "" or each.synced == "":
            raise ContractBroken("it offers an empty text: None says that there is none")
