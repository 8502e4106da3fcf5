"""Who does little work, and where files lie that a stage writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from melisma.scale.again import again, here, writes_here
from melisma.scale.local import LocalExecutor
from melisma.scale.modal.config import ModalConfig
from melisma.scale.modal.executor import ModalExecutor
from melisma.scale.preview import Foretelling, Plan
from melisma.scale.protocol import Executor, Task
from melisma.testing.executors import Script


class Foretold(Exception):
    """Ends a run that was only to be foretold."""


def told(executor: Executor, *, always: bool = False) -> Foretelling:
    def end(forecast: object) -> None:
        raise Foretold

    return Foretelling(executor, Plan("local", 1), end, always)


def test_little_work_is_done_in_this_process():
    assert here(None) == here(LocalExecutor(8)) == here(told(LocalExecutor(8))) == LocalExecutor(1)
    assert again(LocalExecutor(8), Script(), Task("a", 21)).value == 42


def test_little_work_elsewhere_stays_there(tmp_path: Path):
    modal = ModalExecutor(2, ModalConfig(root=tmp_path))
    assert here(modal) is modal
    assert here(told(modal)) is modal


def test_little_work_that_is_to_be_foretold_is_not_done():
    with pytest.raises(Foretold):
        list(here(told(LocalExecutor(1), always=True)).run(Script(), [Task("a", 1)]))


def test_files_on_a_volume_are_not_looked_for_here(tmp_path: Path):
    modal = ModalExecutor(2, ModalConfig(root=tmp_path))
    assert [writes_here(each) for each in (None, LocalExecutor(2), modal, told(modal))] == [True, True, False, False]
