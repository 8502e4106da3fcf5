"""What engines listen to: separated as they like it, decoded once, and said in the key of a cache."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from melisma.audio.separation import choose, mixes
from melisma.core.errors import InputError, LicenceError, ModelError, UnknownName
from melisma.core.records import Waveform
from melisma.engines.phone import PhoneEngine
from melisma.pipeline import song as songs
from melisma.pipeline.align import AlignConfig, align
from melisma.pipeline.settings import LicenceMode, RouterSettings
from melisma.pipeline.song import Listening, Song
from melisma.text.lyrics import from_text

RATE = 16000
FACTS = PhoneEngine().facts
SPEECH = replace(FACTS, listens_to="voice")


@pytest.fixture
def stereo(tmp_path):
    """Two seconds of stereo whose sides differ."""
    path = tmp_path / "song.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal((2 * RATE, 2)), RATE)
    return path


@pytest.fixture
def decodes(monkeypatch):
    """Count how often a recording is read."""
    read = []
    real = mixes.decode
    monkeypatch.setattr(mixes, "decode", lambda path, **how: read.append(how["downmix"]) or real(path, **how))
    return read


class Stubborn:
    """A separator that listens to nothing."""

    facts = replace(choose.separator("center").facts, name="demucs", version="9", commercial=False)

    def missing(self):
        return None

    def separate(self, path, sample_rate, progress=None):
        raise ModelError("it will not")


@pytest.fixture
def stubborn(monkeypatch):
    made = {"demucs": Stubborn()}
    real = choose.separator
    monkeypatch.setattr(choose, "separator", lambda name: made.get(name) or real(name))


@pytest.mark.parametrize(("separate", "downmix"), [("none", "mean"), ("center", "centre"), ("auto", "centre")], ids=str)
def test_the_name_decides_what_is_listened_to(stereo, decodes, separate, downmix):
    song = Song(stereo, None, listening=Listening(separate))
    wanted = choose.separator("none" if downmix == "mean" else "center").separate(stereo, RATE)
    decodes.clear()
    np.testing.assert_array_equal(song.waveform(FACTS).samples, wanted.waveform.samples)
    assert decodes == [downmix]
    assert song.flag(FACTS) == ("separate=none/1" if downmix == "mean" else "separate=center/1")
    assert song.sound == wanted.sound


def test_engines_that_listen_alike_share_one_reading(stereo, decodes):
    song = Song(stereo, None)
    assert song.waveform(FACTS) is song.waveform(replace(FACTS, name="another"))
    song.warnings(FACTS)
    assert decodes == ["centre"]
    song.waveform(replace(FACTS, sample_rate=8000))
    assert decodes == ["centre", "centre"]


def test_a_separator_that_fails_under_auto_gives_way_to_the_centre(stereo, decodes, stubborn):
    song = Song(stereo, None)
    assert song.flag(SPEECH).startswith("separate=demucs/9")
    song.waveform(SPEECH)
    assert song.flag(SPEECH) == "separate=center/1"
    assert song.warnings(SPEECH) == ("demucs failed, the centre of the recording was listened to: it will not",)
    assert decodes == ["centre"]
    assert song.flag(FACTS) == "separate=center/1"


def test_one_that_was_asked_for_fails_aloud(stereo, stubborn):
    with pytest.raises(ModelError, match="it will not"):
        Song(stereo, None, listening=Listening("demucs")).waveform(SPEECH)


def test_commercial_mode_refuses_what_is_not_free_for_it(stereo, stubborn):
    with pytest.raises(LicenceError, match="refused in commercial mode"):
        Song(stereo, None, listening=Listening("demucs", commercial=True)).waveform(SPEECH)
    assert Song(stereo, None, listening=Listening("auto", commercial=True)).flag(SPEECH) == "separate=center/1"


def test_a_waveform_is_listened_to_as_it_is():
    waveform = Waveform((0.1 * np.random.default_rng(0).standard_normal(RATE)).astype(np.float32), RATE)
    song = Song(waveform, None)
    np.testing.assert_array_equal(song.waveform(FACTS).samples, waveform.samples)
    assert song.flag(FACTS) == songs.GIVEN
    with pytest.raises(InputError, match="--separate demucs needs a file"):
        Song(waveform, None, listening=Listening("demucs")).waveform(FACTS)


def test_refinement_reads_the_recording_no_second_time_and_moves_words_a_little(sung, decodes):
    def starts(refine):
        config = AlignConfig("en", "phone", refine=refine)
        aligned = align(sung.folder / "audio.wav", sung.folder / "lyrics.txt", config=config)
        return np.array([word.start_s for word in aligned.words])

    plain = starts("")
    assert decodes == ["centre"]
    moved = starts("onset,beat,ends")
    assert decodes == ["centre", "centre"]
    assert 0 < np.abs(moved - plain).max() <= 0.141
    assert np.all(np.diff(moved) >= 0)


def test_what_the_machine_sets_refines_where_the_caller_does_not_say(sung, monkeypatch):
    def starts(refine):
        config = AlignConfig("en", "phone", refine=refine)
        aligned = align(sung.folder / "audio.wav", sung.folder / "lyrics.txt", config=config)
        return [word.start for word in aligned.words]

    plain, moved = starts(""), starts("onset=50")
    monkeypatch.setenv("MELISMA_REFINE", "onset")
    monkeypatch.setenv("MELISMA_ONSET_SNAP_MS", "50")
    assert plain != moved == starts("") == starts("onset")
    assert starts("none") == plain


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (AlignConfig("en", separate="spleeter"), "no separator is called 'spleeter'"),
        (AlignConfig("en", refine="snap"), "no refinement is called 'snap'"),
        (AlignConfig("en", downmix="left"), "no downmix is called 'left'"),
    ],
)
def test_names_are_checked_before_anything_is_read(tmp_path, config, sentence):
    with pytest.raises(UnknownName, match=sentence):
        align(tmp_path / "missing.wav", from_text("la"), config=config)


def test_both_spellings_at_once_are_refused(stereo):
    with pytest.raises(InputError, match="older spelling of --separate"):
        align(stereo, from_text("la"), config=AlignConfig("en", downmix="mean", separate="center"))


def test_commercial_mode_reaches_the_separator(stereo):
    settings = RouterSettings(licence_mode=LicenceMode.COMMERCIAL)
    config = AlignConfig("en", "phone", separate="demucs", settings=settings)
    with pytest.raises(LicenceError, match="--separate demucs is refused in commercial mode"):
        align(stereo, from_text("la"), config=config)
