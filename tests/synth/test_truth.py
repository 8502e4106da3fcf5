"""The truth about onsets, looked for in the sound and not in the score: a measure is no better than this."""

from collections import defaultdict

import numpy as np
import pytest

from melisma.synth.heldout import SINGERS
from melisma.synth.score import score_of_length
from melisma.synth.singing import sing
from melisma.synth.speech import SAMPLE_RATE
from melisma.text.phones import split

KINDS = {"vowel": "aeiouɑɛɔəɪʊʌɒæøœy", "stop": "ptkbdɡ", "fricative": "fvszʃʒθð", "nasal": "mn"}
MILLISECOND = SAMPLE_RATE // 1000


def rises_ms(language, singer):
    """By kind of first phone: how long after its true onset each word has come within 10 dB of that phone's level."""
    found = defaultdict(list)
    for line in score_of_length(60, language, 5, singer=singer).lines:
        samples, origin = sing(line.sung).astype(np.float64), line.sung.spans[0][0]
        for word, (start, end) in zip(line.sung.words, line.sung.spans, strict=True):
            first = word.phones[0]
            kind = next((k for k, v in KINDS.items() if split(first.symbol)[0] in v), None)
            sound = np.square(samples[start - origin : end - origin])
            level = np.sqrt(np.convolve(sound, np.full(3 * MILLISECOND, 1 / (3 * MILLISECOND)))[::MILLISECOND])
            inside = level[: max(8, (first.end - first.start) // MILLISECOND)]
            found[kind].append(int(np.argmax(inside >= inside.max() * 10 ** (-10 / 20))))
    return found


@pytest.mark.parametrize("singer", ["low", *SINGERS])
@pytest.mark.parametrize("language", ["en", "hr"])
def test_words_are_heard_from_their_true_onset(singer, language):
    rises = rises_ms(language, singer)
    for kind in KINDS:
        # A window of 3 ms ends up to that late; a swing of the vocal folds takes 5 to 10 ms to come round.
        assert len(rises[kind]) >= 3
        assert np.median(rises[kind]) <= 13, kind
