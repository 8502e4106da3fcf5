from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from melisma.models.features import FLOOR, N_MELS, log_mel
from melisma.train import augment as module
from melisma.train.augment import AugmentConfig, Mood, augment, plain
from melisma.train.corpus import Clip, Noise

# Nothing is done but what a test asks for.
STILL = AugmentConfig(
    music=0, second_music=0, margin=0, stretch=0, tempo=0, warp=0, colour_db=0, holes=0, freq_masks=0, time_masks=0
)
CALM = Mood(1.0, stretch=False, margin=False)


def speech(n_frames: int = 120) -> Clip:
    """Return vowels that stand for 0.3 s, with silence around them."""
    rng = np.random.default_rng(1)
    samples = rng.normal(0, 1e-4, n_frames * 160)
    for start in range(1600, len(samples) - 4800, 6400):
        at = np.arange(4800)
        samples[start : start + 4800] += sum(np.sin(2 * np.pi * 220 * k * at / 16000) / k for k in range(1, 9)) * 0.1
    power = log_mel(samples.astype(np.float32)).astype(np.float16)
    return Clip("a", "en", "s", power, np.array([3, 1, 4, 1, 5], np.int64))


def music(seed: int = 2) -> Noise:
    samples = np.random.default_rng(seed).normal(0, 0.1, 20000).astype(np.float32)
    return Noise("m", "music", log_mel(samples).astype(np.float16))


def rng(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("mood", [Mood(1.0, s, m) for s in (False, True) for m in (False, True)], ids=str)
@pytest.mark.parametrize("seed", range(5))
def test_examples_are_finite_whole_and_keep_their_labels(mood, seed):
    clip = speech()
    before = clip.log_power.copy()
    example = augment(clip, [music(), music(3)], AugmentConfig(music=1.0, second_music=0.5), mood, rng(seed))
    assert example.features.dtype == np.float32
    assert example.features.shape[1] == N_MELS
    assert example.active.shape == (len(example.features),)
    assert np.isfinite(example.features).all()
    assert set(np.unique(example.active)) <= {0.0, 1.0}
    np.testing.assert_array_equal(example.labels, clip.labels)
    np.testing.assert_array_equal(clip.log_power, before)


def test_a_generator_decides_all():
    def once(seed: int):
        return augment(speech(), [music(), music(3)], AugmentConfig(), Mood(1.0, True, True), rng(seed)).features

    np.testing.assert_array_equal(once(1), once(1))
    assert once(1).shape != once(2).shape or not np.array_equal(once(1), once(2))


def test_with_nothing_asked_a_clip_stays_as_it_is():
    example, as_it_is = augment(speech(), [], STILL, CALM, rng()), plain(speech())
    np.testing.assert_allclose(example.features, as_it_is.features, atol=1e-5)
    np.testing.assert_array_equal(example.active, as_it_is.active)


def test_activity_is_where_the_voice_is():
    active = plain(speech()).active
    assert active[12:38].all()
    assert not active[:8].any()


def test_stretching_lengthens_the_vowels_and_no_more_than_asked():
    clip = speech()
    config = replace(STILL, stretch=1.0, stretch_max=4.0)
    lengths = [len(augment(clip, [], config, Mood(1.0, True, False), rng(seed)).features) for seed in range(8)]
    assert min(lengths) > len(clip.log_power)
    assert max(lengths) <= 4 * len(clip.log_power)
    assert len(set(lengths)) > 1
    stretched = augment(clip, [], config, Mood(1.0, True, False), rng(0))
    assert stretched.active.sum() > 1.2 * plain(clip).active.sum()


@pytest.mark.parametrize("tempo", [0.05, 0.2])
def test_tempo_stays_within_its_share(tempo):
    clip = speech()
    lengths = [len(augment(clip, [], replace(STILL, tempo=tempo), CALM, rng(s)).features) for s in range(20)]
    assert (1 - tempo) * 120 - 1 <= min(lengths) < 120 < max(lengths) <= (1 + tempo) * 120 + 1


def test_a_margin_puts_time_around_the_voice_without_voice_in_it():
    clip = speech()
    config = replace(STILL, margin=1.0, margin_s=1.5)
    example = augment(clip, [], config, Mood(1.0, False, True), rng())
    extra = len(example.features) - len(clip.log_power)
    assert 0 < extra <= 300
    assert example.active.sum() == plain(clip).active.sum()


def snr_of(clip: Clip, snr_db: float) -> float:
    """Mix music in and measure, where the voice is, how far it lies below."""
    power = np.exp(clip.log_power.astype(np.float32))
    active = plain(clip).active
    # Music that is as loud at every time, so that what is measured is not chance.
    even = Noise("m", "music", np.full((500, N_MELS), np.log(1e-3), np.float16))
    config = replace(STILL, music=1.0, snr_db=(snr_db, snr_db))
    mixed = module._music(power, active, [even], config, rng())
    return float(10 * np.log10(power[active > 0].mean() / mixed.mean()))


@pytest.mark.parametrize("snr_db", [-6.0, 0.0, 12.0])
def test_music_lies_as_far_below_the_voice_as_asked(snr_db):
    assert snr_of(speech(), snr_db) == pytest.approx(snr_db, abs=0.1)


def test_music_fills_what_was_silent():
    quiet = augment(speech(), [], STILL, CALM, rng())
    loud = augment(speech(), [music()], replace(STILL, music=1.0, snr_db=(0.0, 0.0)), CALM, rng())
    silent = quiet.active == 0
    spread = quiet.features[~silent].mean() - quiet.features[silent].mean()
    assert loud.features[~silent].mean() - loud.features[silent].mean() < 0.7 * spread
    np.testing.assert_array_equal(loud.active, quiet.active)


def test_music_comes_only_as_often_as_the_mood_says():
    config = replace(STILL, music=1.0)
    still = plain(speech()).features
    calm = augment(speech(), [music()], config, Mood(0.0, False, False), rng()).features
    np.testing.assert_allclose(calm, still, atol=1e-5)


def test_a_mood_of_no_strength_leaves_lengths_alone():
    config = AugmentConfig(stretch=1.0, margin=1.0)
    assert Mood.draw(config, 0.0, rng()) == Mood(0.0, False, False)
    assert Mood.draw(config, 1.0, rng()) == Mood(1.0, True, True)


def test_masks_blank_bands_and_moments_out():
    config = replace(STILL, freq_masks=3, freq_mask_max=8, time_masks=2, time_mask_max=12)
    seen = [augment(speech(), [], config, CALM, rng(seed)).features for seed in range(10)]
    assert any((features == 0).all(axis=0).any() for features in seen)
    assert any((features == 0).all(axis=1).any() for features in seen)
    for features in seen:
        assert (features == 0).all(axis=0).sum() <= 24
        assert (features == 0).all(axis=1).sum() <= 24


@pytest.mark.parametrize("n_frames", [1, 2, 5, 9])
def test_scraps_survive_everything(n_frames):
    clip = Clip("a", "en", "s", np.full((n_frames, N_MELS), np.log(FLOOR), np.float16), np.array([1]))
    for seed in range(10):
        example = augment(clip, [music()], AugmentConfig(music=1.0, holes=1.0), Mood(1.0, True, True), rng(seed))
        assert np.isfinite(example.features).all()
        assert len(example.features) == len(example.active)
