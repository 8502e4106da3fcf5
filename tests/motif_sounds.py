"""Units that can be heard: each is a tone of its own."""

from __future__ import annotations

import numpy as np

HOSTILE = '</script><script>window.broken=1</script><!--<img src=x onerror="window.broken=1">\'"&amp;\u202e'
RATE, STRIDE = 16000, 320


def hertz(unit: int) -> float:
    """Return the tone of a unit."""
    return 300.0 + 150.0 * unit


def tones(frames: tuple[int, ...]) -> np.ndarray:
    """Return the sound of units, 20 ms each."""
    pitch = np.repeat([hertz(unit) for unit in frames], STRIDE)
    return (0.3 * np.sin(2 * np.pi * np.cumsum(pitch) / RATE)).astype(np.float32)
