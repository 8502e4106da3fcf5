"""Words that were heard, put into the lines of an LRC whose clock is another."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melisma.aligner.regroup import RegroupConfig
from melisma.core.errors import InputError
from melisma.core.records import Alignment, Line, LyricLine, Lyrics, Word
from melisma.pipeline.regroup import from_environment, into_lines

WORDS = (
    "river",
    "moon",
    "silver",
    "morning",
    "shadow",
    "garden",
    "window",
    "summer",
    "winter",
    "ember",
    "ocean",
    "marble",
)


def sung(n_lines=24, seed=0):
    """A song: lines of four words, their starts in seconds, and what an engine heard of it, in one long line."""
    generator = np.random.default_rng(seed)
    starts = np.cumsum(generator.uniform(3.0, 7.0, n_lines))
    texts = [tuple(generator.choice(WORDS, 4)) for _ in range(n_lines)]
    heard = []
    for text, start in zip(texts, starts, strict=True):
        heard += [
            Word(str(word), 0, round((start + 0.5 * k) * 1000), round((start + 0.5 * k + 0.4) * 1000), 0.9)
            for k, word in enumerate(text)
        ]
    duration = round(starts[-1] * 1000) + 10_000
    return texts, starts, Alignment(tuple(heard), (Line(0, len(heard)),), duration, language="en")


def synced(texts, starts):
    return Lyrics(
        tuple(
            LyricLine(tuple(map(str, text)), i // 4, round(start * 1000))
            for i, (text, start) in enumerate(zip(texts, starts, strict=True))
        )
    )


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda at: at, id="as they are"),
        pytest.param(lambda at: at + 5.0, id="5 s late"),
        pytest.param(lambda at: at * 1.04, id="4 % slower"),
    ],
)
def test_words_are_in_their_lines_whatever_the_clock_of_the_file(change):
    texts, starts, heard = sung()
    made = into_lines(heard, synced(texts, change(starts)))
    assert [made.alignment.line_text(i) for i in range(len(starts))] == [" ".join(text) for text in texts]
    assert made.regrouped.regroup_mode_used == "hybrid"
    assert made.regrouped.skipped_words == 0
    assert made.alignment.warnings == ()
    assert [line.stanza for line in made.alignment.lines] == [i // 4 for i in range(len(starts))]
    assert [(w.text, w.start, w.end) for w in made.alignment.words] == [(w.text, w.start, w.end) for w in heard.words]


def test_misheard_words_go_with_those_around_them():
    texts, starts, heard = sung()
    words = [replace(word, text="xyzzy") if i % 5 == 2 else word for i, word in enumerate(heard.words)]
    made = into_lines(replace(heard, words=tuple(words)), synced(texts, starts + 3.0))
    assert [line.stop - line.first for line in made.alignment.lines] == [4] * len(starts)


def test_lines_of_another_song_give_way_to_pauses():
    texts, starts, heard = sung()
    others = [("bonjour", "les", "enfants") for _ in texts]
    made = into_lines(heard, synced(others, starts + 500.0))
    assert made.regrouped.regroup_mode_used == "gaps"
    assert made.regrouped.skipped_words == len(heard.words)
    assert any("pauses between words made lines instead" in said for said in made.alignment.warnings)
    assert len(made.alignment.words) == len(heard.words)


def test_lyrics_without_times_are_refused():
    texts, _, heard = sung(3)
    with pytest.raises(InputError, match="time no line"):
        into_lines(heard, Lyrics(tuple(LyricLine(tuple(map(str, text))) for text in texts)))


def test_words_out_of_order_are_refused():
    texts, starts, heard = sung(3)
    turned = replace(heard, words=heard.words[::-1])
    with pytest.raises(InputError, match=r"word 2 \('.*'\) is sung before"):
        into_lines(turned, synced(texts, starts))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([*WORDS, "♪", "君"]), st.booleans()), min_size=1, max_size=30),
    st.integers(0, 99),
)
def test_no_word_is_lost(rows, seed):
    texts, starts, _ = sung(6, seed)
    generator = np.random.default_rng(seed)
    at, words = 0, []
    for text, timed in rows:
        at += int(generator.integers(0, 3000))
        words.append(Word(text, 0, at, at + 200) if timed else Word(text, 0, None, None))
        at += 200 if timed else 0
    heard = Alignment(tuple(words), (Line(0, len(words)),), at + 5000, language="en")
    made = into_lines(heard, synced(texts, starts)).alignment
    assert [(w.text, w.start, w.end) for w in made.words] == [(w.text, w.start, w.end) for w in words]


def test_the_tolerance_may_be_set_in_the_environment():
    assert from_environment({"MELISMA_REGROUP_TOLERANCE_MS": "500"}) == RegroupConfig(tolerance_s=0.5)
    assert from_environment({}) == RegroupConfig()
    with pytest.raises(InputError, match="MELISMA_REGROUP_TOLERANCE_MS is a number, 0 or more, not 'wide'"):
        from_environment({"MELISMA_REGROUP_TOLERANCE_MS": "wide"})
