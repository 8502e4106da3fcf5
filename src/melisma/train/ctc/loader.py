"""Batches to the process that trains: from any step on, by workers that only read, augment and pad."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from melisma.scale.crew import one_thread
from melisma.train.ctc.batches import Plan, Share, StepSampler
from melisma.train.ctc.collate import ClipDataset, Collate

_AHEAD = 4  # batches that each worker has ready


class StepLoader(DataLoader[Any]):
    """A loader that Lightning takes for one that can go on in the middle: its sampler begins where it is told."""

    def __iter__(self) -> Any:
        """Return the batches; workers that begin here use one thread each and leave the cores to the network."""
        with one_thread():
            return super().__iter__()

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: which batch comes next follows from the step, which the checkpoint holds."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take nothing; see `state_dict`."""


class Batches(pl.LightningDataModule):
    """The batches of a training, shared out among its processes.

    Parameters
    ----------
    dataset : ClipDataset
        The clips.
    plan : Plan
        Which of them meet.
    steps, done : int
        Of the optimiser: in all, and those that are done.
    pieces : int
        Into how many each batch is cut.
    workers : int
        Processes that make batches; 0 makes them in this one.
    """

    def __init__(
        self, dataset: ClipDataset, plan: Plan, steps: int, *, done: int = 0, pieces: int = 1, workers: int = 0
    ) -> None:
        super().__init__()
        self.dataset, self.plan, self.steps, self.done = dataset, plan, steps, done
        self.pieces, self.workers = pieces, workers

    def train_dataloader(self) -> StepLoader:
        """Return the batches of this process that are left."""
        trainer: Any = self.trainer
        each = trainer.accumulate_grad_batches
        share = Share(self.pieces, trainer.global_rank, trainer.world_size)
        sampler = StepSampler(self.plan, self.steps * each, share)
        sampler.first = self.done * each
        return loader(self.dataset, sampler, self.workers, pin=trainer.strategy.root_device.type == "cuda")


def loader(dataset: ClipDataset, sampler: StepSampler, workers: int, *, pin: bool = False) -> StepLoader:
    """Return a loader of the batches of a sampler."""
    return StepLoader(
        dataset,
        batch_sampler=sampler,
        num_workers=workers,
        collate_fn=Collate(dataset.hearing),
        pin_memory=pin,
        multiprocessing_context="spawn" if workers else None,
        persistent_workers=workers > 0,
        prefetch_factor=_AHEAD if workers else None,
        worker_init_fn=_quiet_worker if workers else None,
    )


def _quiet_worker(number: int) -> None:
    """Leave the cores to the network."""
    torch.set_num_threads(1)
