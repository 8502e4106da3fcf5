from __future__ import annotations

import re
from pathlib import Path

import pytest
from format_cases import QUICK, SONG, alignments, golden, got, make, texts
from hypothesis import given
from ultrastarparser import Song

from melisma.core.errors import FormatError, UnknownName
from melisma.core.records import Alignment
from melisma.formats.load import load
from melisma.formats.ultrastar import read, write

HEAD = "#TITLE:T\n#ARTIST:A\n#BPM:300\n#GAP:1000\n"  # a beat is 50 ms
NOTE = re.compile(r"([:F]) (-?\d+) (\d+) 0 (.*)")


def test_the_golden_file_is_written_and_read():
    assert write(SONG) == golden("song.ultrastar.txt")
    assert texts(read(golden("song.ultrastar.txt"))) == texts(SONG)


@QUICK
@given(alignments(plain=True))
def test_times_survive_to_5_ms(alignment: Alignment):
    back = got(read(write(alignment)))
    assert [(word[0], word[3]) for word in back] == texts(alignment)
    for word, (_, start, end, _) in zip(alignment.words, back, strict=True):
        assert abs(start - word.start_ms) <= 5
        assert end - word.end_ms <= 5


@QUICK
@given(alignments())
def test_words_and_unsung_words_survive(alignment: Alignment):
    back = read(write(alignment))
    back.check()
    assert [(word.text, word.line) for word in back.words] == texts(alignment)
    assert [word.unsung for word in back.words] == [word.unsung for word in alignment.words]


@QUICK
@given(alignments())
def test_notes_never_overlap_and_last_a_beat(alignment: Alignment):
    notes = [NOTE.fullmatch(row) for row in write(alignment).split("\n")]
    end = 0
    for note in (note for note in notes if note and note[1] == ":"):
        assert int(note[2]) >= end
        assert int(note[3]) >= 1
        end = int(note[2]) + int(note[3])


def test_ultrastarparser_reads_the_same_song(tmp_path: Path):
    path = tmp_path / "song.txt"
    path.write_text(golden("song.ultrastar.txt"), encoding="utf-8")
    song = Song(str(path))
    assert song.get_attribute("BPM") == "1500"
    assert song.get_attribute("GAP") == "16230"
    sung = [NOTE.fullmatch(row) for row in song.get_songtext() if row[:1] in (":", "F")]
    assert [note[4].strip() for note in sung] == [word.text for word in SONG.words]


def test_words_on_one_beat_share_a_note_and_lines_give_way():
    text = write(make([[("a", 0, 2), ("b", 3, 500)], [("c", 4, 600)]], 600))
    assert text.split("\n")[5:] == [": 0 1 0 a b", "- 1", ": 1 59 0 c", "E", ""]


def test_syllables_held_notes_and_kinds_are_read():
    text = HEAD + ": 0 2 5 Hel\n* 2 2 5 lo \n: 4 2 7 world\n: 6 4 7 ~\n- 12\nF 20 2 0  oh\nR 22 2 0  rap\nE\nafter"
    assert got(read(text)) == [
        ("Hello", 1000, 1200, 0), ("world", 1200, 1500, 0), ("oh", 2000, 2100, 1), ("rap", 2100, 2200, 1),
    ]  # fmt: skip


def test_relative_files_count_from_the_line_break():
    text = HEAD + "#RELATIVE:YES\n: 0 2 0 a\n- 10 20\n: 0 2 0 b\nE"
    assert [word[1] for word in got(read(text))] == [1000, 2000]


def test_both_voices_of_a_duet_are_read_in_order_of_time():
    text = HEAD + "P1\n: 0 2 0 a\n- 4\n: 20 2 0 c\nP2\n: 10 2 0 b\nE"
    assert [word[0] for word in got(read(text))] == ["a", "b", "c"]


def test_a_comma_is_a_decimal_point_and_times_are_not_negative():
    text = HEAD.replace("300", "300,0").replace("1000", "-100") + ": 0 1 0 a\n: 10 1 0  b\nE"
    assert [word[1:3] for word in got(read(text))] == [(0, 0), (400, 450)]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("#TITLE:T\n: 0 1 0 a\nE", "there is no #BPM"),
        (HEAD.replace("300", "0"), "#BPM is no positive number: '0'"),
        (HEAD.replace("300", "nan"), "#BPM is no positive number: 'nan'"),
        (HEAD.replace("1000", "1e9"), "#GAP is no number"),
        (HEAD + ": 0 1 a", "line 5: this is no note"),
        (HEAD + "B 10 200", "line 5: this is no note"),
        (HEAD + ": 0 -1 0 a", "line 5: this is no note"),
        (HEAD + ": 999999999 1 0 a", "beyond 1000 hours"),
    ],
)
def test_what_is_no_ultrastar_is_refused(text: str, fault: str):
    with pytest.raises(FormatError, match=fault):
        read(text)


def test_txt_alone_is_not_taken_for_ultrastar(tmp_path: Path):
    with pytest.raises(UnknownName, match=r"no format is called '\.txt'"):
        SONG.save(tmp_path / "words.txt")
    path = SONG.save(tmp_path / "words.txt", "ultrastar")
    assert texts(load(path, "ultrastar")) == texts(SONG)
    assert path.read_text(encoding="utf-8") == golden("song.ultrastar.txt")


def test_an_empty_alignment_is_a_header():
    assert read(write(Alignment((), (), 1000))).words == ()
