"""The windows of a training in one long row, pass after pass: the batch of any step can be made at any time.

A pass is drawn from the seed and its number alone, and packs clips anew, so passes differ in length. A batch that the
end of a pass would leave short is filled from the next one. What is learnt therefore depends on the step only: a
training that was killed goes on with the batch that came next, and processes share every batch out between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from melisma.core.errors import InputError
from melisma.scale.crew import one_thread

_AHEAD = 2  # batches that each worker has ready; a window's log-mels take a megabyte
_KEPT = 2  # passes whose order is remembered


class Passes(Protocol):
    """What draws a pass; `melisma.train.whisper.windows.Windows` does."""

    def plan(self, epoch: int) -> Sequence[Any]:
        """Return the windows of a pass, in order."""


class Row:
    """The windows of a training, counted from its beginning.

    Parameters
    ----------
    windows : Passes
        Draws them.
    lengths : list of int
        Of the passes that are known already, as a checkpoint has them; others are drawn to be counted.
    """

    def __init__(self, windows: Passes, lengths: Sequence[int] = ()) -> None:
        self.windows = windows
        self.lengths = [int(n) for n in lengths]
        self._plans: dict[int, Sequence[Any]] = {}

    def at(self, number: int) -> Any:
        """Return a window by its number."""
        which, first = 0, 0
        while number >= first + self._length(which):
            first += self.lengths[which]
            which += 1
        return self._plan(which)[number - first]

    def epoch(self, number: int) -> float:
        """Return how many passes are over when so many windows are learnt from."""
        which, first = 0, 0
        while number >= first + self._length(which):
            first += self.lengths[which]
            which += 1
        return which + (number - first) / self.lengths[which]

    def _length(self, which: int) -> int:
        while which >= len(self.lengths):
            n = len(self._plan(len(self.lengths)))
            if not n:
                raise InputError("a pass over the training set holds no window")
            self.lengths.append(n)
        return self.lengths[which]

    def _plan(self, which: int) -> Sequence[Any]:
        if which not in self._plans:
            self._plans = dict(sorted(self._plans.items())[-(_KEPT - 1) :])
            self._plans[which] = self.windows.plan(which)
        return self._plans[which]


class StepSampler(Sampler[list[Any]]):
    """Gives the batches of a row that one process learns from, from any step on.

    Parameters
    ----------
    row : Row
        The windows.
    batch_size : int
        Windows of a batch, of all processes.
    n_batches, done : int
        Batches of the training, and those that are done.
    rank, world : int
        Which process this is, of how many.
    """

    def __init__(
        self, row: Row, batch_size: int, n_batches: int, *, done: int = 0, rank: int = 0, world: int = 1
    ) -> None:
        self.row, self.batch_size, self.n_batches = row, batch_size, n_batches
        self.done, self.rank, self.world = done, rank, world

    def __iter__(self) -> Iterator[list[Any]]:
        """Yield the batches that are left."""
        for number in range(self.done, self.n_batches):
            first = number * self.batch_size
            yield [self.row.at(first + k) for k in range(self.rank, self.batch_size, self.world)]

    def __len__(self) -> int:
        """Return the number of all batches, those that are done too: it is what the trainer counts steps by."""
        return self.n_batches


def loader(dataset: Dataset[Any], sampler: StepSampler, collate: Any, workers: int, *, pin: bool) -> DataLoader[Any]:
    """Return a loader of the batches of a sampler; it leaves torch's own random state alone.

    Parameters
    ----------
    dataset : Dataset
        Makes windows; it is sent to the workers.
    sampler : StepSampler
        Which.
    collate : callable
        Makes a batch of them.
    workers : int
        Processes that make batches; 0 makes them in this one.
    pin : bool
        Whether batches go into memory that a CUDA device reads without waiting.
    """
    return _Loader(
        dataset,
        batch_sampler=sampler,
        collate_fn=collate,
        num_workers=workers,
        pin_memory=pin,
        generator=torch.Generator().manual_seed(0),  # else every start of it would draw from that of the dropout
        multiprocessing_context="spawn" if workers else None,
        persistent_workers=workers > 0,
        prefetch_factor=_AHEAD if workers else None,
        worker_init_fn=_quiet_worker if workers else None,
    )


class _Loader(DataLoader[Any]):
    """A loader whose workers use one thread each and leave the cores to the network."""

    def __iter__(self) -> Any:
        with one_thread():
            return super().__iter__()


def _quiet_worker(number: int) -> None:
    torch.set_num_threads(1)
