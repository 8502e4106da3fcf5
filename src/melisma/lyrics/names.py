"""Names of artists and titles: when two are the same song, and how alike they are.

People write "Beyoncé feat. Jay-Z", "BEYONCE & JAY Z", "Crazy in Love (2013 Remaster)": what says nothing about the song
goes, what tells one version from another (live, acoustic, remix) is compared by itself.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_FEATURED = re.compile(r"[\s(\[]+(?:feat|ft|featuring|avec|con|mit|duet with)\b\.?\s.*$", re.IGNORECASE)
_BRACKETED = re.compile(r"[(\[]([^()\[\]]*)[)\]]")
_DASHED = re.compile(r"\s[-–—]\s([^-–—]*)$")
_JOINTS = re.compile(
    r"\s*(?:,|;|/|&|\+|\bx\b|\band\b|\bet\b|\bund\b|\by\b|\bfeat\b\.?|\bft\b\.?|\bwith\b)\s*", re.IGNORECASE
)
# Words that say how a recording was made; those of `_SAME` leave the song as it is.
_SAME = re.compile(
    r"\b(?:remaster(?:ed|isé|izado)?|version|edit|single|album|mono|stereo|explicit|clean|deluxe|bonus|track|official|"
    r"video|audio|lyrics?|hd|hq|\d{4}|original|mix|digital|edition|radio)\b",
    re.IGNORECASE,
)
_OTHER = (
    "live|acoustic|acoustique|remix|karaoke|instrumental|demo|cover|unplugged|rework|translation|traduction|traducción|"
    "romanized|sped up|slowed|nightcore|orchestral"
)
_OTHER_WORD = re.compile(rf"\b(?:{_OTHER})\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Title:
    """A title without what says nothing about the song, and the words that tell its version."""

    name: str
    version: frozenset[str]


def fold(text: str) -> str:
    """Fold case, accents and punctuation; what is left of "!!!" is itself.

    Examples
    --------
    >>> fold("Les Rois du Désert, n° 2")
    'les rois du desert n 2'
    """
    spread = unicodedata.normalize("NFKD", text.casefold().replace("ß", "ss").replace("ø", "o").replace("ł", "l"))
    kept = "".join(c for c in spread if not unicodedata.combining(c))
    words = re.sub(r"[^\w]+", " ", re.sub(r"['’`´]", "", kept)).replace("_", " ").split()
    return " ".join(words) or " ".join(kept.split())


def title_of(text: str) -> Title:
    """Split a title into its name and the words of its version.

    Examples
    --------
    >>> title_of("Halo (Live at Wembley) - 2011 Remaster")
    Title(name='halo', version=frozenset({'live'}))
    """
    version = frozenset(found.casefold() for found in _OTHER_WORD.findall(_noted(text)))
    name = _FEATURED.sub("", text)
    for pattern in (_DASHED, _BRACKETED, _DASHED):
        name = pattern.sub(lambda found: "" if _is_note(found[1]) else found[0], name)
    return Title(fold(name) or fold(text), version)


def _noted(text: str) -> str:
    """Return what stands in brackets or behind a dash, where a title says its version."""
    return " ".join([*_BRACKETED.findall(text), *_DASHED.findall(text)])


def _is_note(text: str) -> bool:
    return bool(_SAME.search(text) or _OTHER_WORD.search(text))


def artists_of(text: str) -> frozenset[str]:
    """Split a credit into its artists, each folded, "the" taken off.

    Examples
    --------
    >>> sorted(artists_of("Simon & Garfunkel feat. The Roots"))
    ['garfunkel', 'roots', 'simon']
    """
    parts = (fold(part).removeprefix("the ") for part in _JOINTS.split(text))
    return frozenset(part for part in parts if part) or frozenset({fold(text)})


def title_likeness(wanted: str, offered: str) -> float:
    """Tell how alike two titles are, in [0, 1]; another version of the song loses a little, another song much."""
    from rapidfuzz import fuzz

    one, two = title_of(wanted), title_of(offered)
    alike = max(fuzz.ratio(one.name, two.name), fuzz.token_sort_ratio(one.name, two.name) * 0.98) / 100
    whole = fuzz.ratio(fold(wanted), fold(offered)) / 100
    return max(alike - (0.0 if one.version == two.version else 0.12), whole)


def artist_likeness(wanted: str, offered: str) -> float:
    """Tell how alike two credits are, in [0, 1]; one artist out of several that perform together is nearly the same."""
    from rapidfuzz import fuzz

    whole = max(fuzz.ratio(fold(wanted), fold(offered)), fuzz.token_sort_ratio(fold(wanted), fold(offered))) / 100
    pairs = (fuzz.ratio(one, two) / 100 for one in artists_of(wanted) for two in artists_of(offered))
    return float(max(whole, 0.97 * max(pairs)))
