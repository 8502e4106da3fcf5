"""Bytes to text: nothing is guessed where it is not clear, and nothing that is clear is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melisma.core.errors import LyricsError
from melisma.text import encoding
from melisma.text.encoding import decode

FRENCH = "Même si j'traîne les pieds dans la rue\nÇa m'est égal, où es-tu\nL'été revient déjà, mon cœur"
CROATIAN = "Čekam te noćas, život moj\nšapućem tvoje ime, đavole\nljubav žudi"
RUSSIAN = "Выхожу один я на дорогу\nСквозь туман кремнистый путь блестит\nНочь тиха, пустыня внемлет богу"
SONGS = {
    "fr": FRENCH,
    "hr": CROATIAN,
    "ru": RUSSIAN,
    "de": "Für Elise, schöne Grüße\nüber die Straße gehen wir",
    "es": "Mañana será otro día\ncorazón ¿dónde estás?",
    "pt": "Não há ninguém aqui na solidão\ndo meu coração, você partiu",
    "pl": "Żółta łódź płynie przez świat\ngdzie jesteś, miłości moja",
    "cs": "Příliš žluťoučký kůň úpěl ďábelské ódy",
    "hu": "Őszi szél fúj a fák között\nszívem érted dobog",
    "uk": "Ой у лузі червона калина\nпохилилася",
    "el": "Στο περιγιάλι το κρυφό\nκι άσπρο σαν περιστέρι\nδιψάσαμε το μεσημέρι",
    "tr": "Gülümse, hadi gülümse, bulutlar gitsin\nşarkı söyle ağlama",
    "he": "כל עוד בלבב פנימה\nנפש יהודי הומיה\nולפאתי מזרח קדימה\nעין לציון צופיה",
    "ar": "أعطني الناي وغن فالغنا سر الوجود",
    "lt": "Žemė sukasi, šviečia saulė, ąžuolas",
    "ja": "さくらさくら\n野山も里も見わたす限り\nかすみか雲か朝日ににおう",
    "zh": "茉莉花啊茉莉花\n好一朵美麗的茉莉花\n滿園花草香也香不過它",
    "zh-cn": "好一朵美丽的茉莉花\n满园花草香也香不过它",
    "ko": "아리랑 아리랑 아라리요\n아리랑 고개로 넘어간다\n나를 버리고 가시는 님은\n십리도 못가서 발병난다",
    "th": "วันเพ็ญเดือนสิบสองน้ำก็นองเต็มตลิ่ง\nเราทั้งหลายชายหญิงสนุกกันจริงวันลอยกระทง",
}


@pytest.mark.parametrize("text", SONGS.values(), ids=SONGS)
@pytest.mark.parametrize(
    "spelt",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"],
)
def test_unicode_in_every_spelling(text: str, spelt: str) -> None:
    assert decode(text.encode(spelt)) == text


@pytest.mark.parametrize(
    ("song", "spelt"),
    [
        ("fr", "cp1252"),
        ("fr", "iso8859_15"),
        ("fr", "mac_roman"),
        ("hr", "cp1250"),
        ("hr", "iso8859_2"),
        ("hr", "cp852"),
        ("ru", "cp1251"),
        ("ru", "koi8_r"),
        ("ru", "cp866"),
        ("ru", "iso8859_5"),
        ("de", "cp1252"),
        ("es", "cp1252"),
        ("pt", "cp1252"),
        ("pl", "cp1250"),
        ("cs", "cp1250"),
        ("hu", "cp1250"),
        ("uk", "cp1251"),
        ("uk", "koi8_u"),
        ("el", "cp1253"),
        ("tr", "cp1254"),
        ("he", "cp1255"),
        ("ar", "cp1256"),
        ("lt", "cp1257"),
        ("ja", "shift_jis"),
        ("ja", "euc_jp"),
        ("ja", "iso2022_jp"),
        ("zh", "big5"),
        ("zh-cn", "gb18030"),
        ("ko", "euc_kr"),
        ("th", "cp874"),
    ],
)
def test_older_encodings_are_told_by_language(song: str, spelt: str) -> None:
    assert decode(SONGS[song].encode(spelt)) == SONGS[song]


def test_one_line_is_enough_where_the_language_shows() -> None:
    assert decode("Où es-tu mon cœur\n".encode("cp1252")) == "Où es-tu mon cœur\n"


@pytest.mark.parametrize("data", [b"\xe9", b"a\xb9", "žá".encode("cp1250"), b"la \x9a la"])
def test_what_is_doubtful_is_refused(data: bytes) -> None:
    with pytest.raises(
        LyricsError, match=r"^song\.txt is not UTF-8, and .* cannot be told for sure: save it as UTF-8$"
    ):
        decode(data, "song.txt")


def test_a_damaged_utf8_file_is_not_taken_for_another_encoding() -> None:
    data = f"{FRENCH}\nété\n{FRENCH}".encode().replace("été\n".encode(), b"\xe9t\xc3\xa9\n")
    with pytest.raises(LyricsError, match=r"^x is UTF-8 but for line 4, where a byte is damaged"):
        decode(data, "x")


@pytest.mark.parametrize("spelt", ["utf-16", "utf-8-sig"])
def test_a_byte_order_mark_is_believed_and_its_text_checked(spelt: str) -> None:
    with pytest.raises(LyricsError, match=r"says that it is UTF-(?:16|8) but breaks off or is damaged"):
        decode("đ".encode(spelt)[:-1], "x")


def test_binary_data_is_named_as_such() -> None:
    with pytest.raises(LyricsError, match=r"^x holds binary data, not text"):
        decode(bytes(range(256)) * 4, "x")


def test_control_characters_in_bulk_are_no_text() -> None:
    with pytest.raises(LyricsError, match="holds binary data"):
        decode(b"\x01\x02\x03\x04\x05abc", "x")


def test_a_large_file_is_refused_before_it_is_looked_at() -> None:
    with pytest.raises(LyricsError, match=r"^x is larger than 4 MB: is it a lyrics file\?$"):
        decode(b"a" * (encoding.MAX_BYTES + 1), "x")


def test_large_files_in_older_encodings_are_judged_by_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    ranked = encoding.languages.probabilities

    def watched(text: str, among: frozenset[str]) -> dict[str, float]:
        seen.append(len(text))
        return ranked(text, among)

    monkeypatch.setattr(encoding.languages, "probabilities", watched)
    row = "Même si j'traîne les pieds dans la rue "
    data = (row * 25_000).encode("cp1252")
    assert decode(data) == row * 25_000
    assert max(seen) <= 4 * encoding._SAMPLE_BYTES


def test_newlines_stay_as_they_are() -> None:
    assert decode(b"a\r\nb\rc\nd") == "a\r\nb\rc\nd"


def test_a_song_may_begin_like_a_file() -> None:
    assert decode(b"ID3 is what I sing\nGIF8 too") == "ID3 is what I sing\nGIF8 too"
    russian = "язык мой — враг мой\n" + RUSSIAN  # я is 0xFF in windows-1251, as an MPEG frame begins
    assert decode(russian.encode("cp1251")) == russian


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_bytes_end_in_text_or_one_sentence(data: bytes) -> None:
    try:
        text = decode(data, "x")
    except LyricsError as error:
        assert "\n" not in str(error)
    else:
        assert isinstance(text, str)
        assert text.encode("utf-8").decode("utf-8") == text


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1))
@settings(max_examples=200, deadline=None)
def test_all_utf8_comes_back(text: str) -> None:
    assert decode(text.encode()) == text.removeprefix("\ufeff")
