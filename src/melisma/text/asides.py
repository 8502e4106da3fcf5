"""What a transcript holds beside what is said: times, markup, notes, speakers, brackets, marks of repeated lines."""

from __future__ import annotations

import html
import re
from collections import Counter
from typing import Literal

from melisma.text.headings import heading_of
from melisma.text.repeats import MOST, marks

Round = Literal["notes", "drop", "keep"]

_CLOCK = r"\d{1,3}:\d{1,2}(?::\d{1,2})?(?:[.,:]\d{1,3})?"
_ARROW = re.compile(rf"^\s*{_CLOCK}\s*-->\s*{_CLOCK}.*$", re.MULTILINE)
_INDEX = re.compile(rf"^\s*\d+\s*\n(?=\s*{_CLOCK}\s*-->)", re.MULTILINE)
_TIMES = re.compile(
    rf"[\[<(]\s*{_CLOCK}(?:\s*(?:-->|[-–—])\s*{_CLOCK})?\s*[\]>)]"  # [00:12.3] <00:12.34> (0:12) [0:12 - 0:15]
    r"|[\[(]\s*\d+(?:[.,]\d+)?\s*s(?:ec|ek)?\.?\s*[\])]"  # [12.5s]
    r"|<\|[^|<>\n]{0,40}\|>"  # <|0.00|> <|hr|> <|transcribe|>
    r"|\{\\[^{}\n]*\}"  # {\an8} {\k20}
)
_LRC_TAG = re.compile(
    r"^\s*\[(?:ar|ti|al|au|by|re|ve|la|length|offset|lr|tool|#)\s*:[^\]\n]*\]\s*$", re.MULTILINE | re.IGNORECASE
)
_VTT = re.compile(r"\A\s*WEBVTT[^\n]*\n?|^(?:NOTE|STYLE|REGION)\b[^\n]*(?:\n(?!\s*$)[^\n]*)*", re.MULTILINE)
_MARKUP = re.compile(
    r"</?(?:b|i|u|s|br|p|div|span|font|em|strong|small|sub|sup|c|v|lang|ruby|rt|a|ul|li|h[1-6])(?:[\s.][^<>\n]*)?/?>",
    re.I,
)
_BREAK = re.compile(r"<(?:br|p|div|li)\s*/?>|</(?:p|div|li)>", re.I)
_NOTES = re.compile("[♩♪♫♬♭♯𝄞𝄢🎵🎶🎼🎤🎧][\ufe0e\ufe0f]?")
_HASHES = re.compile(r"^\s*#+\s+|(?<=\s)#+\s*$|(?<!\S)#+(?=\s)", re.MULTILINE)

# What round brackets hold where it is no text: sounds, manners, and what could not be heard.
_SOUNDS = """
applause laughter laughs laughing laugh chuckles chuckling giggles sighs sigh sighing coughs cough coughing cries
crying sobs sobbing sniffs gasps groans screams screaming shouts shouting whispers whispering cheering cheers crowd
music silence pause noise inaudible unintelligible unclear indistinct crosstalk foreign background humming hums
whistling whistles instrumental interlude solo beep bell phone ringing clears throat breathing breath static
smijeh smeh smije smeje smijanje smejanje pljesak aplauz glazba muzika glasba tišina pauza stanka šum buka uzdah uzdiše
kašalj kašlje kašljanje plač plače jeca jecaj viče vikanje šapuće šapat šapatom nerazumljivo nečujno nejasno
instrumentalni instrumental publika navijanje zvižduk zviždanje zvono telefon pucanj pozadina
смех смеје аплауз музика тишина пауза шум бука уздах кашаљ плач виче шапуће неразумљиво нечујно нејасно
gelächter lachen applaus musik pause stille husten seufzt unverständlich rires rire applaudissements musique silence
inaudible toux soupir incompréhensible risas risa aplausos música silencio inaudible risate applausi musica silenzio
"""
_SOUND = frozenset(_SOUNDS.split())
_SQUARE = re.compile(r"\[[^\[\]\n]*\]|［[^［］\n]*］|【[^【】\n]*】|〔[^〔〕\n]*〕")
_CURLY = re.compile(r"\{[^{}\n]*\}")
_ANGLE = re.compile(r"<[^<>\n]*>|«\s*»")
_STARS = re.compile(r"(?<!\w)\*{1,3}[^*\n]{1,60}\*{1,3}(?!\w)")
_ROUND = re.compile(r"[(（]([^()（）\n]*)[)）]")
_LOOSE = re.compile(r"[\[\]{}［］【】〔〕<>]")
_LOOSE_ROUND = re.compile(r"[()（）]")

