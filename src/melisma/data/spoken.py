"""Which language a recording is in, by what is said of it, by the names of its folders and file, by its text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath

from melisma.core.errors import InputError
from melisma.text import language
from melisma.text.iso639 import TWO_LETTERS

_NAMES = """
ar:arabic,العربية az:azerbaijani be:belarusian bg:bulgarian,български bn:bengali,bangla
bs:bosnian,bosanski ca:catalan,català cs:czech,čeština,cesky cy:welsh,cymraeg da:danish,dansk
de:german,deutsch el:greek,ελληνικά en:english es:spanish,español,espanol et:estonian,eesti
eu:basque,euskara fa:persian,farsi fi:finnish,suomi fr:french,français,francais ga:irish,gaeilge
he:hebrew hi:hindi hr:croatian,hrvatski hu:hungarian,magyar hy:armenian id:indonesian is:icelandic
it:italian,italiano ja:japanese,日本語 ka:georgian kk:kazakh ko:korean,한국어 lt:lithuanian lv:latvian
mk:macedonian,makedonski mn:mongolian mt:maltese nl:dutch,nederlands no:norwegian,norsk pa:punjabi
pl:polish,polski pt:portuguese,português,portugues ro:romanian,română ru:russian,русский
sk:slovak,slovenčina sl:slovenian,slovene,slovenščina sq:albanian sr:serbian,srpski,српски
sv:swedish,svenska sw:swahili ta:tamil te:telugu th:thai tr:turkish,türkçe turkce uk:ukrainian,українська
ur:urdu uz:uzbek vi:vietnamese cmn:mandarin zh:chinese,中文
"""
_BY_NAME = {
    name: code
    for code, _, names in (each.partition(":") for each in _NAMES.split())
    for name in names.split(",")
    if name
}
_CODE = re.compile(r"[a-z]{2,3}(?:[-_](?:[A-Za-z]{4}|[A-Za-z]{2}))?", re.IGNORECASE)
# At the end of a file's name: "song.hr", "song [hr]", "song_hr", "song-hr".
_TAIL = re.compile(r"(?:\.(\w{2,3}(?:-\w{2,4})?)|[\[(](\w{2,3}(?:-\w{2,4})?)[\])]|[_-]([A-Za-z]{2}(?:-\w{2,4})?))$")
# Codes that are words or parts of titles more often: they count in brackets, behind a dot or as a folder only.
_TITLES = "am an as be do et ha he hi is it la ma me my na ne no or os pa se si so ta te to tv"
_WORDS = frozenset(_TITLES.split())
_OTHER = "her ice mac man may run son war wav raw out old new tmp bin lib src doc"
_NO_FOLDERS = frozenset(_OTHER.split())
_ONE_LANGUAGE = frozenset(("bs", "hr", "sr"))  # alike but for names: a text in Latin letters does not tell them apart
_SURE = 0.5  # of a text; below, it is not counted


@dataclass(frozen=True, slots=True)
class Guess:
    """A language, who says so ("metadata", "name", "text", or nobody: ""), how sure; `other` if the text differs."""

    code: str = "und"
    by: str = ""
    confidence: float = 0.0
    other: str = ""


def guess(said: str, path: PurePath, text: str) -> Guess:
    """Tell the language of a recording.

    Parameters
    ----------
    said : str
        What metadata name, a code or the name of a language; empty where they name none.
    path : PurePath
        Of the recording, below the folder that is looked through.
    text : str
        Its transcript, empty where there is none.
    """
    read = language.detect(text) if text.strip() else language.LanguageGuess("und", 0.0)
    heard = read.code if read.confidence >= _SURE else ""
    for code, by, confidence in ((code_of(said), "metadata", 1.0), (of_name(path), "name", 0.9)):
        if code:
            return Guess(code, by, confidence, heard if heard and not _agree(code, heard) else "")
    return Guess(heard, "text", round(read.confidence, 2)) if heard else Guess()


def _agree(one: str, other: str) -> bool:
    first, second = one.split("-")[0], other.split("-")[0]
    return first == second or {first, second} <= _ONE_LANGUAGE


def code_of(said: str) -> str:
    """Return the code of a language that is named by its code or its name; empty where it is neither.

    >>> [code_of(said) for said in ("hrv", "Croatian", "sr-Latn", "?")]
    ['hr', 'hr', 'sr-latn', '']
    """
    name = said.strip().casefold()
    if name in _BY_NAME:
        return _BY_NAME[name]
    try:
        code = language.normalise(said)
    except InputError:
        return ""
    return code if _is_known(code) and code != "und" else ""


def of_name(path: PurePath) -> str:
    """Return the language that the name of a file or of a folder around it tells, the nearest first; or nothing.

    >>> [of_name(PurePath(name)) for name in ("hr/a.mp3", "a [sr].mp3", "a.bs.mp3", "Let-It.mp3", "Croatian 2/a.mp3")]
    ['hr', 'sr', 'bs', '', 'hr']
    """
    tail = _TAIL.search(path.stem)
    if tail:
        plain = tail[3] is None
        code = (tail[1] or tail[2] or tail[3]).casefold()
        if (plain or code not in _WORDS) and _is_known(code):
            return language.normalise(code)
    for folder in reversed(path.parent.parts):
        if _CODE.fullmatch(folder) and folder.casefold() not in _NO_FOLDERS and _is_known(folder):
            return language.normalise(folder)
        for word in re.findall(r"[^\W\d_]+", folder.casefold()):
            if word in _BY_NAME:
                return _BY_NAME[word]
    return ""


def _is_known(code: str) -> bool:
    first = re.split(r"[-_]", code.casefold())[0]
    return first in _TWO or first in TWO_LETTERS


_TWO = frozenset(TWO_LETTERS.values())
