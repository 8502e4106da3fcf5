"""Bytes to text: Unicode in all its spellings, the encodings of older files, and a refusal where it is not clear which.

An older encoding is judged by language: `(encoding, language)` is as likely as the language is for the decoded text,
times a penalty for every character that songs in it do not hold (`alphabets`). charset-normalizer was measured on the
same texts of one to ten lines and took a third to a half of them for something else; see docs/lyrics.md.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from melisma.core.errors import LyricsError
from melisma.text import language as languages
from melisma.text import scripts
from melisma.text.alphabets import ENCODINGS, evidence, writes
from melisma.text.magic import kind_of

MAX_BYTES = 4_000_000  # 500 times a long song
_SAMPLE_BYTES = 8_192  # of rows with bytes beyond ASCII; a song's worth

# Found in the songs of every language; NBSP and ideographic space are whitespace.
_TYPOGRAPHY = frozenset("’‘‚“”„«»‹›–—…·•°©®™¿¡§€£\xa0\xad\u3000、。「」『』・！？，：；（）～ー〜♪♫★☆→")
_INNER = frozenset("’‘–-'\xad\u200c·")  # typography that stands inside words
_INVERTED = frozenset("¿¡")  # Spanish and its neighbours only
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x7f-\x84\x86-\x9f]")

# Costs in nats, set so that one foreign letter outweighs what a language model says for two short lines (about e^5).
_FOREIGN, _ODD, _TYPOGRAPHIC, _INVERTED_ELSEWHERE, _SHOUTED = 7.0, 4.0, 0.7, 3.0, 3.0
_CONVINCED = 8.0  # most that the frequency of letters can say for a reading; it may say any amount against one
_FLOOR = 1e-5  # the model's probabilities below this are noise
_MARGIN = 2.0  # a second reading of the file within e^2 of the first is a doubt


@dataclass(frozen=True, slots=True)
class _Reading:
    """One way to read the sample."""

    encoding: str
    text: str
    score: float  # natural log, up to a constant
    n_foreign: float  # weight of what the language does not write


def decode(data: bytes, name: str = "the lyrics") -> str:
    """Turn the bytes of a lyrics file into text, without its byte order mark; newlines stay as they are.

    Parameters
    ----------
    data : bytes
        The whole file.
    name : str
        What to call the file in a sentence.

    Raises
    ------
    LyricsError
        If the data is too large, is no text, or is in an encoding that cannot be told for sure.
    """
    if len(data) > MAX_BYTES:
        raise LyricsError(f"{name} is larger than {MAX_BYTES // 1_000_000} MB: is it a lyrics file?")
    kind = kind_of(data)
    if kind is not None:
        raise LyricsError(f"{name} {kind}")
    text = _marked(data, name)
    if text is None and b"\0" in data:
        text = _wide(data)
        if text is None:
            raise LyricsError(f"{name} holds binary data, not text: lyrics are a plain text file")
    if text is None and b"\x1b$" in data:
        text = _escaped(data)
    if text is None:
        text = _utf8(data, name)
    if text is None:
        text = _legacy(data, name)
    if len(_CONTROL.findall(text)) > max(4, len(text) // 100):
        raise LyricsError(f"{name} holds binary data, not text: lyrics are a plain text file")
    return text


def _marked(data: bytes, name: str) -> str | None:
    """Read text that begins with a byte order mark."""
    for mark, encoding in (
        (b"\xff\xfe\0\0", "utf-32"),
        (b"\0\0\xfe\xff", "utf-32"),
        (b"\xef\xbb\xbf", "utf-8-sig"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
    ):
        if data.startswith(mark):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError as error:
                if encoding == "utf-32":
                    continue  # UTF-16 whose first character is NUL begins the same
                shown = encoding.removesuffix("-sig").upper()
                raise LyricsError(
                    f"{name} says that it is {shown} but breaks off or is damaged at byte {error.start}"
                ) from error
    return None


def _wide(data: bytes) -> str | None:
    """Read UTF-16 and UTF-32 without a mark: the byte order that gives clean text with spaces or newlines in it."""
    best: tuple[int, str] | None = None
    for encoding in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if any(unicodedata.category(char) in ("Cc", "Cn", "Co", "Cs") for char in set(text) - set("\t\n\v\f\r\x85")):
            continue
        plain = sum(text.count(char) for char in " \n\r")
        if plain and (best is None or plain > best[0]):
            best = plain, text
    return best[1] if best else None


def _escaped(data: bytes) -> str | None:
    """Read ISO-2022-JP, which switches to Japanese and back by escape sequences."""
    try:
        return data.decode("iso2022_jp")
    except UnicodeDecodeError:
        return None


def _utf8(data: bytes, name: str) -> str | None:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        at = error.start
    n_bad = data.decode("utf-8", "replace").count("\ufffd") - data.count("\ufffd".encode())
    n_good = sum(1 for char in data.decode("utf-8", "ignore") if char > "\x7f")
    if n_good >= 4 * n_bad:
        # Other encodings make valid UTF-8 of two neighbouring letters by chance only.
        line = data[:at].count(b"\n") + 1
        raise LyricsError(f"{name} is UTF-8 but for line {line}, where a byte is damaged: save it again as UTF-8")
    return None


def _legacy(data: bytes, name: str) -> str:
    readings = sorted(_readings(data), key=lambda reading: -reading.score)
    doubt = f"{name} is not UTF-8, and which encoding it is in cannot be told for sure: save it as UTF-8"
    if not readings:
        raise LyricsError(doubt)
    best = readings[0]
    others = [reading for reading in readings if reading.text != best.text]
    n_beyond = sum(1 for char in best.text if char > "\x7f")
    if best.n_foreign > max(0.5, 0.1 * n_beyond) or (others and best.score - others[0].score < _MARGIN):
        raise LyricsError(doubt)
    return data.decode(best.encoding)


def _readings(data: bytes) -> Iterator[_Reading]:
    sample = _sample(data)
    judged: dict[str, dict[str, float]] = {}
    for encoding, spoken in ENCODINGS.items():
        try:
            data.decode(encoding)
        except UnicodeDecodeError:
            continue
        text = sample.decode(encoding, "ignore")  # the cut may have split its last character
        if _CONTROL.search(text):
            continue
        if text not in judged:
            judged[text] = languages.probabilities(text, _EVERY)
        oddities = _ODD * _oddities(text) + _SHOUTED * text.isupper()
        beyond = Counter(char for char in text if char > "\x7f")
        for language in spoken:
            likely = math.log(max(judged[text].get(language, 0.0), _FLOOR))
            cost, n_foreign = _cost(beyond, language, encoding)
            yield _Reading(encoding, text, likely - cost - oddities, n_foreign)


_EVERY = frozenset(language for spoken in ENCODINGS.values() for language in spoken)


def _sample(data: bytes) -> bytes:
    """Rows with bytes beyond ASCII, each once; no encoding here has a newline inside a character."""
    rows = dict.fromkeys(re.split(rb"[\r\n]+", data))
    taken: list[bytes] = []
    size = 0
    for row in rows:
        if not row.isascii() and (not taken or size + len(row) <= _SAMPLE_BYTES):
            taken.append(row[: 4 * _SAMPLE_BYTES])
            size += len(row)
    return b"\n".join(taken)


def _cost(beyond: Counter[str], language: str, encoding: str) -> tuple[float, float]:
    """Weigh the characters beyond ASCII: how unlikely they make the reading, and how many the language does not write.

    A second occurrence says less than the first: letters of one song are no independent witnesses.
    """
    cost = n_foreign = 0.0
    written: Counter[str] = Counter()
    for char, times in beyond.items():
        weight = 1.0 + math.log(times)
        if char in _TYPOGRAPHY:
            elsewhere = char in _INVERTED and language not in ("es", "ca", "gl", "eu")
            cost += weight * (_INVERTED_ELSEWHERE if elsewhere else _TYPOGRAPHIC)
        elif writes(language, encoding, char):
            written[char] = times
        else:
            n_foreign += weight
            cost += weight * _FOREIGN
    return cost - min(_CONVINCED, evidence(language, written)), n_foreign


_WORDS = re.compile(r"\S+")


def _oddities(text: str) -> float:
    """Weigh what no writing does.

    A capital behind a small letter, two scripts or a quotation mark inside a word, a Russian word that begins with ь.
    """
    n = 0
    for word in set(_WORDS.findall(text)):
        n += word[0].lower() in _NEVER_FIRST
        for a, b, c in zip(word, word[1:], word[2:] + " ", strict=False):
            if a < "\x80" and b < "\x80":
                continue
            if a.islower() and b.isupper():
                n += 1
            first, second = scripts.script_of(a), scripts.script_of(b)
            if first and second and first != second and {first, second} & _APART:
                n += 1
            if a.isalpha() and c.isalpha() and not b.isalpha() and b not in _INNER and not unicodedata.combining(b):
                n += 1
    return 1.0 + math.log(n) if n else 0.0


_NEVER_FIRST = frozenset("ьъы")
_APART = frozenset({"latin", "greek", "cyrillic", "hebrew", "arabic", "thai"})  # never mixed inside a word
