"""A corpus of motifs: the units of its motifs are the corpus of units, and so are their times."""

from __future__ import annotations

import json

import pytest

import unit_words

pytest.importorskip("sentencepiece", reason="SentencePiece is not installed (pip install 'melisma[units]')")

from melisma.core.errors import InputError
from melisma.data.units import motif_corpus
from melisma.units.line import UnitLine
from melisma.units.motifs.corpus import Corpus
from melisma.units.motifs.find import Wanted, find
from melisma.units.motifs.learn import Learning


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    return unit_words.write(tmp_path_factory.mktemp("units"), unit_words.utterances(20))


@pytest.fixture(scope="module")
def model(spoken, tmp_path_factory):
    out = tmp_path_factory.mktemp("motifs")
    return find(Corpus.of(spoken), out, Wanted(Learning(vocab_size=40))).model


def told(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_motifs_are_the_units_and_their_times(spoken, model, tmp_path):
    lines = told(motif_corpus.write(Corpus.of(spoken), model, tmp_path / "motif_corpus.jsonl"))
    for line, truth in zip(lines, unit_words.utterances(20), strict=True):
        assert (line["id"], line["audio"], line["speaker_id"]) == (truth.id, truth.audio, truth.speaker_id)
        assert [unit for each in line["motifs"] for unit in model.pieces[each["motif"]]] == list(truth.units)
        at = 0.0
        units = list(zip(truth.units, truth.runs, strict=True))
        for each in line["motifs"]:
            mine = [units.pop(0)[1] for _ in model.pieces[each["motif"]]]
            assert each["start"] == pytest.approx(at)
            at += 0.02 * sum(mine)
            assert each["end"] == pytest.approx(at)


def test_text_has_no_times(model, tmp_path):
    (tmp_path / "units.txt").write_text("1 2 3 4\n")
    (line,) = told(motif_corpus.write(Corpus.of(tmp_path / "units.txt"), model, tmp_path / "out.jsonl"))
    assert line == {"id": "1", "motifs": [{"motif": model.pieces.index((1, 2, 3, 4))}]}


def test_nothing_is_left_of_a_file_that_could_not_be_finished(model, tmp_path):
    unit_words.write(tmp_path, [UnitLine("a", "a.wav", (1,), (1,)), UnitLine("b", "b.wav", (99,), (1,))])
    with pytest.raises(InputError, match="they know no unit 99"):
        motif_corpus.write(Corpus.of(tmp_path), model, tmp_path / "out" / "motif_corpus.jsonl")
    assert list((tmp_path / "out").iterdir()) == []
