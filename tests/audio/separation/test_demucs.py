"""Demucs as a separator, with a network of random weights: found, loaded, run and kept as the real one is."""

import os

import numpy as np
import pytest
import soundfile

from melisma.audio.decode import decode
from melisma.audio.separation import stage as stages
from melisma.audio.separation.demucs import DemucsSeparator
from melisma.audio.separation.kept import KeptVoices
from melisma.audio.separation.protocol import Separator
from melisma.core.errors import AudioError, InputError, MissingDependency, ModelError

torch = pytest.importorskip("torch")
pytest.importorskip("demucs")


@pytest.fixture
def kept(tmp_path):
    return KeptVoices(tmp_path / "kept")


@pytest.fixture
def separator(repo, kept, monkeypatch):
    monkeypatch.setenv("MELISMA_DEVICE", "cpu")
    return DemucsSeparator(folder=repo, kept=kept)


@pytest.fixture
def n_segments(monkeypatch):
    """Count the segments that the networks are run on."""
    runs = []
    real = stages.Segments._voice
    monkeypatch.setattr(stages.Segments, "_voice", lambda self, n: runs.append(n) or real(self, n))
    return runs


def test_it_is_a_separator_that_says_what_it_is(separator):
    assert isinstance(separator, Separator)
    assert separator.missing() is None
    facts = separator.facts
    assert (facts.name, facts.model_id, facts.commercial, len(facts.model_revision)) == (
        "demucs",
        "htdemucs",
        False,
        12,
    )
    assert facts.flag == f"separate=demucs/{facts.version}:htdemucs@{facts.model_revision}"


def test_a_song_becomes_a_voice_of_its_length(separator, stereo):
    voice = separator.separate(stereo, 16000)
    mix = decode(stereo, downmix="mean")
    assert voice.waveform.sample_rate == 16000
    assert len(voice.waveform.samples) == len(mix.waveform.samples)
    assert (voice.info, voice.sound) == (mix.info, mix.sound)
    assert voice.waveform.samples.std() > 1e-4
    assert not np.allclose(voice.waveform.samples[:30_000], mix.waveform.samples[:30_000], atol=1e-3)


def test_a_second_time_the_voice_is_read_and_is_the_same(separator, stereo, kept, n_segments):
    first = separator.separate(stereo, 16000)
    ran = len(n_segments)
    again = separator.separate(stereo, 16000)
    assert ran > 2
    assert len(n_segments) == ran
    np.testing.assert_array_equal(first.waveform.samples, again.waveform.samples)
    assert [name.endswith(".flac") for name in os.listdir(kept.folder)] == [True]


def test_another_rate_is_made_from_the_same_voice(separator, stereo, n_segments):
    separator.separate(stereo, 16000)
    ran = len(n_segments)
    assert abs(len(separator.separate(stereo, 8000).waveform.samples) - 2 * 8000) <= 1
    assert len(n_segments) == ran


def test_without_a_folder_to_keep_it_in_the_voice_is_nearly_the_same(separator, repo, stereo, tmp_path):
    homeless = DemucsSeparator(folder=repo, kept=KeptVoices(tmp_path / "kept", max_bytes=0))
    one, other = (each.separate(stereo, 16000).waveform.samples for each in (separator, homeless))
    n = min(len(one), len(other)) - 100  # the end of a resampled sound depends on its last sample
    np.testing.assert_allclose(one[:n], other[:n], atol=1e-6)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: b"no sound",
        lambda data: data[:5000] + bytes(2000) + data[7000:],
    ],
)
def test_a_damaged_voice_is_separated_again(separator, stereo, kept, n_segments, damage):
    first = separator.separate(stereo, 16000)
    ran = len(n_segments)
    (path,) = kept.folder.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    again = separator.separate(stereo, 16000)
    assert len(n_segments) == 2 * ran
    np.testing.assert_array_equal(first.waveform.samples, again.waveform.samples)


