"""Synced lyrics of made-up songs, held against what the embedded engine hears of them without their times."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile

import melisma
from melisma.aligner.synced import heard_lines, sync
from melisma.core.records import Lyrics
from melisma.synth.songs import song_of_length
from melisma.text.lyrics import from_text


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    """A song of a minute and a half: duration, lyrics without times, true line starts, and its alignment."""
    made = song_of_length(90.0, "en", seed=4)
    path = tmp_path_factory.mktemp("song") / "song.wav"
    soundfile.write(path, made.stereo, made.sample_rate)
    lyrics = from_text(made.lyrics)
    firsts = np.cumsum([0, *(len(line.words) for line in lyrics.lines)])[:-1]
    starts = np.array([made.words[i].start_s for i in firsts])
    return made.duration_s, lyrics, starts, melisma.align(path, lyrics, language="en")


def timed(lyrics, starts_s):
    return Lyrics(
        tuple(
            replace(line, start_ms=round(max(at, 0.0) * 1000)) for line, at in zip(lyrics.lines, starts_s, strict=True)
        )
    )


def fit_of(song, hints):
    duration_s, lyrics, _, alignment = song
    return sync(timed(lyrics, hints), heard_lines(alignment.words, len(lyrics.lines)), duration_s)


@pytest.mark.parametrize(
    "hints",
    [
        pytest.param(lambda starts: starts, id="as they are"),
        pytest.param(lambda starts: starts + 5.0, id="5 s late"),
        pytest.param(lambda starts: starts - 5.0, id="5 s early"),
        pytest.param(lambda starts: starts * 1.04, id="stretched by 4 %"),
        pytest.param(lambda starts: starts / 1.04 + 2.0, id="pressed by 4 % and late"),
    ],
)
def test_windows_stand_where_lines_are_sung(song, hints):
    starts = song[2]
    tapped = hints(starts) + np.random.default_rng(0).normal(0.0, 0.2, len(starts))
    kept = tapped > 0  # a file that begins too early lacks its first line's time
    fit = fit_of(song, np.where(kept, tapped, 0.0))
    assert fit.warnings == ()
    off = {window.line: abs(window.expected_s - starts[window.line]) for window in fit.windows}
    assert set(off) >= {int(i) for i in np.flatnonzero(kept)}
    assert max(off[int(i)] for i in np.flatnonzero(kept)) < 0.8
    inside = [off[window.line] <= window.tolerance_s for window in fit.windows if kept[window.line]]
    assert np.mean(inside) > 0.9


def test_the_times_of_another_song_are_dropped(song):
    generator = np.random.default_rng(5)
    n_lines = len(song[2])
    gaps = generator.uniform(2.0, 9.0, n_lines)
    fit = fit_of(song, np.cumsum(gaps) * song[2][-1] / gaps.sum())
    assert fit.windows == ()
    assert fit.warnings[0].startswith("the times that the lines came with were not used: only ")
