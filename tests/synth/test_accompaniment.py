import numpy as np
import pytest

from melisma.core.errors import UnknownName
from melisma.synth.accompaniment import Band, Key
from melisma.synth.speech import SAMPLE_RATE

KINDS = ("verse", "break", "intro", "outro")


def band(seed=0, tempo_bpm=96.0, key="C"):
    return Band(Key.named(key), tempo_bpm, np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("name", "tonic", "mode"), [("C", 0, "major"), ("Bb", 10, "major"), ("F#m", 6, "minor"), ("Cb", 11, "major")]
)
def test_keys_by_name(name, tonic, mode):
    assert Key.named(name) == Key(tonic, mode)


@pytest.mark.parametrize("name", ["", "H", "c", "C##", "mC", "Cmm"])
def test_an_unknown_key_is_refused(name):
    with pytest.raises(UnknownName, match="no key is called"):
        Key.named(name)


def test_scale_steps():
    assert [Key.named("G").midi(s) for s in range(8)] == [67, 69, 71, 72, 74, 76, 78, 79]
    assert [Key.named("Am").midi(s, 45) for s in (-7, -1, 0, 2)] == [33, 43, 45, 48]


@pytest.mark.parametrize("kind", KINDS)
def test_a_bar_is_finite_stereo_and_a_little_longer_than_itself(kind):
    player = band()
    bar = player.bar(0, kind)
    assert bar.shape == (player.bar_start(1) + round(0.25 * SAMPLE_RATE), 2)
    assert np.isfinite(bar).all()
    assert np.abs(bar).max() > 0.1
    assert np.abs(bar[-1]).max() < 0.02


@pytest.mark.parametrize("degree", [0, 3, 4, 5])
def test_a_bar_sounds_its_chord(degree):
    player = band()
    bar = player.bar(degree, "outro").mean(axis=1)[: SAMPLE_RATE * 2]
    spectrum = np.abs(np.fft.rfft(bar * np.hanning(len(bar)), 1 << 18))
    hertz = np.fft.rfftfreq(1 << 18, 1 / SAMPLE_RATE)

    def strength(midi):
        centre = 440 * 2 ** ((midi - 69) / 12)
        return spectrum[np.abs(hertz - centre) < 0.02 * centre].max()

    key = Key.named("C")
    chord = {key.midi(s, 54) % 12 for s in key.chord(degree)}
    inside = min(max(strength(m) for m in range(54, 78) if m % 12 == pc) for pc in chord)
    outside = max(strength(m) for m in range(54, 66) if m % 12 not in chord)
    assert inside > 3 * outside


def test_bars_do_not_depend_on_the_order_of_playing():
    forth, back = band(), band()
    wanted = [(d, k) for d in (0, 4) for k in KINDS]
    first = {w: forth.bar(*w).tobytes() for w in wanted}
    second = {w: back.bar(*w).tobytes() for w in reversed(wanted)}
    assert first == second


def test_another_seed_gives_other_drums():
    assert band(0).bar(0, "verse").tobytes() != band(1).bar(0, "verse").tobytes()


def test_bars_keep_the_tempo_over_an_hour():
    player = band(tempo_bpm=97.0)
    assert abs(player.bar_start(1000) / SAMPLE_RATE - 1000 * 4 * 60 / 97) < 1 / SAMPLE_RATE
