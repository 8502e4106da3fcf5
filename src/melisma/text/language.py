"""The language of lyrics: what a code means, and which one a text is written in.

The script decides where it can (Hangul, kana, Thai, Greek, …); among languages that share a script py3langid's naive
Bayes model does, over what is left of the text once repeated lines and syllables without words (la la, oh) are gone.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from melisma.core.errors import InputError
from melisma.text import scripts
from melisma.text.iso639 import TWO_LETTERS

_CODE = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{1,8}){0,6}")
# Other names of a language, by what they become.
_OTHER = {"fil": "tl", "hbs": "hr", "sh": "hr", "jp": "ja", "cz": "cs", "gr": "el", "kr": "ko", "cn": "zh"}

_SAMPLE = 20_000  # characters; more text does not change the answer

# One script, one language.
_ONE = {
    "hangul": "ko",
    "kana": "ja",
    "thai": "th",
    "lao": "lo",
    "greek": "el",
    "armenian": "hy",
    "hebrew": "he",
    "georgian": "ka",
    "tamil": "ta",
    "telugu": "te",
    "kannada": "kn",
    "malayalam": "ml",
    "gurmukhi": "pa",
    "gujarati": "gu",
    "odia": "or",
    "sinhala": "si",
    "khmer": "km",
    "myanmar": "my",
    "ethiopic": "am",
    "cherokee": "chr",
    "tibetan": "bo",
}
# One script, several languages: those that the model is asked about, the likeliest first.
_LATIN = """
en es fr de it pt nl hr sr bs pl sv no nn da fi tr id ro cs sk sl hu ca vi et lv lt sq is ga cy eu gl mt eo af ms tl sw
az uz tk la lb fo gd br oc ht ku om so zu xh jv qu
"""
_MANY = {
    "latin": tuple(_LATIN.split()),
    "cyrillic": ("ru", "uk", "bg", "sr", "be", "mk", "kk", "ky", "tt", "ba", "mn", "tg"),
    "arabic": ("ar", "fa", "ur", "ug", "ps", "ku"),
    "devanagari": ("hi", "mr", "ne", "sa"),
    "bengali": ("bn", "as"),
    "han": ("zh",),
}
# What else they are written in, and languages that are not guessed.
_MORE_SCRIPTS = """
ja:han ko:han yue:han cmn:han cv:cyrillic sah:cyrillic bs:cyrillic mn:latin az:cyrillic,latin uz:cyrillic tk:cyrillic
yi:hebrew pa:arabic nb:latin ia:latin rm:latin vot:latin hsb:latin mi:latin ha:latin ig:latin yo:latin rw:latin
"""
_ALSO = {code: names.split(",") for code, _, names in (each.partition(":") for each in _MORE_SCRIPTS.split())}
_SCRIPT_TAGS = {
    "latn": "latin",
    "cyrl": "cyrillic",
    "arab": "arabic",
    "hans": "han",
    "hant": "han",
    "deva": "devanagari",
}
# Letters that only one of the languages of a script uses and that the model does not know it by.
_TELLING = {"cv": "ӑӗҫӳ"}
# How much likelier a song is in one language than in another, before it is read. Not measured: charts and sheets that
# people align are mostly in these, and the smaller languages are the ones that the model sees in every short text.
_PRIOR = {"en": 4.0, **dict.fromkeys(("es", "fr", "de", "it", "pt", "ru", "pl", "nl"), 2.0)}
_SELDOM = "la lb fo gd br oc ht ku om so zu xh jv qu eo tk uz ps sa ba tg mn"
_RARE = dict.fromkeys(_SELDOM.split(), 0.3)

# Letters of a syllabic or ideographic script say more than a Latin letter: K-pop is Korean though half is English.
_WEIGHT = {"hangul": 2.5, "kana": 2.5, "han": 2.5}
_KANA_SHARE = 0.05  # of kana among kana and Han: less is Chinese with a Japanese ornament

_VOCABLE = re.compile(
    r"(?:[aeiouy]+h*|h+[aeiouy]+h*|m+h*m*|(?:l[aeiou]h?)+|(?:n[a]h?)+|(?:d[aou]h?)+|(?:sha)+|wo+[ah]*|wh?oa+h*|"
    r"yeah+|ye+|y[ao]h*|hey+|ay+|uh|huh|oo+h*|ba+h*|pa+|tra|bum|dum|yo+|ooh+|aah+)",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_FEW_LETTERS = 12  # below this the model answers by chance


@dataclass(frozen=True, slots=True)
class LanguageGuess:
    """An ISO 639 code and how sure we are of it, in [0, 1]; below 0.5 the user should be told that it is a guess."""

    code: str
    confidence: float


def normalise(code: str) -> str:
    """Spell a language code in one way: lower case, hyphens, two letters where ISO 639-1 has them.

    Subtags stay, for the G2P to use or to ignore; whether a language can be spoken is for the G2P to say.

    Raises
    ------
    InputError
        If the text is no language code at all.

    Examples
    --------
    >>> [normalise(code) for code in ("FR", "fre", "hrv", "pt_BR", "sr-Latn", "zh-HK")]
    ['fr', 'fr', 'hr', 'pt-br', 'sr-latn', 'zh-hk']
    """
    spelt = code.strip().replace("_", "-").lower()
    spelt = spelt.split(".")[0].split("@")[0]  # a locale such as fr_FR.UTF-8
    if not spelt.isascii() or not _CODE.fullmatch(spelt):
        raise InputError(f"{code[:40]!r} is no language code: give one such as fr, hr, pt-BR or deu")
    first, hyphen, rest = spelt.partition("-")
    first = _OTHER.get(first) or TWO_LETTERS.get(first, first)
    return first + hyphen + rest


def scripts_of(code: str) -> frozenset[str]:
    """Return the scripts that a language is written in, as `melisma.text.scripts` calls them; none if unknown.

    >>> sorted(scripts_of("sr")), sorted(scripts_of("zh-TW")), sorted(scripts_of("sr-Cyrl")), sorted(scripts_of("qqq"))
    (['cyrillic', 'latin'], ['han'], ['cyrillic'], [])
    """
    first, *tags = code.lower().replace("_", "-").split("-")
    first = _OTHER.get(first) or TWO_LETTERS.get(first, first)
    for tag in tags:
        if tag in _SCRIPT_TAGS:
            return frozenset((_SCRIPT_TAGS[tag],))
    found = {script for script, one in _ONE.items() if one == first}
    found |= {script for script, several in _MANY.items() if first in several}
    return frozenset(found.union(_ALSO.get(first, ())))


def detect(text: str, allowed: Container[str] | None = None) -> LanguageGuess:
    """Guess the language of lyrics.

    Parameters
    ----------
    text : str
        Lyrics; the first 20,000 characters count.
    allowed : container of str, optional
        ISO 639 codes to choose among, such as those a G2P can speak; all that are known if not given.

    Returns
    -------
    LanguageGuess
        ``en`` with a confidence near 0 where nothing tells.
    """
    sample = text[:_SAMPLE]
    counts = scripts.count(sample)
    script = _leading(counts)
    if script is None:
        return _fallback(allowed)
    share = counts[script] / sum(counts.values())
    for code, letters in _TELLING.items():
        if script == "cyrillic" and any(c in letters for c in sample.lower()) and _permits(allowed, code):
            return LanguageGuess(code, 0.9)
    if script in _ONE:
        code = _ONE[script]
        return LanguageGuess(code, round(0.5 + share / 2, 3)) if _permits(allowed, code) else _fallback(allowed)
    candidates = [code for code in _MANY[script] if _permits(allowed, code)]
    if not candidates:
        return _fallback(allowed)
    if len(candidates) == 1:
        return LanguageGuess(candidates[0], round(0.5 + share / 2, 3))
    telling = _telling_words(sample, script)
    n_letters = sum(len(word) for word in telling)
    if n_letters < _FEW_LETTERS:
        return LanguageGuess(candidates[0], 0.1)
    guess = _among(" ".join(telling), candidates)
    return LanguageGuess(guess.code, round(guess.confidence, 3))


def _permits(allowed: Container[str] | None, code: str) -> bool:
    return allowed is None or code in allowed


def _fallback(allowed: Container[str] | None) -> LanguageGuess:
    if _permits(allowed, "en"):
        return LanguageGuess("en", 0.0)
    for codes in _MANY.values():
        for code in codes:
            if _permits(allowed, code):
                return LanguageGuess(code, 0.0)
    return LanguageGuess("en", 0.0)


def _leading(counts: dict[str, int]) -> str | None:
    weighed = {script: n * _WEIGHT.get(script, 1.0) for script, n in counts.items()}
    kana, han = weighed.get("kana", 0.0), weighed.get("han", 0.0)
    if kana and kana >= _KANA_SHARE * (kana + han):
        weighed["kana"] = kana + weighed.pop("han", 0.0)
    return max(weighed, key=lambda script: weighed[script]) if weighed else None


def _telling_words(text: str, script: str) -> list[str]:
    """Words of the leading script, each line once, without la la and oh."""
    lines = dict.fromkeys(line.strip() for line in text.splitlines())
    words = (word for line in lines for word in _WORD.findall(line))
    return [w for w in words if scripts.script_of(w[0]) == script and not _VOCABLE.fullmatch(w)]


@cache
def _model() -> Any:
    # 0.1 s to import, 0.5 s to unpack its 68 MB: only for a text whose script leaves a choice.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def probabilities(text: str, among: Iterable[str]) -> dict[str, float]:
    """Probability of each of the languages that the model knows, given that it is one of them, without any prior."""
    wanted = set(among)
    found = {code: score for code, score in _model().rank(text) if code in wanted}
    total = sum(found.values())
    return {code: score / total for code, score in found.items()} if total > 0 else found


def _among(text: str, candidates: list[str]) -> LanguageGuess:
    found = probabilities(text, candidates)
    weighed = {code: p * _PRIOR.get(code, 1.0) * _RARE.get(code, 1.0) for code, p in found.items()}
    if scripts.script_of(text[0]) == "latin":
        # Croatian, Bosnian and Serbian in Latin letters sound alike and are one language to the model: votes add up.
        _merge(weighed, ("hr", "bs", "sr"))
    _merge(weighed, ("no", "nn"))
    total = sum(weighed.values())
    if total <= 0:
        return LanguageGuess(candidates[0], 0.0)
    best = max(weighed, key=lambda code: weighed[code])
    return LanguageGuess(best, weighed[best] / total)


def _merge(weighed: dict[str, float], codes: tuple[str, ...]) -> None:
    present = [code for code in codes if code in weighed]
    if present:
        weighed[present[0]] = sum(weighed.pop(code) for code in present)
