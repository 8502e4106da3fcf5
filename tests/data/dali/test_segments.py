"""Matched songs are cut into chunks of whole words, and no artist is on two sides of the split."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dali_files
from melisma.core.errors import InputError
from melisma.data import licences, manifest, split_certificate
from melisma.data.dali.annotation import Levels
from melisma.data.dali.integrity import repair
from melisma.data.dali.matching import Placement, read_placements
from melisma.data.dali.segments import SegmentConfig, cut, segment, voices
from melisma.data.dali.service import Selection
from melisma.data.pieces import Lengths
from melisma.data.split import Settings

FIRST, CUT, WRONG, LOST, LAST = (dali_files.song_id(number) for number in range(5))
LENGTHS = Lengths(shortest=1.0, longest=12.0, target=8.0, padding=0.1)


@pytest.fixture(scope="module")
def made(small_dali, tmp_path_factory):
    folder = tmp_path_factory.mktemp("segments")
    split = Settings(valid=0.4, test=0.0, seed=2, near_duplicates=False)
    report = segment(small_dali.dali, Selection(), small_dali.match, folder, SegmentConfig(LENGTHS, split=split))
    return folder, report, list(manifest.read(folder / "segments.jsonl"))


def test_segments_hold_whole_words_where_they_are_heard(small_dali, made):
    folder, report, lines = made
    assert {line.recording_id for line in lines} == {FIRST, CUT, LAST}
    truth = {FIRST: (1.0, 2.0), LAST: (16300 / 16000, 0.0)}
    for line in lines:
        assert 1.0 <= line.duration <= 12.3
        assert line.transcript == " ".join(word.text for word in line.words)
        assert 0 <= line.words[0].start <= line.words[-1].end <= line.duration
        assert manifest.audio_path(folder / "segments.jsonl", line).is_file()
    for song, (rate, lead_s) in truth.items():
        words = small_dali.dali.song(song).levels().words
        heard = [(w.text, line.start + w.start) for line in lines if line.recording_id == song for w in line.words]
        assert [text for text, _ in heard] == [word.text for word in words]
        for (_, start), word in zip(heard, words, strict=True):
            assert start == pytest.approx(rate * word.time[0] + lead_s, abs=0.25)
    assert report.counts["words"] == sum(len(line.words) for line in lines)
    assert report.counts["words_left_out"] == 6  # the line that was cut out


def test_no_chunk_reaches_over_a_cut(small_dali, made):
    _, _, lines = made
    texts = [line.transcript for line in lines if line.recording_id == CUT]
    assert not any("hill" in text and "Carry" in text for text in texts)
    assert not any("birds" in text for text in texts)


def test_the_licence_and_the_source_go_along(made):
    folder, _, lines = made
    assert {(line.license, line.source) for line in lines} == {("CC-BY-NC-SA-4.0", "DALI")}
    assert not licences.taint(manifest.read(folder / "splits" / "train.jsonl")).commercial
    assert lines[0].model_extra["source_url"] == "https://www.youtube.com/watch?v=abcdefghijk"


def test_no_artist_is_on_two_sides(small_dali, made, tmp_path):
    folder, _, lines = made
    assert {line.recording_id: line.speaker_id for line in lines} == {FIRST: "ana", CUT: "ana", LAST: "eva"}
    parts = {name: folder / "splits" / f"{name}.jsonl" for name in ("train", "valid")}
    songs = {name: {line.speaker_id for line in manifest.read(path)} for name, path in parts.items()}
    assert songs["train"].isdisjoint(songs["valid"])
    assert songs["train"] | songs["valid"] == {"ana", "eva"}
    certificate = split_certificate.read(folder / "splits" / "split.json")
    split_certificate.verify(certificate, **parts, test=None)
    split = Settings(valid=0.4, test=0.0, seed=2, near_duplicates=False)
    segment(small_dali.dali, Selection(), small_dali.match, tmp_path / "again", SegmentConfig(LENGTHS, split=split))
    again = tmp_path / "again" / "splits" / "train.jsonl"
    assert [line.id for line in manifest.read(again)] == [line.id for line in manifest.read(parts["train"])]


def test_nothing_accepted_is_one_sentence(small_dali, tmp_path):
    with pytest.raises(InputError, match="no accepted match of the 1 songs"):
        segment(small_dali.dali, Selection(ids=(WRONG,)), small_dali.match, tmp_path / "out")
    with pytest.raises(InputError, match="no accepted match of the 5 songs"):
        segment(small_dali.dali, Selection(), small_dali.match, tmp_path / "out", SegmentConfig(min_score=9.0))
    assert not (tmp_path / "out").exists()


def placement(n_lines, duration_s, absent=(), pieces=None):
    return Placement.model_validate(
        {
            "schema": "melisma.dali.match/1",
            **{"id": "a", "audio": "a.wav", "duration_s": duration_s, "language": "en", "accepted": True},
            **{"score": 1.0, "found": 1.0, "evidence": 99.0, "ncc": 0.9, "rate": 1.0, "fr": 1200.0, "offset": 0.0},
            "pieces": pieces or [{"first": 0, "stop": n_lines, "offset_s": 0.0}],
            "absent": list(absent),
        }
    )


def song(*lines):
    """Make levels of (text, start, end) lines whose words share their time evenly."""
    words = []
    for index, (text, start, end) in enumerate(lines):
        parts = text.split()
        for k, part in enumerate(parts):
            step = (end - start) / len(parts)
            words.append({"text": part, "time": (start + k * step, start + (k + 1) * step), "index": index})
    rows = [{"text": text, "time": (start, end), "index": 0} for text, start, end in lines]
    return Levels.model_validate({"words": words, "lines": rows})


def test_lines_that_are_sung_at_once_are_left_out():
    levels = song(("one two", 1, 4), ("three four", 5, 8), ("over it", 6, 9), ("five six", 10, 13))
    texts = [" ".join(w.text for w in each.words) for each in cut(levels, placement(4, 20.0), LENGTHS)]
    assert texts == ["one two", "five six"]


def test_a_line_that_was_not_heard_is_in_no_chunk():
    levels = song(("one two", 1, 2), ("three four", 2.1, 3), ("five six", 3.1, 4))
    found = cut(levels, placement(3, 20.0, absent=[1]), LENGTHS)
    assert [" ".join(w.text for w in each.words) for each in found] == ["one two", "five six"]


def test_a_line_beyond_the_recording_is_in_no_chunk():
    levels = song(("one two", 1, 3), ("three four", 5, 8))
    assert len(cut(levels, placement(2, 7.0), LENGTHS)) == 1


def test_held_notes_are_no_words():
    levels = song(("lo ~ ve me~", 1, 4))
    (found,) = cut(levels, placement(1, 20.0), LENGTHS)
    assert [word.text for word in found.words] == ["lo", "ve", "me"]


@given(
    st.lists(st.tuples(st.floats(0, 4), st.floats(0.3, 14), st.integers(1, 9), st.booleans()), min_size=1, max_size=12)
)
def test_chunks_never_go_through_a_word(lines):
    at, rows, absent = 0.0, [], []
    for i, (gap, length, n_words, there) in enumerate(lines):
        rows.append((" ".join(f"w{i}x{k}" for k in range(n_words)), at + gap, at + gap + length))
        at += gap + length
        if not there:
            absent.append(i)
    levels = repair(song(*rows)).levels
    found = cut(levels, placement(len(rows), at + 1, absent), LENGTHS)
    seen = [word.text for each in found for word in each.words]
    assert len(seen) == len(set(seen))
    known = {word.text: word.time for word in levels.words if word.index not in absent}
    for each in found:
        for text, (start, end) in known.items():
            inside = text in {word.text for word in each.words}
            overlap = min(end, each.end_s) - max(start, each.start_s)
            assert overlap >= end - start - 0.003 if inside else overlap <= 0.003


@pytest.mark.parametrize(
    ("artists", "groups"),
    [
        (["Simon & Garfunkel", "Paul Simon", "Garfunkel"], 2),
        (["Abba", "ABBA", "The Abba", " abba "], 1),
        (["A", "B feat. A", "C ft B", "D"], 2),
        (["Alexander", "Lex", "Ander"], 3),
        (["", ""], 1),
    ],
)
def test_artists_who_sing_together_are_one_group(artists, groups):
    assert len(set(voices(artists).values())) == groups


def test_placements_read_back(small_dali):
    assert all(each.duration_s > 0 for each in read_placements(small_dali.match))
