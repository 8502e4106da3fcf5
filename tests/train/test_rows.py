"""Rows: of one shape, made again bit for bit, and with targets that say what sounds."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from melisma.models.features import FLOOR, N_MELS
from melisma.text.phones import INVENTORY, VOWELS
from melisma.train import augment
from melisma.train import rows as module
from melisma.train.corpus import Clip, Noise
from melisma.train.rows import RowBatch, RowConfig, RowSampler, bend

QUIET = float(np.log(1e-6))
LONG = 10  # frames of a phone
VOWEL, NASAL, STOP = (INVENTORY.index(p) + 1 for p in "amt")

# Nothing is done but what a test asks for.
STILL = RowConfig(
    row_s=2.4, n_rows=2, gap_s=0.05, long_gap=0, tempo=0, stretch=0, warp=0, colour_db=0, reverb=0, choir=0, music=0,
    second_music=0, swell_db=0, holes=0, lowpass=0, freq_masks=0, time_masks=0,
)  # fmt: skip
LOUD = replace(
    RowConfig(), row_s=2.4, n_rows=3, stretch=1, reverb=1, choir=1, music=1, second_music=1, holes=1, lowpass=1
)


def clip(labels=(VOWEL, STOP, NASAL), speaker="s", **facts) -> Clip:
    """Every phone sounds in a band of its own for LONG frames, with half as much silence before and after them."""
    owners = np.repeat(np.array([-1, *range(len(labels)), -1], np.int16), [LONG // 2, *[LONG] * len(labels), LONG // 2])
    log_power = np.full((len(owners), N_MELS), QUIET, np.float16)
    sounding = np.flatnonzero(owners >= 0)
    log_power[sounding, np.array(labels)[owners[sounding]]] = 0
    made = Clip("c", "en", speaker, log_power, np.array(labels, np.int64), owners)
    return replace(made, **facts)


def even(log_power: float = -3.0) -> Noise:
    return Noise("n", "music", np.full((300, N_MELS), log_power, np.float16))


def babble() -> Noise:
    return Noise("b", "music", np.random.default_rng(5).normal(-4, 2, (300, N_MELS)).astype(np.float16))


def sampler(config=STILL, clips=None, noises=(), seed=1) -> RowSampler:
    return RowSampler([(clips or [clip()], 1.0)], [(list(noises), 1.0)] if noises else [], config, seed)


def rng(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


def same(one: RowBatch, other: RowBatch) -> bool:
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in RowBatch.__slots__)


def runs(targets) -> list[tuple[int, int]]:
    """Return the label and the length of every stretch of one target, silence too."""
    edges = np.flatnonzero(np.diff(targets, prepend=-1, append=-1))
    return [(int(targets[a]), int(b - a)) for a, b in pairwise(edges)]


@pytest.mark.parametrize(("row_s", "n_frames"), [(0.1, 48), (1.0, 96), (19.2, 1920), (20.0, 2016)])
def test_a_row_is_a_whole_number_of_sixteen_frames_of_the_trunk(row_s, n_frames):
    assert RowConfig(row_s=row_s).n_frames == n_frames


@pytest.mark.parametrize("step", range(4))
def test_batches_have_one_shape_whatever_is_done_to_them(step):
    clips = [clip(speaker="a"), clip((STOP, VOWEL), "b"), clip(speaker="a", sung=True)]
    kept = [c.log_power.copy() for c in clips]
    batch = sampler(LOUD, clips, [even(), babble()]).batch(step)
    n = LOUD.n_frames
    assert (batch.features.shape, batch.features.dtype) == ((3, N_MELS, n), torch.float32)
    assert (batch.targets.shape, batch.targets.dtype) == ((3, n), torch.int64)
    assert (batch.active.shape, batch.active.dtype) == ((3, n), torch.float32)
    assert torch.isfinite(batch.features).all()
    assert set(batch.targets.unique().tolist()) <= {0, VOWEL, STOP, NASAL}
    assert set(batch.active.unique().tolist()) <= {0.0, 1.0}
    assert batch.label_lengths.shape == (3,)
    assert len(batch.labels) == int(batch.label_lengths.sum()) > 0
    for one, before in zip(clips, kept, strict=True):
        np.testing.assert_array_equal(one.log_power, before)


def test_any_step_can_be_made_again_bit_for_bit():
    clips = [clip(speaker=s) for s in "abc"]
    first, other = sampler(LOUD, clips, [babble()]), sampler(LOUD, clips, [babble()])
    made = {step: first.batch(step, 0.7) for step in (0, 1, 9)}
    for step in (9, 0, 1):  # in another order, by a sampler that made nothing before
        assert same(other.batch(step, 0.7), made[step])
    assert not same(made[0], made[1])
    assert not same(made[9], sampler(LOUD, clips, [babble()], seed=2).batch(9, 0.7))


@pytest.mark.parametrize("config", [STILL, replace(STILL, tempo=0.2, stretch=1.0)], ids=["as spoken", "stretched"])
def test_the_target_of_a_frame_is_the_phone_that_sounds_in_it(config):
    made = sampler(config, [clip(), clip((STOP, VOWEL))])
    right = sounding = 0
    for step in range(6):
        batch = made.batch(step)
        targets, loudest = batch.targets.numpy(), batch.features.numpy().argmax(axis=1)
        right += int((loudest == targets)[targets > 0].sum())
        sounding += int((targets > 0).sum())
        # A frame between phone and silence may count for either.
        assert ((targets > 0) == (batch.active.numpy() > 0)).mean() > 0.9
    assert sounding > 500
    assert right > 0.98 * sounding


def test_the_labels_of_a_row_are_the_phones_that_sound_for_the_better_part():
    made = sampler(replace(STILL, row_s=0.5), [clip(), clip((STOP, VOWEL))])
    kept, dropped = 0, 0
    for step in range(30):
        batch = made.batch(step)
        said = torch.split(batch.labels, batch.label_lengths.tolist())
        for targets, labels in zip(batch.targets.numpy(), said, strict=True):
            whole = [label for label, n in runs(targets) if label and 2 * n >= LONG]
            assert labels.tolist() == whole
            kept += sum(label > 0 and LONG / 2 <= n < LONG for label, n in runs(targets))
            dropped += sum(label > 0 and 2 * n < LONG for label, n in runs(targets))
    assert kept > 5
    assert dropped > 5


def test_kinds_of_clips_come_as_often_as_their_share():
    kinds = [([clip((VOWEL, STOP))], 3.0), ([clip((NASAL,))], 1.0)]
    made = RowSampler(kinds, [], replace(STILL, row_s=0.48, n_rows=20, gap_s=0), 1)
    found = Counter(NASAL in row for step in range(10) for row in made.batch(step).targets)
    assert found[True] / 200 == pytest.approx(0.25, abs=0.09)


@pytest.mark.parametrize(("power", "share"), [(0.0, 1 / 2), (0.5, 4 / 5), (1.0, 16 / 17)])
def test_a_speaker_is_drawn_by_their_hours_to_a_power(power, share):
    source = module._Source([clip(speaker="much") for _ in range(16)] + [clip(speaker="little")], power)
    draws = rng()
    found = Counter(source.draw(draws).speaker for _ in range(3000))
    assert found["much"] / 3000 == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize(("one_speaker", "mixed"), [(1.0, False), (0.0, True)])
def test_a_row_stays_with_one_speaker_as_often_as_asked(one_speaker, mixed):
    clips = [clip((VOWEL,), "a"), clip((STOP,), "b")]
    made = sampler(replace(STILL, one_speaker=one_speaker), clips)
    rows = [set(row.tolist()) - {0} for step in range(8) for row in made.batch(step).targets]
    assert any(len(row) == 2 for row in rows) == mixed
    assert {label for row in rows for label in row} == {VOWEL, STOP}


def test_pauses_are_as_long_as_asked():
    def share_of_silence(**changes) -> float:
        made = sampler(replace(STILL, row_s=9.6, **changes))
        return float(np.mean([(made.batch(step).targets == 0).float().mean() for step in range(3)]))

    own = LONG / (4 * LONG)  # of the clip itself
    assert share_of_silence(gap_s=0) == pytest.approx(own, abs=0.05)
    assert share_of_silence(gap_s=0.4) == pytest.approx((40 + LONG) / (40 + 4 * LONG), abs=0.12)
    assert share_of_silence(gap_s=0, long_gap=1.0, long_gap_s=4.0) > 0.7


def lengths(owners, n: int = 3) -> np.ndarray:
    return np.bincount(owners[owners >= 0], minlength=n) / LONG


def test_vowels_are_held_and_consonants_hardly():
    config = replace(STILL, stretch=1.0, vowel_max=8.0)
    found = np.array([lengths(bend(clip(), config, 1.0, rng(seed))[1]) for seed in range(60)])
    vowel, stop, nasal = found.T
    assert 3 < vowel.max() <= 8.1
    assert vowel.min() >= 0.9
    assert 0.7 <= stop.min() <= stop.max() <= 1.4
    assert 0.7 <= nasal.min() <= nasal.max() <= 1.9
    assert nasal.max() > stop.max()


def test_every_label_of_the_inventory_is_of_a_known_kind():
    assert [bool(v) for v in module._IS_VOWEL[1:]] == [p in VOWELS for p in INVENTORY]
    assert not module._IS_VOWEL[0]
    assert not (module._IS_VOWEL & module._IS_SONORANT).any()


@pytest.mark.parametrize(("sung", "strength"), [(True, 1.0), (False, 0.0)], ids=["sung", "no strength"])
def test_what_is_sung_or_comes_before_the_ramp_is_not_stretched(sung, strength):
    one = clip(sung=sung)
    log_power, owners = bend(one, replace(STILL, stretch=1.0), strength, rng())
    np.testing.assert_array_equal(owners, one.owners)
    np.testing.assert_allclose(log_power, one.log_power.astype(np.float32), atol=1e-3)


def test_tempo_stays_within_its_share():
    n = len(clip().log_power)
    found = [len(bend(clip(), replace(STILL, tempo=0.2), 1.0, rng(seed))[1]) for seed in range(40)]
    assert 0.8 * n - 1 <= min(found) < 0.9 * n
    assert 1.1 * n < max(found) <= 1.2 * n + 1


def test_a_clip_without_phone_times_is_refused():
    with pytest.raises(ValueError, match="the clip c has no phone times"):
        sampler(STILL, [clip(owners=None)]).batch(0)


def voice() -> tuple[np.ndarray, np.ndarray]:
    log_power = np.concatenate([clip().log_power] * 4).astype(np.float32)
    return augment.power_of(log_power), augment.active_frames(log_power)


def music_of(config: RowConfig, seed: int, strength: float = 1.0, noise=None) -> np.ndarray:
    power, active = voice()
    return sampler(config, noises=[noise or even()]).among_music(power, active, strength, rng(seed)) - power


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 20.0])
def test_music_lies_as_far_below_the_voice_as_asked(snr_db):
    power, active = voice()
    music = music_of(replace(STILL, music=1.0, snr_db=(snr_db, snr_db)), 3)
    found = 10 * np.log10(power[active > 0].mean() / music[active > 0].mean())
    assert found == pytest.approx(snr_db, abs=0.1)


def test_music_is_spread_over_the_levels_asked():
    power, active = voice()
    config = replace(STILL, music=1.0, snr_db=(-5.0, 20.0), second_music=0.5)
    levels = [10 * np.log10(power[active > 0].mean() / music_of(config, seed)[active > 0].mean()) for seed in range(40)]
    assert -5.1 < min(levels) < 0
    assert 15 < max(levels) < 20.1


def test_music_comes_as_often_as_its_share_and_the_ramp_say():
    heard = [music_of(replace(STILL, music=0.8, snr_db=(0, 0)), seed, 0.5).mean() > 1e-3 for seed in range(120)]
    assert np.mean(heard) == pytest.approx(0.4, abs=0.13)


def test_music_swells():
    level = music_of(replace(STILL, music=1.0, snr_db=(0, 0), swell_db=12.0), 1).mean(axis=1)
    steady = music_of(replace(STILL, music=1.0, snr_db=(0, 0)), 1).mean(axis=1)
    assert steady.max() < 1.01 * steady.min()
    assert level.max() > 1.5 * level.min()


@pytest.mark.parametrize("decay", [0.5, 0.9, 0.98])
@pytest.mark.parametrize("n", [1, 63, 64, 65, 200])
def test_ringing_in_blocks_is_a_running_sum(n, decay):
    power = rng(n).exponential(1.0, (n, 5)).astype(np.float32)
    plain = np.zeros((n, 5))
    for t in range(1, n):
        plain[t] = decay * plain[t - 1] + power[t - 1]
    np.testing.assert_allclose(module._ring(power, decay), plain, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_a_room_rings_after_a_sound_and_never_before(seed):
    power = np.zeros((400, N_MELS), np.float32)
    power[100] = 1
    tail = module._reverberate(power, rng(seed)) - power
    assert not tail[:101].any()
    assert (np.diff(tail[101:, 0]) <= 0).all()
    assert -15.1 < 10 * np.log10(tail[:, 0].sum()) < -2.9
    assert tail[101 + 150, 0] <= 1.01e-6 * tail[101, 0]  # −60 dB after 1.5 s at the latest


def test_reverberation_can_be_switched_on():
    dry, wet = (sampler(replace(STILL, n_rows=1, reverb=share), [clip((NASAL,))]).batch(3) for share in (0, 1))
    assert torch.equal(dry.targets, wet.targets)
    after = (dry.targets[0, 1:] == 0) & (dry.targets[0, :-1] == NASAL)
    before = (dry.targets[0, 1:] == NASAL) & (dry.targets[0, :-1] == 0)

    def rings(batch: RowBatch) -> float:
        band = batch.features[0, NASAL]
        return float(band[1:][after].mean() - band[:-1][before].mean())

    assert abs(rings(dry)) < 0.1
    assert rings(wet) > 0.2


@pytest.mark.parametrize(("n_rows", "heard"), [(2, True), (1, False)], ids=["two rows", "alone"])
def test_a_choir_is_the_next_row_behind_this_one(n_rows, heard):
    clips = [clip((VOWEL,), "a"), clip((STOP,), "b"), clip((NASAL,), "c")]
    config = replace(STILL, n_rows=n_rows, choir_db=(6.0, 6.0))
    solo, choir = (sampler(replace(config, choir=share), clips).batch(2) for share in (0.0, 1.0))
    assert torch.equal(solo.targets, choir.targets)
    assert torch.equal(solo.features, choir.features) != heard
    if heard:
        own, other = solo.targets[0].numpy(), solo.targets[1].numpy()
        behind = (own == 0) & (other > 0)
        assert behind.sum() > 10
        louder = (choir.features - solo.features)[0].numpy()[other[behind], np.flatnonzero(behind)]
        assert np.median(louder) > 0.5


def test_holes_take_patches_out_of_the_mix():
    power, _ = voice()
    config = replace(STILL, music=1.0, snr_db=(0, 0))
    whole, holed = (music_of(replace(config, holes=share), 4) + power for share in (0.0, 1.0))
    ratio = holed / whole
    assert 0.009 < ratio.min() < 0.5
    assert ratio.max() < 1.0001
    assert (ratio < 0.6).mean() == pytest.approx(0.2, abs=0.05)


def test_a_low_pass_takes_the_top_away_and_nothing_else():
    power, active = voice()
    power = power + np.float32(0.01)
    whole, dull = (
        sampler(replace(STILL, lowpass=share)).among_music(power, active, 1.0, rng(2)) for share in (0.0, 1.0)
    )
    ratio = (dull / whole).mean(axis=0)
    edge = int(np.argmax(ratio < 0.5))
    assert N_MELS * 2 // 3 <= edge < N_MELS
    np.testing.assert_allclose(ratio[:edge], 1, rtol=1e-4)
    assert (ratio[edge:] < 0.11).all()


@pytest.mark.parametrize("kind", ["freq", "time"])
def test_masks_blank_out_bands_and_moments(kind):
    # Other music in every frame and band, or silent ones would look blank.
    config = replace(STILL, music=1.0, snr_db=(0, 0))
    masked = replace(config, freq_masks=3) if kind == "freq" else replace(config, time_masks=3)
    axis = 2 if kind == "freq" else 1

    def blank(config: RowConfig) -> int:
        made = sampler(config, noises=[babble()])
        return sum(int((made.batch(step).features == 0).all(dim=axis).sum()) for step in range(4))

    assert blank(config) == 0
    assert blank(masked) > 10


def test_noises_come_by_their_kind_s_share_and_then_by_the_root_of_their_length():
    short, long = (Noise(name, "music", np.zeros((n, N_MELS), np.float16)) for name, n in (("s", 100), ("l", 900)))
    made = RowSampler([([clip()], 1.0)], [([short, long], 3.0), ([even()], 1.0)], STILL, 1)
    assert [n.id for n in made.noises] == ["s", "l", "n"]
    np.testing.assert_allclose(made._noise_shares, [0.75 / 4, 0.75 * 3 / 4, 0.25])


def test_a_row_of_silence_is_survived():
    empty = clip(log_power=np.full((40, N_MELS), np.log(FLOOR), np.float16))
    batch = sampler(replace(LOUD, choir_db=(3, 3)), [empty], [even()]).batch(0)
    assert torch.isfinite(batch.features).all()
