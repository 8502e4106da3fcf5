"""What ends a training before its last step, in a sentence that says what to do, in the place of a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytorch_lightning as pl

from melisma.core.errors import MelismaError, TrainingError
from melisma.train.last_words import tells_of_memory


@contextmanager
def told(trainer: pl.Trainer, pieces: int) -> Iterator[None]:
    """Say what has ended a training, where its reader can do something about it.

    Parameters
    ----------
    trainer : pl.Trainer
        Of it.
    pieces : int
        Into how many its batches are cut.

    Raises
    ------
    TrainingError
        If memory was short, or a process that makes batches was ended from outside.
    MelismaError
        What such a process has said itself, without torch's traceback in front.
    """
    try:
        yield
    except MelismaError as error:
        said = str(error)
        if "\nOriginal Traceback" not in said:
            raise
        raise type(error)(said.strip().splitlines()[-1].partition(": ")[2]) from error
    except (RuntimeError, MemoryError, ConnectionError, EOFError) as error:
        step = trainer.global_step
        if isinstance(error, MemoryError) or tells_of_memory(str(error)):
            raise TrainingError(
                f"the training ran out of memory after step {step}: --micro-batches {2 * pieces} needs less at a time, "
                "and melisma train supervise adds it by itself"
            ) from error
        # A process that is killed while it hands a batch over breaks off a connection before torch sees that it died.
        if isinstance(error, (ConnectionError, EOFError)) or "DataLoader worker" in str(error):
            raise TrainingError(
                f"a process that makes batches was ended after step {step} (DataLoader worker): where memory is short, "
                "give fewer --workers; the same command goes on from the last checkpoint"
            ) from error
        raise
