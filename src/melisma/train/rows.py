"""Excerpts of made-up songs, all of one length: clips one after the other with gaps, bent, among music.

Where every frame has its own target, a row can be cut anywhere: no padding, batches of one shape, and the network
hears gaps, changes of speaker and music that goes on where nobody sings, as in a song.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from pydantic import ConfigDict, Field
from torch import Tensor

from melisma.core.records import Float32, Int64
from melisma.models.features import FLOOR, N_MELS
from melisma.text.phones import INVENTORY, VOWELS
from melisma.train import augment
from melisma.train.augment import Share
from melisma.train.corpus import Clip, Int16, Noise, normalised

UInt8 = npt.NDArray[np.uint8]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]

_FRAMES_PER_S = 100
# Rows are whole numbers of 16 frames of the trunk: on CPUs, convolutions of odd lengths take three times as long.
_ROW_STEP = 48
_IS_VOWEL = np.array([False, *(phone in VOWELS for phone in INVENTORY)])
_IS_SONORANT = np.array([False, *(phone in "mnŋɲlrɾɹjwvzʒðɣ" for phone in INVENTORY)])


@dataclass(frozen=True, slots=True)
class RowConfig:
    """How rows are made; shares are probabilities, per row unless said otherwise."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")  # as part of a TOML file

    row_s: Positive = 19.2
    n_rows: Annotated[int, Field(ge=1)] = 4
    speaker_power: NotNegative = 0.75  # a speaker is drawn by their hours to this power
    one_speaker: Share = 0.7
    gap_s: NotNegative = 0.4  # mean pause between clips
    long_gap: Share = 0.15  # of pauses, up to long_gap_s
    long_gap_s: NotNegative = 6.0
    tempo: Annotated[float, Field(ge=0, lt=1)] = 0.2
    stretch: Share = 0.5  # of clips: vowels up to vowel_max times as long, consonants a little
    vowel_max: Annotated[float, Field(ge=1)] = 8.0
    warp: Annotated[float, Field(ge=0, lt=1)] = 0.12
    colour_db: NotNegative = 6.0
    reverb: Share = 0.35
    choir: Share = 0.15  # other voices of the batch behind this one
    choir_db: tuple[float, float] = (4.0, 16.0)
    music: Share = 0.85
    snr_db: tuple[float, float] = (-5.0, 20.0)
    second_music: Share = 0.25
    swell_db: NotNegative = 6.0  # how far the music's level wanders
    holes: Share = 0.3
    lowpass: Share = 0.2
    freq_masks: Annotated[int, Field(ge=0)] = 2
    freq_mask_max: Annotated[int, Field(ge=0, le=N_MELS)] = 8
    time_masks: Annotated[int, Field(ge=0)] = 4
    time_mask_max: Annotated[int, Field(ge=0)] = 12

    @property
    def n_frames(self) -> int:
        """Feature frames of a row."""
        return max(1, round(self.row_s * _FRAMES_PER_S / _ROW_STEP)) * _ROW_STEP


@dataclass(frozen=True, slots=True)
class RowBatch:
    """Arrays of one step."""

    features: Tensor  # float32 [n_rows, N_MELS, n_frames]
    targets: Tensor  # int64 [n_rows, n_frames], the label that sounds, 0 for none
    active: Tensor  # float32 [n_rows, n_frames], whether a voice is heard
    labels: Tensor  # int64 [sum of label lengths], what is spelt in the rows, one after the other
    label_lengths: Tensor  # int64 [n_rows]


@dataclass(frozen=True, slots=True)
class _Voice:
    """One row before the music: mel powers [n, N_MELS], targets [n], voice activity [n], labels."""

    power: Float32
    targets: UInt8
    active: Float32
    labels: list[int]


