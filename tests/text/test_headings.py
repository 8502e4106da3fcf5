"""Headings of sections."""

from __future__ import annotations

import pytest

from melisma.text.headings import heading_of


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("[Chorus]", "chorus"),
        ("  [Chorus]  ", "chorus"),
        ("[Chorus]:", "chorus"),
        ("[Verse 2: Name & Other]", "verse 2"),
        ("[Any words at all]", "any words at all"),
        ("[Refrain] [Nom]", "refrain"),
        ("【サビ】", "サビ"),
        ("［Chorus］", "chorus"),
        ("(Chorus)", "chorus"),
        ("(Verse 2: Name)", "verse 2"),
        ("(Guitar solo)", "guitar solo"),
        ("(Pré-refrain)", "pré-refrain"),
        ("(1st verse)", "1st verse"),
        ("（副歌）", "副歌"),
        ("Chorus:", "chorus"),
        ("CHORUS:", "chorus"),
        ("Bridge:", "bridge"),
        ("Refren:", "refren"),
        ("Припев:", "припев"),
        ("Verse II:", "verse ii"),
        ("2. Strophe:", "2. strophe"),
    ],
)
def test_headings(line: str, name: str) -> None:
    for first in (True, False):
        found = heading_of(line, first=first)
        assert found is not None
        assert (found.name, found.times, found.counted, found.length) == (name, 1, False, None)


@pytest.mark.parametrize(
    "line", ["Chorus", "Refrain", "Verse 2", "Couplet 1", "2. Strophe", "Bridge 2", "PRE-CHORUS", "Припев"]
)
def test_a_bare_word_is_a_heading_only_where_a_section_begins(line: str) -> None:
    assert heading_of(line, first=True) is not None
    assert heading_of(line, first=False) is None


@pytest.mark.parametrize(
    "line",
    [
        "Chorus of angels",
        "(oh oh oh)",
        "(chorus of angels)",
        "(Don't you go)",
        "Bridge",
        "Solo",
        "Vers le soleil",
        "bridge over troubled water",
        "Verse after verse",
        "She said: hello",
        "Bridge: over the water",
        "Time:",
        "[Chorus",
        "Chorus]",
        "[sweet] dreams [of] you",
        "I [Chorus]",
        "",
        "(",
        "()",
        ":",
    ],
)
def test_sung_lines(line: str) -> None:
    assert heading_of(line, first=True) is None


@pytest.mark.parametrize(
    ("line", "name", "times"),
    [
        ("[Chorus x2]", "chorus", 2),
        ("[Chorus] x2", "chorus", 2),
        ("[Chorus] (x3)", "chorus", 3),
        ("[Chorus] [x2]", "chorus", 2),
        ("[Refrain: Nom] [x2]", "refrain", 2),
        ("(Chorus x2)", "chorus", 2),
        ("(Chorus) x2", "chorus", 2),
        ("Chorus (x2)", "chorus", 2),
        ("Chorus x2:", "chorus", 2),
        ("Chorus: (x2)", "chorus", 2),
        ("Refrain (bis)", "refrain", 2),
    ],
)
def test_counts(line: str, name: str, times: int) -> None:
    found = heading_of(line, first=False)
    assert found is not None
    assert (found.name, found.times, found.counted) == (name, times, True)


@pytest.mark.parametrize(("line", "times"), [("[Repeat Chorus]", 1), ("(Repeat chorus x2)", 2), ("Repeat Chorus", 1)])
def test_a_call_for_an_earlier_section(line: str, times: int) -> None:
    found = heading_of(line, first=True)
    assert found is not None
    assert (found.name, found.times, found.again) == ("chorus", times, True)


@pytest.mark.parametrize(
    ("line", "rest"), [("[Chorus] We will", " We will"), ("Chorus: la la", " la la"), ("【副歌】 花", " 花")]
)
def test_a_heading_in_front_of_its_first_line(line: str, rest: str) -> None:
    found = heading_of(line, first=False)
    assert found is not None
    assert line[found.length :] == rest


@pytest.mark.parametrize(
    ("line", "is_heading"),
    [
        ("[" * 50_000, False),
        ("[a]" * 30_000, True),  # in square brackets from end to end
        ("(" + "a " * 50_000 + ")", False),
        ("a" * 99_999 + ":", False),
        ("1 " * 50_000, False),
    ],
    ids=["open", "closed", "round", "colon", "numbers"],
)
def test_no_line_takes_long(line: str, is_heading: bool) -> None:
    # A quadratic pattern would take minutes to tell.
    assert (heading_of(line, first=True) is not None) == is_heading
