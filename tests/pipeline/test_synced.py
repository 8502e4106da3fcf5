"""Synced lyrics from the file to the words: times help where they are right, whatever their clock, and never harm."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

import melisma
from melisma.aligner import decoder
from melisma.core.records import Alignment
from melisma.synth.songs import song_of_length

DROPPED = "the times that the lines came with were not used: "


@dataclass(frozen=True)
class Sung:
    """A song under noise: the recording, its lines, the truth, and what is made of it without times."""

    audio: Path
    lines: tuple[str, ...]
    starts: np.ndarray  # of words
    line_starts: np.ndarray
    plain: Alignment

    def aligned(self, hints_s) -> Alignment:
        """Align with LRC of these times, NaN for a line without one."""
        tags = ["" if np.isnan(at) else f"[{int(at // 60):02}:{at % 60:05.2f}]" for at in np.maximum(hints_s, 0.0)]
        path = self.audio.with_name("song.lrc")
        path.write_text("\n".join(tag + line for tag, line in zip(tags, self.lines, strict=True)), encoding="utf-8")
        return melisma.align(self.audio, path, language="en", engine="phone")

    def off_s(self, alignment) -> np.ndarray:
        """Return how far words are from where they are sung, 10 s at most, and 10 s where they are unsung."""
        found = np.array([np.inf if word.start_s is None else word.start_s for word in alignment.words])
        return np.minimum(np.abs(found - self.starts), 10.0)


def sung(folder, seed):
    song = song_of_length(100.0, "en", seed=seed)
    noise = np.random.default_rng(seed).normal(0.0, 0.3, song.stereo.shape)
    audio = folder / "song.wav"
    soundfile.write(audio, np.clip(song.stereo + noise, -1, 1), song.sample_rate)
    (folder / "song.txt").write_text(song.lyrics, encoding="utf-8")
    lines = tuple(line for line in song.lyrics.splitlines() if line)
    starts = np.array([word.start_s for word in song.words])
    line_starts = np.array([next(word.start_s for word in song.words if word.line == i) for i in range(len(lines))])
    plain = melisma.align(audio, folder / "song.txt", language="en", engine="phone")
    return Sung(audio, lines, starts, line_starts, plain)


@pytest.fixture(scope="module", params=[1, 7])
def song(request, tmp_path_factory):
    return sung(tmp_path_factory.mktemp(f"song{request.param}"), request.param)


def tapped(song):
    return song.line_starts + np.random.default_rng(0).normal(0.0, 0.3, len(song.lines))


def some(song, hints_s):
    return np.where(np.arange(len(song.lines)) % 3 == 0, np.nan, hints_s)


RIGHT = {
    "as they are": lambda song: tapped(song),
    "5 s late": lambda song: tapped(song) + 5.0,
    "3 s early": lambda song: tapped(song) - 3.0,
    "4 % slower": lambda song: tapped(song) * 1.04,
}


@pytest.mark.parametrize("hints", [pytest.param(make, id=name) for name, make in RIGHT.items()])
def test_right_times_help_whatever_their_clock(song, hints):
    made = song.aligned(hints(song))
    assert made.warnings == song.plain.warnings
    before, after = song.off_s(song.plain), song.off_s(made)
    assert after.mean() < before.mean()
    assert (after > 1.0).sum() <= (before > 1.0).sum()
    assert made.confidence_avg > song.plain.confidence_avg


def test_right_times_bring_lost_words_back(tmp_path):
    song = sung(tmp_path, 1)
    assert (song.off_s(song.plain) > 1.0).sum() >= 4
    assert (song.off_s(song.aligned(tapped(song))) > 1.0).sum() <= 2


def test_lyrics_that_are_not_refused_without_their_times_are_not_refused_for_them(tmp_path, monkeypatch):
    song = sung(tmp_path, 1)
    search, scores = decoder._route, []

    def noted(emission, tokens, *others):
        found = search(emission, tokens, *others)
        scores.append(found.path.score / len(tokens.ids))
        return found

    monkeypatch.setattr(decoder, "_FEW_SURE", 1.1)  # so that every song is held against gibberish
    monkeypatch.setattr(decoder, "_route", noted)
    made = song.aligned(tapped(song))
    plain, gibberish, guided = scores[:3]
    assert guided < plain  # what windows cost is part of the score
    monkeypatch.setattr(decoder, "_LIKE_GIBBERISH", (plain + guided) / 2 - gibberish)
    assert song.aligned(tapped(song)).words == made.words


def test_lines_without_times_are_no_worse_for_it(song):
    made = song.aligned(some(song, tapped(song) + 5.0))
    assert made.warnings == song.plain.warnings
    assert song.off_s(made).mean() <= song.off_s(song.plain).mean()


def another(song):
    return np.cumsum(np.random.default_rng(2).uniform(2.0, 9.0, len(song.lines)))


WRONG = {
    "another song's": (another, "only "),
    "anywhere": (lambda song: np.random.default_rng(3).uniform(0.0, 600.0, len(song.lines)), "only "),
    "backwards": (lambda song: tapped(song)[::-1], "only "),
    "hours late": (lambda song: tapped(song) + 20_000.0, "only "),
    "every other line wrong": (
        lambda song: tapped(song) + np.where(np.arange(len(song.lines)) % 2, 0.0, 17.0),
        "only ",
    ),
    "all zero": (lambda song: np.zeros(len(song.lines)), "most lines have the same time"),
}


@pytest.mark.parametrize(("hints", "why"), [pytest.param(*each, id=name) for name, each in WRONG.items()])
def test_wrong_times_change_nothing_and_are_said_to_be_dropped(song, hints, why):
    made = song.aligned(hints(song))
    assert made.words == song.plain.words
    assert len(made.warnings) == 1 + len(song.plain.warnings)
    assert any(said.startswith(DROPPED + why) for said in made.warnings)


def test_one_wild_time_among_right_ones_leaves_its_line_in_its_place(song):
    hints = tapped(song)
    hints[len(hints) // 2] += 200.0
    made = song.aligned(hints)
    assert made.text.split() == song.plain.text.split()
    assert song.off_s(made).mean() <= song.off_s(song.plain).mean()
