from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from melisma.core import plugins
from melisma.core.errors import UnknownName

GROUP = "melisma.engines"


@pytest.fixture
def installed(monkeypatch):
    """Offer entry points of our own in place of the installed ones."""

    def offer(*points: tuple[str, str]) -> None:
        found = [EntryPoint(name, value, GROUP) for name, value in points]
        monkeypatch.setattr(plugins, "entry_points", lambda group: [p for p in found if p.group == group])
        plugins._points.cache_clear()

    yield offer
    plugins._points.cache_clear()


def test_names_are_sorted_and_load_nothing(installed):
    installed(("zither", "no.such.module:X"), ("alto", "nor.this:Y"))
    assert plugins.names(GROUP) == ["alto", "zither"]


def test_load_gives_the_object_that_the_entry_point_names(installed):
    installed(("path", "pathlib:PurePath.joinpath"))
    from pathlib import PurePath

    assert plugins.load(GROUP, "path") is PurePath.joinpath


def test_two_plugins_of_one_name_are_an_error_that_names_both(installed):
    installed(("alto", "one.package:Alto"), ("alto", "another.package:Alto"))
    with pytest.raises(plugins.DuplicatePlugin, match=r"'alto': one\.package:Alto and another\.package:Alto"):
        plugins.names(GROUP)


def test_one_plugin_seen_twice_on_the_path_is_one(installed):
    installed(("alto", "pathlib:Path"), ("alto", "pathlib:Path"))
    assert plugins.names(GROUP) == ["alto"]


def test_an_unknown_name_lists_what_exists(installed):
    installed(("zither", "a:b"), ("alto", "c:d"))
    with pytest.raises(UnknownName, match="no engine is called 'bass'; there are: alto, zither"):
        plugins.load(GROUP, "bass")


def test_an_unknown_name_in_an_empty_group_says_so(installed):
    installed()
    with pytest.raises(UnknownName, match="there are none"):
        plugins.load(GROUP, "bass")


@pytest.mark.parametrize("value", ["no_such_module_at_all:X", "pathlib:NoSuchThing"])
def test_a_plugin_that_cannot_be_imported_is_one_sentence(installed, value):
    installed(("bass", value))
    with pytest.raises(plugins.BrokenPlugin, match=f"the plug-in 'bass' \\({value}\\) cannot be loaded"):
        plugins.load(GROUP, "bass")


def test_the_built_in_engine_and_formats_enter_by_the_same_door():
    assert "phone" in plugins.names(plugins.ENGINES)
    assert {"json", "lrc", "srt"} <= set(plugins.names(plugins.FORMATS))
