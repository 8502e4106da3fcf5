"""A thin ctypes binding to the espeak-ng shared library that the package espeakng-loader ships.

espeak-ng is GPL-3.0; it is loaded at run time as a library of its own and no line of it is part of this package.
The library keeps global state and is not thread-safe: every call takes `LOCK`. It is not safe against its input either:
dotted letters ("a.b.c. …" of some 150 letters) overrun a buffer and end the process, and what is longer than a clause
is cut off without a word. So texts are handed over in short pieces, and dots between letters as spaces.
Source of the constants: espeak-ng's speak_lib.h, version 1.52.
"""

from __future__ import annotations

import ctypes
import re
import threading
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from melisma.core.errors import MelismaError, UnknownName
from melisma.text.iso639 import TWO_LETTERS

LOCK = threading.RLock()

_OUTPUT_SYNCHRONOUS = 0x02
_INITIALIZE_DONT_EXIT = 0x8000
_INITIALIZE_PHONEME_EVENTS = 0x01 | 0x02  # events name their phoneme, in IPA; `synth.voice` reads them, G2P does not
_CHARS_UTF8 = 1
_PHONEMES_IPA = 0x02
_SEPARATOR = "_"

# A language switch inside a text shows as "(en)…(fr)": espeak-ng's own mark, not a sound.
_SWITCH = re.compile(r"\([A-Za-z][A-Za-z0-9-]*\)")

# Tones are digits in the IPA, but espeak-ng takes the digit 3 for its mnemonic of a vowel: ɜ at the end of a sound.
_TONAL = frozenset({"cmn", "zh", "zh-cmn", "cmn-latn-pinyin", "yue", "zh-yue", "hak", "th", "shn"})
_THIRD_TONE = re.compile(r"(?<=[^\W_])(ː?)ɜ(?=[_\s]|$)")

_PIECE = 100  # characters handed over at once: the buffer that dotted letters overrun held 300 bytes in every trial
_KEPT_SIGNS = frozenset("&%+=$€£¥°@#§/")  # that voices read out
# What may stand besides letters, marks and digits: one apostrophe or hyphen before a letter, one point between digits.
_STRAY = re.compile(r"['-](?=['-])|['-](?![^\W_])|(?<![^\W_])-|(?<!\d)[.,]|[.,](?!\d)")

# Codes that people and corpora use, where espeak-ng calls the language something else.
_ALIASES = {
    "en": "en-us",
    "no": "nb",
    "nn": "nb",  # Nynorsk has no voice of its own
    "zh": "cmn",
    "zh-hk": "yue",
    "zh-mo": "yue",
    "zh-hant-hk": "yue",
    "sh": "hr",
    "chr": "chr-us-qaaa-x-west",
}


class EspeakError(MelismaError):
    """The espeak-ng library cannot be loaded or refuses its data."""


class _Voice(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.POINTER(ctypes.c_char)),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("xx1", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


def library() -> ctypes.CDLL:
    """Load and initialise espeak-ng once per process; its own built-in data path is wrong, so we pass the real one."""
    with LOCK:  # `cache` lets two threads compute at once, and a second start would reset the voice under the first
        return _load()


@cache
def _data() -> Path:
    import espeakng_loader

    return Path(espeakng_loader.get_data_path())


@cache
def _load() -> ctypes.CDLL:
    try:
        import espeakng_loader

        lib = ctypes.CDLL(str(espeakng_loader.get_library_path()))
        data = str(_data())
    except (ImportError, OSError) as error:
        raise EspeakError(f"espeak-ng cannot be loaded ({error}): pip install espeakng-loader") from error
    lib.espeak_Initialize.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int)
    lib.espeak_TextToPhonemes.argtypes = (ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int)
    lib.espeak_TextToPhonemes.restype = ctypes.c_char_p
    lib.espeak_ListVoices.argtypes = (ctypes.c_void_p,)
    lib.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
    lib.espeak_SetVoiceByName.argtypes = (ctypes.c_char_p,)
    lib.espeak_Info.restype = ctypes.c_char_p
    lib.espeak_Info.argtypes = (ctypes.c_void_p,)
    rate = lib.espeak_Initialize(
        _OUTPUT_SYNCHRONOUS, 0, data.encode(), _INITIALIZE_DONT_EXIT | _INITIALIZE_PHONEME_EVENTS
    )
    if rate <= 0:
        raise EspeakError("espeak-ng refuses its data folder: reinstall espeakng-loader")
    return lib


@cache
def version() -> str:
    """Version of the loaded library, such as 1.52.0."""
    return str(library().espeak_Info(None).decode())


@cache
def _voices() -> dict[str, tuple[str, str]]:
    """Language code → (voice file, English name); of several voices for a code, the one that espeak-ng prefers."""
    found: dict[str, tuple[int, str, str]] = {}
    with LOCK:
        voices = library().espeak_ListVoices(None)
        i = 0
        while voices[i]:
            voice = voices[i].contents
            i += 1
            identifier = voice.identifier.decode("utf-8")
            if not _has_dictionary(identifier):
                continue
            for priority, code in _codes(ctypes.addressof(voice.languages.contents)):
                if code not in found or priority < found[code][0]:
                    found[code] = priority, identifier, voice.name.decode("utf-8", "replace").strip()
    return {code: (identifier, name) for code, (_, identifier, name) in found.items()}


