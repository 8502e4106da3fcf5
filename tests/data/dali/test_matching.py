"""Songs are matched with their recordings, once, and what came of each is written down."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import soundfile

import dali_files
from melisma.core.errors import FormatError, InputError
from melisma.data.dali.annotation import Parameters, correction
from melisma.data.dali.integrity import repair
from melisma.data.dali.matching import match_all, moved, read_placements
from melisma.data.dali.service import DaliService, Selection
from melisma.scale.local import LocalExecutor

FIRST, CUT, WRONG, LOST, LAST = (dali_files.song_id(number) for number in range(5))


@pytest.fixture(scope="module")
def placements(small_dali):
    return {each.id: each for each in read_placements(small_dali.match)}


def test_every_recording_has_a_line_and_a_verdict(small_dali, placements):
    assert {song: each.accepted for song, each in placements.items()} == {
        FIRST: True,
        CUT: True,
        WRONG: False,
        LAST: True,
    }
    counts = small_dali.report.counts
    assert (counts["songs"], counts["recordings"], counts["accepted"]) == (5, 4, 3)
    assert {(problem.item, problem.kind) for problem in small_dali.report.problems} == {
        (CUT, "cut"),
        (CUT, "absent"),
        (WRONG, "another song"),
    }
    assert placements[FIRST].audio == f"../audio/{FIRST}.flac"
    assert placements[FIRST].ncc > 0.8 > placements[WRONG].ncc


def test_dali_parameters_say_the_same_as_rate_and_offset(placements):
    each = placements[FIRST]
    rate, offset_s = correction(Parameters(fr=dali_files.FR, offset=0.5), Parameters(fr=each.fr, offset=each.offset))
    assert rate == pytest.approx(each.rate)
    assert offset_s == pytest.approx(each.pieces[0].offset_s)
    assert rate * 20 + offset_s == pytest.approx(22.0, abs=0.1)  # the song begins two seconds later


def test_levels_are_moved_to_where_they_are_heard(small_dali, placements):
    levels = repair(small_dali.dali.song(CUT).levels()).levels
    each = placements[CUT]
    assert each.absent == [2]
    placed = moved(levels, each.rate, [(p.first, p.stop, p.offset_s) for p in each.pieces], each.absent)
    assert [line.text for line in placed.lines] == [line.text for i, line in enumerate(levels.lines) if i != 2]
    left_out = levels.lines[2].time[1] - levels.lines[1].time[1]
    for old, new in zip([word for word in levels.words if word.index != 2], placed.words, strict=True):
        expected = old.time[0] - (left_out if old.index > 2 else 0)
        assert new.time[0] == pytest.approx(expected, abs=0.2)
    assert {note.text for note in placed.notes} <= {note.text for note in levels.notes}
    assert len(placed.notes) == sum(levels.words[note.index].index != 2 for note in levels.notes)


def test_what_is_matched_is_not_listened_to_again(small_dali, tmp_path):
    folder = tmp_path / "songs"
    shutil.copytree(small_dali.folder / "songs", folder)
    dali = DaliService(folder, small_dali.dali.audio)
    before = (folder / "match.jsonl").read_bytes()
    chosen = Selection(ids=(FIRST, WRONG))
    assert match_all(dali, chosen, folder / "other.jsonl", executor=LocalExecutor(1)).counts["reused"] == 0
    again = match_all(dali, chosen, folder / "other.jsonl", executor=LocalExecutor(1))
    assert (again.counts["recordings"], again.counts["reused"]) == (2, 2)
    assert (folder / "match.jsonl").read_bytes() == before


def test_songs_that_are_not_meant_keep_their_lines(small_dali, placements, tmp_path):
    path = tmp_path / "match.jsonl"
    shutil.copy(small_dali.match, path)
    one = match_all(small_dali.dali, Selection(ids=(FIRST,)), path, executor=LocalExecutor(1))
    assert {each.id: (each.score, each.pieces) for each in read_placements(path)} == {
        name: (each.score, each.pieces) for name, each in placements.items()
    }
    assert (one.counts["recordings"], one.counts["kept_of_others"]) == (1, len(placements) - 1)
    path.write_text("{}\n", encoding="utf-8")
    with pytest.raises(FormatError, match="line 1"):
        match_all(small_dali.dali, Selection(ids=(FIRST,)), path, executor=LocalExecutor(1))
    assert path.read_text(encoding="utf-8") == "{}\n"


def test_a_recording_that_cannot_be_read_is_one_problem(small_dali, tmp_path):
    audio = tmp_path / "audio"
    audio.mkdir()
    (audio / f"{FIRST}.flac").write_bytes(b"no audio")
    soundfile.write(audio / f"{LAST}.wav", np.zeros(10, np.float32), 16000)
    dali = DaliService(small_dali.dali.annotations, audio)
    report = match_all(dali, Selection(), tmp_path / "match.jsonl", executor=LocalExecutor(1))
    assert (report.counts["failed"], report.counts["accepted"]) == (2, 0)
    said = {problem.item: problem.message for problem in report.problems}
    assert f"{FIRST}.flac" in said[FIRST]
    assert "no words to look for, or its recording is empty" in said[LAST]
    assert (tmp_path / "match.jsonl").read_bytes() == b""


def test_no_recording_at_all_is_one_sentence(small_dali, tmp_path):
    with pytest.raises(InputError, match="none of 5 songs has a recording"):
        match_all(DaliService(small_dali.dali.annotations, tmp_path), Selection(), tmp_path / "match.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_line_is_named(small_dali, tmp_path):
    path = tmp_path / "match.jsonl"
    lines = small_dali.match.read_text(encoding="utf-8").splitlines()
    path.write_text(f"{lines[0]}\n{lines[1].replace('accepted', 'excepted')}\n", encoding="utf-8")
    with pytest.raises(FormatError, match=r"line 2: .*match.jsonl: accepted: Field required"):
        list(read_placements(path))
    with pytest.raises(InputError, match="run melisma dali match first"):
        list(read_placements(tmp_path / "gone.jsonl"))
