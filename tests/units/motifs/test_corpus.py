"""Corpora of units as they are read for motifs."""

from __future__ import annotations

import numpy as np
import pytest

import unit_words
from melisma.core.errors import InputError
from melisma.units import codebook_file
from melisma.units.codebook import Codebook
from melisma.units.encoder import EncoderFacts
from melisma.units.line import UnitLine
from melisma.units.motifs.corpus import Corpus, n_units_of


def test_a_folder_and_its_file_are_one_corpus(spoken):
    assert Corpus.of(spoken) == Corpus.of(spoken / "corpus_timestamped.jsonl")
    assert Corpus.of(spoken).timed


def test_units_come_with_their_runs_or_frame_by_frame(tmp_path):
    unit_words.write(
        tmp_path, [UnitLine("a", "a.wav", (7, 2), (1, 3), 5.0, 0.1, "s", "pt"), UnitLine("b", "b", (), ())]
    )
    (once,) = Corpus.of(tmp_path).utterances()
    assert (once.units.tolist(), once.runs.tolist()) == ([7, 2], [1, 3])
    assert (once.id, once.audio, once.start_s, once.speaker, once.language) == ("a", "a.wav", 5.0, "s", "pt")
    (every,) = Corpus.of(tmp_path, frames=True).utterances()
    assert (every.units.tolist(), every.runs.tolist()) == ([7, 2, 2, 2], [1, 1, 1, 1])


def test_text_has_units_and_no_times(tmp_path):
    path = tmp_path / "all_units_for_bpe.txt"
    path.write_bytes(b"1 2 3\r\n\n7\n")
    corpus = Corpus.of(path)
    assert not corpus.timed
    assert [(each.id, each.units.tolist(), each.runs) for each in corpus.utterances()] == [
        ("1", [1, 2, 3], None), ("3", [7], None)]  # fmt: skip


@pytest.mark.parametrize("bad", [b"1 x 2", b"1 -2", b"1.5", b"65534", b"999999999999", "١ ٢".encode(), b"\xff"])
def test_a_line_of_text_that_holds_something_else_is_named(tmp_path, bad):
    path = tmp_path / "units.txt"
    path.write_bytes(b"1 2\n" + bad + b"\n")
    with pytest.raises(InputError, match=r"line 2: .* is no unit"):
        list(Corpus.of(path).utterances())


def test_units_without_a_character_are_refused(tmp_path):
    unit_words.write(tmp_path, [UnitLine("a", "a.wav", (65534,), (1,))])
    with pytest.raises(InputError, match="a has a unit 65534"):
        list(Corpus.of(tmp_path).utterances())


def test_an_utterance_of_days_is_not_written_out_frame_by_frame(tmp_path):
    unit_words.write(tmp_path, [UnitLine("a", "a.wav", (1,), (100_000_000,))])
    with pytest.raises(InputError, match="a is too long"):
        list(Corpus.of(tmp_path, frames=True).utterances())


def test_a_corpus_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"no corpus of units at .*: melisma units encode makes one"):
        Corpus.of(tmp_path)


def test_the_codebook_says_how_many_units_there_are(tmp_path):
    assert n_units_of(tmp_path) is None
    centres = np.arange(12, dtype=np.float32).reshape(6, 2)
    codebook_file.write(Codebook(centres, EncoderFacts("mfcc", "mfcc", None, 2, "0" * 64)), tmp_path)
    assert n_units_of(tmp_path) == 6
    (tmp_path / codebook_file.FACTS).write_text("{}")
    with pytest.raises(InputError, match="no codebook"):
        n_units_of(tmp_path)
