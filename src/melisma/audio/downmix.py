"""Several channels → one, block by block; the result does not depend on how the blocks are cut.

`MeanMix` averages. `CentreMix` keeps the centre of the stereo image, where singers stand, and turns the rest down: in a
short-time spectrum, bins where both channels agree pass, bins where they differ are reduced to a floor.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from melisma.core.records import Float32

Complex64 = npt.NDArray[np.complex64]

FLOOR = (
    0.05  # -26 dB: what is only in one channel stays audible to a gain-invariant feature, and hardly disturbs a voice
)
WINDOW_S = 0.064  # long enough to part the harmonics of a voice from those of a guitar, short beside a syllable
OVERLAP = 4  # windows over every sample; with two, a mask that changes from frame to frame is heard as roughness
BATCH = 64  # frames per FFT call: few enough to stay in the cache; fixed, so that results do not depend on the blocks


class MeanMix:
    """The mean of all channels; a single channel passes unchanged."""

    def push(self, block: Float32) -> Float32:
        """Average a block float32 [n, n_channels] over its channels."""
        if block.shape[1] == 2:  # several times faster than a reduction over an axis of two
            mono: Float32 = block[:, 0] + block[:, 1]
            mono *= np.float32(0.5)
            return mono
        mono = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float32)
        return mono

    def flush(self) -> Float32:
        """Return nothing: a mean has no delay."""
        return np.zeros(0, np.float32)


class Pair:
    """Two channels of whatever there is: stereo as it is, anything else as its mean, twice."""

    def push(self, block: Float32) -> Float32:
        """Take a block float32 [n, n_channels]; return float32 [n, 2]."""
        if block.shape[1] == 2:
            return block
        return np.repeat(MeanMix().push(block)[:, None], 2, axis=1)


class CentreMix:
    """The centre of a stereo recording.

    Per time-frequency bin with complex L and R: m = max(0, 1 - |L - R| / (|L| + |R|))², and the output is
    m (L + R)/2 + FLOOR (1 - m) S, where S is the channel that has been the louder one up to that frame. So identical
    channels give their mean; a recording that lives in one channel, or whose channels are of opposite phase, gives that
    channel at the floor: scaled, never lost.

    Parameters
    ----------
    sample_rate : int
        Hz; sets the length of the window, a power of two near 64 ms.
    """

    def __init__(self, sample_rate: int) -> None:
        self._n_fft = 1 << max(4, round(np.log2(WINDOW_S * sample_rate)))
        self._hop = self._n_fft // OVERLAP
        self._lap = self._n_fft - self._hop
        hann = np.sin(np.pi * np.arange(self._n_fft) / self._n_fft) ** 2
        self._window = (hann / np.sqrt(3 / 8 * OVERLAP)).astype(
            np.float32
        )  # the squares of all over a sample sum to one
        # Most of a window of silence in front, so that the first samples are covered as often as all others.
        self._pending = np.zeros((2, self._lap), np.float32)
        self._tail = np.zeros((OVERLAP - 1, self._hop), np.float32)
        self._energy = np.zeros(2)
        self._n_skip = self._lap  # what comes out first is that silence
        self._n_owed = 0  # samples that went in and have not come out

    def push(self, block: Float32) -> Float32:
        """Take stereo, float32 [n, 2]; return the mono samples that are complete, float32 [m]."""
        self._n_owed += len(block)
        self._pending = np.concatenate([self._pending, block.T], axis=1)
        done = [np.zeros(0, np.float32)]
        step = BATCH * self._hop
        at = 0
        while self._pending.shape[1] - at >= step + self._lap:
            done.append(self._frames(self._pending[:, at : at + step + self._lap]))
            at += step
        self._pending = self._pending[:, at:].copy() if at else self._pending
        return self._emit(np.concatenate(done))

    def flush(self) -> Float32:
        """Return the rest, so that as many samples came out as went in."""
        rest = self._pending.shape[1]
        n_frames = -(-rest // self._hop)
        padded = np.zeros((2, n_frames * self._hop + self._lap), np.float32)
        padded[:, :rest] = self._pending
        self._pending = np.zeros((2, 0), np.float32)
        return self._emit(self._frames(padded))

    def _emit(self, samples: Float32) -> Float32:
        """Cut the leading silence off, and what was padded at the end."""
        skipped = min(self._n_skip, len(samples))
        self._n_skip -= skipped
        out = samples[skipped : skipped + self._n_owed]
        self._n_owed -= len(out)
        return out

    def _frames(self, stereo: Float32) -> Float32:
        """Window, mask and overlap-add [2, n hop + lap] samples; return n hops."""
        views = np.lib.stride_tricks.sliding_window_view(stereo, self._n_fft, axis=1)[:, :: self._hop]
        spectra = np.fft.rfft(views * self._window).astype(np.complex64, copy=False)
        mono = np.fft.irfft(self._mask(spectra, stereo), self._n_fft).astype(np.float32, copy=False)
        mono *= self._window
        n = len(mono)
        out = np.zeros((n + OVERLAP - 1, self._hop), np.float32)
        out[: OVERLAP - 1] = self._tail
        for k in range(OVERLAP):
            out[k : k + n] += mono[:, k * self._hop : (k + 1) * self._hop]
        self._tail = out[n:].copy()
        return out[:n].reshape(-1)

    def _mask(self, spectra: Complex64, stereo: Float32) -> Complex64:
        """Keep the centre of spectra complex64 [2, n_frames, n_bins], made of stereo [2, n_frames hop + lap]."""
        left, right = spectra
        total = np.abs(left) + np.abs(right) + np.float32(1e-30)
        mask = np.float32(1) - np.abs(left - right) / total
        np.maximum(mask, np.float32(0), out=mask)
        mask *= mask
        mid: Complex64 = (left + right) * np.float32(0.5)
        mid *= mask
        mask -= np.float32(1)
        mask *= np.float32(-FLOOR)
        side = np.where(self._left_is_louder(stereo)[:, None], left, right)
        side *= mask
        mid += side
        return mid

    def _left_is_louder(self, stereo: Float32) -> npt.NDArray[np.bool_]:
        """Tell, frame by frame, whether the left channel has had more energy since the beginning."""
        hops = stereo[:, self._lap :].reshape(2, -1, self._hop).astype(np.float64)
        energy = np.einsum("cnh,cnh->cn", hops, hops)
        running = np.cumsum(np.concatenate([self._energy[:, None], energy], axis=1), axis=1)[:, 1:]
        self._energy = running[:, -1]
        louder: npt.NDArray[np.bool_] = running[0] >= running[1]
        return louder
