"""Which separator is taken, and what those without a model do."""

import numpy as np
import pytest
import soundfile

from melisma.audio.decode import decode
from melisma.audio.separation import choose
from melisma.audio.separation.protocol import Separator
from melisma.core.errors import LicenceError, MissingDependency, UnknownName

RATE = 16000


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """Make separators anew, as they read the environment when they are made."""
    choose.separator.cache_clear()
    yield
    choose.separator.cache_clear()


@pytest.fixture
def panned(tmp_path):
    """Give a voice in the centre and a band at the sides, and their frequencies in Hz."""
    t = np.arange(4 * 44100) / 44100
    voice = np.sin(2 * np.pi * 440 * t) * (1 + 0.3 * np.sin(2 * np.pi * 3 * t))
    left, right = np.sin(2 * np.pi * 1000 * t), np.sin(2 * np.pi * 2500 * t)
    path = tmp_path / "song.wav"
    soundfile.write(path, 0.2 * np.stack([voice + left, voice + right], axis=1), 44100)
    return path


def energy_db(waveform, hertz):
    """Energy within 30 Hz of a frequency, in dB."""
    spectrum = np.abs(np.fft.rfft(waveform.samples[RATE : 3 * RATE])) ** 2
    return 10 * np.log10(spectrum[2 * hertz - 60 : 2 * hertz + 60].sum())


def test_the_centre_takes_the_band_down_by_18_db_and_leaves_the_voice(panned):
    plain, centre = (choose.separator(name).separate(panned, RATE).waveform for name in ("none", "center"))
    for hertz in (1000, 2500):
        assert energy_db(centre, hertz) < energy_db(plain, hertz) - 18  # 26 dB, less the 6 dB that a mean takes too
    assert abs(energy_db(centre, 440) - energy_db(plain, 440)) < 0.5


@pytest.mark.parametrize(("name", "downmix"), [("none", "mean"), ("center", "centre")])
def test_it_is_what_the_older_option_gives(panned, name, downmix):
    made = choose.separator(name)
    assert isinstance(made, Separator)
    assert made.missing() is None
    assert made.facts.flag == f"separate={name}/1"
    wanted = decode(panned, downmix=downmix)
    got = made.separate(panned, RATE)
    np.testing.assert_array_equal(got.waveform.samples, wanted.waveform.samples)
    assert (got.info, got.warnings) == (wanted.info, wanted.warnings)
    assert choose.check_name(downmix) == name


def test_mono_passes_the_centre_unchanged(tmp_path):
    path = tmp_path / "mono.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(RATE), RATE)
    plain, centre = (choose.separator(name).separate(path, RATE).waveform.samples for name in ("none", "center"))
    np.testing.assert_array_equal(plain, centre)


@pytest.mark.usefixtures("nothing_fetched")
def test_auto_is_the_centre_where_demucs_cannot_run():
    assert choose.choose("auto", "voice").facts.name == "center"


@pytest.mark.usefixtures("nothing_fetched")
def test_auto_is_demucs_for_who_was_trained_on_voices_only(repo, monkeypatch):
    monkeypatch.setenv("MELISMA_DEMUCS_REPO", str(repo))
    assert choose.choose("auto", "voice").facts.name == "demucs"
    assert choose.choose("auto", "mix").facts.name == "center"
    assert choose.choose("auto", "voice", commercial=True).facts.name == "center"


@pytest.mark.usefixtures("nothing_fetched")
def test_demucs_by_name_is_taken_refused_or_missed(repo, monkeypatch):
    with pytest.raises(MissingDependency, match="MELISMA_DEMUCS_REPO"):
        choose.choose("demucs")
    monkeypatch.setenv("MELISMA_DEMUCS_REPO", str(repo))
    choose.separator.cache_clear()
    assert choose.choose("demucs", "mix").facts.name == "demucs"
    with pytest.raises(LicenceError, match="--separate demucs is refused in commercial mode: the licence of htdemucs"):
        choose.choose("demucs", commercial=True)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UnknownName, match="no separator is called 'spleeter'; there are: auto, center, demucs, none"):
        choose.choose("spleeter")
