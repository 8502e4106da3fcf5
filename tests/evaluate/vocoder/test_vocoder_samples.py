"""Which lines are drawn for a test, and what a baseline may learn from."""

from __future__ import annotations

import json

import pytest

from melisma.core.errors import InputError
from melisma.evaluate.vocoder.samples import HELD_OUT, choose, held_out_ids, others
from melisma.units.line import JSON, UnitLine


def corpus(folder, n=40, order=1, frames=60):
    folder.mkdir(exist_ok=True)
    lines = [UnitLine(f"l{i}", "a.wav", (1, 2), (frames - 1, 1)) for i in range(n)][::order]
    (folder / JSON).write_text("".join(f"{line.to_json()}\n" for line in lines), encoding="utf-8")
    return folder


def ids(lines):
    return [line.id for line in lines]


def test_the_order_of_a_corpus_changes_nothing(tmp_path):
    first = choose(corpus(tmp_path / "a"), None, 7, 0)
    again = choose(corpus(tmp_path / "b", order=-1), None, 7, 0)
    assert ids(first.lines) == ids(again.lines)
    assert len(set(ids(first.lines))) == 7
    assert ids(choose(tmp_path / "a", None, 7, 1).lines) != ids(first.lines)


def test_only_what_was_held_out_is_drawn(tmp_path):
    held_out = frozenset({"l3", "l5", "gone"})
    chosen = choose(corpus(tmp_path / "a"), held_out, 20, 0)
    assert sorted(ids(chosen.lines)) == ["l3", "l5"]
    assert chosen.held_out is True
    assert choose(tmp_path / "a", None, 20, 0).held_out is None


def test_a_baseline_learns_from_nothing_that_is_tested_or_held_out(tmp_path):
    held_out = frozenset({"l3", "l5", "l7"})
    chosen = choose(corpus(tmp_path / "a"), held_out, 2, 0)
    learnt = set(ids(others(tmp_path / "a", held_out, chosen, 0, 1000)))
    assert learnt == {f"l{i}" for i in range(40)} - held_out
    freely = choose(tmp_path / "a", None, 10, 0)
    assert not set(ids(others(tmp_path / "a", None, freely, 0, 1000))) & set(ids(freely.lines))


def test_a_baseline_learns_from_all_of_a_corpus_until_it_is_enough(tmp_path):
    """Not from its first lines, which may be of one language."""
    folder = corpus(tmp_path / "a")
    chosen = choose(folder, frozenset({"l0"}), 2, 0)
    learnt = ids(others(folder, frozenset({"l0"}), chosen, 0, 6.0))
    assert len(learnt) == 5  # of 1.2 s each
    assert learnt == sorted(learnt, key=lambda name: int(name[1:]))  # as the corpus has them
    assert set(learnt) != {f"l{i}" for i in range(1, 6)}
    assert set(ids(others(corpus(tmp_path / "b", order=-1), frozenset({"l0"}), chosen, 0, 6.0))) == set(learnt)


def test_of_hours_in_one_line_a_baseline_learns_from_the_beginning(tmp_path):
    folder = corpus(tmp_path / "a", 2, frames=4000)
    chosen = choose(folder, frozenset({"l0"}), 1, 0)
    [line] = others(folder, frozenset({"l0"}), chosen, 0, 1000)
    assert (line.n_frames, line.duration_s) == (1500, 30.0)


def test_short_lines_are_left_out_and_long_ones_are_cut(tmp_path):
    with pytest.raises(InputError, match=r"no line of 0\.5 s or more"):
        choose(corpus(tmp_path / "a", frames=24), None, 3, 0)
    [line] = choose(corpus(tmp_path / "b", 1, frames=4000), None, 3, 0).lines
    assert (line.n_frames, line.duration_s, line.units, line.runs) == (1500, 30.0, (1,), (1500,))
    with pytest.raises(InputError, match="that the training held out"):
        choose(tmp_path / "b", frozenset({"x"}), 3, 0)


def test_ids_that_were_held_out_are_read_as_they_were_written(tmp_path):
    assert held_out_ids(tmp_path) is None
    names = ["a", "žena\u2028x", "", "\ud800"]
    (tmp_path / HELD_OUT).write_text("".join(json.dumps(name) + "\n" for name in names), encoding="ascii")
    assert held_out_ids(tmp_path) == frozenset(names)


@pytest.mark.parametrize("content", [b"[1]\n", b"a\n", b"\xff\xfe", b"[" * 100_000])
def test_a_list_that_is_damaged_is_refused(tmp_path, content):
    (tmp_path / HELD_OUT).write_bytes(content)
    with pytest.raises(InputError, match="is no list of ids"):
        held_out_ids(tmp_path)
