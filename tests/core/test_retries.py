"""Retries are told in the log, unless a program has said where it wants them."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import stamina
from stamina.instrumentation import set_on_retry_hooks

import melisma
from melisma.core.retries import into_log


@pytest.fixture(autouse=True)
def _as_found():
    set_on_retry_hooks(None)
    yield
    set_on_retry_hooks(None)


def fail_once() -> None:
    left = [OSError("the line is dead")]
    for attempt in stamina.retry_context(on=OSError, attempts=2, wait_initial=0, wait_max=0, wait_jitter=0):
        with attempt:
            if left:
                raise left.pop()


def test_a_retry_is_in_the_log_and_not_on_standard_output(capfd, caplog):
    into_log()
    with caplog.at_level(logging.INFO, "melisma.retries"):
        fail_once()
    assert capfd.readouterr().out == ""
    assert [record.name for record in caplog.records] == ["melisma.retries"]
    assert "the line is dead" in caplog.text


def test_hooks_of_a_program_stay(capfd, caplog):
    told = []
    set_on_retry_hooks([told.append])
    into_log()
    with caplog.at_level(logging.INFO, "melisma.retries"):
        fail_once()
    assert len(told) == 1
    assert not caplog.records


def test_a_structlog_that_a_program_has_set_up_hears_of_retries(capfd):
    import structlog

    told = []
    structlog.configure(processors=[lambda logger, method, event: told.append(event) or ""])
    try:
        into_log()
        fail_once()
    finally:
        structlog.reset_defaults()
    assert [event["event"] for event in told] == ["stamina.retry_scheduled"]


def test_whoever_asks_again_tells_the_log():
    root = Path(melisma.__file__).parent
    asking = [path for path in root.rglob("*.py") if "stamina.retry" in path.read_text(encoding="utf-8")]
    assert len(asking) >= 2
    assert [path.name for path in asking if "into_log()" not in path.read_text(encoding="utf-8")] == []
