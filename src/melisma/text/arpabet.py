"""English phones in ARPAbet, as CMU's dictionary and the models trained on it write them."""

from __future__ import annotations

from collections.abc import Sequence

# Labels of `phones.INVENTORY` alone; a sound that English lacks becomes the one that English speakers put for it.
_SINGLE = {
    "a": "AA", "ɑ": "AA", "ɐ": "AH", "æ": "AE", "e": "EY", "ɛ": "EH", "ə": "AH", "ɚ": "ER", "ɜ": "ER", "i": "IY",
    "ɪ": "IH", "ɨ": "IH", "o": "OW", "ɔ": "AO", "ø": "ER", "œ": "ER", "u": "UW", "ʊ": "UH", "ʌ": "AH", "y": "UW",
    "ɯ": "UW", "p": "P", "b": "B", "t": "T", "d": "D", "k": "K", "ɡ": "G", "ʔ": "T", "m": "M", "n": "N", "ŋ": "NG",
    "ɲ": "N Y", "f": "F", "v": "V", "θ": "TH", "ð": "DH", "s": "S", "z": "Z", "ʃ": "SH", "ʒ": "ZH", "ç": "HH",
    "x": "K", "ɣ": "G", "h": "HH", "ɕ": "SH", "j": "Y", "w": "W", "l": "L", "r": "R", "ɾ": "T", "ɹ": "R",
}  # fmt: skip

# Two labels that are one phone: diphthongs, affricates, vowels that an r colours.
_PAIRS = {
    ("a", "ɪ"): "AY", ("a", "ʊ"): "AW", ("e", "ɪ"): "EY", ("o", "ʊ"): "OW", ("ɔ", "ɪ"): "OY", ("t", "ʃ"): "CH",
    ("d", "ʒ"): "JH", ("o", "ɹ"): "AO R", ("ɜ", "ɹ"): "ER", ("ə", "ɹ"): "ER", ("ɚ", "ɹ"): "ER R",
}  # fmt: skip

PHONES = frozenset(phone for row in (_SINGLE, _PAIRS) for spelt in row.values() for phone in spelt.split())


def from_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Write labels of `phones.INVENTORY` in ARPAbet; KeyError for any other.

    >>> from_labels(("d", "ʒ", "ɔ", "ɪ", "f", "l"))
    ('JH', 'OY', 'F', 'L')
    """
    found: list[str] = []
    at = 0
    while at < len(labels):
        pair = _PAIRS.get((labels[at], labels[at + 1])) if at + 1 < len(labels) else None
        found += (pair or _SINGLE[labels[at]]).split()
        at += 2 if pair else 1
    return tuple(found)
