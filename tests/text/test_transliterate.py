"""Latin and Cyrillic: every word below both ways, digraphs of one letter and of two, capitals, and what is no word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.core.errors import UnknownName
from melisma.text.transliterate import convert, folded, to_cyrillic, to_latin

# Words in which digraphs are two letters; the bar stands between them. Everything else is read letter by letter.
APART = """
in|jekcija in|jekcije in|jekcijom in|jekcijski in|jektor in|jektirati in|jektiran in|jicirati in|jiciran dezin|jekcija
in|junktiv in|jurija samoin|jekcija rein|jekcija mikroin|jekcija in|jekciona
kon|jugacija kon|jugacije kon|jugovan kon|jugirati nekon|jugovan kon|junkcija kon|junkcijom kon|junktiv
kon|junktivitis kon|junktivitisa kon|junktura kon|junkture kon|junkturni kon|jektura kon|jekture kon|junktivni
tan|jug tan|juga tan|jugov tan|jugova van|jezički van|jezičke izvan|jezički van|jezgreni pan|jelinizam an|jon an|joni
an|jonski šen|jang ssrn|j van|jugoslovenski
nad|živeti nad|živjeti nad|živio nad|živela nad|živi nad|živimo nad|življavati nad|življavanje nad|življen nad|žet
nad|žnjeti nad|žnjem nad|žanjem nad|žnje nad|žeti nad|župan nad|ždrelo nad|ždrijelo nad|ždrela nad|žanr
od|žaliti od|žalila od|žalim od|žalio od|žariti od|žeti od|žeo od|živeti od|živjeti od|živi od|živela od|življava
od|življen od|življeno od|žvakati od|žvakao od|žvalaviti od|žvrljati od|žuboriti od|žuborio od|žderati od|ždrebiti
od|žmirkivati od|žnjeti od|žeći od|želeti
pod|žanr pod|žanra pod|žanrovi pod|žanrova pod|župan pod|župana pod|župani pod|žeći pod|žežem pod|žegao pod|žizati
pod|žiže pod|žigati pod|žarivati pod|žariti pod|žeti pod|žnjeti pod|ždriebnica pod|žvale
pred|život pred|životni pred|žetveni pred|žetva pred|župan ispod|žanra feld|žandarm and|žej
"""
# Words in which they are one.
TOGETHER = """
ljubav ljubavi ljubavni ljudi ljudski ljut ljuljaška ljepota lepota polje polja poljubac poljana bolje bolji najbolji
volja volje voljeti voleli zemlja zemlje zemljotres kralj kralja kraljica prijatelj prijatelja prijateljica učitelj
učiteljica roditelj nedelja nedjelja ponedeljak ponedjeljak dalje dalji daljina bilje biljka biljeg biljar biljeter
feljton milje miljama ulje ulja uljez žulj žuljevi kašalj ugalj ključ ključevi kljun pljusak pljesak pljačka plju
šljiva šljive košulja košulje mišljenje mišljeno razmišljati zamišljen bitlji ljiljan ljeto iljada hiljada hiljade
Biljana Milja Ljubica Ljubljana Pljevlja
njegov njezin njima njiva njuška njihati konj konja konjanik konjica konjak konjušar konjić kuhinja kuhinje kuhinjica
svinja svinjica boginja boginjica dinja dinjica tepsija knjiga knjige knjižara panj panjevi manje manji najmanje
danju noćnju jutarnji večernji zadnji zadnja gornji donji srednji unutrašnji spoljnji vanjski vanjština izvanjski
kanjon kanjona banja Banjaluka lanjski sanjati sanja Sanja Tanja Anja Ivanja senjor minjon Benjamin injac inje
davanje davanja spavanje pevanje pjevanje kupovanje zvanje svanjivanje znanje imanje putanja pitanje pitanja sutonjski
jagnje jagnjad jagnjetina štenje trenje mirenje gonjenje panjić ranjenik ranjen činjenica činjenice činjen začinjen
njuti pustinja pustinje godišnjica prošlogodišnji tinja skinja opanjkavati kenjkati trinjuti uvenjak
džep džepa džepovi džem džez džoging džamija džamije džin džinovski džungla džaba džak džakovi džezva džemper džip
džudo džokej džeparac budžet budžeta budžetski budžak odžak odžaci odžaka odžačar Odžaci nadžak nadžaka nadžakbaba
Nadžib hadžija hadžiluk hodža hodže Hodžić Hadžić hodžin udžbenik udžbenika udžbenici sudžuk menadžer menadžment
narudžba narudžbenica srdžba promidžba svedodžba lindžo pandža pandže kandža kandže čaršija bedž bridž imidž
sendvič fudž hedž Redžep Medžida Bardžija Džafer Džemal Karadžić Hudžijev adžuvan adžija bakšiš bandžo bendž tandžara
mladoženja mladoženje oženjen raženj oružje
odjednom odjek odjeća odjel djeca djevojka djelo podjela podjednako nadjačati nadjev predjelo adjektiv gdje negdje
sjedjeti vidjeti razdjeljak đak đavo đumbir đevđir leđa žeđ mađar anđeo Đorđe lađa građa između među
"""
NAIVE = dict(
    zip(
        ["lj", "nj", "dž", *"abvgdđežzijklmnoprstćufhcčš"], ["љ", "њ", "џ", *"абвгдђежзијклмнопрстћуфхцчш"], strict=True
    )
)


def spelt(part: str) -> str:
    """Write a part of a word in Cyrillic by the three digraphs and nothing else: what the words above mean."""
    out, i = "", 0
    while i < len(part):
        n = 2 if part[i : i + 2].lower() in NAIVE else 1
        letter = NAIVE[part[i : i + n].lower()]
        out += letter.upper() if part[i].isupper() else letter
        i += n
    return out


PAIRS = [
    (word.replace("|", ""), "".join(map(spelt, word.split("|")))) for word in (APART + TOGETHER).split()
]  # fmt: skip


def test_there_are_a_few_hundred_words():
    assert len(set(PAIRS)) > 400


@pytest.mark.parametrize(("latin", "cyrillic"), PAIRS, ids=[latin for latin, _ in PAIRS])
def test_every_word_both_ways_in_every_case(latin, cyrillic):
    assert to_cyrillic(latin) == cyrillic
    assert to_latin(cyrillic) == latin
    assert to_cyrillic(latin.upper(), keep=()) == cyrillic.upper()
    assert to_latin(cyrillic.upper()) == latin.upper()
    assert to_cyrillic(latin.capitalize()) == cyrillic.capitalize()
    assert to_latin(cyrillic.capitalize()) == latin.capitalize()


@pytest.mark.parametrize(
    ("cyrillic", "latin"),
    [
        ("ЉУБАВ", "LJUBAV"),
        ("Љубав", "Ljubav"),
        ("КОЊ", "KONJ"),
        ("Коњ", "Konj"),
        ("Њ", "Nj"),
        ("Њ. Петровић", "Nj. Petrović"),
        ("Њ'УЈОРК", "NJ'UJORK"),
        ("Њ’ујорк", "Nj’ujork"),
        ("Њ2Б", "NJ2B"),
        ("ЧЛАН 5Њ", "ČLAN 5Nj"),
        ("БЉ3", "BLJ3"),
        ("А-Њ", "A-NJ"),
        ("ЏЕП и Џеп", "DŽEP i Džep"),
        ("ЂОРЂЕ Ђорђе", "ĐORĐE Đorđe"),
        ("ЊЕЊ́А", "NJENJ́A"),  # an accent is no letter
        ("Њ̏ива", "Nj̏iva"),
    ],
)
def test_capitals_follow_their_neighbours(cyrillic, latin):
    assert to_latin(cyrillic) == latin


def test_cyrillic_to_latin_is_one_to_one_and_leaves_the_rest():
    text = "Выборы, ґанок — 12 €, Ωmega; abc čšž\n\tХвала!"
    assert to_latin(text) == "Vыborы, ґanok — 12 €, Ωmega; abc čšž\n\tHvala!"


def test_digraphs_that_are_one_character():
    assert to_cyrillic("ǉubav ǈubav ǇUBAV, ǌiva, ǆep ǅep ǄEP, koǌ") == "љубав Љубав ЉУБАВ, њива, џеп Џеп ЏЕП, коњ"
    assert to_latin("ǉubav ǈubav ǇUBAV Ǉubav ǆep") == "ljubav Ljubav LJUBAV Ljubav džep"


def test_montenegrin_letters():
    assert to_latin("с́утра из́еница С́УТРА") == "śutra iźenica ŚUTRA"
    assert to_cyrillic("śutra iźenica ŚUTRA") == "с́утра из́еница С́УТРА"


def test_letters_in_two_characters_are_read_as_one():
    assert to_cyrillic("c\u030caša z\u030caba") == "чаша жаба"


@pytest.mark.parametrize(
    ("latin", "cyrillic"),
    [
        ("Windows i Excel", "Windows и Excel"),
        ("New York", "New York"),
        ("https://www.primer.rs/ćao?x=1 je adresa", "https://www.primer.rs/ćao?x=1 је адреса"),
        ("piši na ana.anic@posta.rs!", "пиши на ana.anic@posta.rs!"),
        ("na blic.rs, odmah", "на blic.rs, одмах"),
        ("#ljubav @tanja", "#ljubav @tanja"),
        ("SMS, USB i DVD", "SMS, USB и DVD"),
        ("NATO, SFRJ, RTS i HDZ", "НАТО, СФРЈ, РТС и ХДЗ"),
        ("Aleksandar I i Luj XIV, glava III", "Александар И и Луј XIV, глава III"),
        ("XX vek, CD", "XX век, CD"),
        ("Zürich, señor, İstanbul", "Zürich, señor, İstanbul"),
        ("мешано i latinično", "мешано и латинично"),
        ("d’Artanjan", "д’Артањан"),
    ],
)
def test_what_is_no_word_of_the_language_stays(latin, cyrillic):
    assert to_cyrillic(latin) == cyrillic


def test_foreign_letters_are_transcribed_where_so_asked():
    assert to_cyrillic("Windows Excel QUIZ Xena", transcribe=True) == "Виндовс Ексцел КУИЗ Ксена"


def test_the_users_own_names_are_kept():
    assert to_cyrillic("ABBA i RTS", keep={"ABBA"}) == "ABBA и РТС"


CYRILLIC = st.text("абвгдђежзијклљмнњопрстћуфхцчџшАБВГДЂЕЖЗИЈКЛЉМНЊОПРСТЋУФХЦЧЏШ '’-,.1\n")


@given(CYRILLIC)
def test_latin_text_says_which_cyrillic_it_was_but_for_letters_that_met(text):
    latin = to_latin(text)
    assert to_latin(latin) == latin
    assert not set(latin) & set("абвгдђежзијклљмнњопрстћуфхцчџш")
    assert folded(text) == folded(latin)


@given(st.text())
def test_any_text_is_taken_and_twice_is_once(text):
    assert to_latin(to_latin(text)) == to_latin(text)
    assert to_cyrillic(to_cyrillic(text)) == to_cyrillic(text)
    assert folded(folded(text)) == folded(text)


def test_folding_keeps_diacritics():
    assert folded("Čaša ŽUTA ћуприја") == "čaša žuta ćuprija"
    assert folded("čas") != folded("cas")


def test_another_script_is_refused():
    assert convert("љ", "latin") == "lj"
    with pytest.raises(UnknownName, match="cyrillic, latin"):
        convert("a", "greek")
