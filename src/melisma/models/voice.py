"""Where somebody speaks or sings, by the voice output of the model that ships with Melisma; in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import numpy as np

from melisma.core.records import Float32
from melisma.models import embedded, features
from melisma.models.features import HOP

_WINDOW_S = 300  # of sound that the features are normalised over, as of a song
_SMOOTH = 10  # frames of 10 ms on either side


@cache
def _session() -> tuple[Any, embedded.ModelCard]:
    import onnxruntime

    from melisma.core.settings import n_threads

    card = embedded.cards()[-1]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(card.path), options, ["CPUExecutionProvider"]), card


def voice(blocks: Iterable[Float32]) -> Float32:
    """Return how likely a voice is heard.

    Parameters
    ----------
    blocks : iterable of float32 [n]
        Samples at 16 kHz in order, cut anywhere.

    Returns
    -------
    float32 [n_frames]
        Probability in each frame of 10 ms, averaged over 0.2 s around it.
    """
    found = [_heard(window) for window in _windows(blocks, _WINDOW_S * features.SAMPLE_RATE)]
    if not found:
        return np.zeros(0, np.float32)
    whole = np.concatenate(found)
    kernel = np.ones(2 * _SMOOTH + 1, np.float32) / (2 * _SMOOTH + 1)
    smooth: Float32 = np.convolve(np.pad(whole, _SMOOTH, mode="edge"), kernel, "valid").astype(np.float32)
    return smooth


def _windows(blocks: Iterable[Float32], size: int) -> Iterator[Float32]:
    """Cut samples into windows of `size`, the last one up to twice as long as a short rest would say little."""
    kept: list[Float32] = []
    n = 0
    for block in blocks:
        kept.append(block)
        n += len(block)
        if n >= 2 * size:
            whole = np.concatenate(kept)
            yield whole[:size]
            kept, n = [whole[size:]], n - size
    if n:
        yield np.concatenate(kept)


def _heard(samples: Float32) -> Float32:
    """Run the network over one window; frames of 10 ms."""
    session, card = _session()
    n_frames = -(-len(samples) // HOP)
    normal = features.log_mel(samples)
    features.normalise(normal, out=normal)
    padded = np.pad(normal, ((0, -len(normal) % card.hops), (0, 0)))
    _, vocal = session.run(None, {"features": np.ascontiguousarray(padded.T)[None]})
    frames: Float32 = np.repeat(vocal[0].astype(np.float32), card.hops)[:n_frames]
    return frames
