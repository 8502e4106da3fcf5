"""Numbers of texts in words: what a comma means, what stands behind a number, and that twice is once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.core.errors import MissingDependency
from melisma.text import numbers
from melisma.text.numbers import check, in_words, reads

CROATIAN = [
    ("Došlo je 1.250 ljudi", "Došlo je tisuću dvjesto pedeset ljudi"),
    ("1 000 000 kuna", "milijun kuna"),
    ("3,14", "tri zarez četrnaest"),
    ("0,05", "nula zarez nula pet"),
    ("2,71828", "dva zarez sedam jedan osam dva osam"),
    ("20 % i 7,5%", "dvadeset posto i sedam zarez pet posto"),
    ("5. svibnja 1991. godine", "petog svibnja tisuću devetsto devedeset prve godine"),
    ("5. svibnja 1991. u Splitu", "petog svibnja tisuću devetsto devedeset prve u Splitu"),
    ("u ožujku 2024. i poslije", "u ožujku dvije tisuće dvadeset četvrte i poslije"),
    ("Bilo je to 5. svibnja 1991.", "Bilo je to petog svibnja tisuću devetsto devedeset prve"),
    ("u 12:05:33", "u dvanaest sati pet minuta i trideset tri sekunde"),
    ("1:01:02 sati", "jedan sat jedna minuta i dvije sekunde"),
    ("12. 5. 1999.", "dvanaestog petog tisuću devetsto devedeset devete"),
    ("1. 1. 2000. u podne", "prvog prvog dvijetisućite u podne"),
    ("u 19. stoljeću i 20. stoljeće", "u devetnaestom stoljeću i dvadeseto stoljeće"),
    ("XX. stoljeće, II. svjetski rat", "dvadeseto stoljeće, drugi svjetski rat"),
    ("5. razred, 2. liga, 1. mjesto", "peti razred, druga liga, prvo mjesto"),
    ("Bilo ih je 5. Onda su otišli.", "Bilo ih je pet. Onda su otišli."),
    ("U 15:30, u 8:00 i u 10.30 h", "U petnaest i trideset, u osam sati i u deset sati i trideset minuta"),
    ("u 21 h, 22 sata", "u dvadeset jedan sat, dvadeset dva sata"),
    ("1 € 2 € 5 € 1.250,50 €", "jedan euro dva eura pet eura tisuću dvjesto pedeset eura i pedeset centi"),
    ("$5, 3 USD, 2 kn, 21 kn", "pet dolara, tri dolara, dvije kune, dvadeset jedna kuna"),
    ("2 žene, 2 muškarca, 1 kuća, 1 selo, 2 noći", "dvije žene, dva muškarca, jedna kuća, jedno selo, dvije noći"),
    ("12 godina, 22 godine, 1 je previše", "dvanaest godina, dvadeset dvije godine, jedan je previše"),
    ("2 više, 2 nije", "dva više, dva nije"),
    ("-5 °C", "minus pet stupnjeva"),
    ("90 km/h, 3 kg, 1 km", "devedeset kilometara na sat, tri kilograma, jedan kilometar"),
    ("rezultat 3:2", "rezultat tri prema dva"),
    ("od 5-10 ljudi, od 5. do 10. svibnja", "od pet do deset ljudi, od petog do desetog svibnja"),
    ("1991.–1992.", "tisuću devetsto devedeset prve do tisuću devetsto devedeset dva."),
    ("90-ih, 5-i", "devedesetih, peti"),
    ("nazovi 098 123 4567", "nazovi nula devet osam jedan dva tri četiri pet šest sedam"),
    ("MP3 i 4K", "MP tri i četiri K"),
    ("www.abc123.hr i ana1@posta.hr, 10.0.0.1", "www.abc123.hr i ana1@posta.hr, 10.0.0.1"),
    ("99999999999999999999", " ".join(["devet"] * 20)),
    ("bez brojeva", "bez brojeva"),
]  # fmt: skip
OTHERS = [
    ("sr", "2 žene, 2000 dinara, 200 RSD", "dve žene, dve hiljade dinara, dvesta dinara"),
    ("sr", "21. марта 1987. дошле су 2 жене", "двадесет првог марта хиљаду деветсто осамдесет седме дошле су две жене"),
    (
        "sr",
        "5 км, 2 КМ, 10:30 часова, 1991 године",
        "пет километара, две марке, десет часова и тридесет минута, хиљаду деветсто деведесет прве године",
    ),
    ("sr", "Маја 1991. смо, марта 2000 динара", "Маја хиљаду деветсто деведесет прве смо, марта две хиљаде динара"),
    ("sr", "90-тих, 5-ти, XX. век", "деведесетих, пети, двадесети век"),
    ("bs", "10:00-12:00, 90-tih", "deset sati do dvanaest sati, devedesetih"),
    ("en", "10:00-12:00", "ten o'clock to twelve o'clock"),
    ("sr", "20%, 3,5 i 2 €", "dvadeset odsto, tri zapeta pet i dva evra"),
    ("sr", "1991 godine", "hiljadu devetsto devedeset prve godine"),
    ("bs", "1.000 KM, 25 °C", "hiljadu maraka, dvadeset pet stepeni"),
    ("en", "1,250 people paid $5.50", "one thousand two hundred and fifty people paid five dollars fifty"),
    ("en", "in 1991, 21st, 3.14, 20%", "in nineteen ninety-one, twenty-first, three point one four, twenty percent"),
    ("en", "at 3:30, 3:05, 3:00", "at three thirty, three oh five, three o'clock"),
    ("en", "-5, 5-10", "minus five, five to ten"),
    ("de", "1.250,50 € um 15:30", "eintausendzweihundertfünfzig Euro fünfzig um fünfzehn Uhr dreißig"),
    ("de", "3,14 %, 1991", "drei Komma eins vier Prozent, neunzehnhunderteinundneunzig"),
    ("fr", "1 250 €, 1er, 2e, 3,14", "mille deux cent cinquante euros, premier, deuxième, trois virgule quatorze"),
    ("es", "20 %, 3º", "veinte por ciento, tercero"),
    ("pt-BR", "1.000,50", "mil vírgula cinquenta"),
    ("cs", "-5 a 20 %", "minus pět a dvacet procent"),
    ("ru", "٢٠ и 20 %", "двадцать и двадцать процентов"),
    ("nb", "21", "tjueen"),
    ("ja", "20年", "20年"),
]


@pytest.mark.parametrize(("text", "said"), CROATIAN)
def test_croatian(text, said):
    assert in_words(text, "hr") == said


@pytest.mark.parametrize(("language", "text", "said"), OTHERS)
def test_other_languages(language, text, said):
    assert in_words(text, language) == said


FIGURES = st.text("0123456789.,:-–% €$km/hVIX'aeiou\n", max_size=30)


@given(FIGURES, st.sampled_from(["hr", "sr", "bs", "en", "de", "fr", "pl", "ja"]))
def test_twice_is_once_and_no_figure_is_left_but_in_addresses(text, language):
    said = in_words(text, language)
    assert in_words(said, language) == said
    if "." not in text and "/" not in text and language != "ja":
        assert not any(char.isdigit() for char in said)


def test_which_languages_are_read():
    assert [reads(code) for code in ("hr", "sr-Cyrl", "en-GB", "sw", "ja")] == [True, True, True, False, False]


def test_without_num2words_it_says_how_to_get_it_where_it_is_needed(monkeypatch):
    monkeypatch.setattr(numbers, "find_spec", lambda name: None)
    check("hr")
    assert in_words("2 žene", "hr") == "dvije žene"
    assert in_words("no figures", "en") == "no figures"
    with pytest.raises(MissingDependency, match=r"melisma\[data\]"):
        in_words("2 women", "en")
