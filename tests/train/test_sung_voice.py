import numpy as np
import pytest

from melisma.core.errors import InputError
from melisma.text.phones import VOWELS

world = pytest.importorskip("melisma.train.world")
pytest.importorskip("pyworld")

from melisma.train import sung_voice  # noqa: E402
from melisma.train.effects import EffectsConfig  # noqa: E402
from melisma.train.sung_voice import CannotSing, SingConfig  # noqa: E402

RATE = 16000
DRY = SingConfig(breath=0.0, double=0.0, effects=EffectsConfig(0, 0, 0, 0))
PHONES = tuple(
    (label, 0.3 + start, 0.3 + end)
    for label, start, end in (
        *(("s", 0.0, 0.1), ("a", 0.1, 0.3), ("m", 0.3, 0.38), ("o", 0.38, 0.55)),
        *(("ʃ", 0.85, 0.95), ("i", 0.95, 1.15), ("n", 1.15, 1.22), ("e", 1.22, 1.45)),
    )
)


def spoken(f0=130.0, vowels=True):
    """A voice as simple as can be: buzzes with formants for what is voiced, hisses for what is not."""
    rng = np.random.default_rng(5)
    out = rng.normal(0, 1e-4, 2 * RATE)
    for label, start, end in PHONES:
        first, last = round(start * RATE), round(end * RATE)
        t = np.arange(last - first) / RATE
        if label in "sʃ" or (label in VOWELS and not vowels):
            out[first:last] += rng.normal(0, 0.02, last - first)
        else:
            loud = 0.3 if label in VOWELS else 0.08
            tones = (np.cos(2 * np.pi * f0 * k * t) / (1 + (k * f0 / 700) ** 2) for k in range(1, 40))
            out[first:last] += loud * 0.3 * sum(tones) * np.minimum(1, 100 * np.minimum(t, t[-1] - t + 1e-3))
    return out.astype(np.float32)


@pytest.fixture(scope="module")
def song():
    return sung_voice.sing(spoken(), PHONES, DRY, np.random.default_rng(11))


def inside(song, labels, n):
    times = np.arange(n) * world.FRAME_S
    mask = np.zeros(n, bool)
    for label, start, end in song.phones:
        if label in labels:
            mask |= (times >= start + 0.03) & (times < end - 0.03)
    return mask


def test_the_pitch_follows_the_melody(song):
    f0 = world.pitch(song.samples)
    n = min(len(f0), len(song.midi))
    vowels = inside(song, VOWELS, n) & (f0[:n] > 0)
    cents = 1200 * np.log2(f0[:n] / 440, where=f0[:n] > 0, out=np.zeros(n)) - 100 * (song.midi[:n] - 69)
    assert vowels.sum() > 0.9 * inside(song, VOWELS, n).sum()
    assert np.median(np.abs(cents[vowels])) < 20
    assert np.quantile(np.abs(cents[vowels]), 0.9) < 60


def test_sounds_are_where_the_phones_say(song):
    power = np.square(song.samples, dtype=np.float64)

    def level(start, end):
        return power[int(start * RATE) : int(end * RATE)].mean()

    vowels = [level(a, b) for label, a, b in song.phones if label in VOWELS]
    pause = level(song.phones[3][2] + 0.02, song.phones[4][1] - 0.02)
    assert min(vowels) > 30 * pause
    assert level(*song.phones[0][1:]) > 10 * level(0, song.phones[0][1] - 0.02)


def test_hisses_keep_their_noise(song):
    f0 = world.pitch(song.samples)
    assert np.mean(f0[inside(song, "sʃ", len(f0))] > 0) < 0.2


def test_what_comes_out_is_whole(song):
    assert song.samples.dtype == np.float32
    assert np.abs(song.samples).max() <= 0.95 + 1e-6
    assert DRY.shortest_s <= song.duration_s <= DRY.longest_s
    assert [p[0] for p in song.phones] == [p[0] for p in PHONES]
    assert song.phones[-1][2] <= song.duration_s


@pytest.mark.parametrize("seed", range(6))
def test_a_phone_at_the_very_end_ends_within_the_song(seed):
    speech = spoken()[: round(PHONES[-1][2] * RATE)]
    phones = (*PHONES[:-1], (*PHONES[-1][:2], len(speech) / RATE))
    last = sung_voice.sing(speech, phones, DRY, np.random.default_rng(seed))
    assert last.phones[-1][2] <= last.duration_s


def test_the_same_draws_give_the_same_song(song):
    again = sung_voice.sing(spoken(), PHONES, DRY, np.random.default_rng(11))
    assert np.array_equal(again.samples, song.samples)
    other = sung_voice.sing(spoken(), PHONES, DRY, np.random.default_rng(12))
    assert other.samples.shape != song.samples.shape


@pytest.mark.parametrize("seed", range(4))
def test_all_effects_together_do_not_clip(seed):
    config = SingConfig(double=1.0, effects=EffectsConfig(1, 1, 1, 1))
    wet = sung_voice.sing(spoken(), PHONES, config, np.random.default_rng(seed))
    assert 0.29 < np.abs(wet.samples).max() <= 0.95 + 1e-6


def test_whispered_vowels_are_refused():
    with pytest.raises(CannotSing, match="of the vowels have a pitch"):
        sung_voice.sing(spoken(vowels=False), PHONES, DRY, np.random.default_rng(0))


def test_a_clip_too_long_for_a_song_is_refused():
    config = SingConfig(shortest_s=0.2, longest_s=0.5)
    with pytest.raises(CannotSing, match=r"2\.0 s of speech make no song of 0\.2 to 0\.5 s"):
        sung_voice.sing(spoken(), PHONES, config, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("phones", "match"),
    [
        ([("q", 0.0, 0.1)], "phone 0 is 'q'"),
        ([("a", 0.2, 0.1)], r"phone 0 \(a\) is from 0.2 to 0.1 s, out of order"),
        ([("a", 0.0, 0.2), ("m", 0.1, 0.3)], r"phone 1 \(m\).*ends at 0.2 s"),
        ([("a", 0.0, float("nan"))], "out of order"),
        ([("a", 0.0, 3.0)], r"ends at 3\.000 s, the sound at 2\.000 s"),
    ],
)
def test_impossible_phones_are_refused(phones, match):
    with pytest.raises(InputError, match=match):
        sung_voice.sing(spoken(), phones, DRY, np.random.default_rng(0))
