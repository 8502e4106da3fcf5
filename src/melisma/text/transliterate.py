"""Serbian, Bosnian, Croatian and Montenegrin in Latin and in Cyrillic letters.

Cyrillic → Latin is exact: a letter is one letter or a digraph. The other way a digraph may be two letters that met
where two parts of a word did: `injekcija` is ин+јекција, `nadživeti` над+живети. `_STEMS` lists those that do so; all
other digraphs are one letter, as in `Tanja`, `odžak`, `hadžija`. `dj` is always two: `odjednom`, `djeca`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from typing import Literal

from melisma.core.errors import UnknownName

Script = Literal["latin", "cyrillic"]
SCRIPTS: tuple[Script, ...] = ("latin", "cyrillic")
LANGUAGES = frozenset({"sr", "bs", "hr", "cnr", "sh", "hbs"})  # that are written in both

_CYRILLIC = "абвгдђежзијклљмнњопрстћуфхцчџш"
_LATIN = """
a b v g d đ e ž z i j k l lj m n nj o p r s t ć u f h c č dž š
"""
_TO_LATIN = dict(zip(_CYRILLIC, _LATIN.split(), strict=True))
_TO_CYRILLIC = {latin: letter for letter, latin in _TO_LATIN.items()}
_DIGRAPHS = {"lj": "љ", "nj": "њ", "dž": "џ"}
# Digraphs that Unicode knows as one character, in capitals, at the head of a name, and small.
_LIGATURES = {"Ǆ": "Џ", "ǅ": "Џ", "ǆ": "џ", "Ǉ": "Љ", "ǈ": "Љ", "ǉ": "љ", "Ǌ": "Њ", "ǋ": "Њ", "ǌ": "њ"}
_TITLED = "ǅǈǋ"
_FOREIGN = {"q": "к", "w": "в", "x": "кс", "y": "и"}

# Stems in which a digraph is two letters, which `|` parts, as regular expressions over small letters. Those that begin
# with ^ stand at the beginning of a word, or behind one of `_PREFIXES`; those with ^^ at the very beginning.
_STEMS = """
^in|jek[ct] ^dezin|jek[ct] ^in|jic[ir] ^in|jari ^in|junk ^in|jur kon|jug kon|jun[kt] kon|juk[tc] kon|jek[tc]
^tan|jug ^^van|j[eu] ^^izvan|j[eu] ^^nevan|j[eu] ^^pan|jel ^^pan|jug ^^an|jon ^^šen|j[ae]ng ssrn|j
^nad|ž(?!a[kč]|ib|edž|idž|o|[aiu]?$) ^pod|ž(?!ap|avelj) ^pred|ž(?!onj) ^iznad|ž ^ispod|ž
^od|ža[lrv](?!an) ^od|že[ltgdćno] ^od|ži[vg] ^od|žu[blr] ^od|ž[vrnmdbg] ^^and|žej ^^feld|žand d|žd
"""
_PREFIXES = "(?:ne|naj|po|pre|prije|do|iz|za|u|ras|raz|polu|samo|super|re|auto|mikro|foto|bio|sub)?"


def _compiled(stems: str) -> re.Pattern[str]:
    parts = []
    for stem in stems.split():
        before, _, behind = stem.lstrip("^").partition("|")
        head = r"(?<![^\W\d_])" if stem.startswith("^") else ""
        head += _PREFIXES if stem.startswith("^") and not stem.startswith("^^") else ""
        parts.append(f"{head}{before}(?={behind})")
    return re.compile("|".join(parts))


_APART = _compiled(_STEMS)

# What is no word: addresses of all kinds, handles, file names. They stay as they are.
_ADDRESS = re.compile(
    r"(?:[a-z][a-z0-9+.-]*://|www\.)\S+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+|(?<!\w)[@#]\w+|"
    r"(?<![\w.])(?:[\w-]+\.)+(?:com|org|net|info|edu|gov|eu|rs|hr|ba|me|si|mk|de|uk|us|io|tv|fm|txt|pdf|mp3|wav|html?|jpe?g|png)"
    r"(?:/\S*)?(?![\w])",
    re.IGNORECASE | re.ASCII,
)
_WORD = re.compile(r"[^\W\d_]+(?:[’'][^\W\d_]+)*")
# Of two or three letters only those of i, v, x and l: CD, MD and DC are something else.
_ROMAN = re.compile(r"(?=[IVXL]{2,3}\b|[IVXLCDM]{4})" r"M{0,4}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
# Names that are written in Latin letters in Cyrillic text too; those of our own (RTS, SFRJ) are not among them.
_NAMES = """
BBC CD CNN CNC CPU CSS DJ DVD EP FBI GPS GPU HD HDMI HTML HTTP HTTPS IBAN ISBN IP IT JPG LCD LED MMS MTV NBA NFL NHL PC
PDF PHP QR RAM SIM SMS SQL SSD UFC UHD USB VHS VIP VPN VR WC WWW XML ZIP
"""
ACRONYMS = frozenset(_NAMES.split())


def to_latin(text: str) -> str:
    """Write Serbian Cyrillic in Latin letters; all other characters stay.

    A digraph is written as its neighbours are: capitals in a word of capitals, a capital and a small letter at the
    head of a name.

    >>> to_latin("Љубав, ЉУБАВ и њихов џем: Њ. Његош")
    'Ljubav, LJUBAV i njihov džem: Nj. Njegoš'
    """
    text = unicodedata.normalize("NFC", text)
    out: list[str] = []
    for i, char in enumerate(text):
        small = char.lower()
        latin = _TO_LATIN.get(small)
        if latin is None:
            out.append(_spelt_out(text, i) if char in _LIGATURES else char)
        elif char == small:
            out.append(latin)
        else:
            out.append(latin.upper() if len(latin) == 1 or _among_capitals(text, i) else latin.capitalize())
    return unicodedata.normalize("NFC", "".join(out))


def _spelt_out(text: str, i: int) -> str:
    """Return the two letters of a digraph that is one character."""
    cyrillic = _LIGATURES[text[i]]
    latin = _TO_LATIN[cyrillic.lower()]
    if text[i] in _TITLED:
        return latin.capitalize()
    return latin if cyrillic.islower() else latin.upper() if _among_capitals(text, i) else latin.capitalize()


def _among_capitals(text: str, i: int) -> bool:
    """Whether the nearest letter of the word, behind or else before, is a capital; a letter by itself is not."""
    for step in (1, -1):
        j = i + step
        while 0 <= j < len(text) and (text[j] in "'’-" or text[j].isdigit() or unicodedata.combining(text[j])):
            j += step
        if 0 <= j < len(text) and text[j].isalpha():
            return text[j].isupper()
    return False


def to_cyrillic(text: str, *, transcribe: bool = False, keep: Collection[str] = ACRONYMS) -> str:
    """Write Latin Serbian, Bosnian or Croatian in Cyrillic letters.

    Addresses, Roman numerals of two letters or more, and the names of `keep` stay as they are; so do words with letters
    that the language does not have.

    Parameters
    ----------
    text : str
        With its diacritics; letters that are Cyrillic already stay.
    transcribe : bool
        Write words with q, w, x, y in Cyrillic too, letter by letter.
    keep : collection of str
        Words in capitals that are written in Latin letters in Cyrillic text too.

    Examples
    --------
    >>> to_cyrillic("Ljubav, LJUBAV, injekcija, konjunkcija, konj, nadživeti, odžak")
    'Љубав, ЉУБАВ, инјекција, конјункција, коњ, надживети, оџак'
    >>> to_cyrillic("Windows, USB i Ludvig XIV: www.primer.rs")
    'Windows, USB и Лудвиг XIV: www.primer.rs'
    """
    text = unicodedata.normalize("NFC", text)
    out: list[str] = []
    at = 0
    for found in _ADDRESS.finditer(text):
        out += [_words_to_cyrillic(text[at : found.start()], transcribe, keep), found[0]]
        at = found.end()
    return "".join([*out, _words_to_cyrillic(text[at:], transcribe, keep)])


def _words_to_cyrillic(text: str, transcribe: bool, keep: Collection[str]) -> str:
    def one(found: re.Match[str]) -> str:
        word = found[0]
        if word in keep or _ROMAN.fullmatch(word):
            return word
        return _word_to_cyrillic(word, transcribe)

    return _WORD.sub(one, text)


def _word_to_cyrillic(word: str, transcribe: bool) -> str:
    """Write one word in Cyrillic; as it is, if it holds a letter that has none."""
    small = word.lower()
    if len(small) != len(word):
        return word  # İ becomes two characters: no word of these languages
    apart = {found.end() for found in _APART.finditer(small)}
    out: list[str] = []
    i = 0
    while i < len(word):
        pair = small[i : i + 2]
        if pair in _DIGRAPHS and i + 1 not in apart:
            letter, n = _DIGRAPHS[pair], 2
        else:
            letter, n = _letter(word[i], small[i], transcribe), 1
        if not letter:
            return word
        capital = word[i].isupper() or word[i] in _TITLED
        out.append(letter if not capital else letter.upper() if word.isupper() else letter.capitalize())
        i += n
    return "".join(out)


def _letter(char: str, small: str, transcribe: bool) -> str:
    """Return the Cyrillic letter of a Latin one, itself if it is none of Latin's, nothing if it has none."""
    if small in _TO_CYRILLIC:
        return _TO_CYRILLIC[small]
    if char in _LIGATURES:
        return _LIGATURES[char].lower()
    if transcribe and small in _FOREIGN:
        return _FOREIGN[small]
    if small in "śź":  # Montenegrin: Cyrillic has them with a combining acute
        return {"ś": "с\u0301", "ź": "з\u0301"}[small]
    return "" if unicodedata.name(char, "").startswith("LATIN") else char


def convert(text: str, script: str) -> str:
    """Write a text in one of `SCRIPTS`.

    Raises
    ------
    UnknownName
        If it is another.
    """
    if script == "latin":
        return to_latin(text)
    if script == "cyrillic":
        return to_cyrillic(text)
    raise UnknownName("script", script, SCRIPTS)


def folded(text: str) -> str:
    """Return a text as it is compared when the script does not matter: in small Latin letters, diacritics kept.

    >>> folded("ЉУБАВ") == folded("Ljubav") == folded("ǉubav")
    True
    """
    return to_latin(unicodedata.normalize("NFC", text)).lower()
