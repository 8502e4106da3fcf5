"""What is wrong between the levels of a song is named, one fault at a time, and put right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dali_files
from melisma.data.dali.annotation import LEVELS, Levels
from melisma.data.dali.integrity import KINDS, check, counts, repair
from melisma.synth.score import write_score


@pytest.fixture
def levels():
    return dali_files.levels_of(write_score(dali_files.config()))


def faults(levels):
    return counts(check(Levels.model_validate(levels)))


def test_a_song_that_holds_together_has_no_fault_and_is_left_as_it_is(levels):
    assert faults(levels) == {}
    song = Levels.model_validate(levels)
    repaired = repair(song)
    assert (repaired.faults, repaired.left, repaired.dropped) == ((), (), {})
    for name in LEVELS:
        assert [(e.text, e.index) for e in repaired.levels.level(name)] == [(e.text, e.index) for e in song.level(name)]
        for new, old in zip(repaired.levels.level(name), song.level(name), strict=True):
            assert new.time == pytest.approx(old.time, abs=1e-9)


def set_(level, place, **fields):
    def change(levels):
        levels[level][place].update(fields)

    return change


def swap(levels):
    words = levels["words"]
    words[2], words[3] = words[3], words[2]
    for note in levels["notes"]:
        note["index"] = {2: 3, 3: 2}.get(note["index"], note["index"])


def early(levels):
    levels["words"][3]["time"] = (levels["words"][2]["time"][0] + 0.01, levels["words"][3]["time"][1])


CASES = {
    "empty": (set_("words", 4, text=" "), {"words: empty": 1, "words: other text": 1, "lines: other text": 1}),
    "no length": (
        lambda levels: levels["words"][5].update(time=(levels["words"][5]["time"][0],) * 2),
        {"words: no length": 1, "notes: outside": 2},
    ),
    "before the beginning": (
        set_("words", 0, time=(-1.0, 6.5)),
        {"words: before the beginning": 1, "words: outside": 1},
    ),
    "out of order": (swap, {"words: out of order": 1, "lines: other text": 1}),
    "overlap": (early, {"words: overlap": 1}),
    "no parent": (set_("words", 4, index=99), {"words: no parent": 1, "lines: other text": 1}),
    "no children": (
        lambda levels: levels["lines"].append({"text": "x", "time": (50.0, 51.0), "freq": [], "index": 1}),
        {"lines: outside": 1, "lines: no children": 1, "paragraphs: other text": 1},
    ),
    "outside": (set_("lines", 0, time=(6.0, 9.0)), {"words: outside": 2}),
    "other text": (set_("words", 4, text="door"), {"words: other text": 1, "lines: other text": 1}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_fault_is_found_and_put_right(levels, kind):
    change, expected = CASES[kind]
    change(levels)
    assert faults(levels) == expected
    repaired = repair(Levels.model_validate(levels))
    left = counts(repaired.left)
    assert {name: n for name, n in left.items() if "other text" not in name} == {}


def test_sentences_say_what_is_wrong(levels):
    levels["lines"][0]["time"] = (6.0, 9.0)
    assert check(Levels.model_validate(levels))[0].sentence == "word 0 reaches beyond what it belongs to"


def test_repair_moves_notes_with_their_words(levels):
    words = levels["words"]
    words.reverse()
    for note in levels["notes"]:
        note["index"] = len(words) - 1 - note["index"]
    repaired = repair(Levels.model_validate(levels)).levels
    assert [each.text for each in repaired.words[:3]] == ["Morning", "opens", "like"]
    for note in repaired.notes:
        word = repaired.words[note.index]
        assert note.text in word.text
        assert word.time[0] <= note.time[0] < note.time[1] <= word.time[1]


def test_words_of_one_moment_share_what_there_is(levels):
    first, second, third = levels["words"][:3]
    second["time"] = first["time"] = (first["time"][0], first["time"][0])
    made = repair(Levels.model_validate(levels)).levels.words
    assert made[0].time[0] < made[0].time[1] == made[1].time[0] < made[1].time[1] <= third["time"][0]


def test_a_word_that_no_line_is_near_to_is_left_out(levels):
    levels["words"].append({"text": "far", "time": (900.0, 901.0), "freq": [], "index": None})
    repaired = repair(Levels.model_validate(levels))
    assert repaired.dropped == {"words": 1}
    assert repaired.levels.words[-1].text == "still"


def test_two_who_sing_at_once_are_reported(levels):
    line = levels["lines"][1]
    shift = levels["lines"][0]["time"][0] + 1.0 - line["time"][0]
    for each in [line, *(word for word in levels["words"] if word["index"] == 1)]:
        each["time"] = (each["time"][0] + shift, each["time"][1] + shift)
    levels["notes"] = []
    left = counts(repair(Levels.model_validate(levels)).left)
    assert left["lines: overlap"] == 1


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["la", "", "li", "x y"]),
            st.floats(-5, 30),
            st.floats(-1, 5),
            st.integers(-2, 4) | st.none(),
        ),
        max_size=12,
    ),
    st.lists(st.tuples(st.floats(-5, 30), st.floats(-1, 8), st.integers(-1, 3) | st.none()), max_size=4),
    st.lists(st.tuples(st.floats(-5, 30), st.floats(0, 20)), max_size=2),
)
def test_repaired_words_follow_each_other_within_their_lines(words, lines, paragraphs):
    song = Levels.model_validate(
        {
            "notes": [{"text": "n", "time": (t, t + d), "index": i} for _, t, d, i in words],
            "words": [{"text": w, "time": (t, t + d), "index": i} for w, t, d, i in words],
            "lines": [{"text": "l", "time": (t, t + d), "index": i} for t, d, i in lines],
            "paragraphs": [{"text": "p", "time": (t, t + d)} for t, d in paragraphs],
        }
    )
    repaired = repair(song)
    made = repaired.levels
    for word in made.words:
        assert word.time[1] > word.time[0] >= 0
        assert not made.lines or 0 <= word.index < len(made.lines)
    for before, after in zip(made.words, made.words[1:], strict=False):
        assert before.index != after.index or before.time[1] <= after.time[0] + 1e-9
    for place, line in enumerate(made.lines):
        mine = [word for word in made.words if word.index == place]
        assert line.time == (min(w.time[0] for w in mine), max(w.time[1] for w in mine))
    again = repair(made)
    assert [each.text for each in again.levels.words] == [each.text for each in made.words]
    for one, other in zip(again.levels.words, made.words, strict=True):
        assert one.time == pytest.approx(other.time, abs=1e-9)
