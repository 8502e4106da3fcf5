"""What is left out is counted by reason, the commonest first, and a few are named."""

from __future__ import annotations

from melisma.train.left_out import Tally


def test_counts_are_whole_and_five_are_named():
    tally = Tally()
    tally.add("a", "silent")
    for i in range(8):
        tally.add(f"b{i}", "long")
    assert list(tally.left_out.counts.items()) == [("long", 8), ("silent", 1)]
    assert tally.left_out.shown == {"silent": ["a"], "long": ["b0", "b1", "b2", "b3", "b4"]}
