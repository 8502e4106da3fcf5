"""The sound of passages, small enough to lie inside a page."""

from __future__ import annotations

import base64
import io
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from melisma.core.errors import AudioError
from melisma.core.records import Float32
from melisma.data import cuts
from melisma.data.units.motif_page.passages import Passage
from melisma.units.clock import STRIDE, TIMEBASE

_BYTES_PER_S = 4000  # of MP3 in base64 as speech takes them, rather few
# About 30 kbit/s. At a constant rate that low the file has no room for where its sound begins, 69 ms in.
_SILENT = 25 * STRIDE  # samples that may be missing at the end: what a decoder leaves away
_CODEC: dict[str, Any] = {
    "format": "MP3",
    "subtype": "MPEG_LAYER_III",
    "bitrate_mode": "VARIABLE",
    "compression_level": 0.8,
}


def size(each: Passage) -> float:
    """Return how many bytes the sound of a passage may take in the page; mostly it is more."""
    return _BYTES_PER_S * TIMEBASE.seconds(each.n_frames)


def sounds(passages: Sequence[Passage], folder: Path) -> Iterator[tuple[int, str | AudioError]]:
    """Yield the index of each passage with its sound as MP3 in base64, or with why there is none.

    Each recording is decoded once, as far as it is needed.

    Parameters
    ----------
    passages : sequence of Passage
        Of any recordings.
    folder : Path
        That their paths are relative to.
    """
    of_file: dict[str, list[int]] = {}
    for i, each in enumerate(passages):
        of_file.setdefault(each.utterance.audio, []).append(i)
    for audio, members in of_file.items():
        path = folder / audio
        waiting = set(members)
        try:
            with tempfile.TemporaryDirectory(prefix="melisma-motifs-") as spare:
                spans = [_span(passages[i]) for i in members]
                for k, part in cuts.parts(path, spans, Path(spare)):
                    samples = np.concatenate([np.zeros(0, np.float32), *part.blocks()])
                    waiting.discard(members[k])
                    yield members[k], _coded(samples, spans[k][1] - spans[k][0], path)
        except (AudioError, OSError) as error:
            said = error.strerror or "cannot be read" if isinstance(error, OSError) else str(error)
            for i in sorted(waiting):
                yield i, AudioError(f"{path.name}: {said.replace(str(path), 'it')}")


def _span(each: Passage) -> tuple[int, int]:
    first = round(each.utterance.start_s * cuts.SAMPLE_RATE) + each.first * STRIDE
    return first, first + each.n_frames * STRIDE


def _coded(samples: Float32, n_samples: int, path: Path) -> str | AudioError:
    if len(samples) < n_samples - _SILENT or not len(samples):
        return AudioError(f"{path.name} ends before its units do")
    out = io.BytesIO()
    whole = np.pad(np.clip(samples, -1, 1), (0, n_samples - len(samples)))
    soundfile.write(out, whole, cuts.SAMPLE_RATE, **_CODEC)
    return base64.b64encode(out.getvalue()).decode("ascii")
