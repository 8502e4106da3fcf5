"""One task anew, and few tasks: work for which no process of its own is started on this machine."""

from __future__ import annotations

from melisma.scale.local import LocalExecutor
from melisma.scale.modal.executor import ModalExecutor
from melisma.scale.preview import Foretelling, on_this_machine, underlying
from melisma.scale.protocol import Executor, Outcome, Stage, Task


def here(executor: Executor | None) -> Executor:
    """Return what does little work: this process where the work is done on this machine, else the executor itself.

    A process of its own takes longer to start than a few small tasks last. A run that is only to be foretold stays so.
    """
    if isinstance(executor, Foretelling) and executor.always:
        return executor
    return LocalExecutor(1) if executor is None or on_this_machine(executor) else underlying(executor)


def writes_here(executor: Executor | None) -> bool:
    """Tell whether files that a stage writes lie where this program sees them; those of Modal lie on its volume."""
    return executor is None or not isinstance(underlying(executor), ModalExecutor)


def again(executor: Executor | None, stage: Stage, task: Task) -> Outcome:
    """Do one task that a journal had as done, and whose files are gone."""
    (outcome,) = here(executor).run(stage, [task])
    return outcome
