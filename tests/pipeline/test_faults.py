"""Lyrics that are not what is sung, one fault each, from the file to the words.

Bounds are modest: what is tested is that a fault is dealt with, not how well. How well: benchmarks/faults.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import soundfile

from melisma.core.errors import WrongLyrics
from melisma.pipeline.align import align
from melisma.synth.faults import FAULTS, faulty_song
from melisma.text.lyrics import from_text

NEAR_S, FAR_S = 0.3, 1.0
WRONG, FADE, OVER = "another song", "fade-out", "backing in parentheses"
# Under a band that fades by forty decibels the last words cannot be heard: they may be given up, not be off.
LEAST_RIGHT = {FADE: 0.75}
CASES = [(fault, language) for fault in FAULTS if fault != WRONG for language in ("en",)]
CASES += [(fault, "fr") for fault in ("lines never sung", "verses in another order", "chorus written once")]


@dataclass(frozen=True)
class Outcome:
    """The words of a song beside what came of them."""

    song: object
    alignment: object

    def pairs(self, *, sung, backing=False):
        both = zip(self.song.words, self.alignment.words, strict=True)
        return [(w, a) for w, a in both if bool(w.starts_s) == sung and w.backing == backing]

    def share(self, within_s, **kind):
        errors = [
            min(abs(a.start_s - at) for at in w.starts_s) if a.start_s is not None else float("inf")
            for w, a in self.pairs(sung=True, **kind)
        ]
        return sum(error <= within_s for error in errors) / len(errors)

    def far(self, **kind):
        placed = [(w, a) for w, a in self.pairs(sung=True, **kind) if a.start_s is not None]
        return sum(min(abs(a.start_s - at) for at in w.starts_s) > FAR_S for w, a in placed)


def aligned(fault, language, folder):
    song = faulty_song(fault, language, 1)
    soundfile.write(folder / "song.wav", song.stereo, song.sample_rate)
    return Outcome(song, align(folder / "song.wav", from_text(song.lyrics), language=language, engine="phone"))


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Align each song once, when it is first asked for."""
    made = {}

    def outcome(fault, language="en"):
        if (fault, language) not in made:
            made[fault, language] = aligned(fault, language, tmp_path_factory.mktemp("song"))
        return made[fault, language]

    return outcome


@pytest.mark.parametrize(("fault", "language"), CASES)
def test_what_is_sung_is_placed_and_what_is_not_is_called_unsung(outcomes, fault, language):
    found = outcomes(fault, language)
    assert found.share(NEAR_S) >= LEAST_RIGHT.get(fault, 0.9)
    assert found.far() <= 0.03 * len(found.song.words)
    never = found.pairs(sung=False)
    invented = [a.text for _, a in never if not a.unsung]
    assert len(invented) <= 0.05 * len(never)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_lyrics_of_another_song_are_one_verdict(language, tmp_path):
    with pytest.raises(WrongLyrics, match="not the lyrics of this recording"):
        aligned(WRONG, language, tmp_path)


@pytest.mark.parametrize(("fault", "n"), [("chorus sung more often", 1), ("chorus written once", 1), ("none", 0)])
def test_a_chorus_that_is_sung_once_more_is_reported_with_its_lines_and_times(outcomes, fault, n):
    found = outcomes(fault)
    repeats = found.alignment.repeats
    assert len(repeats) == n
    for repeat in repeats:
        lines = found.song.lines[repeat.first : repeat.stop]
        assert len(lines) == 2
        words = [found.alignment.words[i] for i in _indices(found.alignment, repeat)]
        rate = found.alignment.timebase.sample_rate
        times = [(min(line[0].starts_s, key=lambda at: abs(at - repeat.start / rate))) for line in lines]
        assert abs(times[0] - repeat.start / rate) < NEAR_S
        assert times[-1] < repeat.end / rate < times[-1] + 8
        assert abs(words[0].start_s - repeat.start / rate) > 5  # elsewhere than where the words themselves stand


def _indices(alignment, repeat):
    lines = alignment.lines[repeat.first : repeat.stop]
    return range(lines[0].first, lines[-1].stop)


def test_backing_voices_may_overlap_the_lead_and_leave_it_where_it_is(outcomes):
    """Two voices at once are hard to tell apart: in this song most groups are found, in others fewer."""
    found = outcomes(OVER, "fr")
    assert found.share(NEAR_S) >= 0.95
    placed = [a for _, a in found.pairs(sung=True, backing=True) if not a.unsung]
    assert found.share(FAR_S, backing=True) >= 0.5
    lead = [a for _, a in found.pairs(sung=True)]
    assert any(a.start < other.end and other.start < a.end for a in placed for other in lead)


def test_missing_lines_leave_no_word_stretched_over_them(outcomes):
    found = outcomes("lines missing")
    assert max(word.end_s - word.start_s for word in found.alignment.words if not word.unsung) < 4
