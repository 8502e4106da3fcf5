from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile
from format_cases import VOICES
from hypothesis import given, settings
from hypothesis import strategies as st

from melisma.core.errors import AudioError, EmptyAudio, FormatError, InputError, NotAudio
from melisma.core.records import Alignment, Line, Word
from melisma.core.timebase import Timebase
from melisma.formats import karaoke
from melisma.formats.karaoke import page, page_for_file
from melisma.formats.karaoke_media import media_type_of


def alignment_of(*lines: str) -> Alignment:
    words: list[Word] = []
    rows: list[Line] = []
    for k, line in enumerate(lines):
        first = len(words)
        for text in line.split():
            words.append(Word(text, k, 500 * len(words), 500 * len(words) + 400, 0.75))
        rows.append(Line(first, len(words), k // 2))
    return Alignment(tuple(words), tuple(rows), 500 * len(words) + 1000, language="fr", engine="phone")


SONG = alignment_of("Au clair de la lune", "mon ami Pierrot")


class Reader(HTMLParser):
    """Reads a page as a browser would: its elements, their attributes, and the text of each script."""

    def __init__(self, document: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._in = ""
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        self._in = found.get("id") or tag

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        self.texts[self._in] = self.texts.get(self._in, "") + data

    @property
    def policy(self) -> str:
        return next(a["content"] or "" for t, a in self.tags if a.get("http-equiv") == "Content-Security-Policy")

    @property
    def song(self) -> dict[str, object]:
        return json.loads(self.texts["song"])


def sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_the_page_holds_words_times_and_recording() -> None:
    read = Reader(page(SONG, b"\x00\xff\x10music", "audio/mpeg", title="Pierrot"))
    assert read.texts["title"].startswith("Pierrot")
    assert read.texts["recording"] == "data:audio/mpeg;base64," + base64.b64encode(b"\x00\xff\x10music").decode()
    assert read.song["duration_ms"] == SONG.duration_ms
    assert read.song["lines"] == [
        {
            "stanza": 0,
            "words": [
                ["Au", 0, 400, 0.75],
                ["clair", 500, 900, 0.75],
                ["de", 1000, 1400, 0.75],
                ["la", 1500, 1900, 0.75],
                ["lune", 2000, 2400, 0.75],
            ],
        },
        {"stanza": 0, "words": [["mon", 2500, 2900, 0.75], ["ami", 3000, 3400, 0.75], ["Pierrot", 3500, 3900, 0.75]]},
    ]


def test_times_of_another_clock_become_whole_milliseconds() -> None:
    clock = Timebase(16000, 480)
    word = Word("la", 0, np.int64(3), np.int64(7), np.float32(0.5), clock)  # type: ignore[arg-type]
    read = Reader(page(Alignment((word,), (Line(0, 1),), 100, clock), b"x", "audio/wav"))
    assert read.song["lines"] == [{"stanza": 0, "words": [["la", 90, 210, 0.5]]}]


def test_an_unsung_word_has_no_times() -> None:
    words = (SONG.words[0], replace(SONG.words[1], start=None, end=None, confidence=None), *SONG.words[2:])
    read = Reader(page(replace(SONG, words=words), b"x", "audio/wav"))
    assert read.song["lines"][0]["words"][1] == ["clair", None, None, None]  # type: ignore[index]


def test_lines_stand_in_the_order_of_the_song_and_words_keep_their_number() -> None:
    lines = Reader(page(VOICES, b"x", "audio/wav")).song["lines"]
    assert [(" ".join(w[0] for w in line["words"]), line.get("index"), line.get("backing")) for line in lines] == [
        ("Premier (hé) vers tenu", [5, 6, 7, 9], None),
        ("(ah)", [8], True),
        ("(mmh mmh)", [10, 11], True),
        ("Deuxième couplet", [0, 1], None),
        ("jamais", [4], None),
        ("(oh oh)", [2, 3], True),
    ]
    assert [line["stanza"] for line in lines] == [1, 1, 1, 0, 0, 0]


def test_the_policy_names_this_script_and_this_style_and_no_host() -> None:
    read = Reader(page(SONG, b"x", "audio/wav"))
    directives = dict(part.split(" ", 1) for part in read.policy.split("; "))
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == f"'sha256-{sha256(read.texts['script'])}'"
    assert directives["style-src"] == f"'sha256-{sha256(read.texts['style'])}'"
    assert directives["media-src"] == "blob:"
    assert "unsafe" not in read.policy
    assert "http" not in read.policy


def test_nothing_points_outside_the_page() -> None:
    read = Reader(page(SONG, b"x", "audio/wav"))
    links = [a[name] for _, a in read.tags for name in ("src", "href", "action", "data", "poster") if name in a]
    assert links
    assert all(link is not None and link.startswith(("#", "data:image/svg+xml,")) for link in links)
    assert not re.search(r"url\(|@import|https?:", read.texts["style"])
    assert not re.search(r"fetch\(|XMLHttpRequest|WebSocket|sendBeacon|import\(|https?:", read.texts["script"])


HOSTILE = [
    "</script><script>alert(1)</script>",
    "</script",  # the title holds it with a space behind
    "</script/x",
    "<!--<script",
    "<img/src=x/onerror=alert(1)>",
    "\"'`&amp;${x}$title\\u003c",
    "\ud800",
    "😀月が",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_stay_data(text: str) -> None:
    word = Word(text, 0, 0, 400)
    document = page(Alignment((word,), (Line(0, 1),), 1000), b"x", "audio/wav", title=f"{text} {text}")
    read = Reader(document)
    assert document.isascii()
    assert not set("<>&") & set(re.findall(r'id="song">(.*?)</script>', document, re.DOTALL)[0])
    assert read.song["lines"] == [{"stanza": 0, "words": [[text, 0, 400, None]]}]
    assert [tag for tag, _ in read.tags] == [tag for tag, _ in Reader(page(SONG, b"x", "audio/wav")).tags]


@settings(max_examples=40, deadline=None)
@given(st.text(min_size=1, max_size=30), st.text(max_size=30))
def test_any_text_comes_back_and_adds_no_element(text: str, title: str) -> None:
    words = tuple(Word(t, 0, 0, 10) for t in text.split()) or (Word("la", 0, 0, 10),)
    document = page(Alignment(words, (Line(0, len(words)),), 1000), b"x", "audio/wav", title=title)
    read = Reader(document)
    assert [w[0] for w in read.song["lines"][0]["words"]] == [w.text for w in words]  # type: ignore[index]
    assert sum(tag == "script" for tag, _ in read.tags) == 3
    assert document.isascii()


def test_the_title_is_one_clean_line_and_has_a_default() -> None:
    assert Reader(page(SONG, b"x", "audio/wav", title=" a\u2028b\x00\n")).song["title"] == "a b"
    assert Reader(page(SONG, b"x", "audio/wav", title="\n")).song["title"] == "Karaoke"


def test_a_title_keeps_its_colours() -> None:
    first, again = (Reader(page(SONG, b"x", "audio/wav", title="Aux marches")).song["hues"] for _ in range(2))
    assert first == again


def test_broken_order_is_refused() -> None:
    words = (SONG.words[0], replace(SONG.words[1], start=900, end=950), *SONG.words[2:])
    words = (*words[:2], replace(words[2], start=800, end=1000), *words[3:])
    with pytest.raises(FormatError, match=r"karaoke page: word 2 \('de'\) starts at 800, before"):
        page(replace(SONG, words=words), b"x", "audio/wav")


def test_no_words_are_refused() -> None:
    with pytest.raises(FormatError, match="holds no word"):
        page(Alignment((), (), 1000), b"x", "audio/wav")


def test_a_confidence_that_is_no_number_is_refused() -> None:
    words = (replace(SONG.words[0], confidence=float("nan")), *SONG.words[1:])
    with pytest.raises(FormatError, match=r"word 0 \('Au'\) has confidence nan"):
        page(replace(SONG, words=words), b"x", "audio/wav")


def test_empty_audio_is_refused() -> None:
    with pytest.raises(EmptyAudio, match="the recording is empty"):
        page(SONG, b"", "audio/wav")


def test_audio_over_the_limit_is_refused() -> None:
    with pytest.raises(AudioError, match="has 200 MB, a karaoke page holds at most 200 MB: convert"):
        page(SONG, bytes(karaoke.MAX_AUDIO_BYTES + 1), "audio/wav")


@pytest.mark.parametrize("media_type", ["text/html", "audio", "audio/mpeg,<", 'audio/x" onload="', "audio/mpeg\n", ""])
def test_a_media_type_that_is_none_is_refused(media_type: str) -> None:
    with pytest.raises(InputError, match="is not the media type of a recording"):
        page(SONG, b"x", media_type)


# ---- files ----


def recording(container: str, subtype: str | None = None) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, np.zeros(4800, np.float32), 48000, format=container, subtype=subtype)
    return out.getvalue()


@pytest.mark.parametrize(
    ("container", "subtype", "media_type"),
    [
        ("WAV", None, "audio/wav"),
        ("FLAC", None, "audio/flac"),
        ("MP3", None, "audio/mpeg"),
        ("OGG", "VORBIS", "audio/ogg"),
        ("OGG", "OPUS", "audio/ogg;codecs=opus"),
        ("AIFF", None, "audio/aiff"),
        ("CAF", None, "audio/x-caf"),
        ("AU", None, "audio/basic"),
    ],
)
def test_the_media_type_of_real_files(container: str, subtype: str | None, media_type: str) -> None:
    data = recording(container, subtype)
    assert media_type_of(data) == media_type
    tag = b"ID3\x04\x00\x00\x00\x00\x02\x05" + bytes(2 * 128 + 5)
    assert media_type_of(tag + data) == media_type


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"\x00\x00\x00\x20ftypM4A \x00", "audio/mp4"),
        (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm", "audio/webm"),
        (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x88matroska", "audio/x-matroska"),
        (b"\xff\xf1\x50\x80\x02\x1f\xfc", "audio/aac"),
        (b"ID3\x03\x00\x00\x00\x00\x00\x01" + bytes(40), "audio/mpeg"),  # padding between tag and sound
        (b"<html><body>", None),
        (b"\xff\xff\xff\xff", None),
        (b"\xff", None),
        (b"ID3", None),
        (b"", None),
    ],
)
def test_the_media_type_of_first_bytes(head: bytes, media_type: str | None) -> None:
    assert media_type_of(head) == media_type


def test_a_file_gives_its_type_and_its_name(tmp_path) -> None:
    path = tmp_path / "Mon ami.mp3"  # the name lies, the content does not
    path.write_bytes(recording("FLAC"))
    read = Reader(page_for_file(SONG, path))
    assert read.song["title"] == "Mon ami"
    assert read.song["media_type"] == "audio/flac"
    assert read.texts["recording"].endswith(base64.b64encode(path.read_bytes()).decode())


def test_a_media_type_and_a_title_that_are_given_win(tmp_path) -> None:
    path = tmp_path / "song"
    path.write_bytes(b"anything")
    read = Reader(page_for_file(SONG, str(path), media_type="video/webm", title="Mine"))
    assert (read.song["title"], read.song["media_type"]) == ("Mine", "video/webm")


def test_a_file_that_is_not_there(tmp_path) -> None:
    with pytest.raises(AudioError, match=r"cannot read .*gone\.mp3: No such file"):
        page_for_file(SONG, tmp_path / "gone.mp3")


def test_a_file_that_is_no_audio(tmp_path) -> None:
    path = tmp_path / "song.mp3"
    path.write_text("<html>")
    with pytest.raises(NotAudio, match=r"song\.mp3 is not audio that a browser plays"):
        page_for_file(SONG, path)


def test_an_empty_file(tmp_path) -> None:
    path = tmp_path / "song.mp3"
    path.touch()
    with pytest.raises(EmptyAudio, match=r"song\.mp3 is empty"):
        page_for_file(SONG, path)


def test_a_file_over_the_limit_is_not_read(tmp_path) -> None:
    path = tmp_path / "song.wav"
    with path.open("wb") as file:
        file.truncate(3 * karaoke.MAX_AUDIO_BYTES)  # a hole, it takes no room on the disk
    with pytest.raises(AudioError, match=r"song\.wav has 600 MB"):
        page_for_file(SONG, path)
