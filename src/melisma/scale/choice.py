"""Which executor a command works with: as its options, its environment or a file of settings say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from melisma.core.errors import InputError
from melisma.core.settings import n_threads
from melisma.scale import ray
from melisma.scale.forecast import Forecast
from melisma.scale.local import LocalExecutor
from melisma.scale.modal.executor import ModalExecutor
from melisma.scale.preview import Foretelling, Plan
from melisma.scale.protocol import Executor

LOCAL, RAY, MODAL = "local", "ray", "modal"
NAMES = (LOCAL, RAY, MODAL)


@dataclass(frozen=True, slots=True)
class Choice:
    """An executor by its name.

    Parameters
    ----------
    name : str
        "local", "ray" or "modal".
    workers : int, optional
        How many processes; as many as there are cores, or as the cluster has, without it.
    """

    name: str = LOCAL
    workers: int | None = None

    def open(self) -> Executor:
        """Return the executor.

        Raises
        ------
        InputError
            If there is none of that name.
        MissingDependency
            If its extra is not installed.
        """
        if self.name == LOCAL:
            return LocalExecutor(self.workers)
        if self.name == RAY:
            ray.require()
            return ray.RayExecutor(self.workers)
        if self.name == MODAL:
            return ModalExecutor(self.workers)
        raise InputError(f"{self.name!r} is no executor: take {', '.join(NAMES)}")

    def foretelling(self, tell: Callable[[Forecast], None], *, always: bool = False) -> Executor:
        """Return the executor as one that says of big runs, or of all, what they will take before they begin.

        Parameters
        ----------
        tell : callable
            Told of the forecast; what it raises ends the run before it begins.
        always : bool
            Also of runs that are not big.
        """
        executor = self.open()
        if isinstance(executor, ModalExecutor):
            return Foretelling(executor, Plan(self.name, executor.most, gpu=executor.config.gpu), tell, always)
        most = executor.most if isinstance(executor, (LocalExecutor, ray.RayExecutor)) else None
        return Foretelling(executor, Plan(self.name, self.workers or n_threads()), tell, always, most)
