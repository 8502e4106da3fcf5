"""The walk as a whole, on songs whose truth is known, and on lyrics that nobody would write."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import melisma
from melisma.core.errors import (
    AudioError,
    InputError,
    LyricsError,
    MelismaError,
    TooFewFrames,
    UnknownName,
    WrongLyrics,
)
from melisma.core.records import LyricLine, Lyrics, Waveform
from melisma.pipeline.align import AlignConfig, align
from melisma.pipeline.song import Song
from melisma.pipeline.tiers import engine_named
from melisma.synth import write
from melisma.synth.score import score_of_length
from melisma.text.espeak import languages
from melisma.text.lyrics import from_text


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    """Return a 40 s song on disk, laid out as eval finds it: its folder and the truth as (word, seconds)."""
    folder = tmp_path_factory.mktemp("song")
    write.save(score_of_length(40, "en", seed=21), folder, title="Test")
    rows = [line.split(",") for line in (folder / "gold.csv").read_text(encoding="utf-8").splitlines()[1:]]
    return folder, [(row[1], float(row[2])) for row in rows]


def onset_errors(alignment, truth):
    return np.array([w.start_s - t for w, (_, t) in zip(alignment.words, truth, strict=True)])


def test_words_of_a_song_are_timed_within_a_tenth_of_a_second(song):
    folder, truth = song
    told = []
    made = melisma.align(
        str(folder / "audio.wav"),
        folder / "lyrics.txt",
        language="en",
        progress=lambda stage, share: told.append(stage),
    )
    assert [w.text for w in made.words] == [word for word, _ in truth]
    assert np.median(np.abs(onset_errors(made, truth))) < 0.06
    assert np.mean(np.abs(onset_errors(made, truth)) < 0.1) > 0.8
    assert {"decode", "listen", "align"} <= set(told)
    assert (made.engine, made.model_id, made.language) == ("phone", "phone-0.2", "en")
    assert made.model_revision
    made.check()


def test_ends_are_where_the_sound_ends(song):
    folder, _ = song
    made = align(folder / "audio.wav", folder / "lyrics.txt", language="en")
    rows = [line.split(",") for line in (folder / "gold.csv").read_text(encoding="utf-8").splitlines()[1:]]
    off = [w.end_s - float(row[3]) for w, row in zip(made.words, rows, strict=True)]
    assert np.median(np.abs(off)) < 0.15


def test_the_language_is_found_and_written_down(song):
    folder, _ = song
    assert align(folder / "audio.wav", folder / "lyrics.txt").language == "en"


def test_a_waveform_and_lyrics_in_memory_give_what_files_give(song):
    folder, _ = song
    from melisma.audio import decode

    made = align(
        decode.load(folder / "audio.wav"), from_text((folder / "lyrics.txt").read_text("utf-8")), language="en"
    )
    assert made.words == align(folder / "audio.wav", folder / "lyrics.txt", language="en").words


def test_the_same_input_gives_the_same_output(song):
    folder, _ = song
    first, second = (align(folder / "audio.wav", folder / "lyrics.txt", language="en") for _ in range(2))
    assert first == second


def test_a_wildcard_lets_unsung_sound_pass(song):
    folder, truth = song
    config = AlignConfig(language="en", wildcard=2.0)
    made = align(folder / "audio.wav", folder / "lyrics.txt", config=config)
    assert np.median(np.abs(onset_errors(made, truth))) < 0.06


def test_lyrics_of_another_song_are_one_verdict_and_the_right_ones_have_no_warning(song):
    folder, truth = song
    with pytest.raises(WrongLyrics, match="not the lyrics of this recording"):
        align(folder / "audio.wav", from_text("zebra xylophone jigsaw " * (len(truth) // 3)), language="en")
    assert align(folder / "audio.wav", folder / "lyrics.txt", language="en").warnings == ()


def test_saved_and_loaded_it_is_the_same(song, tmp_path):
    folder, _ = song
    made = align(folder / "audio.wav", folder / "lyrics.txt", language="en")
    back = melisma.load_alignment(str(made.save(tmp_path / "a.json")))
    assert [(w.text, w.start_ms, w.end_ms) for w in back.words] == [(w.text, w.start_ms, w.end_ms) for w in made.words]
    for name in ("b.lrc", "b.ass", "b.srt", "b.vtt", "b.ttml", "b.TextGrid"):
        assert made.save(tmp_path / name).stat().st_size > 0


def tone(seconds):
    t = np.arange(int(16000 * seconds)) / 16000
    return Waveform((0.1 * np.sin(2 * np.pi * 220 * t)).astype(np.float32), 16000)


def test_audio_too_short_for_the_text_says_so():
    with pytest.raises(TooFewFrames, match="is this the right song"):
        align(tone(0.2), from_text("far too many words for a fifth of a second"), language="en")


def test_an_unknown_language_lists_those_that_exist():
    with pytest.raises(UnknownName, match=r"no language is called 'xx'.*\bfr\b"):
        align(tone(2), from_text("la la"), language="xx")


def test_an_unknown_engine_lists_those_that_exist():
    with pytest.raises(UnknownName, match=r"no engine is called 'none'.*phone"):
        align(tone(2), from_text("la la"), language="en", engine="none")


@pytest.mark.parametrize(
    ("samples", "rate", "sentence"),
    [
        (np.zeros((10, 2), np.float32), 16000, "mono"),
        (np.zeros(10, np.float32), 44100, "16000 Hz, not 44100 Hz"),
        (np.full(10, np.nan, np.float32), 16000, "no numbers"),
    ],
)
def test_a_waveform_that_cannot_be_used_says_why(samples, rate, sentence):
    with pytest.raises(AudioError, match=sentence):
        align(Waveform(samples, rate), from_text("la la"), language="en")


def test_a_misspelt_downmix_is_refused(song):
    with pytest.raises(UnknownName, match="downmix"):
        align(song[0] / "audio.wav", song[0] / "lyrics.txt", config=AlignConfig("en", downmix="center"))


def test_language_beside_a_config_is_refused(song):
    with pytest.raises(ValueError, match="not both"):
        align(song[0] / "audio.wav", song[0] / "lyrics.txt", language="fr", config=AlignConfig("en"))


TAGALOG = "Ang pag-ibig ay parang ulan na dumarating sa gabi at hindi mo alam kung kailan titigil ang mga luha ko"
KHMER = "ខ្ញុំស្រឡាញ់អ្នក អ្នកជាព្រះច័ន្ទ"


@pytest.mark.parametrize("text", [TAGALOG, KHMER])
def test_a_language_that_nobody_named_is_one_that_can_be_spelt(text):
    engine = engine_named("phone")
    found = Song(tone(12), from_text(text)).language_for(engine)
    assert found.code in languages()
    assert any(engine.spell(word, found.code) for word in text.split())


def test_empty_lyrics_are_refused():
    with pytest.raises(LyricsError, match="no sung word"):
        align(tone(2), Lyrics(()), language="en")


def test_lyrics_without_any_sound_are_unsung_and_kept():
    made = align(tone(2), Lyrics((LyricLine(("…", "—")),)), language="en")
    assert [(w.text, w.start_ms) for w in made.words] == [("…", None), ("—", None)]
    assert any("no word" in w for w in made.warnings)


def test_silence_is_said_and_nothing_is_invented(tmp_path):
    soundfile.write(tmp_path / "silence.wav", np.zeros(16000 * 3, np.float32), 16000)
    with pytest.raises(AudioError, match="the recording is silent"):
        align(tmp_path / "silence.wav", from_text("is anybody there"), language="en")


def test_swapped_arguments_are_told(song):
    folder, _ = song
    with pytest.raises(InputError):
        align(folder / "lyrics.txt", folder / "audio.wav", language="en")


any_text = st.text(st.characters(codec="utf-8"), max_size=120)
shaped_text = st.lists(
    st.sampled_from(
        ["la", "l'amour", "[Chorus]", "(x2)", "🎵", "1984", "\n", "\n\n", "--", "[00:01.00]", "<00:02.00>", "ljubav",
         "привет", "愛", "ÉTÉ", "\u200b", "\ufeff", "{\\k10}", "don’t", "%", "\x00", "[x3]", "1\n0:01 --> 0:02"]
    ),
    max_size=12,
).map(" ".join)  # fmt: skip
LANGUAGES = ("en", "fr", "hr", "ru", "ar", "hi", "ko", "ka", "el", "ja", "cmn", None)
RECORDING = tone(12)


def survives(text, language, as_bytes):
    """Align, or be told in one sentence; what comes out holds what an alignment promises."""
    try:
        sung = melisma.read_lyrics(text.encode("utf-8", "replace"), name="fuzz.txt") if as_bytes else from_text(text)
        made = align(RECORDING, sung, language=language)
    except MelismaError as error:
        assert str(error)
        assert error.exit_code in (2, 3)
        return
    made.check()
    assert tuple(w.text for w in made.words) == sung.words
    assert all(w.confidence is None or 0 <= w.confidence <= 1 for w in made.words)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(any_text, shaped_text), st.sampled_from(LANGUAGES), st.booleans())
def test_any_lyrics_end_in_a_result_or_a_sentence(text, language, as_bytes):
    survives(text, language, as_bytes)


@pytest.mark.slow
@settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.one_of(any_text, shaped_text), st.sampled_from(LANGUAGES), st.booleans())
def test_ten_thousand_lyrics_end_in_a_result_or_a_sentence(text, language, as_bytes):
    survives(text, language, as_bytes)


@pytest.mark.parametrize("name", ["audio.mp3", "audio.ogg", "audio.flac"])
def test_compressed_audio_gives_the_times_of_the_wav(song, tmp_path, name):
    folder, truth = song
    samples, rate = soundfile.read(folder / "audio.wav")
    data = io.BytesIO()
    soundfile.write(data, samples, rate, format=Path(name).suffix[1:].upper())
    (tmp_path / name).write_bytes(data.getvalue())
    made = align(tmp_path / name, folder / "lyrics.txt", language="en")
    assert np.median(np.abs(onset_errors(made, truth))) < 0.07