class RowSampler:
    """The batches of a whole training, each with a random generator of its own: any step can be redone."""

    def __init__(
        self,
        sources: list[tuple[list[Clip], float]],
        noises: list[tuple[list[Noise], float]],
        config: RowConfig,
        seed: int,
    ) -> None:
        """Take kinds of clips and of noises, each with the share of time it is drawn for; clips have frame targets."""
        self.config, self.seed = config, seed
        self._sources = [_Source(clips, config.speaker_power) for clips, _ in sources]
        shares = np.array([share for _, share in sources], np.float64)
        self._shares = shares / shares.sum()
        self.noises = [noise for pieces, _ in noises for noise in pieces]
        # A piece is drawn by the square root of its length: short loops would drown the long pieces otherwise.
        weights = [np.sqrt([len(n.log_power) for n in pieces]) for pieces, _ in noises]
        drawn = [w / w.sum() * share for w, (_, share) in zip(weights, noises, strict=True)]
        self._noise_shares = np.concatenate(drawn) / sum(share for _, share in noises) if noises else np.zeros(0)

    def batch(self, step: int, strength: float = 1.0) -> RowBatch:
        """Make the batch of a step; `strength` scales how often music and the like come in."""
        config, rng = self.config, np.random.default_rng([self.seed, 13, step])
        voices = [self._voice(strength, rng) for _ in range(config.n_rows)]
        features = np.empty((config.n_rows, N_MELS, config.n_frames), np.float32)
        for i, voice in enumerate(voices):
            mixed = voice.power
            if config.n_rows > 1 and rng.random() < config.choir * strength:
                other = voices[(i + 1) % config.n_rows].power
                mixed = mixed + other * _gain(mixed, other, voice.active, rng.uniform(*config.choir_db))
            mixed = self.among_music(mixed, voice.active, strength, rng)
            normal = normalised(mixed)
            bands, moments = (config.freq_masks, config.freq_mask_max), (config.time_masks, config.time_mask_max)
            augment.mask(normal, bands, moments, rng)
            features[i] = normal.T
        return RowBatch(
            torch.from_numpy(features),
            torch.from_numpy(np.stack([v.targets for v in voices]).astype(np.int64)),
            torch.from_numpy(np.stack([v.active for v in voices])),
            torch.tensor([label for v in voices for label in v.labels], dtype=torch.int64),
            torch.tensor([len(v.labels) for v in voices], dtype=torch.int64),
        )

    def _voice(self, strength: float, rng: np.random.Generator) -> _Voice:
        """Fill a row with clips and pauses."""
        config = self.config
        n = config.n_frames
        row = _Voice(np.zeros((n, N_MELS), np.float32), np.zeros(n, np.uint8), np.zeros(n, np.float32), [])
        source = self._sources[int(rng.choice(len(self._sources), p=self._shares))]
        clip = source.draw(rng)
        warp = 1 + rng.uniform(-config.warp, config.warp)
        colour = augment.random_colour(config.colour_db, rng)
        at = int(rng.exponential(config.gap_s) * _FRAMES_PER_S)
        begins_anywhere = rng.random() < 0.5  # songs are not cut where a clip begins
        while at < n:
            log_power, owners = bend(clip, config, strength, rng)
            begin = int(rng.integers(len(owners))) if begins_anywhere else 0
            begins_anywhere = False
            take = min(n - at, len(owners) - begin)
            here, there = slice(at, at + take), slice(begin, begin + take)
            louder = rng.uniform(-3, 3) * np.log(10) / 10 - np.log(np.exp(log_power).sum(axis=1).mean() + FLOOR)
            row.active[here] = augment.active_frames(log_power)[there]
            row.power[here] = augment.power_of(augment.warp_bands(log_power[there], warp)) * np.exp(colour + louder)
            row.targets[here] = np.append(clip.labels, 0)[owners[there]]
            row.labels.extend(_spelt(clip, owners, there))
            at += take + self._gap(rng)
            clip = source.draw_beside(clip, rng) if rng.random() < config.one_speaker else source.draw(rng)
        if rng.random() < config.reverb * strength:
            row = replace(row, power=_reverberate(row.power, rng))
        return row

    def _gap(self, rng: np.random.Generator) -> int:
        config = self.config
        long = rng.random() < config.long_gap
        return int((rng.uniform(0, config.long_gap_s) if long else rng.exponential(config.gap_s)) * _FRAMES_PER_S)

    def among_music(self, power: Float32, active: Float32, strength: float, rng: np.random.Generator) -> Float32:
        """Mix music and the like to a voice, as mel powers [n, N_MELS]."""
        config = self.config
        if self.noises and rng.random() < config.music * strength:
            music = self._excerpt(len(power), rng)
            if rng.random() < config.second_music:
                other = self._excerpt(len(power), rng)
                music = music + other * (music.mean() / (other.mean() + FLOOR))
            music = music * _swell(len(power), config.swell_db, rng)
            power = power + music * _gain(power, music, active, rng.uniform(*config.snr_db))
            if rng.random() < config.holes:
                power = power * augment.holes_of(len(power), rng)
        else:  # the quiet hiss of a recording
            power = power + power.mean() * np.float32(10 ** rng.uniform(-6, -3))
        if rng.random() < config.lowpass * strength:
            edge = int(rng.integers(N_MELS * 2 // 3, N_MELS))
            power[:, edge:] *= np.float32(10 ** rng.uniform(-5, -1))
        return power

    def _excerpt(self, n: int, rng: np.random.Generator) -> Float32:
        return augment.excerpt(self.noises[int(rng.choice(len(self.noises), p=self._noise_shares))], n, rng)


class _Source:
    """Clips of one kind, drawn by speaker and length."""

    def __init__(self, clips: list[Clip], speaker_power: float) -> None:
        self.clips = clips
        hours: dict[str, float] = {}
        for clip in clips:
            hours[clip.speaker] = hours.get(clip.speaker, 0.0) + len(clip.log_power)
        weights = np.array([len(c.log_power) * hours[c.speaker] ** (speaker_power - 1) for c in clips], np.float64)
        self._shares = np.cumsum(weights / weights.sum())
        self._beside: dict[tuple[str, str], list[int]] = {}
        for i, clip in enumerate(clips):
            self._beside.setdefault((clip.language, clip.speaker), []).append(i)

    def draw(self, rng: np.random.Generator) -> Clip:
        return self.clips[min(int(np.searchsorted(self._shares, rng.random())), len(self.clips) - 1)]

    def draw_beside(self, clip: Clip, rng: np.random.Generator) -> Clip:
        near = self._beside[clip.language, clip.speaker]
        return self.clips[near[int(rng.integers(len(near)))]]


def bend(clip: Clip, config: RowConfig, strength: float, rng: np.random.Generator) -> tuple[Float32, Int16]:
    """Change the pace, phone by phone: held vowels, hurried consonants; the owners of frames go along."""
    log_power, owners = clip.log_power, clip.owners
    if owners is None:
        raise ValueError(f"the clip {clip.id} has no phone times")
    n = len(owners)
    pace = np.full(n, 1 + rng.uniform(-config.tempo, config.tempo))
    if not clip.sung and rng.random() < config.stretch * strength:
        pace *= _held(clip.labels, owners, config.vowel_max, rng)
    ends = np.cumsum(pace)
    target = np.arange(0.5, ends[-1])
    source = np.interp(target, ends - pace / 2, np.arange(n))
    low = np.floor(source).astype(np.int64)
    share = (source - low)[:, None].astype(np.float32)
    high = np.minimum(low + 1, n - 1)
    bent = log_power[low].astype(np.float32) * (1 - share) + log_power[high].astype(np.float32) * share
    return bent, owners[np.round(source).astype(np.int64)]


def _held(labels: Int64, owners: Int16, vowel_max: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return how much longer each frame lasts, one factor per phone, float64 [n_frames]."""
    n = len(labels)
    singer = rng.uniform(0.3, 1.0)  # some hold every vowel, some rap
    vowel = vowel_max ** (singer * rng.beta(1.2, 1.6, n))
    sonorant, other, silence = rng.uniform(0.8, 1.8, n), rng.uniform(0.8, 1.3, n), rng.uniform(0.5, 1.5)
    factors = np.where(_IS_VOWEL[labels], vowel, np.where(_IS_SONORANT[labels], sonorant, other))
    held: npt.NDArray[np.float64] = np.append(factors, silence)[owners]
    return held


def _spelt(clip: Clip, owners: Int16, part: slice) -> list[int]:
    """Return the labels of the phones that sound for the better part within a part of the frames."""
    n = len(clip.labels)
    whole = np.bincount(owners[owners >= 0], minlength=n)
    inside = np.bincount(owners[part][owners[part] >= 0], minlength=n)
    kept: list[int] = clip.labels[(inside > 0) & (2 * inside >= whole)].tolist()
    return kept


def _gain(voice: Float32, other: Float32, active: Float32, snr_db: float) -> np.float32:
    """Return what to multiply `other` with so that it lies `snr_db` below the voice where that is heard."""
    level = voice[active > 0].mean() if active.any() else 1.0
    return np.float32(level / (other.mean() + FLOOR) * 10 ** (-snr_db / 10))


def _reverberate(power: Float32, rng: np.random.Generator) -> Float32:
    """Let the power of every band ring on, 0.2 to 1.5 s to −60 dB, 3 to 15 dB below the voice."""
    decay = 10 ** (-6 / (rng.uniform(0.2, 1.5) * _FRAMES_PER_S))
    wet = 10 ** (-rng.uniform(3, 15) / 10) * (1 - decay)
    tail = _ring(power, decay)
    return np.asarray(power + wet * tail, np.float32)


def _ring(power: Float32, decay: float) -> Float32:
    """Return the running sum y[t] = decay y[t − 1] + x[t − 1], in blocks: scaled cumulative sums of 64 frames."""
    out = np.empty_like(power)
    carried = np.zeros(power.shape[1])
    size = 64
    scale = decay ** np.arange(size)
    for first in range(0, len(power), size):
        block = power[first : first + size]
        k = len(block)
        sums = np.cumsum(block / scale[:k, None], axis=0)
        before = np.concatenate([np.zeros((1, power.shape[1])), sums[:-1]])
        out[first : first + k] = carried * scale[:k, None] + before * (scale[:k, None] / decay)
        carried = carried * decay**k + sums[-1] * scale[k - 1]
    return out


def _swell(n: int, swell_db: float, rng: np.random.Generator) -> Float32:
    """Return gains of music that grows and fades over seconds, float32 [n, 1]."""
    knots = rng.uniform(-swell_db, swell_db, max(2, n // 400 + 1)) * np.log(10) / 10
    curve = np.interp(np.arange(n), np.linspace(0, n - 1, len(knots)), knots)
    return np.asarray(np.exp(curve)[:, None], np.float32)
