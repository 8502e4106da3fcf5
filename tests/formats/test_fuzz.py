"""Damaged files: every reader ends in a result that passes its check, or in a FormatError."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

import pytest
from format_cases import GOLDEN, QUICK, TRAPS
from hypothesis import given, settings
from hypothesis import strategies as st

from melisma.core.errors import FormatError
from melisma.core.files import Format, format_named
from melisma.formats.load import decode

T = TypeVar("T")

BUILT_IN = ("json", "lrc", "elrc", "srt", "vtt", "ass", "ttml", "textgrid", "ultrastar", "word-timestamps")
NASTY = (
    *TRAPS,
    "\n",
    "\r",
    "\x00",
    "\ud800",
    "\ufeff",
    "-1",
    "NaN",
    "1e999",
    "9" * 30,
    "null",
    "[[[",
    "</p>",
    "<p>",
    "{",
    '"',
    " ",
)


def survives(found: Format, text: str) -> str:
    """Read a text as alignment and as lyrics; tell how it ended, or fail with whatever escaped."""
    assert found.read is not None
    alignment, fault = ended(lambda: found.read(text))
    if alignment is not None:
        alignment.check()
    else:
        assert fault.startswith(found.name)
        assert "\n" not in fault
    if found.read_lines is not None:
        lines, fault = ended(lambda: found.read_lines(text))
        assert lines is not None or fault.startswith(found.name)
        for line in lines or ():
            assert line.text == " ".join(line.text.split())
            assert len(line.word_starts_ms) in (0, len(line.text.split()))
    return "read" if alignment is not None else "refused"


def ended(work: Callable[[], T]) -> tuple[T | None, str]:
    """Give what the work returned, or what it said when it refused; let anything else through."""
    try:
        return work(), ""
    except FormatError as error:
        return None, str(error)


def damaged(data: bytes, dice: random.Random) -> bytes:
    """Damage a file as disks, mails and editors do: flip, drop, double, truncate, splice in what hurts."""
    found = bytearray(data)
    for _ in range(dice.randint(1, 8)):
        at = dice.randrange(len(found) + 1)
        kind = dice.randrange(6)
        if kind == 0 and at < len(found):
            found[at] ^= 1 << dice.randrange(8)
        elif kind == 1:
            del found[at : at + dice.randint(1, 40)]
        elif kind == 2:
            found[at:at] = found[at : at + dice.randint(1, 200)]
        elif kind == 3 and dice.random() < 0.3:
            del found[at:]
        else:
            found[at:at] = dice.choice(NASTY).encode("utf-8", "surrogatepass")
    return bytes(found)


def golden_of(name: str) -> tuple[Format, bytes]:
    found = format_named(name)
    return found, (GOLDEN / f"song{found.suffixes[0]}").read_bytes()


def sweep(name: str, n_files: int) -> tuple[int, int]:
    """Read `n_files` damaged copies of the golden file; return how many were read and how many refused."""
    found, data = golden_of(name)
    endings = []
    for seed in range(n_files):
        bad = damaged(data, random.Random(f"{name} {seed}"))
        try:
            text = decode(bad, name)
        except FormatError:
            text = bad.decode("utf-8", "surrogateescape")
        endings.append(survives(found, text))
    return endings.count("read"), endings.count("refused")


@pytest.mark.parametrize("name", BUILT_IN)
def test_damaged_files_end_in_a_result_or_a_clear_error(name: str):
    read, refused = sweep(name, 30)
    assert read + refused == 30


@pytest.mark.slow
@pytest.mark.parametrize("name", BUILT_IN)
def test_a_thousand_damaged_files_end_in_a_result_or_a_clear_error(name: str):
    read, refused = sweep(name, 1000)
    print(f"{name}: {read} read, {refused} refused")
    assert read + refused == 1000
    assert read > 0
    assert refused > 0


@pytest.mark.parametrize("name", BUILT_IN)
@settings(QUICK, max_examples=30)
@given(st.lists(st.sampled_from(NASTY) | st.text(st.characters(), max_size=9), max_size=12).map("".join))
def test_texts_of_no_format_end_in_a_result_or_a_clear_error(name: str, text: str):
    assert survives(format_named(name), text) in ("read", "refused")


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("cut", range(0, 100, 9))
def test_truncated_files_end_in_a_result_or_a_clear_error(name: str, cut: int):
    found, data = golden_of(name)
    assert survives(found, data[: len(data) * cut // 100].decode("utf-8", "replace")) in ("read", "refused")


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize(
    "unit", ["\n", "[", "[a", "[00:", "[00:01.00]", "<", "<00:01.00>", "{", "{\\k1", '"', "<p>", "&", "&#", "\\", "~"]
)
def test_a_text_of_one_thing_over_and_over_ends(name: str, unit: str):
    found, data = golden_of(name)
    head = data.decode("utf-8")[:600]
    for text in (unit * 8_000, head + unit * 8_000, head + "\n" + unit * 8_000):
        survives(found, text)
