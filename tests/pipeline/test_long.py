"""Recordings of any length: where one is cut for decoding, listening, searching and weighing leaves no trace."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pytest
import soundfile

import melisma
from melisma.aligner import posterior, routes
from melisma.aligner.decoder import decode_words
from melisma.audio import sndfile
from melisma.core.records import Emission
from melisma.engines.phone import PhoneEngine
from melisma.models import features
from melisma.synth.score import score_of_length
from melisma.synth.songs import song_of_length
from melisma.synth.write import save


@dataclass(frozen=True)
class Pieces:
    """How much is worked on at once."""

    decoded: int  # samples of the file
    features: int  # log-mel frames made
    counted: int  # log-mel frames that statistics are taken of
    window: int  # emission frames
    back_pointers: int  # bytes of the search
    stretches: int  # that words are weighed in


WHOLE = Pieces(1 << 26, 1 << 24, 1 << 24, 1 << 24, 1 << 40, 1 << 20)
SMALL = Pieces(5_003, 211, 1_009, 331, 1, 3)
SHIPPED = Pieces(
    sndfile.BLOCK, features._BLOCK, features._COUNTED, PhoneEngine()._window, routes._AT_ONCE, posterior._AT_ONCE
)


@dataclass(frozen=True)
class Result:
    emission: Emission
    words: tuple

    @property
    def confidences(self):
        return np.array([np.nan if word.confidence is None else word.confidence for word in self.words])


def aligned(audio, lyrics, pieces):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sndfile, "BLOCK", pieces.decoded)
        patch.setattr(features, "_BLOCK", pieces.features)
        patch.setattr(features, "_COUNTED", pieces.counted)
        patch.setattr(routes, "_AT_ONCE", pieces.back_pointers)
        patch.setattr(posterior, "_AT_ONCE", pieces.stretches)
        engine = PhoneEngine(window=pieces.window)
        sung = melisma.read_lyrics(lyrics)
        tokens = melisma.tokenize(sung, lambda word: engine.spell(word, "en"), engine.labels)
        emission = engine.emit(melisma.load_audio(audio))
        return Result(emission, decode_words(emission, tokens, sung).words)


def same(result, whole):
    """Word by word: neither a time nor a doubt differs; the emission does by rounding alone."""
    assert np.abs(np.exp(result.emission.log_probs) - np.exp(whole.emission.log_probs)).max() < 1e-4
    assert [(word.text, word.start, word.end) for word in result.words] == [
        (word.text, word.start, word.end) for word in whole.words
    ]
    np.testing.assert_allclose(result.confidences, whole.confidences, atol=0.002)


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """A song of four minutes, a third of which nobody sings, with lyrics that leave out lines and swap two stanzas.

    So the recording is listened to twice, and the path leaps back and forth: no leap may get lost at a boundary.
    """
    folder = tmp_path_factory.mktemp("interrupted")
    made = song_of_length(160.0, "en", seed=2)
    middle, rng = len(made.stereo) // 2, np.random.default_rng(0)
    hiss = rng.normal(0.0, 0.05, (80 * made.sample_rate, 2)).astype(np.float32)
    stereo = np.concatenate([made.stereo[:middle], hiss, made.stereo[middle:]])
    soundfile.write(folder / "song.wav", stereo, made.sample_rate)
    first, second, *others = made.lyrics.strip().split("\n\n")
    others[-1] = "\n".join(others[-1].splitlines()[1:])
    (folder / "song.txt").write_text("\n\n".join([second, first, *others]), encoding="utf-8")
    return folder / "song.wav", folder / "song.txt"


def test_a_recording_in_pieces_is_the_recording_in_one(interrupted):
    whole = aligned(*interrupted, WHOLE)
    assert features.near_voice(whole.emission.vocal, 3).mean() < 0.75
    firsts = [words[0].start for words in by_line(whole.words) if words[0].start is not None]
    assert firsts != sorted(firsts)
    same(aligned(*interrupted, SMALL), whole)


def by_line(words):
    return [list(group) for _, group in groupby(words, key=lambda word: word.line)]


@pytest.mark.slow
def test_twenty_minutes_in_pieces_are_twenty_minutes_in_one(tmp_path):
    score = score_of_length(1200.0, "en", seed=2)
    audio = save(score, tmp_path)
    whole = aligned(audio, tmp_path / "lyrics.txt", WHOLE)
    off = np.abs(np.array([word.start_s for word in whole.words]) - [word.start_s for word in score.words])
    assert np.mean(off < 0.1) > 0.95
    same(aligned(audio, tmp_path / "lyrics.txt", SMALL), whole)
    same(aligned(audio, tmp_path / "lyrics.txt", SHIPPED), whole)
