from __future__ import annotations

import json
import subprocess
import sys

import pytest

from melisma.core.errors import Conflict, InputError, UnknownName
from melisma.models.registry import Entry, Registry


@pytest.fixture
def registry(tmp_path):
    return Registry(tmp_path / "state" / "models.json")


def test_a_table_that_is_not_there_is_empty(registry):
    assert registry.entries() == {}
    assert registry.find("mine") is None


def test_what_is_added_is_found_until_it_is_removed(registry):
    entry = Entry(path="/models/mine", revision="abc")
    registry.add("mine", entry)
    registry.add("another", Entry(path="/models/b"))
    assert list(registry.entries()) == ["another", "mine"]
    assert registry.find("mine") == entry
    assert registry.remove("mine") == entry
    assert registry.find("mine") is None


@pytest.mark.parametrize("name", ["", "Mine", "a:b", "a/b", "../x", "a b", "-x", "x" * 65, "é"])
def test_what_is_no_name_is_refused(registry, name):
    with pytest.raises(InputError, match="is no name for a model"):
        registry.add(name, Entry(path="/models/mine"))
    assert not registry.file.exists()


def test_names_of_engines_are_refused(registry):
    with pytest.raises(Conflict, match="'ears' is the name of an engine"):
        registry.add("ears", Entry(path="/models/mine"), taken={"ears"})


def test_a_name_stands_for_one_model(registry):
    registry.add("mine", Entry(path="/models/a"))
    registry.add("mine", Entry(path="/models/a", revision="new"))
    with pytest.raises(Conflict, match="'mine' stands for /models/a"):
        registry.add("mine", Entry(path="/models/b"))
    registry.add("mine", Entry(path="/models/b"), replace=True)
    assert registry.entries()["mine"].path == "/models/b"


def test_a_name_that_is_not_there_cannot_be_removed(registry):
    registry.add("mine", Entry(path="/models/a"))
    with pytest.raises(UnknownName, match="no added model is called 'yours'; there are: mine"):
        registry.remove("yours")


@pytest.mark.parametrize("text", ["{", '{"models": []}', '{"models": {"a": {}}}'])
def test_a_damaged_table_is_one_sentence(registry, text):
    registry.file.parent.mkdir()
    registry.file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="is damaged"):
        registry.entries()


def test_names_that_nobody_could_have_added_are_passed_over(registry):
    registry.file.parent.mkdir()
    registry.file.write_text(json.dumps({"models": {"../x": {"path": "/x"}, "ok": {"path": "/y"}}}), encoding="utf-8")
    assert list(registry.entries()) == ["ok"]


ADD = """
import sys
from pathlib import Path
from melisma.models import registry
from melisma.models.registry import Entry, Registry
registry._WAIT_S = 300.0  # a slow disk is no program that is stuck
for name in sys.argv[2:]:
    Registry(Path(sys.argv[1])).add(name, Entry(path=f"/models/{name}"))
"""


def test_programs_that_add_at_once_lose_none(registry):
    lists = [[f"m{k}-{n}" for n in range(10)] for k in range(3)]
    programs = [subprocess.Popen([sys.executable, "-c", ADD, str(registry.file), *names]) for names in lists]
    assert [program.wait() for program in programs] == [0, 0, 0]
    assert set(registry.entries()) == {name for names in lists for name in names}


def test_a_language_has_one_default(registry):
    registry.add("small", Entry(path="/models/small"))
    registry.add("large", Entry(path="/models/large"))
    assert registry.defaults() == {}
    registry.set_default("hr", "small")
    registry.set_default("sr", "small")
    registry.set_default("hr", "large")
    assert registry.defaults() == {"hr": "large", "sr": "small"}
    registry.set_default("sr", None)
    registry.set_default("sr", None)
    assert registry.defaults() == {"hr": "large"}


def test_only_a_name_that_was_added_is_a_default(registry):
    with pytest.raises(UnknownName, match="small"):
        registry.set_default("hr", "small")
    assert registry.defaults() == {}


def test_a_model_that_is_taken_away_is_nobodys_default(registry):
    registry.add("small", Entry(path="/models/small"))
    registry.set_default("hr", "small")
    registry.remove("small")
    assert registry.defaults() == {}
    registry.add("small", Entry(path="/models/small"))
    assert registry.defaults() == {}


def test_a_default_that_names_nothing_is_passed_over(registry):
    registry.file.parent.mkdir()
    said = {"models": {"ok": {"path": "/y"}}, "defaults": {"hr": "gone", "sr": "ok"}}
    registry.file.write_text(json.dumps(said), encoding="utf-8")
    assert registry.defaults() == {"sr": "ok"}


def test_a_table_without_defaults_is_an_older_one(registry):
    registry.file.parent.mkdir()
    registry.file.write_text(json.dumps({"models": {"ok": {"path": "/y"}}}), encoding="utf-8")
    registry.set_default("hr", "ok")
    assert (list(registry.entries()), registry.defaults()) == (["ok"], {"hr": "ok"})
