"""Fonts: by name, of those that are installed."""

from __future__ import annotations

import shutil

import pytest

from melisma.core.errors import InputError, UnknownName
from melisma.pipeline.video import fonts

needs_fontconfig = pytest.mark.skipif(shutil.which("fc-list") is None, reason="needs fontconfig")


@pytest.fixture
def families(monkeypatch):
    def install(*names):
        monkeypatch.setattr(fonts, "_families", lambda: names)

    return install


@needs_fontconfig
def test_what_is_installed_is_listed_once_and_in_order():
    found = fonts.installed()
    assert found
    assert list(found) == sorted(set(found), key=str.casefold)
    assert not any("," in name or "/" in name for name in found)


@needs_fontconfig
def test_characters_are_looked_up_in_all_fonts():
    assert fonts.missing(["Abc", "é"]) == ()
    assert fonts.missing(["a\U000e0fff b"]) == ()  # no letter
    assert "\U0001fbfa" not in fonts.missing(["a"])


def test_a_font_is_found_in_any_case(families):
    families("DejaVu Sans", "Liberation Serif")
    assert fonts.choose("liberation SERIF ") == "Liberation Serif"
    assert fonts.choose("") == "DejaVu Sans"


def test_a_usual_one_is_taken_and_else_any(families):
    families("Comic", "Liberation Sans")
    assert fonts.choose("") == "Liberation Sans"
    families("Comic", "Zapf")
    assert fonts.choose("") == "Comic"
    families()
    assert fonts.choose("") == "sans-serif"


@pytest.mark.parametrize(
    "name", ["Nothing", "../DejaVu Sans", "DejaVu Sans,99", "DejaVu Sans\nStyle: x", "DejaVu Sans.ttf"]
)
def test_anything_else_is_refused(families, name):
    families("DejaVu Sans")
    with pytest.raises(UnknownName, match="DejaVu Sans"):
        fonts.choose(name)


def test_without_fontconfig_there_is_no_choice(families):
    families()
    with pytest.raises(InputError, match="fc-list"):
        fonts.choose("DejaVu Sans")


@pytest.mark.parametrize("name", ["A,B", "{x}", "back\\slash", "@vertical", ".hidden", "new\nline", "", 101 * "x"])
def test_names_that_a_style_cannot_hold_are_not_offered(name):
    assert not fonts._is_plain(name)


def test_ranges_are_joined(monkeypatch):
    fonts._ranges.cache_clear()
    monkeypatch.setattr(fonts, "_asked", lambda form: ["20-7e a0-ff", "61-a5 nonsense 4e00"])
    try:
        assert fonts._ranges() == ((0x20, 0xFF), (0x4E00, 0x4E00))
        assert fonts.missing(["aé一二"]) == ("二",)
    finally:
        fonts._ranges.cache_clear()
