"""A vocoder's checkpoint, run by torch: on a GPU, or without an export. Spoken to as one in an ONNX file is."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from melisma.core.errors import InputError
from melisma.core.records import Float32, Int64
from melisma.core.settings import n_threads


class TorchNet:
    """A generator; `net(units, speaker, f0_hz)` gives the samples of some frames, as `OnnxNet` does.

    Parameters
    ----------
    net : module
        As `melisma.models.vocoder.file.read` returns it.
    device : str
        "cpu", "cuda", "cuda:N" or "mps"; "auto" takes CUDA where there is one.
    threads : int, optional
        As many as this process may use without.

    Raises
    ------
    InputError
        If torch knows no such device, or does not see it here.
    """

    def __init__(self, net: Any, device: str = "cpu", threads: int | None = None) -> None:
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            self._net = net.to(device).eval()
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise InputError(f"the vocoder cannot work on {device[:40]!r}: torch sees no such device here") from error
        self._device, self._threads = device, threads or n_threads()

    def __call__(self, units: Int64, speaker: int, f0_hz: Float32) -> Float32:
        """Return samples, float32 [320 · n_frames], of frames [n_frames]."""
        before = torch.get_num_threads()
        torch.set_num_threads(self._threads)
        try:
            return self._run(units, speaker, f0_hz)
        finally:
            torch.set_num_threads(before)

    def _run(self, units: Int64, speaker: int, f0_hz: Float32) -> Float32:
        with torch.inference_mode():
            given = (torch.from_numpy(units)[None], torch.tensor([speaker]), torch.from_numpy(f0_hz)[None])
            samples = self._net(*(each.to(self._device) for each in given))
        return np.asarray(samples[0].float().cpu().numpy())
