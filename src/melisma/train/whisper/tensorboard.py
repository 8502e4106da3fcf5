"""Events for TensorBoard, where it is asked for."""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from melisma.core.errors import MissingDependency
from melisma.core.files import make_folder

_NO_SCALARS = frozenset({"step", "timestamp", "memory"})  # `memory` is `memory_mb` by the contract's name


def require_tensorboard() -> None:
    """Look whether TensorBoard is installed.

    Raises
    ------
    MissingDependency
        If it is not.
    """
    if find_spec("tensorboard") is None:
        raise MissingDependency("--tensorboard needs tensorboard: pip install 'melisma[tensorboard]'")


class Events:
    """Writes every number of every line, under `stage/name`.

    Parameters
    ----------
    folder : Path
        For `tensorboard --logdir`, or that it lies in.
    step : int
        That is done already; events of later steps are hidden, for they come again.

    Raises
    ------
    MissingDependency
        If TensorBoard is not installed.
    """

    def __init__(self, folder: Path, step: int) -> None:
        require_tensorboard()
        self.folder, self._step = folder, step
        self._writer: Any = None

    def add(self, line: dict[str, Any]) -> None:
        """Take a line."""
        if self._writer is None:
            self._writer = self._open()
        for key, value in _numbers(line):
            self._writer.add_scalar(f"{line['stage']}/{key}", value, line["step"])
        self._writer.flush()

    def close(self) -> None:
        """Write what is left."""
        if self._writer is not None:
            self._writer.close()

    def _open(self) -> Any:
        from torch.utils.tensorboard import SummaryWriter

        make_folder(self.folder)
        return SummaryWriter(str(self.folder), purge_step=self._step + 1 if self._step else 0)


def _numbers(line: dict[str, Any]) -> list[tuple[str, float]]:
    found = [(key, value) for key, value in line.items() if key not in _NO_SCALARS]
    for language, rates in (line.get("by_language") or {}).items():
        found += [(f"{key}_{language}", value) for key, value in rates.items()]
    return [(k, v) for k, v in found if isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v)]
