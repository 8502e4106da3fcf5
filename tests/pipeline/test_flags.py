"""Switches: read again when the file changes, written whole, never trusted."""

from __future__ import annotations

import os

import pytest

from melisma.core.errors import InputError, OutputError
from melisma.pipeline.flags import Flags


def changed(path, text):
    """Write a file so that its time differs, however coarse the clock of the file system is."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(before + 10**9, before + 10**9))


def test_without_a_file_all_are_on(tmp_path):
    assert not Flags(tmp_path / "none" / "flags.toml").off("one")


@pytest.mark.parametrize(("name", "text"), [("f.toml", '[engines]\n"one" = false\ntwo = true\n'),
                                            ("f.json", '{"engines": {"one": false, "two": true}}')])  # fmt: skip
def test_an_engine_is_off_where_the_file_says_so(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    flags = Flags(tmp_path / name)
    assert [flags.off(each) for each in ("one", "two", "three")] == [True, False, False]


def test_it_is_read_again_when_it_changes_comes_and_goes(tmp_path):
    path = tmp_path / "flags.toml"
    flags = Flags(path)
    assert not flags.off("one")
    changed(path, "[engines]\none = false\n")
    assert flags.off("one")
    changed(path, "[engines]\none = true\n")
    assert not flags.off("one")
    changed(path, "[engines]\none = false\n")
    assert flags.off("one")
    path.unlink()
    assert not flags.off("one")


@pytest.mark.parametrize("name", ["flags.toml", "flags.json"])
def test_what_is_switched_is_read_back_and_others_stay(tmp_path, name):
    path = tmp_path / "new" / name
    flags = Flags(path)
    flags.switch("one", False)
    flags.switch('odd "name"', False)
    flags.switch("two", True)
    assert dict(Flags(path).switches()) == {"one": False, "two": True, 'odd "name"': False}
    assert flags.off("one")
    flags.switch("one", True)
    assert not flags.off("one")


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("f.toml", "[engines", "is no TOML"),
        ("f.toml", "[engines]\none = 1\n", "true or false"),
        ("f.toml", "engines = 3\n", "true or false"),
        ("f.toml", "[engine]\none = false\n", "holds 'engine'"),
        ("f.json", "{", "is no JSON"),
        ("f.json", "[]", "is no JSON object"),
        ("f.json", '{"engines": [1]}', "true or false"),
    ],
)
def test_a_file_that_is_wrong_from_the_beginning_is_one_sentence(tmp_path, name, text, sentence):
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=sentence):
        Flags(tmp_path / name).off("one")
    with pytest.raises(InputError, match=sentence):
        Flags(tmp_path / name).switch("one", True)
    assert (tmp_path / name).read_text(encoding="utf-8") == text


def test_a_file_that_is_damaged_later_leaves_the_switches_as_they_were(tmp_path):
    path = tmp_path / "flags.toml"
    changed(path, "[engines]\none = false\n")
    flags = Flags(path)
    assert flags.off("one")
    changed(path, "[engines")
    assert flags.off("one")
    changed(path, "[engines]\none = true\n")
    assert not flags.off("one")


def test_a_folder_in_its_place_is_one_sentence(tmp_path):
    (tmp_path / "flags.toml").mkdir()
    with pytest.raises(InputError, match="cannot read the flags"):
        Flags(tmp_path / "flags.toml").off("one")


def test_where_nothing_can_be_written_it_says_so(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OutputError, match="cannot make the folder"):
        Flags(tmp_path / "file" / "flags.toml").switch("one", False)
