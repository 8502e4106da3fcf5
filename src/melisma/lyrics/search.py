"""Where the lyrics of a song are: provider after provider, until one has them.

Names and lengths that a provider returns are compared with those wanted; what is not this song is not taken, and
what is of another version of it loses its times.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from melisma.core import plugins
from melisma.core.errors import InputError, UnknownName
from melisma.lyrics.cache import AnswerCache
from melisma.lyrics.names import artist_likeness, title_likeness
from melisma.lyrics.protocol import Candidate, LyricsNotFound, LyricsProvider, ProviderFailed, SongQuery

GROUP = "melisma.lyrics"
ORDER = "MELISMA_LYRICS_PROVIDERS"
_FIRST = ("folder", "lrclib", "genius")  # one's own first, then what is free and synced; plug-ins follow by name
# Names below these are another song: "Hallelujah" against "Hallelujah I Love Her So" is 0.59, "Alleluia" 0.78.
MIN_TITLE, MIN_ARTIST = 0.8, 0.72
SAME_VERSION_S = 3.0  # LRCLib itself matches ±2 s; files of one master differ by a second or two of silence


@dataclass(frozen=True, slots=True)
class Match:
    """A candidate held against what was wanted."""

    candidate: Candidate
    title: float  # likeness in [0, 1]
    artist: float
    delta_s: float | None  # its length minus that of the recording; None where one is unknown

    @property
    def same_song(self) -> bool:
        """Whether names say that it is the song."""
        return self.title >= MIN_TITLE and self.artist >= MIN_ARTIST

    @property
    def same_version(self) -> bool | None:
        """Whether lengths say that it is the recording; None where they say nothing."""
        return None if self.delta_s is None else abs(self.delta_s) <= SAME_VERSION_S

    @property
    def score(self) -> float:
        """Likeness of names, plus up to 0.3 for a length that fits, less up to 0.3 for one that does not."""
        alike = 0.55 * self.title + 0.45 * self.artist
        if self.delta_s is None:
            return alike
        off = abs(self.delta_s)
        fits = 0.3 - 0.03 * off if off <= SAME_VERSION_S else -0.1 - min(off, 20.0) / 100
        return alike + fits


@dataclass(frozen=True, slots=True)
class Hit:
    """The lyrics chosen: a candidate, whose it is, and whether to use its times."""

    provider: str
    match: Match
    synced: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchConfig:
    """What a caller may turn."""

    providers: tuple[str, ...] | None = None  # in this order; None for MELISMA_LYRICS_PROVIDERS or the usual one
    synced: bool | None = None  # True: only with times; False: only the words; None: with times where they fit
    cache: AnswerCache | None = None  # None asks anew and keeps nothing


def match(query: SongQuery, candidate: Candidate) -> Match:
    """Hold a candidate against what is wanted."""
    both = query.duration_s is not None and candidate.duration_s is not None
    delta = (candidate.duration_s or 0.0) - (query.duration_s or 0.0) if both else None
    return Match(
        candidate, title_likeness(query.title, candidate.title), artist_likeness(query.artist, candidate.artist), delta
    )


def rank(query: SongQuery, candidates: Iterable[Candidate], synced: bool | None = None) -> list[Match]:
    """Return the candidates that are this song and have a text, best first; times count where they are usable."""
    kept = [found for found in (match(query, each) for each in candidates) if found.same_song]

    def order(found: Match) -> float:
        timed = found.candidate.has_synced and found.same_version is not False and synced is not False
        return found.score + (0.1 if timed else 0.0)

    return sorted((found for found in kept if found.candidate.has_text), key=order, reverse=True)


def provider_names() -> tuple[str, ...]:
    """Return the names of the providers in the order in which they are asked.

    Raises
    ------
    UnknownName
        If MELISMA_LYRICS_PROVIDERS names one that is not installed.
    """
    installed = plugins.names(GROUP)
    wanted = tuple(name.strip() for name in os.environ.get(ORDER, "").split(",") if name.strip())
    for name in wanted:
        if name not in installed:
            raise UnknownName("lyrics provider", name, installed)
    usual = [*(name for name in _FIRST if name in installed), *(name for name in installed if name not in _FIRST)]
    return wanted or tuple(usual)


def load_provider(name: str) -> LyricsProvider:
    """Make the provider of this name; UnknownName or BrokenPlugin if there is none."""
    if name not in plugins.names(GROUP):
        raise UnknownName("lyrics provider", name, plugins.names(GROUP))
    made = plugins.load(GROUP, name)()
    if not isinstance(made, LyricsProvider):
        raise InputError(f"the plug-in {name!r} offers no lyrics provider but a {type(made).__name__}")
    return made


def search(query: SongQuery, config: SearchConfig | None = None, tell: Callable[[str], None] | None = None) -> Hit:
    """Find the lyrics of a song.

    Parameters
    ----------
    query : SongQuery
        Artist and title, and the length of the recording where it is known.
    config : SearchConfig, optional
        Which providers, with or without times, and where answers are kept.
    tell : callable, optional
        Called with a provider's name before it is asked.

    Raises
    ------
    LyricsNotFound
        If no provider has them; the sentence says of each why.
    UnknownName
        If a provider is not installed.
    """
    config = config or SearchConfig()
    names = config.providers or provider_names()
    providers = [load_provider(name) for name in names]
    reasons: list[str] = []
    for provider in providers:
        lacks = provider.missing()
        if lacks is not None:
            reasons.append(f"{provider.name} was not asked ({lacks})")
            continue
        if tell is not None:
            tell(provider.name)
        try:
            found = _ask(provider, query, config.cache)
        except ProviderFailed as error:
            reasons.append(f"{provider.name} {error}")
            continue
        hit, reason = _choose(query, provider.name, found, config.synced)
        if hit is not None:
            return hit
        reasons.append(f"{provider.name} {reason}")
    raise LyricsNotFound(f"no lyrics of {query.title!r} by {query.artist!r} were found: {'; '.join(reasons)}")


def _ask(provider: LyricsProvider, query: SongQuery, cache: AnswerCache | None) -> Sequence[Candidate]:
    kept = cache.get(provider, query) if cache is not None else None
    if kept is not None:
        return kept
    found = provider.candidates(query)
    if cache is not None:
        cache.put(provider, query, found)
    return found


def _choose(query: SongQuery, provider: str, found: Sequence[Candidate], synced: bool | None) -> tuple[Hit | None, str]:
    """Return the best that may be used, or why there is none."""
    ranked = rank(query, found, synced)
    if synced:
        timed = [each for each in ranked if each.candidate.has_synced and each.same_version is not False]
        if not timed and ranked:
            other = any(each.candidate.has_synced for each in ranked)
            return None, "has times of another version only" if other else "has the words without times"
        ranked = timed
    if not ranked:
        named = [each for each in (match(query, one) for one in found) if each.same_song]
        if any(each.candidate.instrumental for each in named):
            return None, "says that it is instrumental"
        return None, "has no words for it" if named else "knows no such song"
    best = ranked[0]
    use = best.candidate.has_synced and best.same_version is not False and synced is not False
    return Hit(provider, best, use, _notes(query, best, use)), ""


def _notes(query: SongQuery, best: Match, use: bool) -> tuple[str, ...]:
    """Say what a person should know about the choice."""
    if best.same_version is not False or best.delta_s is None or query.duration_s is None:
        return ()
    theirs, ours = best.candidate.duration_s or 0.0, query.duration_s
    timeless = ", so their times were left out" if best.candidate.has_synced and not use else ""
    return (f"the lyrics are of a version of {theirs:.0f} s, the recording lasts {ours:.0f} s{timeless}",)
