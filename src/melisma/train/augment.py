"""Speech towards singing, in the mel-power domain: cheap enough that two cores stay with the network.

Powers of independent sounds add (on average), so music is mixed in as powers; time is stretched where the spectrum
stands still, which is in vowels, so that they last as long as sung ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from pydantic import ConfigDict, Field

from melisma.core.records import Float32, Int64
from melisma.models.features import FLOOR, N_MELS
from melisma.train.corpus import Clip, Noise, normalised

# A voice is heard in a frame whose clean power is within 25 dB of the clip's loud frames (natural log of power).
_ACTIVE = 25 / 10 * np.log(10)

Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class AugmentConfig:
    """How often and how far; probabilities are per clip, those of `stretch` and `margin` per batch."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")  # as part of a TOML file

    music: Share = 0.7
    snr_db: tuple[float, float] = (-6.0, 18.0)
    second_music: Share = 0.25
    margin: Share = 0.4  # music before and after the voice
    margin_s: Annotated[float, Field(ge=0)] = 1.5
    stretch: Share = 0.5
    stretch_max: Annotated[float, Field(ge=1)] = 4.0
    tempo: Annotated[float, Field(ge=0, lt=1)] = 0.2  # ± share
    warp: Annotated[float, Field(ge=0, lt=1)] = 0.12  # ± share of the frequency axis
    colour_db: Annotated[float, Field(ge=0)] = 6.0
    holes: Share = 0.3  # what masking the sides of a stereo image leaves
    freq_masks: Annotated[int, Field(ge=0)] = 2
    freq_mask_max: Annotated[int, Field(ge=0, le=N_MELS)] = 8
    time_masks: Annotated[int, Field(ge=0)] = 2
    time_mask_max: Annotated[int, Field(ge=0)] = 12


@dataclass(frozen=True, slots=True)
class Example:
    """What the network sees: features float32 [n_frames, N_MELS], label ids, voice activity [n_frames]."""

    features: Float32
    labels: Int64
    active: Float32


@dataclass(frozen=True, slots=True)
class Mood:
    """What all clips of a batch share: changes of length, or padding would eat the time, and the curriculum."""

    strength: float  # 0 … 1, scales how often music is mixed in
    stretch: bool
    margin: bool

    @classmethod
    def draw(cls, config: AugmentConfig, strength: float, rng: np.random.Generator) -> Mood:
        """Decide for one batch."""
        return cls(strength, rng.random() < config.stretch * strength, rng.random() < config.margin * strength)


def plain(clip: Clip) -> Example:
    """Prepare a clip as it is."""
    log_power = clip.log_power.astype(np.float32)
    return Example(normalised(power_of(log_power)), clip.labels, active_frames(log_power))


def augment(clip: Clip, noises: list[Noise], config: AugmentConfig, mood: Mood, rng: np.random.Generator) -> Example:
    """Prepare a clip as if it were sung among instruments."""
    log_power = _bend_time(clip.log_power.astype(np.float32), config, mood.stretch, rng)
    log_power = warp_bands(log_power, 1 + rng.uniform(-config.warp, config.warp))
    log_power = log_power + random_colour(config.colour_db, rng)
    if mood.margin:
        before, after = (int(rng.uniform(0, config.margin_s) * 100) for _ in range(2))
        log_power = np.pad(log_power, ((before, after), (0, 0)), constant_values=np.log(FLOOR))
    active = active_frames(log_power)
    power = power_of(log_power)
    if noises and rng.random() < config.music * mood.strength:
        power = power + _music(power, active, noises, config, rng)
        if rng.random() < config.holes:
            power = power * holes_of(len(power), rng)
    features = normalised(power)
    mask(features, (config.freq_masks, config.freq_mask_max), (config.time_masks, config.time_mask_max), rng)
    return Example(features, clip.labels, active)


def power_of(log_power: Float32) -> Float32:
    """Take back the floor that the logarithm was given, or it would be added twice."""
    return np.asarray(np.maximum(np.exp(log_power) - FLOOR, 0), np.float32)


def active_frames(log_power: Float32) -> Float32:
    """Return 1 where a clean clip sounds and 0 elsewhere, float32 [n_frames]."""
    loud = np.log(np.exp(log_power).sum(axis=1) + FLOOR)
    return np.asarray(loud > np.quantile(loud, 0.95) - _ACTIVE, np.float32)