def _has_dictionary(identifier: str) -> bool:
    """Tell whether a voice can read: the loader's package lists a few (fo, kaa in 1.52) without their dictionary."""
    text = (_data() / "lang" / identifier).read_text(encoding="utf-8", errors="replace")
    named = re.search(r"^dictionary\s+(\S+)", text, re.MULTILINE)
    named = named or re.search(r"^language\s+([^\s-]+)", text, re.MULTILINE)
    return named is not None and (_data() / f"{named[1]}_dict").is_file()


def _codes(address: int) -> list[tuple[int, str]]:
    """Read espeak-ng's list of languages: a priority byte (low first), then a NUL-terminated code, until a zero."""
    codes: list[tuple[int, str]] = []
    while (priority := ctypes.string_at(address, 1)) != b"\0":
        code = ctypes.string_at(address + 1)
        codes.append((priority[0], code.decode("utf-8", "replace").lower()))
        address += len(code) + 2
    return codes


@cache
def languages() -> dict[str, str]:
    """Every language code that espeak-ng speaks, lower case, with the voice's English name."""
    return {code: name for code, (_, name) in _voices().items()}


@cache
def voice_code(language: str) -> str:
    """Resolve a language code (ISO 639-1, -2 or -3, or BCP 47) to the espeak-ng voice that speaks it.

    Subtags that no voice knows are left out, the last one first.

    Raises
    ------
    UnknownName
        If no voice speaks it; the sentence lists the codes that exist.

    Examples
    --------
    >>> [voice_code(code) for code in ("FR", "hrv", "pt_BR", "sr-Latn-RS", "zh", "no")]
    ['fr', 'hr', 'pt-br', 'sr', 'cmn', 'nb']
    """
    known = languages()
    first, *subtags = language.strip().lower().replace("_", "-").split("-")
    for base in (first, TWO_LETTERS.get(first, first)):
        for n in range(len(subtags), -1, -1):
            code = "-".join([base, *subtags[:n]])
            code = _ALIASES.get(code, code)
            if code in known:
                return code
    raise UnknownName("language", language, known)


_current: tuple[str, str] | None = None


def set_voice(code: str, variant: str = "") -> None:
    """Switch the library to a voice, and to a variant of its timbre; callers hold `LOCK` until they have used it."""
    global _current
    if _current == (code, variant):
        return
    name = _voices()[code][0] + (f"+{variant}" if variant else "")
    if library().espeak_SetVoiceByName(name.encode()) != 0:
        raise EspeakError(f"espeak-ng lists the language {code!r} but cannot load it")
    _current = code, variant


def ipa(text: str, language: str) -> str:
    """Read a text out in IPA as espeak-ng writes it, with stress and length marks; the empty string has no sound.

    Parameters
    ----------
    text : str
        Any text without NUL; numbers are read out, other scripts spelt as the voice can.
    language : str
        A code that `voice_code` resolves.
    """
    lib = library()
    code = voice_code(language)
    parts: list[str] = []
    with LOCK:
        set_voice(code)
        for piece in pieces(harmless(text)):
            pointer = ctypes.c_char_p(piece.encode("utf-8", "replace"))
            while pointer.value is not None:
                raw = lib.espeak_TextToPhonemes(
                    ctypes.byref(pointer), _CHARS_UTF8, _PHONEMES_IPA | ord(_SEPARATOR) << 8
                )
                if raw:
                    parts.append(raw.decode("utf-8", "replace"))
    spelt = _SWITCH.sub(" ", " ".join(parts)).strip()
    return _THIRD_TONE.sub(r"\1", spelt) if code in _TONAL or code.startswith("vi") else spelt


def harmless(text: str) -> str:
    """Replace by a space what makes espeak-ng 1.52 end the process: marks without a letter, stray points, hyphens.

    >>> harmless("a. b -- c, d's (e)").split()
    ['a', 'b', 'c', "d's", 'e']
    """
    kept: list[str] = []
    for char in unicodedata.normalize("NFC", text):
        kind = unicodedata.category(char)[0]
        orphan = kind == "M" and (not kept or unicodedata.category(kept[-1])[0] not in "LMN")
        kept.append(char if not orphan and (kind in "LMN" or char in "'-.," or char in _KEPT_SIGNS) else " ")
    return _STRAY.sub(" ", "".join(kept))


def pieces(text: str) -> Iterator[str]:
    """Cut a text into pieces of at most _PIECE characters, at white space where there is any."""
    while len(text) > _PIECE:
        at = max(text.rfind(" ", 1, _PIECE), text.rfind("\n", 1, _PIECE))
        at = at if at > 0 else _PIECE
        yield text[:at]
        text = text[at:]
    yield text