def test_other_weights_do_not_get_the_voice_of_the_first(separator, repo, tiny, stereo, kept, save):
    separator.separate(stereo, 16000)
    (old,) = repo.glob("*.th")
    old.unlink()
    changed = save.package(tiny)
    changed["state"] = {key: value * 1.01 for key, value in changed["state"].items()}
    save.pickle(changed, repo, "0a1b2c3d")
    separator.separate(stereo, 16000)
    assert len(list(kept.folder.iterdir())) == 2


def test_mono_is_separated_too(separator, tmp_path):
    path = tmp_path / "mono.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(20_000), 8000)
    assert abs(len(separator.separate(path, 16000).waveform.samples) - 40_000) <= 1


def test_a_recording_with_faults_keeps_its_warnings(separator, stereo):
    stereo.write_bytes(stereo.read_bytes()[:-180_000])
    for _ in range(2):
        assert "breaks off" in separator.separate(stereo, 16000).warnings[0]


def test_the_same_sound_in_another_file_is_not_separated_again(separator, stereo, tmp_path, n_segments):
    first = separator.separate(stereo, 16000)
    ran = len(n_segments)
    samples, rate = soundfile.read(stereo, dtype="int16")
    soundfile.write(tmp_path / "other.flac", samples, rate)
    again = separator.separate(tmp_path / "other.flac", 16000)
    assert len(n_segments) == ran
    np.testing.assert_array_equal(first.waveform.samples, again.waveform.samples)


def test_progress_goes_from_nothing_to_all(separator, stereo):
    shares = []
    separator.separate(stereo, 16000, shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


@pytest.mark.usefixtures("nothing_fetched")
def test_without_weights_one_sentence_says_how_to_get_them(stereo, kept):
    lacking = DemucsSeparator(kept=kept)
    assert "get_model('htdemucs')" in lacking.missing()
    with pytest.raises(MissingDependency, match="are not on this machine"):
        lacking.separate(stereo, 16000)
    assert lacking.facts.model_revision == ""


def test_a_folder_without_the_model_is_named(tmp_path, kept):
    assert "no weights of the Demucs model 'htdemucs' in" in DemucsSeparator(folder=tmp_path, kept=kept).missing()


@pytest.mark.usefixtures("nothing_fetched")
def test_variables_name_folder_and_model(repo, tiny, save, monkeypatch):
    monkeypatch.setenv("MELISMA_DEMUCS_REPO", str(repo))
    assert DemucsSeparator().missing() is None
    path = save.safetensors(tiny, repo, "mine")
    monkeypatch.delenv("MELISMA_DEMUCS_REPO")
    monkeypatch.setenv("MELISMA_DEMUCS_MODEL", str(path))
    assert DemucsSeparator().missing() is None
    assert DemucsSeparator().facts.model_id == "mine"


def test_without_the_package_one_sentence_names_the_extra(separator, monkeypatch):
    from importlib.util import find_spec

    monkeypatch.setattr(
        "melisma.audio.separation.demucs.find_spec", lambda name: None if name == "demucs" else find_spec(name)
    )
    assert separator.missing() == "Demucs is not installed: pip install 'melisma[separate]'"


@pytest.mark.parametrize("device", ["cuda:7", "abacus"])
def test_a_device_that_is_not_there_is_one_sentence(separator, stereo, monkeypatch, device):
    monkeypatch.setenv("MELISMA_DEVICE", device)
    with pytest.raises(InputError, match=f"device '{device}'"):
        separator.separate(stereo, 16000)


def test_a_model_without_a_voice_is_refused(repo, kept, stereo, save):
    import demucs.htdemucs

    made = demucs.htdemucs.HTDemucs(["drums", "other"], **save.network()._init_args_kwargs[1])
    save.pickle(save.package(made), repo, "drums")
    with pytest.raises(ModelError, match="does not separate a voice"):
        DemucsSeparator("drums", repo, kept).separate(stereo, 16000)


def test_what_is_no_recording_is_refused_before_any_model_is_loaded(separator, tmp_path, n_segments):
    path = tmp_path / "song.wav"
    path.write_text("no sound")
    with pytest.raises(AudioError):
        separator.separate(path, 16000)
    assert not n_segments
