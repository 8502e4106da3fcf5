"""Motifs are learnt from every line, always the same, and no more of them than there are."""

from __future__ import annotations

import re
import subprocess

import numpy as np
import pytest

import unit_words
from melisma.core.errors import InputError, MelismaError
from melisma.units.motifs import learn, trainer
from melisma.units.motifs.alphabet import Alphabet
from melisma.units.motifs.corpus import Corpus, Utterance
from melisma.units.motifs.learn import Learning


def utterance(units) -> Utterance:
    return Utterance("a", "a.wav", np.array(units, dtype=np.int64), None)


def sample_of(*sequences):
    return learn.draw(map(utterance, sequences), Learning())


def test_words_are_found(learnt):
    assert set(unit_words.WORDS) <= set(learnt.model.pieces)


def test_every_unit_is_known_whether_it_occurs_or_not(learnt):
    assert learnt.model.units == set(range(unit_words.K))
    assert learnt.model.pieces[0] == ()


def test_the_same_corpus_makes_the_same_bytes(sample, learnt):
    again = learn.learn(sample, unit_words.K, Learning(vocab_size=80, min_count=5))
    assert again.data == learnt.data


def test_a_vocabulary_of_the_size_asked_for_needs_no_words(sample):
    found = learn.learn(sample, unit_words.K, Learning(vocab_size=40))
    assert len(found.model.pieces) == 40
    assert found.said == ()


def test_a_vocabulary_comes_out_smaller_where_there_are_no_more_motifs(sample):
    found = learn.learn(sample, unit_words.K, Learning(vocab_size=5000, min_count=5))
    n = found.model.n_joined
    assert len(found.model.pieces) == 1 + unit_words.K + n < 5000
    (said,) = found.said
    assert re.match(rf"the vocabulary has {1 + unit_words.K + n} pieces instead of 5,000: only {n} sequences", said)
    frequency = np.zeros(len(found.model.pieces), dtype=np.int64)
    for ids in found.model.encode(list(sample.sequences())):
        frequency += np.bincount(ids, minlength=len(frequency))
    assert found.model.occurrences(frequency)[1 : 1 + n].min() >= 5


def test_the_largest_vocabulary_of_a_corpus_has_every_motif_that_comes_often_enough():
    found = learn.learn(sample_of([1, 2, 3, 1, 2, 0, 1, 2]), 4, Learning(vocab_size=100))
    assert [piece for piece in found.model.pieces if len(piece) > 1] == [(1, 2)]


def test_motifs_are_no_longer_than_asked_for(sample):
    found = learn.learn(sample, unit_words.K, Learning(vocab_size=80, longest=3))
    assert max(map(len, found.model.pieces)) == 3


def test_motifs_may_be_longer_than_sentencepiece_takes_unasked():
    found = learn.learn(sample_of(*[list(range(24))] * 8), 24, Learning(vocab_size=200))
    assert tuple(range(24)) in found.model.pieces


def test_more_units_than_the_basic_plane_has_room_for():
    found = learn.learn(sample_of(*[[6999, 1, 6500, 3]] * 4), 7000, Learning(vocab_size=7100))
    assert (6999, 1, 6500, 3) in found.model.pieces


def test_long_lines_are_learnt_from():
    long = np.tile([1, 2, 3], 20_000)  # 180 kB, where 4,192 bytes are the most that is taken unasked
    found = learn.learn(sample_of(long, [4, 5, 4, 5]), 6, Learning(vocab_size=40))
    assert (1, 2, 3) in found.model.pieces


def test_a_line_that_is_left_out_is_no_small_matter():
    alphabet = Alphabet(3)
    lines = [alphabet.text(np.array([0, 1, 2] * 100)), alphabet.text(np.zeros(4 * trainer.LONGEST, dtype=np.int64))]
    with pytest.raises(MelismaError, match=r"was given 2 lines with 65836 units, and has learnt from 1 lines with 300"):
        trainer.train(lines, trainer.Request(6, 8))


def test_what_sentencepiece_says_comes_through():
    with pytest.raises(MelismaError, match=r"SentencePiece has failed: .*sentences_"):
        trainer.train([], trainer.Request(6, 8))


def test_a_process_that_is_killed_is_said_to_be(monkeypatch):
    started = []

    class Remembered(subprocess.Popen):
        def __init__(self, *given, **how):
            super().__init__(*given, **how)
            started.append(self)

    def lines():
        yield Alphabet(3).text(np.array([0, 1]))
        started[0].kill()
        started[0].wait()
        for _ in range(100_000):  # more than a pipe holds
            yield Alphabet(3).text(np.array([0, 1]))

    monkeypatch.setattr(trainer.subprocess, "Popen", Remembered)
    with pytest.raises(MelismaError, match=r"was killed \(signal 9\): there may be too little memory"):
        trainer.train(lines(), trainer.Request(6, 8))


def test_what_lies_in_the_current_folder_is_not_run(tmp_path, monkeypatch):
    (tmp_path / "sentencepiece.py").write_text("raise SystemExit(3)")
    (tmp_path / "json.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    lines = [Alphabet(3).text(np.array([0, 1, 2, 0, 1]))] * 3
    assert trainer.train(lines, trainer.Request(6, 8))


def test_a_fault_in_the_corpus_ends_the_training(tmp_path):
    def lines():
        yield Alphabet(3).text(np.array([0, 1]))
        raise InputError("line 2 is wrong")

    with pytest.raises(InputError, match="line 2"):
        trainer.train(lines(), trainer.Request(6, 8))


def test_no_room_beside_the_units(sample):
    with pytest.raises(InputError, match="a vocabulary of 20 has no motif beside 20 units: take 22 up"):
        learn.learn(sample, unit_words.K, Learning(vocab_size=20))


def test_no_motif_at_all():
    with pytest.raises(InputError, match="no sequence of units occurs 2 times in the corpus"):
        learn.learn(sample_of([0, 1, 2, 3]), 4, Learning(vocab_size=50))


def test_nothing_to_learn_from():
    with pytest.raises(InputError, match="no unit in the corpus"):
        learn.draw([], Learning())


@pytest.mark.parametrize(
    "wrong", [{"vocab_size": 2}, {"longest": 1}, {"longest": 513}, {"min_count": 0}, {"most_units": 1}, {"seed": -1}]
)
def test_settings_that_cannot_be(wrong):
    with pytest.raises(InputError):
        Learning(**wrong)


def test_of_a_corpus_that_is_too_large_whole_utterances_are_drawn(spoken):
    every = [tuple(each.units.tolist()) for each in Corpus.of(spoken).utterances()]
    n_units = sum(map(len, every))
    drawn = learn.draw(Corpus.of(spoken).utterances(), Learning(most_units=n_units // 2))
    taken = [tuple(units.tolist()) for units in drawn.sequences()]
    places = [every.index(each) for each in taken]
    assert places == sorted(places)
    assert 0.4 * n_units < drawn.n_units == sum(map(len, taken)) <= n_units // 2
    assert (drawn.of_units, drawn.of_utterances, drawn.k) == (n_units, len(every), 19)
    other = learn.draw(Corpus.of(spoken).utterances(), Learning(most_units=n_units // 2, seed=1))
    assert other.utterances != drawn.utterances
    said = learn.learn(drawn, unit_words.K, Learning(vocab_size=40, most_units=n_units // 2)).said
    assert said[-1].startswith(f"learnt from {len(taken)} of 60 utterances")
