"""Words to phones, one word at a time, behind a protocol: espeak-ng today, another G2P tomorrow.

A word in a script that the language's voice cannot read goes to a voice that can (αγάπη in an English song), because
espeak-ng would spell it out: "Greek letter alpha", "Chinese letter". What no voice can read gives one neutral vowel a
letter, so that the word keeps its place and about its length. Known not to work (espeak-ng 1.52):

- Kanji have no reading in Japanese, nor hanja in Korean: one neutral vowel each; kana and Hangul are read well.
- Thai and Burmese come out as consonants with few of their vowels.
- Khmer, Lao, Tibetan and Cherokee letters have no voice: one neutral vowel each.
- Words are read one by one: liaison, contractions over a space and Mandarin tone sandhi are lost.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby
from typing import Protocol

from melisma.text import espeak
from melisma.text.phones import INVENTORY, NEUTRAL, to_labels
from melisma.text.scripts import script_of
from melisma.text.vocables import hummed, shortened

# Symbols that people sing as a word: espeak-ng reads them out. All other symbols (emoji, quotes, notes) are silent.
_SPOKEN_SYMBOLS = frozenset("&%+=$€£¥°@#§½¼¾²³")
_JOINERS = {"’": "'", "‘": "'", "ʼ": "'", "`": "'", "´": "'", "＇": "'", "‐": "-", "‑": "-", "–": "-", "—": "-"}
# Letters in another shape (ＬＯＶＥ, 𝓵𝓸𝓿𝓮, Arabic presentation forms): kinds of Unicode's decompositions.
_SHAPES = ("<font>", "<wide>", "<narrow>", "<circle>", "<initial>", "<medial>", "<final>", "<isolated>", "<square>")
_VARIANTS = re.compile("[\ufe00-\ufe0f\u20d0-\u20ff\U000e0100-\U000e01ef]")  # of emoji and ideographs: no sound
# Points and commas inside a number belong to it where they group thousands or lead decimals.
_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.\d+")

# Which voices read a script by themselves, and after the colon which one reads it for all others.
_READERS = {
    "cyrillic": "ru uk be bg mk sr hr bs hbs kk ky tt ba cv nog ru-lv ru-cl:ru",
    "greek": "el grc:el",
    "arabic": "ar fa ur ug sd:ar",
    "hebrew": "he:he",
    "devanagari": "hi mr ne kok:hi",
    "bengali": "bn as bpy:bn",
    "gurmukhi": "pa:pa",
    "gujarati": "gu:gu",
    "odia": "or:or",
    "tamil": "ta:ta",
    "telugu": "te:te",
    "kannada": "kn:kn",
    "malayalam": "ml:ml",
    "sinhala": "si:si",
    "thai": "th:th",
    "myanmar": "my shn:my",
    "georgian": "ka:ka",
    "armenian": "hy hyw hy-arevela hy-arevmda:hy",
    "ethiopic": "am ti:am",
    "hangul": "ko:ko",
    "kana": "ja:ja",
    "han": "cmn zh zh-cmn yue zh-yue hak:cmn",
}
_READS = {script: frozenset(row.split(":")[0].split()) for script, row in _READERS.items()}
_READER = {script: row.split(":")[1] for script, row in _READERS.items()}
# Voices that spell Latin words out; the others of non-Latin scripts read them as English.
_LATIN_BLIND = frozenset(("ba", "cv", "hyw", "hy-arevmda", "ja", "kok", "ky", "my", "nog", "shn", "ti"))
_KANJI_BLIND = frozenset({"ja", "ko"})  # where a Mandarin reading of an ideograph would be further off than none
# Latin letters that keyboards put into Cyrillic words, ă ĕ ç ÿ into all of Chuvash.
_LOOKALIKES = str.maketrans("aceopxykmtăĕçÿABCEHKMOPTXĂĔÇŸ", "асеорхукмтӑӗҫӳАВСЕНКМОРТХӐӖҪӲ")
_LETTERS = ("Lo", "Ll", "Lu", "Lt")
_RARE_HAN = 0x20000  # espeak-ng knows no ideograph beyond the first plane


class G2P(Protocol):
    """Grapheme to phoneme: a word in, labels of a model out."""

    def phones(self, word: str, language: str) -> tuple[str, ...]:
        """Return the phones of one word; an empty tuple if it has no sound of its own."""
        ...


def speakable(word: str) -> str:
    """Strip a word of what is not read aloud: emoji, quotes, brackets, notes, invisible characters.

    >>> speakable("(l’amour,🎵"), speakable("—"), speakable("rock'n'roll!"), speakable("10,000€…")
    ("l'amour", '', "rock'n'roll", '10,000€')
    """
    text = _VARIANTS.sub("", unicodedata.normalize("NFC", "".join(map(_plain, word))))
    held = {at for number in _NUMBER.finditer(text) for at in range(*number.span())}
    kept: list[str] = []
    for at, char in enumerate(text):
        if char in "'-" or char in _SPOKEN_SYMBOLS or at in held or unicodedata.category(char)[0] in "LMN":
            kept.append(char)
        elif kept and kept[-1] != " " and unicodedata.category(char)[0] in "PZ":
            # Words that stand together without a space, such as "one,two", are read as two.
            kept.append(" ")
    # A word between quotes or with a dash at its end is the word; inner apostrophes and hyphens carry sound.
    text = "".join(kept).strip(" -")
    latin = [char for char in text if script_of(char) == "latin"]
    if latin and all(ord(char) in _LOOKALIKES for char in latin) and any(script_of(c) == "cyrillic" for c in text):
        text = text.translate(_LOOKALIKES)
    return text if any(unicodedata.category(c)[0] in "LN" or c in _SPOKEN_SYMBOLS for c in text) else ""


def _plain(char: str) -> str:
    """Write a letter, digit or joiner in its usual shape."""
    char = _JOINERS.get(char, char)
    if char.isascii() or unicodedata.category(char)[0] not in "LN":
        return char
    shaped = unicodedata.decomposition(char).startswith(_SHAPES)
    ligature = "\ufb00" <= char <= "\ufdff" or unicodedata.category(char) == "Nl"  # ﬁ, ﷺ, Ⅳ
    return unicodedata.normalize("NFKC", char) if shaped or ligature else char


def _lower(text: str, voice: str) -> str:
    """Lower the case as the language does: Turkish and Azerbaijani have an i without a dot."""
    if voice in ("tr", "az"):
        text = text.replace("İ", "i").replace("I", "ı")
    return text.lower()


def _runs(text: str) -> Iterator[tuple[str | None, str]]:
    """Cut a word where its script changes; marks, digits and signs go with the letter before them."""
    scripts: list[str | None] = []
    for char in text:
        # A letter of a script that no table knows; ª and its like are read by every voice.
        own = "other" if unicodedata.category(char) in _LETTERS and char not in "ªºµ" else None
        scripts.append(script_of(char) or own or (scripts[-1] if scripts else None))
    first = next((script for script in scripts if script), None)
    pairs = zip((script or first for script in scripts), text, strict=True)
    for script, run in groupby(pairs, key=lambda pair: pair[0]):
        yield script, "".join(char for _, char in run)


def _reader(script: str | None, voice: str) -> str | None:
    """Return the voice that reads a script in a text of a language, or None if none can."""
    if script is None:
        return voice
    if script == "latin":
        return "en-us" if voice in _LATIN_BLIND else voice
    if script == "han" and voice in _KANJI_BLIND:
        return None
    if voice in _READS.get(script, ()):
        return voice
    return _READER.get(script)


@lru_cache(maxsize=65536)
def _ipa(text: str, voice: str) -> str:
    """Read a word out, each script by a voice that can."""
    spelt: list[str] = []
    for script, run in _runs(text):
        reader = _reader(script, voice)
        if reader is None or (script == "han" and any(ord(char) >= _RARE_HAN for char in run)):
            spelt += [NEUTRAL] * sum(unicodedata.category(char) in (*_LETTERS, "Lm") for char in run)
        else:
            spelt.append((hummed(run) if script == "latin" else None) or espeak.ipa(shortened(run), reader))
    return " ".join(spelt)


class EspeakG2P:
    """G2P by espeak-ng's rules and dictionaries, per word, cached; numbers are read out."""

    def __init__(self, inventory: tuple[str, ...] = INVENTORY) -> None:
        self.inventory = inventory

    def phones(self, word: str, language: str) -> tuple[str, ...]:
        """Return the phones of one word in the labels of the inventory.

        Raises
        ------
        UnknownName
            If espeak-ng has no voice for the language.
        """
        voice = espeak.voice_code(language)
        text = speakable(word)
        if not text:
            return ()
        if text.isupper() and len(text) > 1 and not any(c.isdigit() for c in text):
            # espeak-ng spells words in capitals out where it takes them for initials; lyrics shout instead.
            text = _lower(text, voice)
        return to_labels(_ipa(text, voice), self.inventory)
