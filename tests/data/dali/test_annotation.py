"""Songs come back from JSON value for value, and go from the horizontal form to the vertical one and back."""

from __future__ import annotations

import json

import pytest

import dali_files
from melisma.core.errors import FormatError, InputError
from melisma.data.dali import unpickler
from melisma.data.dali.annotation import (
    LEVELS,
    Branch,
    Levels,
    Parameters,
    Song,
    corrected_parameters,
    correction,
    dumps,
    flattened,
    nested,
    read_song,
    song_from,
)
from melisma.synth.score import write_score


@pytest.fixture(scope="module")
def levels():
    return dali_files.levels_of(write_score(dali_files.config()))


def made(attributes):
    return song_from(unpickler.loads(dali_files.pickled(attributes)), "x.gz", "0" * 64)


def test_json_holds_what_the_pickle_held(levels, tmp_path):
    attributes = dali_files.attributes("ab", levels) | {"extra": ["é", 0.1, None]}
    attributes["annotations"]["annot"]["phonemes"] = [{"text": ["AA", "B"], "time": (0.1, 0.2)}]
    path = tmp_path / "ab.json"
    path.write_bytes(dumps(made(attributes)))
    plain = json.loads(json.dumps(attributes))  # tuples become lists, NumPy numbers Python's
    assert {key: json.loads(path.read_bytes())[key] for key in attributes} == plain
    song = read_song(path)
    assert {key: song.model_dump(by_alias=True, mode="json")[key] for key in ("info", "extra")} == {
        "info": plain["info"] | {"ground-truth": False},
        "extra": plain["extra"],
    }
    assert song.annotations.annot == plain["annotations"]["annot"]


def test_levels_are_nested_and_flattened_again(levels):
    flat = Levels.model_validate(levels)
    tree = nested(flat)
    assert [len(paragraph.text) for paragraph in tree] == [3, 3]
    first = tree[0].text[0].text[0]
    assert [note.text for note in first.text] == ["Morn", "ing"]
    again = flattened(tree)
    for name in LEVELS:
        assert [each.model_dump() for each in again.level(name)] == [each.model_dump() for each in flat.level(name)]


def test_a_vertical_file_reads_as_a_horizontal_one(levels):
    flat = Levels.model_validate(levels)
    tree = {"hierarchical": [each.model_dump(mode="json") for each in nested(flat)]}
    song = Song.model_validate(made(dali_files.attributes("ab", tree, type="vertical")))
    assert [each.text for each in song.levels().words] == [each.text for each in flat.words]
    assert [each.time for each in song.levels().lines] == [each.time for each in flat.lines]


def test_a_word_without_notes_keeps_its_text():
    words = [{"text": "la", "time": (0, 1), "index": 0}, {"text": "li", "time": (1, 2), "index": 0}]
    lines = [{"text": "la li", "time": (0, 2), "index": 0}]
    flat = Levels.model_validate({"words": words, "lines": lines, "paragraphs": [{"text": "la li", "time": (0, 2)}]})
    again = flattened(nested(flat))
    assert [each.text for each in again.words] == ["la", "li"]
    assert again.paragraphs[0].text == "la li"


def test_what_has_no_place_above_is_in_no_tree():
    words = [{"text": "la", "time": (0, 1), "index": 7}]
    flat = Levels.model_validate({"words": words, "lines": [{"text": "x", "time": (0, 1)}], "paragraphs": []})
    assert nested(flat) == []


def test_a_note_that_holds_notes_is_refused():
    deep = {"text": "la", "time": (0, 1)}
    for _ in range(4):
        deep = {"text": [deep], "time": (0, 1)}
    with pytest.raises(FormatError, match="a note holds further notes"):
        flattened([Branch.model_validate(deep)])


def test_ground_truth_moves_the_times(levels):
    old, new = Parameters(fr=1200.0, offset=0.5), Parameters(fr=1212.0, offset=2.0)
    rate, offset_s = correction(old, new)
    beat = 100  # DALI: a beat is at offset + 60 beats / fr
    assert rate * (0.5 + 60 * beat / 1200) + offset_s == pytest.approx(2.0 + 60 * beat / 1212)
    back = corrected_parameters(old, rate, offset_s)
    assert (back.fr, back.offset) == (pytest.approx(1212.0), pytest.approx(2.0))
    values = made(dali_files.attributes("ab", levels)) | {"corrected": {"fr": 1212.0, "offset": 2.0}}
    song = Song.model_validate(values)
    assert song.is_ground_truth
    start = levels["words"][3]["time"][0]
    assert song.levels().words[3].time[0] == pytest.approx(2.0 + (start - 0.5) * 1200 / 1212)


@pytest.mark.parametrize("said", [False, None, "None", "False"])
def test_ground_truth_is_said_in_many_ways(levels, said):
    assert not Song.model_validate(made(dali_files.attributes("ab", levels, ground_truth=said))).is_ground_truth
    assert Song.model_validate(made(dali_files.attributes("ab", levels, ground_truth=True))).is_ground_truth


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda song: song["info"].pop("id"), "info: id: Field required"),
        (lambda song: song["info"].update(id="../../etc/passwd"), "info: id: String should match pattern"),
        (lambda song: song["info"].update(id="a" * 101), "info: id: String should match pattern"),
        (lambda song: song["annotations"].update(type="None"), "annotations: type: Input should be 'horizontal'"),
        (lambda song: song["annotations"]["annot"]["words"][1].pop("time"), "words: 1: time: Field required"),
        (lambda song: song["annotations"]["annot"]["notes"][0].update(text=None), "notes: 0: text: "),
        (lambda song: song["annotations"].pop("annot_param"), "annot_param: Field required"),
        (lambda song: song.pop("info"), "holds no song"),
        (lambda song: song.update(schema="x"), "an attribute of its own called schema"),
    ],
)
def test_what_is_no_song_is_refused_by_its_first_wrong_field(change, said):
    song = dali_files.attributes("ab", dali_files.levels_of(write_score(dali_files.config())))
    change(song)
    with pytest.raises(FormatError, match=said):
        made(song)


def test_frame_rates_are_above_zero():
    with pytest.raises(FormatError, match="frame rate is not above zero"):
        correction(Parameters(fr=0.0, offset=0.0), Parameters(fr=1200.0, offset=0.0))


def test_json_of_something_else_is_refused(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"schema": "melisma.dali/9"}', encoding="utf-8")
    with pytest.raises(FormatError, match=r"a.json: schema: Input should be 'melisma.dali/1'"):
        read_song(path)
    with pytest.raises(InputError, match=r"b.json cannot be read"):
        read_song(tmp_path / "b.json")
