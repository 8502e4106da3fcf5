"""A thin ctypes binding to the espeak-ng shared library that the package espeakng-loader ships.

espeak-ng is GPL-3.0; it is loaded at run time as a library of its own and no line of it is part of this package.
The library keeps global state and is not thread-safe: every call takes `LOCK`.
Source of the constants: espeak-ng's speak_lib.h, version 1.52.
"""

from __future__ import annotations

import ctypes
import re
import threading
from functools import cache

from melisma.core.errors import MelismaError, UnknownName

LOCK = threading.RLock()

_OUTPUT_SYNCHRONOUS = 0x02
_INITIALIZE_DONT_EXIT = 0x8000
_INITIALIZE_PHONEME_EVENTS = 0x01 | 0x02  # events name their phoneme, in IPA; `synth.voice` reads them, G2P does not
_CHARS_UTF8 = 1
_PHONEMES_IPA = 0x02
_SEPARATOR = "_"

# A language switch inside a text shows as "(en)…(fr)": espeak-ng's own mark, not a sound.
_SWITCH = re.compile(r"\([a-z]{2,3}(?:-[A-Za-z0-9-]+)?\)")

# Codes that people and corpora use, where espeak-ng calls the language something else.
_ALIASES = {
    "en": "en-us",
    "no": "nb",
    "zh": "cmn",
    "zh-cn": "cmn",
    "zh-tw": "cmn",
    "zh-hk": "yue",
    "ga-ie": "ga",
    "sr-latn": "sr",
    "sr-cyrl": "sr",
    "iw": "he",
    "tl": "fil",
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


@cache
def library() -> ctypes.CDLL:
    """Load and initialise espeak-ng once per process; its own built-in data path is wrong, so we pass the real one."""
    try:
        import espeakng_loader

        lib = ctypes.CDLL(str(espeakng_loader.get_library_path()))
        data = str(espeakng_loader.get_data_path())
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
    with LOCK:
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
    """Language code → (voice file, English name); a voice may answer to several codes, the first listed wins."""
    out: dict[str, tuple[str, str]] = {}
    with LOCK:
        voices = library().espeak_ListVoices(None)
        i = 0
        while voices[i]:
            voice = voices[i].contents
            for code in _codes(ctypes.addressof(voice.languages.contents)):
                out.setdefault(code, (voice.identifier.decode("utf-8"), voice.name.decode("utf-8", "replace")))
            i += 1
    return out


def _codes(address: int) -> list[str]:
    """Read espeak-ng's list of languages: a priority byte, then a NUL-terminated code, until a zero priority."""
    codes: list[str] = []
    while ctypes.string_at(address, 1) != b"\0":
        code = ctypes.string_at(address + 1)
        codes.append(code.decode("utf-8", "replace").lower())
        address += len(code) + 2
    return codes


@cache
def languages() -> dict[str, str]:
    """Every language code that espeak-ng speaks, lower case, with the voice's English name."""
    return {code: name for code, (_, name) in _voices().items()}


@cache
def voice_code(language: str) -> str:
    """Resolve a language code (ISO 639-1 or -3, or BCP 47) to the espeak-ng voice that speaks it.

    Raises
    ------
    UnknownName
        If no voice speaks it; the sentence lists the codes that exist.
    """
    known = languages()
    code = language.strip().lower().replace("_", "-")
    for candidate in (code, code.split("-")[0]):
        candidate = _ALIASES.get(candidate, candidate)
        if candidate in known:
            return candidate
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
    pointer = ctypes.c_char_p(text.replace("\0", " ").encode("utf-8", "replace"))
    parts: list[str] = []
    with LOCK:
        set_voice(code)
        while pointer.value is not None:
            raw = lib.espeak_TextToPhonemes(ctypes.byref(pointer), _CHARS_UTF8, _PHONEMES_IPA | ord(_SEPARATOR) << 8)
            if raw:
                parts.append(raw.decode("utf-8", "replace"))
    return _SWITCH.sub(" ", " ".join(parts)).strip()
