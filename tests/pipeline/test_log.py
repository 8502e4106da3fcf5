"""The line of an attempt: its keys, where it goes, and that it goes nowhere by itself."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

import pytest

from melisma.core.errors import InputError
from melisma.pipeline import log

WRITE = """
import sys
from melisma.aligner.gate import Verdict
from melisma.core.errors import EngineTimeout
from melisma.engines.protocol import EngineFacts, Licence, Task
from melisma.pipeline import log
facts = EngineFacts("one", "1", "a/model", "abc", Licence("MIT", True), Task.EMIT, 16000)
with log.shown({verbose}):
    log.Attempt("trück", facts).failed(EngineTimeout("too long"))
    log.skipped("trück", "two", "it is off")
"""


def written(verbose=False, **env):
    code = WRITE.format(verbose=verbose)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, encoding="utf-8",
        env={"PATH": "/usr/bin", "PYTHONIOENCODING": "utf-8", **env},
    )  # fmt: skip
    assert done.stdout == ""
    return done.stderr


def test_by_itself_nothing_is_written():
    assert written() == ""


def test_as_json_a_line_holds_every_key():
    lines = [json.loads(line) for line in written(MELISMA_LOG="json").splitlines()]
    assert len(lines) == 2
    assert set(log.KEYS) <= set(lines[0])
    assert lines[0]["track_id"] == "trück"
    assert lines[0]["tier_used"] == "one"
    assert lines[0]["model_version"] == "a/model@abc"
    assert lines[0]["fallback_reason"] == "EngineTimeout: too long"
    assert (lines[0]["word_count"], lines[0]["confidence_avg"]) == (0, None)
    assert isinstance(lines[0]["duration_ms"], int)
    assert lines[0]["level"] == "warning"
    assert lines[0]["timestamp"].endswith("Z")
    assert (lines[1]["event"], lines[1]["fallback_reason"]) == ("skipped", "it is off")


def test_verbose_writes_for_people():
    lines = written(verbose=True).splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("event='attempt' track_id='trück' tier_used='one'")
    assert "confidence_avg" not in lines[0]


def test_json_takes_the_place_of_what_verbose_shows():
    assert len([json.loads(line) for line in written(verbose=True, MELISMA_LOG="json").splitlines()]) == 2


def test_it_stops_when_it_is_no_longer_asked_for(capsys):
    log.set_up({"MELISMA_LOG": "json"})
    log.skipped("a song", "two", "it is off")
    log.set_up({})
    log.skipped("a song", "three", "it is off")
    with log.shown(True):
        log.skipped("a song", "four", "it is off")
    log.skipped("a song", "five", "it is off")
    first, second = capsys.readouterr().err.splitlines()
    assert json.loads(first)["tier_used"] == "two"
    assert "tier_used='four'" in second


def test_another_value_is_one_sentence():
    with pytest.raises(InputError, match="MELISMA_LOG is json or is not set, not 'xml'"):
        log.set_up({"MELISMA_LOG": "xml"})


def test_a_program_finds_the_values_in_the_record(caplog):
    with caplog.at_level(logging.INFO, logger="melisma"):
        log.skipped("a song", "two", "it is off")
    record = caplog.records[-1]
    assert (record.message, record.track_id, record.tier_used) == ("skipped", "a song", "two")
