from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from melisma.core.errors import UnknownName
from melisma.text import espeak
from melisma.text.phones import split

# One word each in a script that the voice reads, for the few that do not read Latin letters at all.
OWN_SCRIPT: dict[str, str] = {}


def test_every_listed_language_can_be_loaded_and_speaks():
    silent = []
    for code in espeak.languages():
        with espeak.LOCK:
            espeak.set_voice(code)
        if not split(espeak.ipa(OWN_SCRIPT.get(code, "mama"), code)):
            silent.append(code)
    assert not silent
    assert len(espeak.languages()) > 120


def test_the_version_is_a_number():
    assert espeak.version().split(".")[0].isdigit()


@pytest.mark.parametrize(
    ("code", "voice"),
    [
        *(("fr", "fr"), ("FR", "fr"), (" fr ", "fr"), ("fra", "fr"), ("fre", "fr")),
        *(("deu", "de"), ("ger", "de"), ("eng", "en-us"), ("en", "en-us"), ("spa", "es"), ("ell", "el")),
        *(("hrv", "hr"), ("srp", "sr"), ("bs", "bs"), ("bos", "bs"), ("hbs", "hbs"), ("sh", "hr")),
        *(("sr-Latn", "sr"), ("sr_Cyrl", "sr"), ("sr-Latn-RS", "sr")),
        *(("zh", "cmn"), ("zho", "cmn"), ("zh-CN", "cmn"), ("zh-TW", "cmn"), ("zh-HK", "yue"), ("zh-Hant-HK", "yue")),
        *(("no", "nb"), ("nor", "nb"), ("nn", "nb"), ("nob", "nb")),
        *(("pt-br", "pt-br"), ("pt_BR", "pt-br"), ("pt-PT", "pt-pt"), ("pt-AO", "pt"), ("por", "pt")),
        *(("en-gb", "en-gb"), ("en-GB-oxendict", "en-gb"), ("en-AU", "en-us")),
        *(("ga-IE", "ga"), ("sv-SE", "sv"), ("pa-IN", "pa"), ("iw", "he"), ("mo", "ro")),
    ],
)
def test_a_code_finds_its_voice(code, voice):
    assert espeak.voice_code(code) == voice
    assert voice in espeak.languages()


@pytest.mark.parametrize("code", ["tlh-x", "", "-", "x", "qqq", "français", "fr\0", "日本語"])
def test_an_unknown_code_lists_those_that_exist(code):
    with pytest.raises(UnknownName, match=r"no language is called .*; there are: af, am, an, .* fr, "):
        espeak.voice_code(code)


def test_of_several_voices_the_one_of_the_country_itself_speaks():
    # French of Belgium and Switzerland, listed first, count septante and nonante.
    assert espeak.languages()["fr"] == "French (France)"
    assert "".join(split(espeak.ipa("70", "fr"))).startswith("swas")
    assert "".join(split(espeak.ipa("70", "fr-be"))).startswith("sɛpt")


def test_numbers_are_read_in_the_language():
    assert "".join(split(espeak.ipa("3", "de"))) == "dɾaɪ"
    assert espeak.ipa("3", "en") != espeak.ipa("3", "de")


@pytest.mark.parametrize(("text", "language"), [("love", "ru"), ("любовь", "fr"), ("weekend", "fr"), ("đ", "pap")])
def test_marks_of_a_switch_of_language_are_no_sound(text, language):
    spoken = espeak.ipa(text, language)
    assert "(" not in spoken
    assert split(spoken)


def test_the_third_tone_is_no_vowel():
    assert [split(espeak.ipa(word, code)) for word, code in (("lá", "vi"), ("马", "zh"), ("愛", "yue"))] == [
        ("l", "a"),
        ("m", "ɑ"),
        ("ŋ", "o", "i"),
    ]
    assert "ɜ" in split(espeak.ipa("bird", "en"))


@pytest.mark.parametrize("text", ["", " ", "\0", "\n", "…", "♪", "'", "\u0301", "\ud800", "\U0010ffff", "--", "'-"])
def test_what_has_no_sound_gives_the_empty_string(text):
    assert split(espeak.ipa(text, "en")) == ()


@pytest.mark.parametrize(
    ("text", "alike"),
    [
        ("a\0b", "a b"),  # NUL ends a C string
        ("\ud800love", "love"),  # a lone surrogate has no UTF-8
        ("love\udfff", "love"),
        ("e\u0301te\u0301", "été"),  # canonical forms
        ("[[love]]", "love"),  # espeak-ng's own notation of phonemes
        ("<b>love</b>", "b love b"),
        ("U.S.A.", "U S A"),
    ],
)
def test_odd_characters_do_not_disturb_their_neighbours(text, alike):
    assert split(espeak.ipa(text, "fr")) == split(espeak.ipa(alike, "fr"))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        # Each of these ends the process where espeak-ng 1.52 is given it as it is.
        ("a." * 300, "en"),
        ("'-o", "vi"),
        ("---िग", "hi"),
        (".;u':o?.…u i…o;o:,,…a;!aiiae, ee,.:…iiai,!!oue!:eo,i?…o,o ;u…o……--'-o…e e:-!oa", "vi"),
    ],
)
def test_text_that_espeak_does_not_survive(text, language):
    for _ in range(3):  # memory that is overrun may hold once
        assert split(espeak.ipa(text, language))


@pytest.mark.parametrize("unit", ["a", "ab ", "a.", "a-", "1", "а", "क"])
def test_a_word_of_100_000_characters_is_read_to_its_end(unit):
    n = 100_000 // len(unit)
    spoken = split(espeak.ipa(unit * n, "en"))
    assert len(spoken) >= 0.15 * n  # none of its pieces is dropped, though a piece may be read in a lump


def test_a_long_text_is_read_as_its_words_are():
    words = ["love", "me", "tender", "forever"] * 100
    assert split(espeak.ipa(" ".join(words), "en")) == tuple(p for w in words for p in split(espeak.ipa(w, "en")))


def test_many_threads_and_languages_give_what_one_thread_gives():
    jobs = [
        (f"{word} {n}", code) for n in range(8) for word in ("mama", "vino") for code in ("fr", "de", "hr", "ru", "ja")
    ]
    serial = [espeak.ipa(*job) for job in jobs]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            assert list(pool.map(lambda job: espeak.ipa(*job), jobs)) == serial
