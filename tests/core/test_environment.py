"""Other names for our variables, and secrets in files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from melisma.core import environment
from melisma.core.errors import InputError


@pytest.mark.parametrize("alias", environment.ALIASES, ids=lambda alias: alias.name)
def test_another_name_is_heard_as_our_own(alias):
    environ = {alias.name: "1"}
    environment.settle(environ)
    assert environ[alias.ours] == ("onset" if alias.name == "KARAOKE_ONSET_REFINE" else "1")


@pytest.mark.parametrize("alias", environment.ALIASES, ids=lambda alias: alias.name)
def test_our_own_name_wins(alias):
    environ = {alias.name: "1", alias.ours: "ours"}
    environment.settle(environ)
    assert environ[alias.ours] == "ours"


def test_what_is_set_to_nothing_is_not_set():
    environ = {"CTC_ALIGN_DEVICE": "cuda:1", "MELISMA_DEVICE": " ", "KARAOKE_ALIGNMENT_ENGINE": ""}
    environment.settle(environ)
    assert environ["MELISMA_DEVICE"] == "cuda:1"
    assert "MELISMA_ENGINE" not in environ


@pytest.mark.parametrize(("said", "refine"), [("true", "onset"), ("FALSE", ""), ("0", "")])
def test_a_switch_for_onsets_becomes_a_list_of_refinements(said, refine):
    environ = {"KARAOKE_ONSET_REFINE": said}
    environment.settle(environ)
    assert environ["MELISMA_REFINE"] == refine


def test_a_switch_that_is_none_is_one_sentence_with_the_name_that_was_set():
    environ = {"KARAOKE_ONSET_REFINE": "perhaps", "CTC_ALIGN_DEVICE": "cpu"}
    with pytest.raises(InputError, match=r"^KARAOKE_ONSET_REFINE is 1 or 0, not 'perhaps'$"):
        environment.settle(environ)
    assert "MELISMA_DEVICE" not in environ


@pytest.mark.parametrize("name", environment.SECRET_FILES)
def test_a_secret_may_lie_in_a_file(name, tmp_path: Path):
    path = tmp_path / "secret"
    path.write_text("s3cret\n", encoding="utf-8")
    environ = {name: str(path)}
    environment.settle(environ)
    assert environ[environment.SECRET_FILES[name]] == "s3cret"
    environ[environment.SECRET_FILES[name]] = "set"
    environment.settle(environ)
    assert environ[environment.SECRET_FILES[name]] == "set"


def test_a_file_that_is_not_there_is_named_by_its_variable(tmp_path: Path):
    with pytest.raises(InputError, match="that MELISMA_REDIS_URL_FILE names cannot be read: No such file"):
        environment.settle({"MELISMA_REDIS_URL_FILE": str(tmp_path / "gone")})


def test_a_file_of_bytes_is_no_secret(tmp_path: Path):
    path = tmp_path / "secret"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="that MELISMA_REDIS_URL_FILE names is no text in UTF-8"):
        environment.settle({"MELISMA_REDIS_URL_FILE": str(path)})


def test_the_document_knows_no_other_name():
    """Those of the specification, as it lists them; GROQ_API_KEY is heard as it is."""
    document = (Path(__file__).parents[2] / "docs" / "karaoke-v2.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`((?:KARAOKE|CTC)_[A-Z_]+)`", document))
    assert told == {alias.name for alias in environment.ALIASES}
