"""Batch work on Modal: stages in containers over a volume that mirrors a folder of this machine."""

from __future__ import annotations

import hashlib
import math
import os
import secrets
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from melisma.core.errors import MissingDependency
from melisma.scale.journal import Journal
from melisma.scale.modal.cloud import Cloud, Needs, Store
from melisma.scale.modal.config import ModalConfig
from melisma.scale.modal.fleet import MOST, Fleet, Run, check_seen
from melisma.scale.modal.ledger import Ledger
from melisma.scale.modal.paths import Paths
from melisma.scale.ordered import in_order, run_in_order
from melisma.scale.protocol import Outcome, Progress, Resources, Stage, Task

_MISSING = "Modal needs an extra: pip install 'melisma[modal]'"
WORKERS = 20  # containers, where nobody says how many


def open_cloud(config: ModalConfig, workers: int | None) -> Cloud:
    """Return Modal, or the rehearsal of it.

    Raises
    ------
    MissingDependency
        If the package of Modal is not installed.
    """
    try:
        if config.rehearsal is not None:
            from melisma.scale.modal.rehearsal import Rehearsal

            return Rehearsal(config.rehearsal, config.mount, workers or 2)
        from melisma.scale.modal.service import ModalCloud
    except ModuleNotFoundError as error:
        if error.name != "modal":
            raise
        raise MissingDependency(_MISSING) from error
    return ModalCloud(config)


def open_store(config: ModalConfig) -> Store:
    """Return the volume as it is seen from outside.

    Raises
    ------
    MissingDependency
        If the package of Modal is not installed.
    """
    if config.rehearsal is not None:
        from melisma.scale.modal.folder_volume import FolderVolume

        return FolderVolume(config.rehearsal)
    try:
        from melisma.scale.modal.store import ModalStore
    except ModuleNotFoundError as error:
        if error.name != "modal":
            raise
        raise MissingDependency(_MISSING) from error
    return ModalStore(config.volume)


@dataclass(frozen=True, slots=True)
class ModalExecutor:
    """Containers of Modal, each one process with one thread a core.

    What stages write lands on the volume, and is fetched by `melisma scale download`; what they read must be there
    (`melisma scale upload`). Outcomes come back here, into the journal.

    Parameters
    ----------
    workers : int, optional
        How many containers at most; 20 without it, 2 in a rehearsal.
    config : ModalConfig
        How things are called, from the environment.
    open : callable
        Returns what does the orders.
    """

    workers: int | None = None
    config: ModalConfig = field(default_factory=ModalConfig.of)
    open: Callable[[ModalConfig, int | None], Cloud] = open_cloud

    @property
    def most(self) -> int:
        """How many containers there are at most."""
        return self.workers or (2 if self.config.rehearsal is not None else WORKERS)

    def run(
        self,
        stage: Stage,
        tasks: Iterable[Task],
        *,
        journal: Path | None = None,
        progress: Progress | None = None,
        resources: Resources | None = None,
    ) -> Iterator[Outcome]:
        """Yield the outcome of every task, in their order; see `Executor.run`.

        Closing the iterator, Ctrl-C and SIGTERM end the calls that are under way, unless they are to go on
        (MELISMA_MODAL_DETACH). What containers had finished is taken by the next run with the same journal, if this
        one is killed as well: it first waits for those that still work.
        """

        def doing(known: Journal) -> Generator[Outcome, None, None]:
            with closing(self.open(self.config, self.workers)) as cloud:
                yield from self._outcomes(cloud, stage, iter(tasks), known, journal, resources)

        return run_in_order(stage, tasks, journal, progress, doing)

    def _outcomes(
        self,
        cloud: Cloud,
        stage: Stage,
        tasks: Iterator[Task],
        known: Journal,
        journal: Path | None,
        resources: Resources | None,
    ) -> Generator[Outcome, None, None]:
        paths = Paths(str(self.config.root), cloud.mount, self.config.folders, os.getcwd())
        if not cloud.same_disk:
            check_seen(stage, paths)
        run = Run(_run_name(stage, journal), stage, paths, _place(paths), self.needs(resources))
        fleet = Fleet(run, cloud, self.config, known, Ledger(journal))
        yield from in_order(fleet, tasks, known, fleet.window * MOST)

    def needs(self, resources: Resources | None) -> Needs:
        """Return what a container of a stage is given."""
        said = resources or Resources()
        longest = min(said.seconds or self.config.task_s, self.config.task_s)
        return Needs(
            cpus=said.cpus,
            memory_mb=said.memory_mb,
            gpu=f"{self.config.gpu}:{math.ceil(said.gpus)}" if said.gpus > 0 else None,
            # A task begins before the call is to stop, and then has its whole time.
            timeout_s=self.config.stop_s + longest,
            workers=self.most,
        )


def _run_name(stage: Stage, journal: Path | None) -> str:
    """Return a name for the outcomes of a run: the same again where the run can go on, that is by its journal."""
    if journal is None:
        return secrets.token_hex(16)
    said = "\0".join((stage.name, stage.configuration(), os.path.abspath(journal)))
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _place(paths: Paths) -> str | None:
    """Return the container's folder for this one, so that relative paths lead to the same files."""
    here = os.getcwd()
    there = paths.there(here)
    return there if there != here else None
