"""Models of motifs: read back, applied, and refused where they are something else."""

from __future__ import annotations

import io

import numpy as np
import pytest
import sentencepiece

import unit_words
from melisma.core.errors import InputError
from melisma.units.motifs import learn
from melisma.units.motifs.learn import Learning
from melisma.units.motifs.model import MotifModel, read_file


def trained(lines, **options) -> bytes:
    out = io.BytesIO()
    given = {"model_type": "bpe", "vocab_size": 30, "hard_vocab_limit": False, "minloglevel": 2} | options
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(lines), model_writer=out, **given)
    return out.getvalue()


def test_sequences_are_cut_and_nothing_of_them_is_lost(learnt, said):
    sequences = [np.array(line.units) for line in said]
    for units, ids in zip(sequences, learnt.model.encode(sequences), strict=True):
        assert np.concatenate([learnt.model.pieces[i] for i in ids]).tolist() == units.tolist()


def test_occurrences_are_how_often_a_motif_came_to_be(sample, learnt):
    """A smaller vocabulary, in which a motif is the last one, has it by itself as often as it came to be."""
    model = learnt.model
    frequency = counted(model, sample)
    for size in (1, 5, model.n_joined // 2):
        smaller = learn.learn(sample, unit_words.K, Learning(vocab_size=1 + unit_words.K + size)).model
        assert smaller.pieces[1 : 1 + size] == model.pieces[1 : 1 + size]
        assert counted(smaller, sample)[size] == model.occurrences(frequency)[size]


def counted(model, sample):
    found = np.zeros(len(model.pieces), dtype=np.int64)
    for ids in model.encode(list(sample.sequences())):
        found += np.bincount(ids, minlength=len(found))
    return found


def test_units_that_the_model_does_not_know_are_refused(learnt):
    with pytest.raises(InputError, match="they know no unit 20"):
        learnt.model.encode([np.array([1, 20, 2])])


def test_the_vocabulary_is_readable(learnt):
    rows = [row.split("\t") for row in learnt.model.table().splitlines()]
    assert rows[0] == ["<unk>", "0", ""]
    assert ["12 13"] in [row[2:] for row in rows]
    assert len(rows) == len(learnt.model.pieces)


@pytest.mark.parametrize("data", [b"", b"\0", b"x" * 99, b"PK\x03\x04", b"\x80\x04N."])
def test_other_files_are_refused(data):
    with pytest.raises(InputError, match=r"it\.model is no SentencePiece model, or damaged"):
        MotifModel.of(data, "it.model")


@pytest.mark.parametrize("n", [1, 10, 500, -3, -1])
def test_a_file_that_was_cut_off_is_refused(learnt, n):
    with pytest.raises(InputError):
        MotifModel.of(learnt.data[:n], "it.model")


def test_a_model_of_text_is_refused():
    with pytest.raises(InputError, match="not one of units: U\\+"):
        MotifModel.of(trained(["some text that is no unit at all, and some more of it"] * 9), "it.model")


def test_a_model_that_puts_something_in_front_is_refused():
    data = trained(["\ue000\ue001\ue002\ue000\ue001"] * 9, split_by_unicode_script=False)
    with pytest.raises(InputError):
        MotifModel.of(data, "it.model").encode([np.array([0, 1, 2])])


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_file(tmp_path / "it.model")
    with pytest.raises(InputError, match="cannot be read"):
        read_file(tmp_path)


def test_a_file_that_is_too_large(tmp_path):
    with open(tmp_path / "it.model", "wb") as file:
        file.truncate((64 << 20) + 1)
    with pytest.raises(InputError, match="is larger than a model of motifs is"):
        read_file(tmp_path / "it.model")
