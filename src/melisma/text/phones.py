"""The one table of phones: what is a sound in an IPA string, and which label of a model is nearest to it."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache

# Labels of the embedded model besides the blank: IPA symbols that are frequent enough in the corpus to be learnt.
INVENTORY: tuple[str, ...] = (
    *("a", "ɑ", "ɐ", "æ", "e", "ɛ", "ə", "ɚ", "ɜ", "i", "ɪ", "ɨ", "o", "ɔ", "ø", "œ", "u", "ʊ", "ʌ", "y", "ɯ"),
    *("p", "b", "t", "d", "k", "ɡ", "ʔ", "m", "n", "ŋ", "ɲ", "f", "v", "θ", "ð", "s", "z", "ʃ", "ʒ", "ç", "x", "ɣ"),
    *("h", "ɕ", "j", "w", "l", "r", "ɾ", "ɹ"),
)

# Vowels: height 0 (close) to 6 (open), backness 0 (front) to 4 (back), rounded. IPA chart of 2020.
_VOWELS: dict[str, tuple[float, float, float]] = {
    "i": (0, 0, 0), "y": (0, 0, 1), "ɨ": (0, 2, 0), "ʉ": (0, 2, 1), "ɯ": (0, 4, 0), "u": (0, 4, 1),
    "ɪ": (1, 0.7, 0), "ʏ": (1, 0.7, 1), "ᵻ": (1, 1.4, 0), "ʊ": (1, 3.3, 1),
    "e": (2, 0, 0), "ø": (2, 0, 1), "ɘ": (2, 2, 0), "ɵ": (2, 2, 1), "ɤ": (2, 4, 0), "o": (2, 4, 1),
    "ə": (3, 2, 0), "ɚ": (3, 2.2, 0.2), "ɛ": (4, 0, 0), "œ": (4, 0, 1), "ɜ": (4, 2, 0), "ɝ": (3.4, 2.2, 0.2),
    "ɞ": (4, 2, 1), "ʌ": (4, 4, 0), "ɔ": (4, 4, 1), "æ": (5, 0.3, 0), "ɐ": (5, 2, 0),
    "a": (6, 1, 0), "ɶ": (6, 0, 1), "ɑ": (6, 4, 0), "ɒ": (6, 4, 1),
}  # fmt: skip

VOWELS = frozenset(_VOWELS)

# Consonants: place 0 (lips) to 10 (glottis), manner 0 plosive, 1 nasal, 2 trill, 3 tap, 4 fricative, 5 lateral,
# 6 approximant, and voice. Places: 0 bilabial, 1 labiodental, 2 dental, 3 alveolar, 4 postalveolar, 5 retroflex,
# 5.5 alveolo-palatal, 6 palatal, 7 velar, 8 uvular, 9 pharyngeal, 10 glottal.
_CONSONANTS: dict[str, tuple[float, float, float]] = {
    "p": (0, 0, 0), "b": (0, 0, 1), "t": (3, 0, 0), "d": (3, 0, 1), "ʈ": (5, 0, 0), "ɖ": (5, 0, 1), "c": (6, 0, 0),
    "ɟ": (6, 0, 1), "k": (7, 0, 0), "ɡ": (7, 0, 1), "g": (7, 0, 1), "q": (8, 0, 0), "ɢ": (8, 0, 1), "ʔ": (10, 0, 0),
    "ɓ": (0, 0, 1), "ɗ": (3, 0, 1), "ɠ": (7, 0, 1), "ʄ": (6, 0, 1), "ʛ": (8, 0, 1),
    "m": (0, 1, 1), "ɱ": (1, 1, 1), "n": (3, 1, 1), "ɳ": (4, 1, 1), "ɲ": (6, 1, 1), "ŋ": (7, 1, 1), "ɴ": (8, 1, 1),
    "ʙ": (0, 2, 1), "r": (3, 2, 1), "ʀ": (3.5, 2, 1), "ⱱ": (1, 3, 1), "ɾ": (3, 3, 1), "ɽ": (5, 3, 1), "ɺ": (3, 3, 1),
    "ɸ": (0, 4, 0), "β": (0, 4, 1), "f": (1, 4, 0), "v": (1, 4, 1), "θ": (2, 4, 0), "ð": (2, 4, 1), "s": (3, 4, 0),
    "z": (3, 4, 1), "ʃ": (4, 4, 0), "ʒ": (4, 4, 1), "ʂ": (4.3, 4, 0), "ʐ": (4.3, 4, 1), "ɕ": (5.5, 4, 0),
    "ʑ": (4.5, 4, 1), "ç": (6, 4, 0), "ʝ": (6, 5.8, 1), "x": (7, 4, 0), "ɣ": (7, 4, 1), "χ": (7.6, 4, 0),
    # The uvular r of French sounds like a trill's place among the labels: probes timed French best with it as r.
    "ʁ": (3.6, 2.3, 1), "ħ": (9.5, 4, 0), "ʕ": (9, 4.4, 1), "h": (10, 4, 0), "ɦ": (10, 4, 0.4), "ʜ": (10, 4, 0),
    "ɬ": (3.6, 4.2, 0), "ɮ": (3.4, 4.6, 1), "l": (3, 5, 1), "ɫ": (3, 5, 1), "ɭ": (4, 5, 1), "ʎ": (4.5, 5, 1),
    "ʟ": (5, 5, 1), "ʋ": (1, 4.6, 1), "ɹ": (3, 6, 1), "ɻ": (3.5, 6, 1), "j": (6, 6, 1), "ɰ": (7, 6, 1),
    "w": (7.5, 6.5, 1), "ʍ": (7.5, 6.5, 0), "ɥ": (6, 6.3, 1), "ɧ": (5, 4, 0), "ʢ": (9, 4.4, 1), "ʡ": (10, 0, 0),
}  # fmt: skip

# Marks that are no sound of their own: stress, length, tone, syllable and word marks, secondary articulations.
_MARKS = frozenset("ˈˌːˑˠˤʰʱʲʷᵝⁿˡʼ˞↗↘↑↓|‖.‿_-0123456789˥˦˧˨˩;'\"^`+*[]:!?,#")

# Letters of espeak-ng's own mnemonics that slip into its IPA in a few languages (1.52: ky, ga; da: Greek).
_MNEMONICS = {"S": "ʃ", "Z": "ʒ", "N": "ŋ", "X": "χ", "A": "ɑ", "R": "r", "I": "ɪ", "E": "ɛ", "O": "ɔ", "U": "ʊ",
              "ε": "ɛ"}  # fmt: skip

# One character, two sounds.
_LIGATURES = {"ʦ": "ts", "ʣ": "dz", "ʧ": "tʃ", "ʤ": "dʒ", "ʨ": "tɕ", "ʥ": "dʑ"}

# What stands for a sound that no table knows: the most neutral one.
NEUTRAL = "ə"


def split(ipa: str) -> tuple[str, ...]:
    """Split an IPA string into plain phones: one base symbol each, without stress, length, tone or diacritics.

    >>> split("ʒˈudʑɛtɪ")
    ('ʒ', 'u', 'd', 'ʑ', 'ɛ', 't', 'ɪ')
    >>> split("mˌɔ̃ ʃɛʁ")
    ('m', 'ɔ', 'ʃ', 'ɛ', 'ʁ')
    """
    phones: list[str] = []
    # ç would fall apart into c and a cedilla: keep it whole.
    for symbol in unicodedata.normalize("NFD", ipa.replace("ç", "\ue000").replace("c\u0327", "\ue000")):
        if symbol == "\ue000":
            phones.append("ç")
        elif symbol in _MARKS or symbol.isspace() or unicodedata.category(symbol) in ("Mn", "Cf", "Sk"):
            continue
        else:
            phones += _LIGATURES.get(symbol) or _MNEMONICS.get(symbol, symbol)
    return tuple(phones)


def distance(a: str, b: str) -> float:
    """Articulatory distance of two phones; 0 for the same sound, large between vowels and consonants."""
    if a == b:
        return 0.0
    if a in _VOWELS and b in _VOWELS:
        x, y = _VOWELS[a], _VOWELS[b]
        return 0.01 + abs(x[0] - y[0]) + 0.6 * abs(x[1] - y[1]) + abs(x[2] - y[2])
    if a in _CONSONANTS and b in _CONSONANTS:
        x, y = _CONSONANTS[a], _CONSONANTS[b]
        return 0.01 + abs(x[0] - y[0]) + 2 * min(abs(x[1] - y[1]), 3) + abs(x[2] - y[2])
    return 20.0


@cache
def nearest(phone: str, labels: tuple[str, ...] = INVENTORY) -> str:
    """Return the label nearest to a phone; a symbol that no table knows becomes the most neutral vowel.

    >>> nearest("ʏ"), nearest("ʁ"), nearest("ɖ"), nearest("ʑ")
    ('ɪ', 'r', 'd', 'ʒ')
    """
    if phone in labels:
        return phone
    if phone not in _VOWELS and phone not in _CONSONANTS:
        phone = NEUTRAL
    return min(labels, key=lambda label: distance(phone, label))


def to_labels(ipa: str, labels: Sequence[str] = INVENTORY) -> tuple[str, ...]:
    """Spell an IPA string in a model's labels: every phone gives exactly one label, none is dropped."""
    inventory = tuple(labels)
    return tuple(nearest(phone, inventory) for phone in split(ipa))
