"""Times of lines in the search itself: right ones help in noise, wrong ones change nothing for the worse."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import soxr

from melisma.aligner.decoder import DecoderConfig, decode_words
from melisma.aligner.guided import decode_guided
from melisma.aligner.routes import RouteCosts
from melisma.core.records import Lyrics, Waveform
from melisma.engines.phone import PhoneEngine
from melisma.synth.songs import song_of_length
from melisma.text.lyrics import from_text
from melisma.text.tokens import tokenize

WRITTEN_ORDER = RouteCosts(leave=1e6, jump=None)  # every line is sung once: what is tested is where


@dataclass
class Noisy:
    """A song under noise: its emission, its lyrics without times, and the truth."""

    emission: object
    lyrics: Lyrics
    tokens: object
    word_starts: np.ndarray
    line_starts: np.ndarray
    duration_s: float
    calls: int = 0

    def decode(self, windows):
        self.calls += 1
        config = DecoderConfig(costs=WRITTEN_ORDER, second_pass=False, refuse=False)
        return decode_words(self.emission, self.tokens, self.lyrics, config, windows)

    def guided(self, hints_s):
        lines = zip(self.lyrics.lines, hints_s, strict=True)
        timed = tuple(replace(line, start_ms=round(max(0.0, at) * 1000)) for line, at in lines)
        return decode_guided(self.decode, Lyrics(timed), self.duration_s)

    def errors(self, decoded):
        return np.abs(np.array([word.start_s for word in decoded.words]) - self.word_starts)


def noisy(seed, level):
    song = song_of_length(100.0, "en", seed=seed)
    mono = song.stereo.mean(1) + np.random.default_rng(seed).normal(0.0, level, len(song.stereo))
    samples = soxr.resample(mono, song.sample_rate, 16000).astype(np.float32)
    engine, lyrics = PhoneEngine(), from_text(song.lyrics)
    tokens = tokenize(lyrics, lambda word: engine.spell(word, "en"), engine.labels)
    starts = np.array([word.start_s for word in song.words])
    firsts = np.cumsum([0, *(len(line.words) for line in lyrics.lines)])[:-1]
    emission = engine.emit(Waveform(samples, 16000))
    return Noisy(emission, lyrics, tokens, starts, starts[firsts], song.duration_s)


@pytest.fixture(scope="module")
def songs():
    return [noisy(seed, 0.3) for seed in (1, 5, 7)]


def tapped(song, seed=0):
    return song.line_starts + np.random.default_rng(seed).normal(0.0, 0.3, len(song.line_starts))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda at: at, id="as they are"),
        pytest.param(lambda at: at + 5.0, id="5 s late"),
        pytest.param(lambda at: at * 1.04, id="4 % slower"),
    ],
)
def test_right_times_help_in_noise_whatever_their_clock(songs, change):
    before = np.concatenate([song.errors(song.decode(())) for song in songs])
    made = [song.guided(change(tapped(song))) for song in songs]
    after = np.concatenate([song.errors(each.decoded) for song, each in zip(songs, made, strict=True)])
    assert sum(each.moved for each in made) >= 2
    assert (after > 1.0).sum() < (before > 1.0).sum()
    assert after.mean() < before.mean()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda at: np.cumsum(np.random.default_rng(2).uniform(2.0, 9.0, len(at))), id="another song's"),
        pytest.param(lambda at: np.zeros(len(at)), id="all zero"),
        pytest.param(lambda at: at[::-1], id="backwards"),
        pytest.param(lambda at: np.where(np.arange(len(at)) % 2, at, at + 17.0), id="every other line wrong"),
    ],
)
def test_wrong_times_change_nothing(songs, change):
    for song in songs:
        made = song.guided(change(song.line_starts))
        assert not made.moved
        assert made.decoded == song.decode(())
        assert len(made.fit.warnings) == 1


def test_lyrics_without_times_and_lines_heard_in_their_windows_are_searched_once(songs):
    song = replace(songs[0], calls=0)
    made = decode_guided(song.decode, song.lyrics, song.duration_s)
    assert (song.calls, made.moved, made.fit.warnings) == (1, False, ())
    heard = [made.decoded.words[i].start_s for i in np.cumsum([0, *(len(x.words) for x in song.lyrics.lines)])[:-1]]
    again = song.guided(np.array(heard))
    assert (song.calls, again.moved) == (2, False)
    assert again.fit.windows


def test_what_is_searched_again_is_searched_with_the_windows_too():
    song = noisy(203, 0.3)  # of which a stretch is searched again
    hints = Lyrics(
        tuple(
            replace(line, start_ms=round(1000 * at))
            for line, at in zip(song.lyrics.lines, song.line_starts, strict=True)
        )
    )

    def decode(windows):
        return decode_words(song.emission, song.tokens, song.lyrics, DecoderConfig(refuse=False), windows)

    def lost(decoded):
        return sum(
            word.start_s is None or abs(word.start_s - true) > 1.0
            for word, true in zip(decoded.words, song.word_starts, strict=True)
        )

    made = decode_guided(decode, hints, song.duration_s)
    assert made.moved
    assert lost(made.decoded) <= lost(decode(())) - 5