def _bend_time(log_power: Float32, config: AugmentConfig, stretch: bool, rng: np.random.Generator) -> Float32:
    """Stretch still, loud frames by up to `stretch_max` if asked, and everything by ± `tempo`."""
    n = len(log_power)
    pace = np.full(n, 1 + rng.uniform(-config.tempo, config.tempo))
    if stretch and n > 8:
        change = np.abs(np.diff(log_power, axis=0, prepend=log_power[:1])).mean(axis=1)
        change = np.convolve(change, np.ones(3) / 3, "same")
        loud = log_power.max(axis=1)
        still = (change < np.median(change)) & (loud > np.quantile(loud, 0.4))
        # Each stretch of about 150 ms gets its own factor: notes differ in length.
        factors = rng.uniform(1, config.stretch_max, n // 15 + 1)[np.arange(n) // 15]
        pace = np.where(still, pace * factors, pace)
    ends = np.cumsum(pace)
    target = np.arange(0.5, ends[-1])
    source = np.interp(target, ends - pace / 2, np.arange(n))
    low = np.floor(source).astype(np.int64)
    share = (source - low)[:, None].astype(np.float32)
    return np.asarray(log_power[low] * (1 - share) + log_power[np.minimum(low + 1, n - 1)] * share, np.float32)


def warp_bands(log_power: Float32, factor: float) -> Float32:
    """Scale the mel axis, as another vocal tract and another pitch would."""
    source = np.clip(np.arange(N_MELS) * factor, 0, N_MELS - 1)
    low = np.floor(source).astype(np.int64)
    share = (source - low).astype(np.float32)
    above = log_power[:, np.minimum(low + 1, N_MELS - 1)]
    return np.asarray(log_power[:, low] * (1 - share) + above * share, np.float32)


def random_colour(colour_db: float, rng: np.random.Generator) -> Float32:
    """Draw a smooth curve over the bands within ± `colour_db`, in natural log of power, float32 [N_MELS]."""
    knots = rng.uniform(-colour_db, colour_db, 6) * np.log(10) / 10
    return np.asarray(np.interp(np.arange(N_MELS), np.linspace(0, N_MELS - 1, 6), knots), np.float32)


def excerpt(noise: Noise, n: int, rng: np.random.Generator) -> Float32:
    """Draw `n` frames of a noise, coloured and shifted in pitch a little, as mel powers [n, N_MELS]."""
    have = len(noise.log_power)
    start = int(rng.integers(have))
    frames = noise.log_power[(start + np.arange(n)) % have].astype(np.float32)
    return np.asarray(np.exp(warp_bands(frames, 1 + rng.uniform(-0.2, 0.2)) + random_colour(6.0, rng)), np.float32)


def _music(
    power: Float32, active: Float32, noises: list[Noise], config: AugmentConfig, rng: np.random.Generator
) -> Float32:
    """Draw music at a random distance below (or above) the voice, measured where the voice is."""
    music = excerpt(noises[rng.integers(len(noises))], len(power), rng)
    if rng.random() < config.second_music:
        other = excerpt(noises[rng.integers(len(noises))], len(power), rng)
        music = music + other * (music.mean() / (other.mean() + FLOOR))
    voice = power[active > 0].mean() if active.any() else power.mean()
    gain = voice / (music.mean() + FLOOR) * 10 ** (-rng.uniform(*config.snr_db) / 10)
    return np.asarray(music * gain, np.float32)


def holes_of(n: int, rng: np.random.Generator) -> Float32:
    """Gains of patchy masking, 3 frames by 2 bands a patch, down to −20 dB in about a fifth of them."""
    coarse = rng.random((n // 3 + 1, N_MELS // 2))
    gains = np.where(coarse < 0.2, rng.uniform(0.01, 0.5, coarse.shape), 1.0)
    return np.asarray(np.repeat(np.repeat(gains, 3, axis=0)[:n], 2, axis=1), np.float32)


def mask(features: Float32, bands: tuple[int, int], moments: tuple[int, int], rng: np.random.Generator) -> None:
    """Blank out bands and moments, in place; (how many, how wide at most) of each (SpecAugment, Park et al., 2019)."""
    for _ in range(bands[0]):
        width = int(rng.integers(bands[1] + 1))
        start = int(rng.integers(N_MELS - width + 1))
        features[:, start : start + width] = 0
    for _ in range(moments[0]):
        width = int(rng.integers(min(moments[1], len(features) // 10) + 1))
        start = int(rng.integers(len(features) - width + 1))
        features[start : start + width] = 0
