"""What ends a training is a sentence: of memory, of files that have gone, of processes that were ended."""

from __future__ import annotations

import os
import signal

import pytest
import torch

from melisma.core.errors import AudioError, TrainingError


class Ends:
    """Makes a callback that raises in front of the third step."""

    def __init__(self, error):
        self.error = error

    def __call__(self, folder):
        import pytorch_lightning as pl

        error = self.error

        class Raise(pl.Callback):
            def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
                if trainer.global_step == 2:
                    raise error

        return [Raise()]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you tried"),
        MemoryError(),
    ],
)
def test_memory_that_is_short_names_what_helps(train, error):
    with pytest.raises(TrainingError, match="ran out of memory after step 2: --micro-batches 6 needs less") as caught:
        train(pieces=3, callbacks=Ends(error))
    assert caught.value.exit_code == 1


def test_other_faults_are_left_as_they_are(train):
    with pytest.raises(RuntimeError, match=r"^something else$"):
        train(callbacks=Ends(RuntimeError("something else")))


@pytest.mark.parametrize("workers", [0, 1])
def test_audio_that_has_gone_is_one_sentence(train, manifests, workers):
    def lose(folder):
        (manifests[0].parent / "ours-3.wav").unlink()
        return []

    with pytest.raises(AudioError) as caught:
        train(workers=workers, callbacks=lose)
    assert str(caught.value).endswith(
        "ours-3.wav was there when the training was prepared, and cannot be read any more"
    )


def test_a_worker_that_is_ended_is_one_sentence(train):
    import pytorch_lightning as pl

    class KillWorker(pl.Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            if trainer.global_step == 2:
                from torch.multiprocessing import active_children

                for child in active_children():
                    os.kill(child.pid, signal.SIGKILL)

    with pytest.raises(TrainingError, match=r"was ended after step \d+ \(DataLoader worker\)"):
        train(steps=400, workers=1, callbacks=lambda folder: [KillWorker()])
