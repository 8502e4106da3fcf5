"""Corrections as JSON: what each object means, and that nothing else gets through."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from melisma.aligner.edits import Confirm, Edit, Merge, Move, Retype, Ripple, Shift, Split, Unsing
from melisma.server.edits import EditObject

READ = TypeAdapter(list[EditObject])


def edit_of(text: str) -> Edit:
    (found,) = READ.validate_json(f"[{text}]")
    return found.edit()


@pytest.mark.parametrize(
    ("text", "edit"),
    [
        ('{"op": "move", "word": 3, "start_ms": 10, "end_ms": 20}', Move(3, 10, 20)),
        ('{"op": "move", "word": 3, "start_ms": 10, "end_ms": 20, "ripple": false}', Move(3, 10, 20)),
        ('{"op": "move", "word": 3, "start_ms": 10, "end_ms": 20, "ripple": true}', Move(3, 10, 20, Ripple.LINE)),
        ('{"op": "move", "word": 3, "start_ms": 10, "end_ms": 20, "ripple": "song"}', Move(3, 10, 20, Ripple.SONG)),
        ('{"op": "shift", "words": [1, 4], "by_ms": -50}', Shift(1, 4, -50)),
        ('{"op": "split", "word": 1, "at_ms": 5, "texts": ["a", "b"]}', Split(1, 5, ("a", "b"))),
        ('{"op": "split", "word": 1, "texts": ["a", "b"]}', Split(1, None, ("a", "b"))),
        ('{"op": "merge", "word": 1}', Merge(1)),
        ('{"op": "merge", "word": 1, "text": "ab"}', Merge(1, "ab")),
        ('{"op": "retype", "word": 0, "text": "la"}', Retype(0, "la")),
        ('{"op": "unsing", "word": 0}', Unsing(0)),
        ('{"op": "confirm", "words": [0, 2]}', Confirm(0, 2)),
    ],
)
def test_each_object_is_an_edit(text, edit):
    assert edit_of(text) == edit


@pytest.mark.parametrize(
    "text",
    [
        '{"op": "erase", "word": 1}',
        '{"word": 1}',
        '{"op": "unsing", "word": "1"}',
        '{"op": "unsing", "word": 1.0}',
        '{"op": "unsing", "word": true}',
        '{"op": "unsing", "word": -1}',
        '{"op": "unsing", "word": 1e300}',
        '{"op": "unsing", "word": 1, "why": "because"}',
        '{"op": "move", "word": 3, "start_ms": 10}',
        '{"op": "move", "word": 3, "start_ms": 10, "end_ms": 20, "ripple": "all"}',
        '{"op": "move", "word": 3, "start_ms": 10, "end_ms": 99999999999}',
        '{"op": "shift", "words": [1], "by_ms": 5}',
        '{"op": "shift", "words": [1, 2, 3], "by_ms": 5}',
        '{"op": "split", "word": 1, "at_ms": 5, "texts": ["a"]}',
        '{"op": "retype", "word": 1, "text": ""}',
        '{"op": "retype", "word": 1, "text": null}',
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(ValidationError):
        edit_of(text)
