"""The languages of Whisper's models: ISO 639 codes, and the English names that transcription servers answer with.

Source: LANGUAGES in whisper/tokenizer.py of openai/whisper.
"""

from __future__ import annotations

from melisma.core.errors import UnknownName
from melisma.text.language import normalise

_NAMES = """
en:english zh:chinese de:german es:spanish ru:russian ko:korean fr:french ja:japanese pt:portuguese tr:turkish
pl:polish ca:catalan nl:dutch ar:arabic sv:swedish it:italian id:indonesian hi:hindi fi:finnish vi:vietnamese
he:hebrew uk:ukrainian el:greek ms:malay cs:czech ro:romanian da:danish hu:hungarian ta:tamil no:norwegian th:thai
ur:urdu hr:croatian bg:bulgarian lt:lithuanian la:latin mi:maori ml:malayalam cy:welsh sk:slovak te:telugu fa:persian
lv:latvian bn:bengali sr:serbian az:azerbaijani sl:slovenian kn:kannada et:estonian mk:macedonian br:breton eu:basque
is:icelandic hy:armenian ne:nepali mn:mongolian bs:bosnian kk:kazakh sq:albanian sw:swahili gl:galician mr:marathi
pa:punjabi si:sinhala km:khmer sn:shona yo:yoruba so:somali af:afrikaans oc:occitan ka:georgian be:belarusian tg:tajik
sd:sindhi gu:gujarati am:amharic yi:yiddish lo:lao uz:uzbek fo:faroese ht:haitian_creole ps:pashto tk:turkmen
nn:nynorsk mt:maltese sa:sanskrit lb:luxembourgish my:myanmar bo:tibetan tl:tagalog mg:malagasy as:assamese tt:tatar
haw:hawaiian ln:lingala ha:hausa ba:bashkir jw:javanese su:sundanese yue:cantonese
"""
_BY_NAME = {name.replace("_", " "): code for code, name in (entry.split(":") for entry in _NAMES.split())}
WHISPER_ORDER = tuple(_BY_NAME.values())  # that of the models' labels
WHISPER_CODES = frozenset(WHISPER_ORDER)
_WHISPERS = {"jv": "jw", "nb": "no"}  # ISO 639-1 where Whisper says otherwise
LANGUAGES = frozenset({"jv" if code == "jw" else code for code in WHISPER_ORDER})


def whisper_code(language: str | None) -> str | None:
    """Return Whisper's code of a language; None where none is given, and the model finds out by itself.

    Raises
    ------
    UnknownName
        If Whisper was not taught the language.

    Examples
    --------
    >>> whisper_code("pt-BR"), whisper_code("jv"), whisper_code("fra"), whisper_code("und"), whisper_code(None)
    ('pt', 'jw', 'fr', None, None)
    """
    if language is None or language == "und":
        return None
    first = normalise(language).split("-")[0]
    code = _WHISPERS.get(first, first)
    if code not in WHISPER_CODES:
        raise UnknownName("language of Whisper's", language, LANGUAGES)
    return code


def iso_code(said: str | None) -> str:
    """Return the ISO 639 code of what a transcriber calls a language, "und" for what it should not have said.

    >>> iso_code("French"), iso_code("fr"), iso_code("jw"), iso_code("klingon"), iso_code(None)
    ('fr', 'fr', 'jv', 'und', 'und')
    """
    name = (said or "").strip().lower()
    code = _BY_NAME.get(name, name)
    return {"jw": "jv"}.get(code, code) if code in WHISPER_CODES else "und"