_ROLES = """
Interviewer Voditelj Voditeljica Novinar Novinarka Moderator Moderatorica Moderatorka Ispitivač Ispitivačica Reporter
Reporterka Narator Narrator Водитељ Новинар Наратор
"""
_NUMBERED = "speaker|govornik|говорник|sprecher|locuteur|hablante"
_CAPITAL = "[A-ZČĆĐŠŽА-ЯЂЈЉЊЋЏ]"
_SPEAKER = re.compile(
    rf"^[ \t]*(?:>>+[ \t]*|[-–—][ \t]*(?=\S))?(?:(?P<sure>(?i:{_NUMBERED})[ _]?\d+|{'|'.join(_ROLES.split())}"
    rf"|{_CAPITAL}(?:{_CAPITAL}|[.'-])+(?: {_CAPITAL}(?:{_CAPITAL}|[.'-])*){{0,3}}(?: \d+)?)"
    r"|(?P<name>[^\W\d_]+(?: [^\W\d_]+){0,2}))[ \t]*:(?!//)(?=[ \t]|$)[ \t]*",
    re.MULTILINE,
)
_TURN = re.compile(r"^[ \t]*(?:>>+|[-–—•])[ \t]*(?=\S)", re.MULTILINE)


def without_entities(text: str) -> str:
    """Write HTML entities as what they stand for, however often they were escaped."""
    while "&" in text and (plain := html.unescape(text)) != text:
        text = plain
    return text


def without_times(text: str) -> str:
    """Take away time tags, subtitle numbers and arrows, LRC and WebVTT headers, and the special tokens of Whisper."""
    text = _VTT.sub("", _LRC_TAG.sub("", text))
    return _TIMES.sub(" ", _ARROW.sub("", _INDEX.sub("", text)))


def without_markup(text: str) -> str:
    """Take away tags of HTML and WebVTT; those that break a line do."""
    return _MARKUP.sub("", _BREAK.sub("\n", text)) if "<" in text else text


def without_notes(text: str) -> str:
    """Take away musical notes, and hashes that stand for them."""
    return _HASHES.sub(" ", _NOTES.sub(" ", text))


def without_speakers(text: str) -> str:
    """Take away who speaks: `SPEAKER_00:`, `IVAN:`, `Novinar:`, `>>`, a dash in front of a turn.

    A name in small letters (`Ana:`) is one only if it stands in front of two lines or more, or if one word and a colon
    stand in front of most lines.
    """
    names = Counter(found["name"] for found in _SPEAKER.finditer(text) if found["name"])
    n_rows = sum(1 for row in text.split("\n") if row.strip())
    single = sum(n for name, n in names.items() if name[0].isupper() and " " not in name)
    a_dialogue = single >= 2 and 2 * single >= n_rows

    def one(found: re.Match[str]) -> str:
        name = found["name"]
        sure = not name or (name[0].isupper() and (names[name] > 1 or (a_dialogue and " " not in name)))
        return "" if sure else found[0]

    return _TURN.sub("", _SPEAKER.sub(one, text))


def without_headings(text: str) -> str:
    """Take away headings of sections of a song: `[Chorus]`, `Refren:`, `(Verse 2)`."""
    out: list[str] = []
    first = True
    for row in text.split("\n"):
        heading = heading_of(row, first=first and "\n" in text)
        if heading is None:
            out.append(row)
        elif heading.length is not None:
            out.append(row[heading.length :])
        first = not row.strip()
    return "\n".join(out)


def without_brackets(text: str, round_ones: Round = "notes") -> str:
    """Take away what stands in square, curly and angle brackets and between stars, and in round ones as asked.

    Parameters
    ----------
    text : str
        The text.
    round_ones : {"notes", "drop", "keep"}
        "notes" drops what round brackets hold if it is a sound or a manner (laughter, glazba), and else keeps the words
        without the brackets, for they are sung or said; "drop" drops all, "keep" none.
    """
    for pattern in (_SQUARE, _CURLY, _ANGLE, _STARS):
        while (found := pattern.sub(" ", text)) != text:
            text = found
    while round_ones != "keep" and (found := _ROUND.sub(lambda m: _of_round(m, round_ones), text)) != text:
        text = found
    text = _LOOSE.sub(" ", text)
    return text if round_ones == "keep" else _LOOSE_ROUND.sub(" ", text)


def _of_round(found: re.Match[str], round_ones: Round) -> str:
    inside = found[1].strip()
    words = re.findall(r"[^\W\d_]+", inside.lower())
    n_sounds = sum(word in _SOUND for word in words)
    if round_ones == "drop" or not words or (n_sounds and (len(words) <= 3 or 2 * n_sounds >= len(words))):
        return " "
    return f" {inside} "


def repeats_written_out(text: str) -> str:
    r"""Write a line out as often as its mark says (`x2`, `(3 times)`, `[bis]`); the mark goes.

    >>> repeats_written_out("la la (x2)")
    'la la\nla la'
    """
    out: list[str] = []
    for row in text.split("\n"):
        found = marks(row)
        if not found:
            out.append(row)
            continue
        begin = 0
        said: list[str] = []
        for left, right, times in found:
            said += [row[begin:left].strip()] * min(times, MOST)
            begin = right
        rows = [each for each in [*said, row[begin:].strip()] if each]
        out += rows
    return "\n".join(out)


def without_repeat_marks(text: str) -> str:
    """Take away the marks of repeated lines, and repeat nothing."""
    out: list[str] = []
    for row in text.split("\n"):
        for left, right, _ in reversed(marks(row)):
            row = row[:left] + " " + row[right:]
        out.append(row)
    return "\n".join(out)
