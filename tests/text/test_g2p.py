from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melisma.core.errors import UnknownName
from melisma.text import espeak, g2p
from melisma.text.g2p import EspeakG2P, speakable
from melisma.text.phones import INVENTORY, NEUTRAL


@pytest.fixture(scope="module")
def spell():
    speller = EspeakG2P()
    return lambda word, language: "".join(speller.phones(word, language))


@pytest.mark.parametrize(
    ("word", "language", "phones"),
    [
        # elisions
        *(("l'amour", "fr", "lamur"), ("j'vois", "fr", "ʒvwa"), ("qu'il", "fr", "kil"), ("m'faut", "fr", "mfo")),
        *(("don't", "en", "doʊnt"), ("rock'n'roll", "en", "ɹɑknɹoʊl")),
        # numbers, in the words of the language
        *(
            ("3", "de", "dɾaɪ"),
            ("72", "fr", "swasɑtduz"),
            ("10,000", "en", "tɛnθaʊzənd"),
            ("3.5", "en", "θɹipɔɪntfaɪv"),
        ),
        *(("24/7", "en", "twɛntifɔɹsɛvən"), ("1,2,3", "en", "wʌntuθɹi"), ("٣", "ar", "θalaθa"), ("३", "hi", "tin")),
        # symbols that are sung
        *(("&", "en", "ænd"), ("&", "fr", "e"), ("½", "en", "ɐhæf")),
        # hyphens
        *(("na-na-na", "en", "nɑnɑnɑ"), ("arc-en-ciel", "fr", "arkɑsjɛl")),
        # scripts
        *(("любовь", "ru", "lubof"), ("αγάπη", "el", "aɣapi"), ("حب", "ar", "hub"), ("प्यार", "hi", "pjaɾ")),
        *(("სიყვარული", "ka", "sikvaruli"), ("שלום", "he", "ʃalom"), ("사랑해", "ko", "sɐɾɐŋhɛ")),
        *(("こんにちは", "ja", "konnitɕiha"), ("カタカナ", "ja", "katakana"), ("ﾗﾌﾞ", "ja", "ɾabɯ")),
        *(
            ("我爱你", "zh", "woaini"),
            ("我愛你", "yue", "ŋoŋoinei"),
            ("љубав", "sr", "lubɐv"),
            ("ljubav", "sr", "lubɐv"),
        ),
        # hums and held vowels
        *(("Mmm", "en", "m"), ("Shhh", "fr", "ʃ"), ("loooove", "en", "lʌv"), ("ooooh", "en", "u")),
    ],
)
def test_words_are_spelt_as_they_sound(spell, word, language, phones):
    assert spell(word, language) == phones


@pytest.mark.parametrize(
    ("word", "alike", "language"),
    [
        *(("l’amour", "l'amour", "fr"), ("J‘VOIS", "j'vois", "fr"), ("donʼt", "don't", "en")),
        *(("LOVE", "love", "en"), ("Love", "love", "en"), ("ÉTÉ", "été", "fr"), ("e\u0301te\u0301", "été", "fr")),
        *(("«amour»,", "amour", "fr"), ("(love)", "love", "en"), ("love!!!", "love", "en"), ("¿qué?", "qué", "es")),
        *(("love❤️", "love", "en"), ("🎵la", "la", "en"), ("👍🏽yes", "yes", "en"), ("1️⃣", "1", "en")),
        *(("rock‑steady", "rock-steady", "en"), ("love—", "love", "en"), ("-love", "love", "en")),
        *(("ＬＯＶＥ", "love", "en"), ("𝓵𝓸𝓿𝓮", "love", "en"), ("ﬁn", "fin", "fr"), ("①", "1", "en")),
        *(("ISTANBUL", "ıstanbul", "tr"), ("İSTANBUL", "istanbul", "tr")),
        *(("cердце", "сердце", "ru"), ("çĕнĕ", "ҫӗнӗ", "cv")),  # Latin lookalikes among Cyrillic letters
        *(("“你好”", "你好", "zh"), ("你好！", "你好", "zh")),
        *(("lo\u200bve", "love", "en"), ("lo\u00adve", "love", "en")),
    ],
)
def test_another_spelling_of_the_same_word_sounds_the_same(spell, word, alike, language):
    assert spell(word, language) == spell(alike, language) != ""


@pytest.mark.parametrize(
    "word",
    [
        "",
        "♪",
        "-",
        "—",
        "…",
        "...",
        "'",
        "’",
        "❤️",
        "🎵🎶",
        "👩‍👩‍👧",
        "(",
        "!?",
        "\u0301",
        "\ufe0f",
        "\u200b",
        "\ud800",
        "_",
        "~",
    ],
)
@pytest.mark.parametrize("language", ["en", "fr", "ja"])
def test_what_has_no_sound_of_its_own_owns_no_phone(spell, word, language):
    assert spell(word, language) == ""


