"""The networks of Demucs over a recording of any length, as it is decoded.

Segments of the length that a network was trained on overlap by a quarter and are faded into each other with triangular
weights, as `demucs.apply.apply_model` does it with a whole recording: the result is the same, and memory does not grow
with the length. Nothing is shifted by chance, so the same recording gives the same voice.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from melisma.core.errors import EngineOutOfMemory, ModelError
from melisma.core.records import Float32

OVERLAP = 0.25  # of a segment with the next one: the default of demucs.apply
VOICE = "vocals"
_FULL_SCALE = 1 << 15  # of 16 bits
_SEGMENT_S = (0.1, 60.0)  # the published models have 7.8 s to 44 s
_RATES_HZ = (8000, 192_000)


class VoiceStage:
    """Stereo → its voice in mono, block by block: a stage of `melisma.audio.decode`.

    Parameters
    ----------
    network : demucs.apply.BagOfModels
        On its device.
    device : str
        That device.
    part : Path, optional
        A file that gets the voice too, as FLAC of 16 bits; what comes out is rounded as it is.

    Attributes
    ----------
    n_out : int
        Samples that came out.
    written : bool
        Whether all of them stand in the file.

    Raises
    ------
    ModelError
        If the networks take segments or rates that no published model takes, or give values that are no numbers.
    EngineOutOfMemory
        If the device has too little memory for a segment.
    """

    def __init__(self, network: Any, device: str = "cpu", part: Path | None = None) -> None:
        seconds = float(min(model.segment for model in network.models))
        self.sample_rate = int(network.samplerate)
        if not _SEGMENT_S[0] <= seconds <= _SEGMENT_S[1] or not _RATES_HZ[0] <= self.sample_rate <= _RATES_HZ[1]:
            raise ModelError(f"a Demucs model of segments of {seconds:g} s at {self.sample_rate} Hz cannot be run")
        self.part, self.n_out, self.written = part, 0, False
        self._file = _open(part, self.sample_rate)
        self._network, self._device = network, device
        self._length = int(self.sample_rate * seconds)
        self._step = int((1 - OVERLAP) * self._length)
        half = self._length // 2
        fade = np.concatenate([np.arange(1, half + 1), np.arange(self._length - half, 0, -1)])
        self._fade = (fade / fade.max()).astype(np.float32)
        # Of what came before the next segment a segment's length stays: where the recording ends within a segment, the
        # network is given that in front of it, not silence.
        self._pending = np.zeros((2, 0), np.float32)
        self._n_past = 0
        self._sum, self._weight = np.zeros((2, self._length), np.float32)

    def push(self, block: Float32) -> Float32:
        """Take stereo, float32 [n, 2]; return the voice that is complete, float32 [m]."""
        self._pending = np.concatenate([self._pending, block.T], axis=1)
        done = [np.zeros(0, np.float32)]
        while self._n_ahead >= self._length:
            done.append(self._segment(self._length))
        return self._give(np.concatenate(done))

    def flush(self) -> Float32:
        """Return the rest, and close the file."""
        done = [np.zeros(0, np.float32)]
        while self._n_ahead:
            done.append(self._segment(self._n_ahead))
        rest = self._give(np.concatenate(done))
        self.written = self.close()
        return rest

    def close(self) -> bool:
        """Close the file; tell whether there was one that took all."""
        file, self._file = self._file, None
        if file is None:
            return self.written
        try:
            file.close()
        except (soundfile.SoundFileError, OSError):
            return False
        return True

    @property
    def _n_ahead(self) -> int:
        return self._pending.shape[1] - self._n_past

    def _segment(self, n: int) -> Float32:
        """Separate the next `n` samples, at most a segment; return those that no later segment reaches."""
        voice = self._voice(n)
        self._sum[:n] += self._fade[:n] * voice
        self._weight[:n] += self._fade[:n]
        n_done = min(n, self._step)
        out: Float32 = self._sum[:n_done] / self._weight[:n_done]
        for kept in (self._sum, self._weight):
            kept[:-n_done] = kept[n_done:].copy()
            kept[-n_done:] = 0
        n_gone = max(0, self._n_past + n_done - self._length)
        self._pending = self._pending[:, n_gone:]
        self._n_past += n_done - n_gone
        return out

    def _voice(self, n: int) -> Float32:
        import torch
        from demucs import apply

        chunk_of: Any = apply.TensorChunk  # it has no types
        chunk = chunk_of(torch.from_numpy(self._pending)[None], self._n_past, n)
        try:
            out = apply.apply_model(self._network, chunk, shifts=0, split=False, device=self._device)
        except torch.OutOfMemoryError as error:
            raise EngineOutOfMemory(
                f"the device {self._device!r} has too little memory for Demucs: MELISMA_DEVICE=cpu separates on the CPU"
            ) from error
        voice: Float32 = out[0, self._network.sources.index(VOICE)].mean(dim=0).cpu().numpy()
        if not np.isfinite(voice).all():
            raise ModelError("the Demucs model gives values that are no numbers")
        return voice

    def _give(self, voice: Float32) -> Float32:
        """Round to 16 bits, and write them down."""
        rounded = np.clip(np.rint(voice * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)
        self.n_out += len(rounded)
        if self._file is not None:
            try:
                self._file.write(rounded)
            except (soundfile.SoundFileError, OSError):  # a full disk costs the copy, not the song
                with contextlib.suppress(soundfile.SoundFileError, OSError):
                    self._file.close()
                self._file = None
        return rounded.astype(np.float32) / np.float32(_FULL_SCALE)


def _open(part: Path | None, sample_rate: int) -> soundfile.SoundFile | None:
    if part is None:
        return None
    try:
        return soundfile.SoundFile(part, "w", sample_rate, 1, "PCM_16", format="FLAC")
    except (soundfile.SoundFileError, OSError):
        return None
