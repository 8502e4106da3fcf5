"""Spectrograms as small pictures inside a page."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

from melisma.core.records import Float32
from melisma.metrics import synthesis

_RANGE = 8.0  # natural logs of amplitude from black to white: 70 dB
_WIDEST = 800  # columns
# A scale from dark to light that is even to the eye, with growing lightness for those who see no colours.
_ANCHORS = (
    (0, 0, 4),
    (40, 11, 84),
    (101, 21, 110),
    (159, 42, 99),
    (212, 72, 66),
    (245, 125, 21),
    (250, 193, 39),
    (252, 255, 164),
)


def spectrogram(samples: Float32, top: float | None = None) -> str:
    """Return log-mels as the address of a PNG, low bands below; `top` is the loudest value, as of another sound."""
    mel = synthesis.log_mel(samples)
    mel = mel[:: -(-len(mel) // _WIDEST) or 1]
    loudest = float(mel.max()) if top is None else top
    shades = np.clip((mel - (loudest - _RANGE)) / _RANGE, 0, 1)
    return address(np.round(255 * shades.T[::-1]).astype(np.uint8))


def loudest(samples: Float32) -> float:
    """Return the loudest value of a sound's log-mels."""
    return float(synthesis.log_mel(samples).max())


def address(shades: np.ndarray) -> str:
    """Return a picture of shades, uint8 [height, width], as the address of a PNG with a palette."""
    height, width = shades.shape
    at = np.linspace(0, len(_ANCHORS) - 1, 256)
    anchors = np.array(_ANCHORS, float)
    palette = np.stack([np.interp(at, np.arange(len(_ANCHORS)), anchors[:, c]) for c in range(3)], axis=1)
    rows = np.concatenate([np.zeros((height, 1), np.uint8), shades], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)  # eight bits, a palette
    parts = [
        (b"IHDR", header),
        (b"PLTE", palette.round().astype(np.uint8).tobytes()),
        (b"IDAT", zlib.compress(rows.tobytes(), 9)),
        (b"IEND", b""),
    ]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in parts)
    return f"data:image/png;base64,{base64.b64encode(data).decode('ascii')}"


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
