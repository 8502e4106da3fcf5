"""Which letters beyond ASCII a language writes, and which encodings were made for it: what `encoding` judges by."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Callable
from functools import cache

# Lower-case letters; capitals count as theirs. Source: the exemplar sets of Unicode CLDR 44, main letters and the
# auxiliary ones that songs need (German "é" is in, Icelandic "ð" in a Polish song is not).
_LETTERS = {
    "en": "éèêëïöçñâàæœ",
    "fr": "àâæçéèêëîïôœùûüÿ",
    "de": "äöüßéà",
    "es": "áéíñóúü",
    "pt": "ãáàâçéêíóõôúü",
    "it": "àèéìíîòóùú",
    "ca": "àçéèíïóòúü",
    "gl": "áéíñóúü",
    "eu": "ñüç",
    "nl": "áäéëèêíïóöúü",
    "da": "åæøéáä",
    "sv": "åäöéàü",
    "no": "åæøéèòôóä",
    "fi": "äöåšž",
    "is": "áæðéíóöþúý",
    "ga": "áéíóú",
    "cy": "âêîôûŵŷáéíóúàèìòùäëïöüẅÿẁẃ",
    "br": "âêîôûùüñ",
    "af": "áäéèêëíîïóôöúûü",
    "sq": "çë",
    "hr": "čćđšž",
    "bs": "čćđšž",
    "sr": "čćđšžђјљњћџѓабвгдежзиклмнопрстуфхцчш",
    "sl": "čšžćđ",
    "pl": "ąćęłńóśźż",
    "cs": "áčďéěíňóřšťúůýž",
    "sk": "áäčďéíĺľňóôŕšťúýž",
    "hu": "áéíóöőúüű",
    "ro": "ăâîșțşţ",
    "et": "äõöüšž",
    "lv": "āčēģīķļņšūž",
    "lt": "ąčęėįšųūž",
    "tr": "âçğıîöşûüi̇",
    "az": "çəğıöşü",
    "mt": "ċġħżàèìòù",
    "eo": "ĉĝĥĵŝŭ",
    "ru": "абвгдежзийклмнопрстуфхцчшщъыьэюяё",
    "uk": "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя",
    "be": "абвгдеёжзійклмнопрстуўфхцчшыьэюя",
    "bg": "абвгдежзийклмнопрстуфхцчшщъьюя",
    "mk": "абвгдѓежзѕијклљмнњопрстќуфхцчџшѐѝ",
    "el": "αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ",
    # Vietnamese in windows-1258 and in Unicode: letters, and the five tones as marks of their own.
    "vi": "ăâđêôơưàảãáạằẳẵắặầẩẫấậèẻẽéẹềểễếệìỉĩíịòỏõóọồổỗốộờởỡớợùủũúụừửữứựỳỷỹýỵ\u0300\u0301\u0303\u0309\u0323",
    "ar": "ابتثجحخدذرزسشصضطظعغفقكلمنهويىةءآأؤإئًٌٍَُِّْـ،؛؟",
    "fa": "ابپتثجچحخدذرزژسشصضطظعغفقکگلمنهویئءآأؤةًٌٍَُِّْـكيى،؛؟\u200c",
    "ur": "ابپتٹثجچحخدڈذرڑزژسشصضطظعغفقکگلمنںوہھءیےئآؤۂًٌٍَُِّْـ،؛؟۔",
    "he": "אבגדהוזחטיךכלםמןנסעףפץצקרשת" + "".join(map(chr, range(0x05B0, 0x05C3))),
    "th": "".join(map(chr, [*range(0x0E01, 0x0E3B), *range(0x0E40, 0x0E4F)])),
}

# Legacy encodings, the likelier first where two give one text, and the languages whose songs were stored in them.
# The ISO 8859 twins of Windows code pages are listed only where they put letters elsewhere.
_EUROPE = "en fr de es pt it ca gl eu nl da sv no fi is ga br af sq"
_WESTERN = _EUROPE.split()
_CENTRAL = ["hr", "bs", "sr", "sl", "pl", "cs", "sk", "hu", "ro", "sq"]
_CYRILLIC = ["ru", "uk", "be", "bg", "sr", "mk"]
ENCODINGS: dict[str, list[str]] = {
    "cp1252": _WESTERN,
    "cp1250": _CENTRAL,
    "cp1251": _CYRILLIC,
    "cp1253": ["el"],
    "cp1254": ["tr"],
    "cp1255": ["he"],
    "cp1256": ["ar", "fa", "ur"],
    "cp1257": ["lt", "lv", "et"],
    "cp1258": ["vi"],
    "cp874": ["th"],
    "iso8859_15": _WESTERN,
    "iso8859_2": _CENTRAL,
    "iso8859_3": ["mt", "eo"],
    "iso8859_5": _CYRILLIC,
    "iso8859_6": ["ar"],
    "iso8859_7": ["el"],
    "iso8859_14": ["cy"],
    "koi8_r": ["ru", "bg"],
    "koi8_u": ["uk"],
    "cp866": ["ru", "bg"],
    "cp850": _WESTERN,
    "cp852": _CENTRAL,
    "mac_roman": _WESTERN,
    "mac_latin2": _CENTRAL,
    "mac_cyrillic": _CYRILLIC,
    "cp932": ["ja"],
    "euc_jp": ["ja"],
    "gb18030": ["zh"],
    "big5hkscs": ["zh"],
    "cp949": ["ko"],
}


def _leads(encoding: str, first: int, last: int) -> Callable[[str], bool]:
    """Tell the characters whose first byte in a double-byte encoding lies in a range: its common ones."""

    def within(char: str) -> bool:
        try:
            spelt = char.encode(encoding)
        except UnicodeEncodeError:
            return False
        return len(spelt) == 2 and first <= spelt[0] <= last

    return within


_common_simplified = _leads("gb2312", 0xB0, 0xD7)  # level 1: the 3,755 characters in use
_common_traditional = _leads("big5", 0xA4, 0xC6)  # level 1: 5,401
_common_hangul = _leads("euc_kr", 0xB0, 0xC8)  # the 2,350 syllables of KS X 1001
_common_kanji = _leads("euc_jp", 0xB0, 0xCF)  # level 1: 2,965


# The letters that make up about 80 % of a text, where a wrong code page gives other letters of the same language or of
# another that is alone in its script. Russian, Greek, Arabic, Persian and Thai were counted in sentences of Common
# Voice; Hebrew, Korean, Ukrainian and Bulgarian come from general letter statistics.
_FREQUENT = {
    "ru": "оеиатнсрвлмдпку",
    "uk": "оаиніевртслкдум",
    "bg": "аоеитнсрвлдмкпу",
    "el": "αοτεινρσκπυςμλάό",
    "he": "יולהמאתרבשנד",
    "ar": "الينمورتهبكأعسحة",
    "fa": "ایمرندهوبتکش",
    "th": "นา่กร้อมังเวยดีคไทขหสิละต",
    "ko": "이다는을에가고의나지사하어로그도한를자기아리은인니서라시대수해만보게내스들여면정오안너말일"
    "있없거날난마우원주제구성전부상간신장네야던줄세꿈랑밤눈길속또처럼때더바람끝울빛손못"
    "",
}
_FREQUENT["ja"] = "".join(map(chr, [*range(0x3041, 0x3094), *range(0x30A1, 0x30F7)]))
_FREQUENT_SHARE = {"ko": 0.55, "ja": 0.55}
_WITHOUT_ALPHABET = {"ko": 2350, "ja": 2965 + 169}  # how many common characters there are
_CANTONESE = frozenset("喺嘅咗唔冇哋佢嗰啲嚟咁嘢啱咩乜嗌攞睇諗靚嘥揸瞓嚿咪啦喎噉喇囉㗎")


def _is_kana(char: str) -> bool:
    return "\u3041" <= char <= "\u30fe"


@cache
def _letters(language: str) -> frozenset[str]:
    small = _LETTERS[language]
    return frozenset(small) | frozenset(small.upper())


@cache
def _frequent(language: str) -> frozenset[str]:
    small = _FREQUENT.get(language, "")
    return frozenset(small) | frozenset(small.upper())


def writes(language: str, encoding: str, char: str) -> bool:
    """Whether a song in a language, stored in an encoding made for it, may well hold this character beyond ASCII."""
    if language == "zh":
        if encoding == "big5hkscs":
            return _common_traditional(char) or char in _CANTONESE
        return _common_simplified(char)
    if language == "ja":
        return _is_kana(char) or char == "々" or _common_kanji(char)
    if language == "ko":
        return _common_hangul(char)
    return char in _letters(language)


def evidence(language: str, letters: Counter[str]) -> float:
    """Natural log of the odds that letters are this language's rather than drawn from its alphabet at random.

    0 for the languages whose frequent letters are not listed.
    """
    usual = _frequent(language)
    if not usual:
        return 0.0
    share = _FREQUENT_SHARE.get(language, 0.8)
    n_letters = _WITHOUT_ALPHABET.get(language) or sum(
        1 for char in _LETTERS[language] if not unicodedata.combining(char)
    )
    by_chance = len(_FREQUENT[language]) / n_letters
    n_usual = sum(times for char, times in letters.items() if char in usual)
    # Marks such as Arabic vowels come in bulk or not at all.
    n_other = sum(n for char, n in letters.items() if char not in usual and not unicodedata.combining(char))
    return n_usual * math.log(share / by_chance) + n_other * math.log((1 - share) / (1 - by_chance))