@pytest.mark.parametrize(
    ("word", "language", "native"),
    [
        *(
            ("любовь", "en", "ru"),
            ("любовь", "fr", "ru"),
            ("αγάπη", "en", "el"),
            ("حب", "en", "ar"),
            ("שלום", "fr", "he"),
        ),
        *(
            ("प्यार", "de", "hi"),
            ("სიყვარული", "en", "ka"),
            ("かな", "ko", "ja"),
            ("사랑해", "en", "ko"),
            ("你好", "en", "zh"),
        ),
        *(("love", "ja", "en"), ("love", "my", "en"), ("don't", "ja", "en"), ("สวัสดี", "fr", "th"), ("ሰላም", "en", "am")),
    ],
)
def test_a_foreign_script_is_read_by_a_voice_that_knows_it(spell, word, language, native):
    # By itself espeak-ng spells such words out: "Cyrillic letter …".
    assert spell(word, language) == spell(word, native) != ""


def test_scripts_may_change_inside_a_word(spell):
    assert spell("Loveです", "ja") == spell("love", "en") + spell("です", "ja")


@pytest.mark.parametrize(
    ("word", "language", "n_letters"),
    [
        *(("漢字", "ja", 2), ("時々", "ja", 2), ("愛", "ko", 1), ("\U00020000", "zh", 1)),
        *(("ខ្មែរ", "en", 3), ("ລາວ", "th", 3), ("བོད", "en", 2), ("ᏣᎳᎩ", "chr", 3), ("ᏣᎳᎩ", "en", 3)),
    ],
)
def test_a_letter_that_no_voice_reads_is_one_neutral_vowel(spell, word, language, n_letters):
    assert spell(word, language) == NEUTRAL * n_letters


def test_kanji_and_kana_of_one_word_are_told_apart(spell):
    assert spell("食べる", "ja") == NEUTRAL + spell("べる", "ja")


def test_no_letter_of_any_script_is_read_by_its_english_name(spell):
    for letter in "жαحपსあ漢字កལཀ한ა":
        for language in ("en", "fr", "ja", "ko", "hr"):
            assert "lɛtɚ" not in spell(letter * 2, language)
            assert "lɛɾɚ" not in spell(letter * 2, language)
            assert "nizl" not in spell(letter * 2, language)  # "Chinese letter", "Japanese letter"


def test_every_voice_that_scripts_are_sent_to_exists():
    named = {*g2p._READER.values(), *g2p._LATIN_BLIND, *g2p._KANJI_BLIND}.union(*g2p._READS.values())
    assert named <= set(espeak.languages())


def test_a_word_is_phonemised_once(monkeypatch):
    calls: list[str] = []
    real = espeak.ipa
    monkeypatch.setattr(espeak, "ipa", lambda text, language: calls.append(text) or real(text, language))
    g2p._ipa.cache_clear()
    speller = EspeakG2P()
    assert [speller.phones("again", "en") for _ in range(3)] == [speller.phones("again", "eng")] * 3
    assert calls == ["again"]


def test_another_inventory_gets_the_nearest_phones_of_its_own():
    small = ("a", "i", "u", "t", "n", "s")
    assert EspeakG2P(small).phones("tempo", "it") == ("t", "a", "n", "t", "u")  # ɛ, m, p, o
    assert EspeakG2P().phones("tempo", "it") != EspeakG2P(small).phones("tempo", "it")


@pytest.mark.parametrize("word", ["love", "♪", ""])
def test_an_unknown_language_is_told_whatever_the_word(word):
    with pytest.raises(UnknownName, match="no language is called 'qqq'"):
        EspeakG2P().phones(word, "qqq")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=20), st.sampled_from(["en", "fr", "hr", "ja", "hi", "vi", "zh", "ar"]))
def test_any_text_gives_labels_of_the_inventory(word, language):
    assert set(EspeakG2P().phones(word, language)) <= set(INVENTORY)


LETTERS = st.characters(categories=["Lu", "Ll"], max_codepoint=0x24F)


@settings(max_examples=60, deadline=None)
@given(st.text(LETTERS, min_size=1, max_size=8))
def test_a_word_of_latin_letters_never_vanishes(word):
    assert EspeakG2P().phones(word, "en")


@given(st.text(st.sampled_from("bdZYé일ж'’-—.,!?(«♪🎵\u200b\ufe0f 1")))
def test_speakable_keeps_every_letter_and_digit_in_order(word):
    assert [c for c in speakable(word) if c.isalnum()] == [c for c in word if c.isalnum()]


@given(st.text())
def test_what_is_speakable_once_stays_so(word):
    assert speakable(speakable(word)) == speakable(word)
