"""Stems: two files that add up to the song, sample by sample, from a tiny network with random weights."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from melisma.audio.decode import decode
from melisma.audio.separation import choose, stems
from melisma.audio.separation.demucs import DemucsSeparator
from melisma.audio.separation.mixes import Centre
from melisma.audio.separation.stems import StemMaker, _Pair, maker
from melisma.core.errors import EmptyAudio, LicenceError, MissingDependency, NotAudio

RATE = 8000  # of the tiny network

pytestmark = pytest.mark.usefixtures("nothing_fetched")


@pytest.fixture
def demucs(repo):
    return DemucsSeparator(folder=repo)


@pytest.fixture
def song(tmp_path):
    """Three and a bit seconds of stereo at the network's own rate, in 16 bits."""
    rng = np.random.default_rng(5)
    path = tmp_path / "song.wav"
    soundfile.write(path, 0.2 * rng.standard_normal((3 * RATE + 321, 2)), RATE, "PCM_16")
    return path


def read(path):
    samples, rate = soundfile.read(path, dtype="int16", always_2d=True)
    return samples.astype(np.int32), rate


def test_they_add_up_to_the_song(demucs, song, tmp_path):
    found = demucs.stems(song, tmp_path)
    (vocals, rate), (rest, _), (mix, _) = read(found.vocals), read(found.instrumental), read(song)
    assert rate == found.sample_rate == RATE
    assert len(vocals) == len(rest) == found.n_samples == len(mix)
    np.testing.assert_array_equal(vocals + rest, mix)
    assert np.abs(vocals).max() > 0
    assert np.abs(rest).max() > 0


def test_the_voice_is_the_one_that_is_listened_to(demucs, song, tmp_path):
    found = demucs.stems(song, tmp_path)
    heard = demucs.separate(song, RATE).waveform.samples
    both = soundfile.read(found.vocals, dtype="float32")[0].mean(axis=1)
    np.testing.assert_allclose(both, heard, atol=2 / 32768)


def test_blocks_leave_no_trace(tiny, song, tmp_path):
    from demucs.apply import BagOfModels

    network = BagOfModels([tiny])
    samples = soundfile.read(song, dtype="float32")[0]
    whole, cut = stems.Segments(network, "cpu", 2), stems.Segments(network, "cpu", 2)
    one = np.concatenate([whole.push(samples), whole.flush()])
    parts = [cut.push(part) for part in np.split(samples, [7, 3000, 3001, 9999])]
    two = np.concatenate([*parts, cut.flush()])
    assert one.shape == samples.shape
    np.testing.assert_allclose(one, two, atol=1e-5)


def test_another_rate_is_as_long_and_adds_up(demucs, stereo, tmp_path):
    found = demucs.stems(stereo, tmp_path)
    assert found.n_samples == 2 * RATE
    (vocals, _), (rest, _) = read(found.vocals), read(found.instrumental)
    mix = decode(stereo, sample_rate=RATE, downmix="mean").waveform.samples
    np.testing.assert_allclose((vocals + rest).mean(axis=1) / 32768, mix, atol=2e-3)


def test_a_mono_recording_has_stems_too(demucs, tmp_path):
    soundfile.write(tmp_path / "mono.wav", 0.1 * np.random.default_rng(2).standard_normal(RATE), RATE, "PCM_16")
    found = demucs.stems(tmp_path / "mono.wav", tmp_path)
    (vocals, _), (rest, _), (mix, _) = read(found.vocals), read(found.instrumental), read(tmp_path / "mono.wav")
    np.testing.assert_array_equal(vocals + rest, np.repeat(mix, 2, axis=1))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_voice_beyond_full_scale_is_cut_where_the_sum_stays(tmp_path, sign):
    with (
        soundfile.SoundFile(tmp_path / "a.flac", "w", RATE, 2, "PCM_16") as a,
        soundfile.SoundFile(tmp_path / "b.flac", "w", RATE, 2, "PCM_16") as b,
    ):
        out = _Pair(a, b)
        mix = sign * np.full((100, 2), 0.9, np.float32)
        out.take(mix[:30], np.zeros((0, 2), np.float32))
        out.take(mix[30:], -2 * mix)
    (vocals, _), (rest, _) = read(tmp_path / "a.flac"), read(tmp_path / "b.flac")
    assert len(vocals) == 100
    np.testing.assert_array_equal(vocals + rest, stems.to_16_bits(mix))


def test_progress_goes_up_and_may_end_the_work(demucs, song, tmp_path):
    said = []
    demucs.stems(song, tmp_path, said.append)
    assert said == sorted(said)
    assert said[-1] == 1

    class Enough(BaseException):
        pass

    def stop(share):
        raise Enough

    with pytest.raises(Enough):
        demucs.stems(song, tmp_path, stop)


def test_what_is_no_recording_is_refused(demucs, tmp_path):
    (tmp_path / "text.mp3").write_text("no sound at all, but words", encoding="utf-8")
    with pytest.raises(NotAudio):
        demucs.stems(tmp_path / "text.mp3", tmp_path)
    soundfile.write(tmp_path / "none.wav", np.zeros((0, 2)), RATE)
    with pytest.raises(EmptyAudio):
        demucs.stems(tmp_path / "none.wav", tmp_path)


def test_only_what_makes_two_recordings_is_a_maker(demucs, monkeypatch):
    assert isinstance(demucs, StemMaker)
    assert not isinstance(Centre(), StemMaker)
    choose.separator.cache_clear()
    monkeypatch.setattr(choose, "separator", lambda name: demucs if name == "demucs" else Centre())
    assert maker() is demucs
    with pytest.raises(LicenceError, match="refused in commercial mode"):
        maker(commercial=True)


def test_without_weights_one_sentence_says_so(monkeypatch):
    choose.separator.cache_clear()
    with pytest.raises(MissingDependency, match="no separator that makes two recordings"):
        maker()
    choose.separator.cache_clear()
