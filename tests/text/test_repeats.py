"""Repeat marks."""

from __future__ import annotations

import pytest

from melisma.text.repeats import count_of, marks


@pytest.mark.parametrize(
    ("mark", "times"),
    [
        ("(x2)", 2),
        ("(X3)", 3),
        ("(2x)", 2),
        ("( x 4 )", 4),
        ("[x2]", 2),
        ("[3X]", 3),
        ("(×2)", 2),
        ("x2", 2),
        ("×2", 2),
        ("3x", 3),
        ("(х2)", 2),  # a Cyrillic ha
        ("（x2）", 2),
        ("(bis)", 2),
        ("[Bis]", 2),
        ("(ter)", 3),
        ("(twice)", 2),
        ("(2 times)", 2),
        ("(3 fois)", 3),
        ("(4 veces)", 4),
        ("(2 mal)", 2),
        ("(2 puta)", 2),
        ("(2 раза)", 2),
        ("(repeat)", 2),
        ("(repeat x3)", 3),
        ("(repeat 2 times)", 2),
        ("(x2).", 2),
    ],
)
def test_marks_at_the_end_of_a_line(mark: str, times: int) -> None:
    line = f"hey you {mark}"
    assert marks(line) == [(8, len(line), times)]


@pytest.mark.parametrize(
    "line",
    [
        "I was born twice",
        "bis",
        "say it 2 times",
        "2x4 is wood",
        "x2 in front",
        "(x0)",
        "(x)",
        "(2)",
        "[2]",
        "Max2",
        "x2y",
        "malcolm x 2",
        "x100",
        "(2 malice)",
        "(oh x2 oh)",
        "F(x2)y",
    ],
)
def test_what_is_no_mark(line: str) -> None:
    assert marks(line) == []


def test_marks_inside_a_line() -> None:
    assert marks("na (x4) hey (x2) bye") == [(3, 7, 4), (12, 16, 2)]
    assert marks("(x2) la") == [(0, 4, 2)]
    assert marks("la (x2) x3") == [(3, 7, 2), (8, 10, 3)]


@pytest.mark.parametrize(
    ("text", "rest", "times"),
    [
        ("Chorus", "Chorus", None),
        ("Chorus x2", "Chorus", 2),
        ("Chorus x 2", "Chorus", 2),
        ("Chorus (2x)", "Chorus", 2),
        ("Chorus, 2 times", "Chorus", 2),
        ("Refrain - bis", "Refrain - bis", None),
        ("Refrain (bis)", "Refrain", 2),
        ("Verse 2", "Verse 2", None),
    ],
)
def test_the_count_of_a_heading(text: str, rest: str, times: int | None) -> None:
    assert count_of(text) == (rest, times)


@pytest.mark.parametrize(
    "line", ["(" * 50_000, "( " * 50_000, " " * 100_000 + "x", "(x" * 50_000, "x2 " * 50_000, "(1" * 50_000]
)
def test_no_line_takes_long(line: str) -> None:
    assert isinstance(marks(line), list)  # a quadratic pattern would take minutes here
