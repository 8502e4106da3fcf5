"""Every rule on what it is for and on what it must leave, all of them together, and that twice is once."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.core.errors import UnknownName
from melisma.text import asides
from melisma.text.repairs import one_script, unmangled
from melisma.text.transcripts import (
    Rules,
    lower,
    names,
    normalise,
    plain_characters,
    plain_punctuation,
    spaced,
    without_punctuation,
)

WRONG = ["Žena je pisala šećer, đak i ćup", "Љубав и Џеп", "l’été à Noël", "naïve café"]


@pytest.mark.parametrize("text", WRONG)
@pytest.mark.parametrize("encoding", ["cp1250", "cp1252", "latin-1"])
def test_utf8_that_was_read_as_something_else_is_read_again(text, encoding):
    wrong = "".join(bytes([byte]).decode(encoding, "ignore") or chr(byte) for byte in text.encode("utf-8"))
    assert unmangled(wrong) == text
    assert unmangled(f"{text}: {wrong.split()[0]}") == f"{text}: {text.split()[0]}"


@pytest.mark.parametrize("text", [*WRONG, "Ä", "Ă și Â", "Ángel Ärger Ć Ñandú", "ÃO", "Đorđe", "â€", "Ĺ", "Škoda Č"])
def test_text_that_is_right_is_not_read_again(text):
    assert unmangled(text) == text


@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        ("мaма", "мама"),  # a Latin a
        ("Мoja љубав", "Мoja љубав".replace("Мoja", "Моја")),
        ("tatа voli", "tata voli"),  # a Cyrillic а
        ("СОКОВI и ЂУС", "СОКОВІ и ЂУС"),
        ("Facebook-ом", "Facebook-ом"),
        ("iPhoneи", "iPhoneи"),  # letters of both that look like nothing else
        ("аутобус и bus", "аутобус и bus"),
        ("Хĕр хăйне илчĕ", "Хӗр хӑйне илчӗ"),  # Chuvash, typed with Latin letters
    ],
)
def test_a_word_is_of_one_script(text, fixed):
    assert one_script(text) == fixed


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("[00:12.34]jedan [01:02.03]dva", "jedan dva"),
        ("<00:12.34>je<00:13.00>dan", "je dan"),
        ("<|0.00|> jedan<|2.40|><|endoftext|>", "jedan"),
        ("<|startoftranscript|><|hr|><|transcribe|> jedan", "jedan"),
        ("1\n00:00:01,000 --> 00:00:02,500\njedan\n\n2\n00:00:03,000 --> 00:00:04,000 align:start\ndva", "jedan\ndva"),
        ("WEBVTT - naslov\n\nNOTE ovo je\nopaska\n\n00:01.000 --> 00:02.000\njedan", "jedan"),
        ("[ar: Netko]\n[ti: Pjesma]\n[offset:+200]\njedan", "jedan"),
        ("{\\an8}jedan {\\k20}dva", "jedan dva"),
        ("[12.5s] jedan (0:12) dva [0:12 - 0:15]", "jedan dva"),
        ("u 10:30 dva <i>tri</i>", "u 10:30 dva <i>tri</i>"),
    ],
)
def test_times(text, left):
    assert spaced(asides.without_times(text)) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("&lt;i&gt;jedan&lt;/i&gt; &amp;amp; &quot;dva&quot;&nbsp;&#269;", '<i>jedan</i> & "dva"\xa0č'),
        ("R&B i Q&A", "R&B i Q&A"),
    ],
)
def test_entities(text, left):
    assert asides.without_entities(text) == left


def test_markup():
    assert asides.without_markup('<v Ana>jedan</v><br/>dva <font color="red">tri</font> 2<3 a<b>c') == (
        "jedan\ndva tri 2<3 ac"
    )


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("[smijeh] jedan [muzika, glasno] dva", "jedan dva"),
        ("jedan {šum} <nejasno> *laughs* dva", "jedan dva"),
        ("jedan (smijeh) dva (glasna glazba) (oh, oh)", "jedan dva oh, oh"),
        ("(music is all I need) (crowd cheering loudly, applause)", "music is all I need"),
        ("[jedan [dva] tri] četiri", "četiri"),
        ("jedan ((dva)) tri)", "jedan dva tri"),
        ("2*3*4", "2*3*4"),
        ("【拍手】はい［笑］", "はい"),
        ("jedan [dva", "jedan dva"),
    ],
)
def test_brackets(text, left):
    assert spaced(asides.without_brackets(text)) == left


def test_round_brackets_as_asked():
    text = "jedan (dva) [x] (smijeh)"
    assert spaced(asides.without_brackets(text, "drop")) == "jedan"
    assert spaced(asides.without_brackets(text, "keep")) == "jedan (dva) (smijeh)"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("SPEAKER_00: jedan", "jedan"),
        ("Govornik 2: jedan", "jedan"),
        ("IVAN HORVAT: jedan\nMARIJA: dva", "jedan\ndva"),
        (">> Novinar: jedan", "jedan"),
        ("- Kako si?\n- Dobro.", "Kako si?\nDobro."),
        ("Ana: Kako si?\nIvo: Dobro.\nAna: A ti?\nIvo: Isto.", "Kako si?\nDobro.\nA ti?\nIsto."),
        ("Ђорђе: Здраво!\nМарко: Ћао!", "Здраво!\nЋао!"),
        ("Rekao je: dođi\nRekla je: ne", "Rekao je: dođi\nRekla je: ne"),
        ("Rekao je: dođi", "Rekao je: dođi"),
        ("Ovo je važno: dođi", "Ovo je važno: dođi"),
        ("https://x.hr", "https://x.hr"),
        ("U 10:30 sam došao", "U 10:30 sam došao"),
        ("što-šta – dobro", "što-šta – dobro"),
    ],
)
def test_speakers(text, left):
    assert asides.without_speakers(text) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [("♪ la la ♫", "la la"), ("# la la #", "la la"), ("🎵la🎶", "la"), ("#1 je C# a #ljubav", "#1 je C# a #ljubav")],
)
def test_notes(text, left):
    assert spaced(asides.without_notes(text)) == left


def test_headings():
    text = "[Verse 1]\njedan\n\nRefren:\ndva\n\nChorus\ntri\nchorus of angels"
    assert spaced(asides.without_headings(text)) == "jedan\ndva\ntri\nchorus of angels"
    assert asides.without_headings("Chorus") == "Chorus"


def test_repeats():
    assert (
        asides.repeats_written_out("la la (x2)\nna na [3 times]\nx2 je") == "la la\nla la\nna na\nna na\nna na\nx2 je"
    )
    assert spaced(asides.without_repeat_marks("la la (x2)\nna na [bis]")) == "la la\nna na"
    assert asides.repeats_written_out("la (x9999)").count("la") == 20


def test_characters():
    assert plain_characters("c\u030ca\u200bša\xa0ﬁn\ufeff ǆep\r\nre\xadd\ufffd") == "čaša\xa0fin džep\nred "
    assert plain_characters("می\u200cخواهم") == "می\u200cخواهم"  # decides how the letters are written
    assert plain_characters("a\ud800b") == "a b"


def test_punctuation():
    assert plain_punctuation("„Što?!!“ – reče… l’amour , da ;") == '"Što?!" - reče... l\'amour, da;'
    assert spaced(without_punctuation("„Što?!“ – reče… l’amour, što-šta 3,5 - 'tu' @x_y", "hr")) == (
        "Što reče l'amour što-šta 3 5 tu x y"
    )
    assert without_punctuation("हिन्दी ไทย", "hi") == "हिन्दी ไทย"  # vowel signs are no punctuation


def test_small_letters():
    assert lower("IĞDIR İZMİR", "tr") == "ığdır izmir"
    assert lower("ŽENA ЉУБАВ ΟΔΟΣ", "sr") == "žena љубав οδος"
    assert lower("İ", "en") == unicodedata.normalize("NFC", "i\u0307")


TOGETHER = [
    ("hr", {}, "[00:12.30] IVAN: Došlo je 21 žena… (smijeh)", "došlo je dvadeset jedna žena"),
    ("hr", {}, "Å¡ta je 20 %? [glazba]\n♪ La la (x2) ♪", "šta je dvadeset posto\nla la\nla la"),
    ("sr", {"script": "latin"}, "Њ. Његош: „ЉУБАВ“ &amp; мaч!", "nj njegoš ljubav i mač"),
    ("sr", {"script": "cyrillic"}, "Injekcija 2 žene; nadživeti.", "инјекција две жене надживети"),
    ("hr", {"script": "cyrillic", "case": "keep", "punctuation": "keep"}, "LJUBAV, Ljubav!", "ЉУБАВ, Љубав!"),
    ("en", {"script": "cyrillic"}, "It's 3:30 — well-known", "it's three thirty well-known"),
    ("hr", {"numbers": False}, "Imam 21 godinu", "imam 21 godinu"),
    ("hr", {"punctuation": "plain", "case": "keep"}, "„Što?!!“ – reče…", '"Što?!" - reče...'),
    ("hr", {"brackets": False, "punctuation": "keep", "case": "keep"}, "da [šum]", "da [šum]"),
    ("hr", {}, "[smijeh]", ""),
]


@pytest.mark.parametrize(("language", "switches", "text", "wanted"), TOGETHER)
def test_all_rules_together(language, switches, text, wanted):
    assert normalise(text, language, Rules(**switches)).text == wanted


def test_what_each_rule_did_is_told():
    steps = normalise("[00:01.00] DA… 2", "hr").steps
    assert list(steps) == ["times", "numbers", "punctuation", "case", "spaces"]
    assert steps["times"] == ("[00:01.00] DA… 2", "  DA… 2")


SIGNS = "[](){}<>|:;,.-–—…'’\"„“*#♪&%€$/\\_ \n\t0123456789xXaAnNjJžŽdDаАњЉ"
SAID = st.text(st.one_of(st.sampled_from(SIGNS), st.characters(exclude_categories=())), max_size=40)
MARKED = """
[00:12.30] <|0.00|> &amp;lt; (x2) [Chorus] (smijeh) ANA: - 20% 5. svibnja ♪ Å¡ мaма XX. ljubav 3:2 1.250,5€ c\u030c
\u200b nj 12 . ' x3
"""
PIECES = st.lists(st.sampled_from([*MARKED.split(), " ", "\n", "- "]), max_size=12).map("".join)


@given(
    st.one_of(SAID, PIECES),
    st.sampled_from(["hr", "sr", "en", "de", "tr", "fa", "ja"]),
    st.sampled_from(
        [
            Rules(),
            Rules(script="latin"),
            Rules(script="cyrillic"),
            Rules(punctuation="keep", case="keep", repeats="drop"),
            Rules(punctuation="plain", case="keep", round_brackets="keep"),
            Rules(numbers=False, brackets=False),
        ]
    ),
)
def test_twice_is_once(text, language, rules):
    once = normalise(text, language, rules).text
    again = normalise(once, language, rules)
    assert again.text == once
    assert again.steps == {}
    assert once == unicodedata.normalize("NFC", once)


@pytest.mark.parametrize(
    "wrong",
    [{"script": "greek"}, {"punctuation": "some"}, {"case": "upper"}, {"round_brackets": "x"}, {"repeats": "x"}],
)
def test_other_choices_are_refused(wrong):
    with pytest.raises(UnknownName):
        Rules(**wrong)


def test_names_of_the_rules():
    assert names()[0] == "encoding"
    assert {"times", "numbers", "script", "spaces"} <= set(names())
