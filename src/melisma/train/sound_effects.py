"""What a studio does to a mix, by chance: width, saturation, equaliser, room, compression; and one loudness for all.

All take and return float32 [n_samples, 2].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from melisma.audio.resample import Resampler
from melisma.core.records import Float32

LOUDNESS_DB = -20.0  # RMS of what is not silence, dB of full scale
_PEAK = 0.98
_MOST_SIDES = 0.6  # of the energy of the middle
_BLOCK_S = 0.01  # in which levels are measured
_SILENCE_DB = -50.0  # below the loudest block


@dataclass(frozen=True, slots=True)
class Effects:
    """The settings of one mix; zeros leave it as it is."""

    width: float = 1.0  # 0 mono, 1 as it is, up to 1.5
    drive: float = 0.0  # 0 clean … 1 as a fuzz box
    tilt_db: float = 0.0  # per octave about 1 kHz
    bells: tuple[tuple[float, float], ...] = ()  # (Hz, dB), each an octave wide
    room_s: float = 0.0  # time in which the room's sound falls by 60 dB
    room_share: float = 0.0  # of the room's energy to the direct sound's
    ratio: float = 1.0  # of the compressor, above its threshold
    seed: int = 0  # of the room

    @classmethod
    def draw(cls, drive: tuple[float, float], rng: np.random.Generator) -> Effects:
        """Draw settings; `drive` is the range that suits the style."""
        n_bells = int(rng.integers(0, 4))
        in_room = rng.random() < 0.5
        return cls(
            width=float(
                rng.choice((0.0, rng.uniform(0.4, 1.0), 1.0, rng.uniform(1.0, 1.4)), p=(0.12, 0.23, 0.4, 0.25))
            ),
            drive=float(rng.uniform(*drive)) if rng.random() < 0.5 else 0.0,
            tilt_db=float(rng.normal(0.8, 1.3)),
            bells=tuple((float(2 ** rng.uniform(7, 12.7)), float(rng.normal(0, 4))) for _ in range(n_bells)),
            room_s=float(rng.uniform(0.15, 1.8)) if in_room else 0.0,
            room_share=float(rng.uniform(0.03, 0.5)) if in_room else 0.0,
            ratio=float(rng.uniform(1.5, 6)) if rng.random() < 0.6 else 1.0,
            seed=int(rng.integers(2**31)),
        )


def process(sound: Float32, rate_in: int, rate_out: int, effects: Effects) -> Float32:
    """Send a mix through all effects, to another sample rate, and to `LOUDNESS_DB`; silence stays silence."""
    out = saturate(widen(normalise(sound, rate_in), effects.width), effects.drive)
    # Saturation makes new highs, so it comes first; the rest is cheaper at the lower rate.
    resampler = Resampler(rate_in, rate_out, 2)
    out = np.concatenate([resampler.push(out), resampler.flush()])
    return normalise(compress(filtered(out, rate_out, effects), rate_out, effects.ratio), rate_out)


def widen(sound: Float32, width: float) -> Float32:
    """Scale the sides against the middle, and below it: louder sides are no mix but a fault of phase."""
    middle = sound.mean(axis=1, keepdims=True)
    sides = sound - middle
    loudest = np.sqrt(_MOST_SIDES * float((middle**2).mean()) / max(float((sides**2).mean()), 1e-20))
    return np.asarray(middle + min(width, loudest) * sides, np.float32)


def saturate(sound: Float32, drive: float) -> Float32:
    """Bend the waveform as an overdriven stage does, a little more on one side: odd and even harmonics."""
    if drive <= 0:
        return sound
    gain, bias = 2.0 ** (6 * drive), 0.15 * drive
    return np.asarray((np.tanh(gain * sound + bias) - np.tanh(bias)) / np.sqrt(gain), np.float32)


def filtered(sound: Float32, sample_rate: int, effects: Effects) -> Float32:
    """Apply equaliser and room as one filter; the sound keeps its length and its time."""
    room = _room(sample_rate, effects)
    n = _fast_length(len(sound) + len(room))
    hertz = np.fft.rfftfreq(n, 1 / sample_rate)
    octaves = np.log2(np.maximum(hertz, 20.0) / 1000)
    gain_db = np.clip(effects.tilt_db * octaves, -18, 18)
    for centre, gain in effects.bells:
        gain_db += gain * np.exp(-0.5 * (2 * (octaves - np.log2(centre / 1000))) ** 2)
    gain = (10 ** (gain_db / 20)).astype(np.float32)
    sides = []
    for side in range(2):
        spectrum = np.fft.rfft(sound[:, side], n) * gain
        spectrum *= np.fft.rfft(room[:, side], n)
        sides.append(np.fft.irfft(spectrum, n)[: len(sound)])
    return np.asarray(np.stack(sides, axis=1), np.float32)


def _room(sample_rate: int, effects: Effects) -> Float32:
    """Impulse response: the direct sound, then noise that dies away, its highs first, another on each side."""
    length = max(1, round(effects.room_s * sample_rate))
    out = np.zeros((length, 2), np.float32)
    if effects.room_share > 0 and length > 1:
        rng = np.random.default_rng(effects.seed)
        decay = np.exp(-6.9 * np.arange(length) / length)[:, None]
        noise = rng.normal(0, 1, (length, 2)) * decay
        dull = np.cumsum(noise, axis=0)
        dull[8:] = (dull[8:] - dull[:-8]) / 8  # a moving average
        late = np.linspace(0, 1, length)[:, None]
        tail = (1 - late) * noise + late * dull
        tail[: round(0.005 * sample_rate)] = 0  # the nearest wall is a metre away
        out += np.sqrt(effects.room_share / max(float((tail**2).sum()) / 2, 1e-12)) * tail
    out[0] = 1.0
    return out


def compress(sound: Float32, sample_rate: int, ratio: float) -> Float32:
    """Hold down what is louder than the median level, both sides alike: 10 ms to react, 150 ms to let go."""
    if ratio <= 1:
        return sound
    level = _levels(sound, sample_rate)
    heard = level[level > level.max() + _SILENCE_DB]
    over = np.maximum(level - (np.median(heard) if len(heard) else 0.0), 0)
    held = np.empty_like(over)
    now = 0.0
    for i, value in enumerate(over):
        now += (value - now) * (0.6 if value > now else 0.065)
        held[i] = now
    block = round(_BLOCK_S * sample_rate)
    gain_db = np.interp(np.arange(len(sound)), (np.arange(len(held)) + 0.5) * block, held * (1 / ratio - 1))
    return np.asarray(sound * (10 ** (gain_db / 20))[:, None], np.float32)


def normalise(sound: Float32, sample_rate: int) -> Float32:
    """Bring what is not silence to `LOUDNESS_DB`, and round off the peaks that would be beyond full scale."""
    level = _levels(sound, sample_rate)
    if not len(level) or level.max() < -150:
        return sound
    heard = level[level > level.max() + _SILENCE_DB]
    rms_db = 10 * np.log10((10 ** (heard / 10)).mean())
    out = sound * np.float32(10 ** ((LOUDNESS_DB - rms_db) / 20))
    knee = 0.7 * _PEAK
    beyond = np.abs(out) > knee
    out[beyond] = np.sign(out[beyond]) * (
        knee + (_PEAK - knee) * np.tanh((np.abs(out[beyond]) - knee) / (_PEAK - knee))
    )
    return np.asarray(out, np.float32)


def _levels(sound: Float32, sample_rate: int) -> np.ndarray:
    """RMS of each block in dB of full scale, float64 [n_blocks]; a last block that is not whole is padded."""
    block = round(_BLOCK_S * sample_rate)
    power = (np.asarray(sound, np.float64) ** 2).mean(axis=1)
    power = np.pad(power, (0, -len(power) % block)).reshape(-1, block).mean(axis=1)
    return np.asarray(10 * np.log10(power + 1e-16))


def _fast_length(n: int) -> int:
    """Round up to a length of small factors, or the Fourier transform of an unlucky one takes ten times as long."""
    step = 1 << max(0, n.bit_length() - 6)
    return -(-n // step) * step
