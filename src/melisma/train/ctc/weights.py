"""How often each clip is drawn, as `melisma data balance --weights` writes it: `{"id": …, "weight": …}` a line."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from melisma.core.errors import InputError
from melisma.data.manifest import read
from melisma.train.ctc.dataset import Clips

_MOST = 1000.0  # times that a clip may be drawn in a pass: beyond it a pass would hold little else


@dataclass(frozen=True, slots=True)
class Weights:
    """What a file of weights says.

    Parameters
    ----------
    path : Path
        The file.
    by_id : dict of str to float
        Of each utterance: how many times it is drawn in a pass, on the average.
    """

    path: Path
    by_id: dict[str, float]

    @classmethod
    def read(cls, path: Path) -> Weights:
        """Read a file of weights.

        Raises
        ------
        InputError
            If it cannot be read, or a line is wrong; it names the first.
        """
        found: dict[str, float] = {}
        try:
            with path.open(encoding="utf-8") as file:
                for number, line in enumerate(file, 1):
                    if line.strip():
                        name, weight = _parsed(line, f"{path}, line {number}")
                        if found.setdefault(name, weight) != weight:
                            raise InputError(f"{path}, line {number}: {name} has another weight further up")
        except OSError as error:
            raise InputError(f"cannot read the weights {path}: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise InputError(f"the weights {path} are no text in UTF-8") from error
        return cls(path, found)

    def of(self, clips: Clips, manifest: Path) -> npt.NDArray[np.float64]:
        """Return the weight of each clip, float64 [n_clips].

        Raises
        ------
        InputError
            If one has none, or all are 0.
        """
        places = {int(line): clip for clip, line in enumerate(clips.line)}
        weights = np.zeros(len(clips))
        for line, utterance in enumerate(read(manifest)):
            clip = places.get(line)
            if clip is None:
                continue
            if utterance.id not in self.by_id:
                raise InputError(
                    f"{self.path} gives no weight for {utterance.id} of {manifest}: write it again with "
                    f"melisma data balance {manifest} --weights {self.path}"
                )
            weights[clip] = self.by_id[utterance.id]
        if not weights.sum():
            raise InputError(f"{self.path} gives every clip of {manifest} the weight 0: there is nothing to learn from")
        return weights


def fingerprint(weights: npt.NDArray[np.float64] | None) -> str:
    """Return what tells these weights from others; empty where there are none."""
    return "" if weights is None else hashlib.sha256(weights.tobytes()).hexdigest()


def _parsed(line: str, where: str) -> tuple[str, float]:
    try:
        said: Any = json.loads(line)
        name, weight = said["id"], float(said["weight"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f'{where}: not {{"id": …, "weight": …}}') from error
    if not isinstance(name, str) or not math.isfinite(weight) or not 0 <= weight <= _MOST:
        raise InputError(f"{where}: a weight is a number from 0 to {_MOST:g}")
    return name, weight
