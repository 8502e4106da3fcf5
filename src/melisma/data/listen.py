"""What tells whether two recordings are one: hashes of file and sound, and a fingerprint, from one decoding."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from melisma.audio.container import check_file
from melisma.audio.decode import Decoded, decode
from melisma.core.files import sha256_of
from melisma.data import fingerprint
from melisma.data.fingerprint import Words
from melisma.scale.protocol import Task

_VERSION = f"1 {fingerprint.VERSION}"  # changes where the same file gets other hashes or words
_RATE = 8000  # Hz; of what the fingerprint is made
_SAME_S = 0.1  # a part that lacks less than this is the whole
_EXACT = "aiff au avr caf flac htk ircam mat4 mat5 nist paf pvf rf64 svx voc w64 wav wve xi tta wv ape"
_LOSSLESS = frozenset(_EXACT.split())  # containers; of what libsndfile reads, those that keep every sample

Part = tuple[float, float | None]  # begin, and length or None for all of it, in seconds


@dataclass(frozen=True, slots=True)
class Listen:
    """A stage: a file and parts of it → hashes and fingerprints.

    Parameters
    ----------
    exact : bool
        Only the hash of the file; nothing is decoded.
    """

    exact: bool = False
    name: str = "dedupe"

    def configuration(self) -> str:
        """Return what decides the outcome."""
        return f"{_VERSION} {self.exact}"

    def __call__(self, item: tuple[str, list[Part]]) -> dict[str, Any]:
        """Decode a file once."""
        path, parts = Path(item[0]), item[1]
        check_file(path)  # a pipe has no end
        facts: dict[str, Any] = {"file": sha256_of(path), "size": path.stat().st_size}
        if self.exact:
            return facts | {"parts": [{"seconds": duration or 0.0} for _, duration in parts]}
        found = decode(path, sample_rate=_RATE, downmix="mean")
        facts |= {"rate": found.info.sample_rate, "lossless": found.info.container in _LOSSLESS}
        return facts | {"parts": [_of_part(found, *part) for part in parts]}


def _of_part(found: Decoded, start: float, duration: float | None) -> dict[str, Any]:
    whole = found.waveform
    if start == 0 and (duration is None or duration >= whole.duration_s - _SAME_S):
        samples, sound = whole.samples, found.sound
    else:
        end = whole.duration_s if duration is None else start + duration
        samples = whole.samples[round(start * _RATE) : round(end * _RATE)]
        sound = hashlib.sha256(np.round(samples * 32768).astype("<i2").tobytes()).hexdigest() if len(samples) else ""
    words = fingerprint.of(samples, _RATE)
    silent = not len(samples) or not np.any(samples)  # one silence is like another: no reason to drop either
    said = base64.b64encode(words.astype("<u4").tobytes()).decode("ascii")
    return {"seconds": len(samples) / _RATE, "sound": "" if silent else sound, "words": said}


def words_of(said: str) -> Words:
    """Return the fingerprint of a part, as its outcome spells it."""
    return np.frombuffer(base64.b64decode(said), "<u4").astype(np.uint32)


def task(key: str, path: Path, parts: list[Part]) -> Task:
    """Return the task of a file: another file under its name, or other parts, make it anew."""
    try:
        about = path.stat()
        signature = f"{about.st_size} {about.st_mtime_ns} {parts}"
    except OSError:
        signature = ""
    return Task(key, (str(path), parts), signature)
