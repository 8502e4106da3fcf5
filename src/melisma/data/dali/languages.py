"""The languages of DALI by their English names, as it writes them, and their codes."""

from __future__ import annotations

from types import MappingProxyType

# DALI asked a language guesser, whose names these are; it can be wrong about a song.
CODES = MappingProxyType(
    {
        **{"afrikaans": "af", "albanian": "sq", "arabic": "ar", "basque": "eu", "bosnian": "bs", "bulgarian": "bg"},
        **{"catalan": "ca", "chinese": "zh", "croatian": "hr", "czech": "cs", "danish": "da", "dutch": "nl"},
        **{"english": "en", "estonian": "et", "finnish": "fi", "french": "fr", "galician": "gl", "german": "de"},
        **{"greek": "el", "hebrew": "he", "hindi": "hi", "hungarian": "hu", "icelandic": "is", "indonesian": "id"},
        **{"irish": "ga", "italian": "it", "japanese": "ja", "korean": "ko", "latin": "la", "latvian": "lv"},
        **{"lithuanian": "lt", "macedonian": "mk", "malay": "ms", "norwegian": "no", "polish": "pl"},
        **{"portuguese": "pt", "romanian": "ro", "russian": "ru", "serbian": "sr", "slovak": "sk", "slovenian": "sl"},
        **{"slovene": "sl", "spanish": "es", "swahili": "sw", "swedish": "sv", "tagalog": "tl", "thai": "th"},
        **{"turkish": "tr", "ukrainian": "uk", "vietnamese": "vi", "welsh": "cy"},
    }
)


def code_of(name: str | None) -> str:
    """Return the code of a language that DALI names; "und" where it names none that is known.

    >>> code_of("english"), code_of("de"), code_of("klingon"), code_of(None)
    ('en', 'de', 'und', 'und')
    """
    said = (name or "").strip().casefold()
    return CODES.get(said) or (said if said in CODES.values() else "und")
