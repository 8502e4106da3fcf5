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
import numpy.typing as npt
import soundfile

from melisma.core.errors import EngineOutOfMemory, ModelError
from melisma.core.records import Float32

OVERLAP = 0.25  # of a segment with the next one: the default of demucs.apply
VOICE = "vocals"
_FULL_SCALE = 1 << 15  # of 16 bits
_SEGMENT_S = (0.1, 60.0)  # the published models have 7.8 s to 44 s
_RATES_HZ = (8000, 192_000)


class Segments:
    """A network run over stereo that comes block by block; what it says of the voice, complete and in order.

    Parameters
    ----------
    network : demucs.apply.BagOfModels
        On its device.
    device : str
        That device.
    n_channels : int
        1 for the mean of both sides of the voice, 2 for the voice as it stands in the stereo image.

    Raises
    ------
    ModelError
        If the networks take segments or rates that no published model takes, or give values that are no numbers.
    EngineOutOfMemory
        If the device has too little memory for a segment.
    """

    def __init__(self, network: Any, device: str, n_channels: int) -> None:
        seconds = float(min(model.segment for model in network.models))
        self.sample_rate = int(network.samplerate)
        if not _SEGMENT_S[0] <= seconds <= _SEGMENT_S[1] or not _RATES_HZ[0] <= self.sample_rate <= _RATES_HZ[1]:
            raise ModelError(f"a Demucs model of segments of {seconds:g} s at {self.sample_rate} Hz cannot be run")
        self._network, self._device, self._n_channels = network, device, n_channels
        self._length = int(self.sample_rate * seconds)
        self._step = int((1 - OVERLAP) * self._length)
        half = self._length // 2
        fade = np.concatenate([np.arange(1, half + 1), np.arange(self._length - half, 0, -1)])
        self._fade = (fade / fade.max()).astype(np.float32)
        # Of what came before the next segment a segment's length stays: where the recording ends within a segment, the
        # network is given that in front of it, not silence.
        self._pending = np.zeros((2, 0), np.float32)
        self._n_past = 0
        self._sum = np.zeros((n_channels, self._length), np.float32)
        self._weight = np.zeros(self._length, np.float32)

    def push(self, block: Float32) -> Float32:
        """Take stereo, float32 [n, 2]; return the voice that is complete, float32 [m, n_channels]."""
        self._pending = np.concatenate([self._pending, block.T], axis=1)
        done = [self._nothing()]
        while self._n_ahead >= self._length:
            done.append(self._segment(self._length))
        return np.concatenate(done)

    def flush(self) -> Float32:
        """Return the rest."""
        done = [self._nothing()]
        while self._n_ahead:
            done.append(self._segment(min(self._n_ahead, self._length)))
        return np.concatenate(done)

    @property
    def _n_ahead(self) -> int:
        return self._pending.shape[1] - self._n_past

    def _nothing(self) -> Float32:
        return np.zeros((0, self._n_channels), np.float32)

    def _segment(self, n: int) -> Float32:
        """Separate the next `n` samples, at most a segment; return those that no later segment reaches."""
        self._sum[:, :n] += self._fade[:n] * self._voice(n)
        self._weight[:n] += self._fade[:n]
        n_done = min(n, self._step)
        out: Float32 = (self._sum[:, :n_done] / self._weight[:n_done]).T
        for kept in (self._sum, self._weight):
            kept[..., :-n_done] = kept[..., n_done:].copy()
            kept[..., -n_done:] = 0
        n_gone = max(0, self._n_past + n_done - self._length)
        self._pending = self._pending[:, n_gone:]
        self._n_past += n_done - n_gone
        return out

    def _voice(self, n: int) -> Float32:
        """Run the network over the next `n` samples; return float32 [n_channels, n]."""
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
        both = out[0, self._network.sources.index(VOICE)]
        voice: Float32 = (both.mean(dim=0, keepdim=True) if self._n_channels == 1 else both).cpu().numpy()
        if not np.isfinite(voice).all():
            raise ModelError("the Demucs model gives values that are no numbers")
        return voice


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
    ModelError, EngineOutOfMemory
        As `Segments` does.
    """

    def __init__(self, network: Any, device: str = "cpu", part: Path | None = None) -> None:
        self._segments = Segments(network, device, 1)
        self.sample_rate = self._segments.sample_rate
        self.part, self.n_out, self.written = part, 0, False
        self._file = _open(part, self.sample_rate)

    def push(self, block: Float32) -> Float32:
        """Take stereo, float32 [n, 2]; return the voice that is complete, float32 [m]."""
        return self._give(self._segments.push(block)[:, 0])

    def flush(self) -> Float32:
        """Return the rest, and close the file."""
        rest = self._give(self._segments.flush()[:, 0])
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

    def _give(self, voice: Float32) -> Float32:
        """Round to 16 bits, and write them down."""
        rounded = to_16_bits(voice)
        self.n_out += len(rounded)
        if self._file is not None:
            try:
                self._file.write(rounded)
            except (soundfile.SoundFileError, OSError):  # a full disk costs the copy, not the song
                with contextlib.suppress(soundfile.SoundFileError, OSError):
                    self._file.close()
                self._file = None
        return rounded.astype(np.float32) / np.float32(_FULL_SCALE)


def to_16_bits(samples: Float32) -> npt.NDArray[np.int16]:
    """Round samples of full scale ±1; what is louder is cut."""
    return np.clip(np.rint(samples * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)


def _open(part: Path | None, sample_rate: int) -> soundfile.SoundFile | None:
    if part is None:
        return None
    try:
        return soundfile.SoundFile(part, "w", sample_rate, 1, "PCM_16", format="FLAC")
    except (soundfile.SoundFileError, OSError):
        return None
