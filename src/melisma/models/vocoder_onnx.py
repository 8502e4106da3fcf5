"""A vocoder in an ONNX file: units of frames to samples, by onnxruntime alone.

The graph takes `units` int64 [1, n_frames], `speaker` int64 [1] if it knows speakers (0 is nobody in particular), and
`f0_hz` float32 [1, n_frames] if it takes pitch (0 without a voice, negative where it is not known); it gives `samples`
float32 [1, 320 · n_frames]. `melisma.train.vocoder.export` writes it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from melisma.core.errors import MissingDependency, ModelError
from melisma.core.records import Float32, Int64
from melisma.core.settings import n_threads
from melisma.models.onnx_file import check_whole
from melisma.models.vocoder.shape import STRIDE

UNITS, SPEAKER, F0, SAMPLES = "units", "speaker", "f0_hz", "samples"


def input_names(*, speakers: bool, with_f0: bool) -> list[str]:
    """Return what a graph takes, in order."""
    return [UNITS, *([SPEAKER] if speakers else []), *([F0] if with_f0 else [])]


class OnnxNet:
    """A generator; `net(units, speaker, f0_hz)` gives the samples of some frames.

    Parameters
    ----------
    path : Path
        The file; values that it keeps in other files are refused.
    speakers, with_f0 : bool
        What it takes beside units.
    threads : int, optional
        As many as this process may use without.

    Raises
    ------
    ModelError
        If the file is missing, damaged, or takes or gives something else.
    """

    def __init__(self, path: Path, *, speakers: bool, with_f0: bool, threads: int | None = None) -> None:
        try:
            import onnxruntime
        except ImportError as error:  # pragma: no cover - of the base install
            raise MissingDependency("speaking units needs onnxruntime: pip install onnxruntime") from error

        check_whole(path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or n_threads()
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has a class of its own for every fault, none of them public
            raise ModelError(f"{path} cannot be loaded: {_first_line(error)}") from error
        self._path = path
        self._names = input_names(speakers=speakers, with_f0=with_f0)
        found = sorted(each.name for each in self._session.get_inputs())
        outputs = [each.name for each in self._session.get_outputs()]
        if found != sorted(self._names) or outputs != [SAMPLES]:
            raise ModelError(f"{path} takes {', '.join(found)} and gives {', '.join(outputs)}: it is no such vocoder")

    def __call__(self, units: Int64, speaker: int, f0_hz: Float32) -> Float32:
        """Return samples of frames.

        Parameters
        ----------
        units : int64 [n_frames]
            All below the number of units that it knows.
        speaker : int
            From 1 on; 0 for nobody in particular.
        f0_hz : float32 [n_frames]
            Negative where it is not known.

        Returns
        -------
        float32 [320 · n_frames]

        Raises
        ------
        ModelError
            If it cannot be run, or gives anything else.
        """
        given: dict[str, Any] = {UNITS: units[None], SPEAKER: np.array([speaker], np.int64), F0: f0_hz[None]}
        try:
            (samples,) = self._session.run([SAMPLES], {name: given[name] for name in self._names})
        except Exception as error:  # as above
            raise ModelError(f"{self._path} cannot be run: {_first_line(error)}") from error
        if samples.shape != (1, STRIDE * len(units)) or samples.dtype != np.float32:
            raise ModelError(f"{self._path} gives {samples.dtype} {list(samples.shape)} for {len(units)} frames")
        return np.asarray(samples[0])


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
