"""`melisma units motifs` as a user runs it."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import soundfile
from typer.testing import CliRunner

import unit_words
from melisma.cli.main import app
from motif_sounds import RATE, tones

pytest.importorskip("sentencepiece", reason="SentencePiece is not installed (pip install 'melisma[units]')")

FILES = {"motifs.model", "motifs.vocab", "motif_analysis.json", "motif_corpus.jsonl", "index.html"}


def run(*given: object):
    return CliRunner().invoke(app, ["units", "motifs", *map(str, given)])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """A corpus with the sound of its first ten utterances."""
    folder = tmp_path_factory.mktemp("mine")
    lines = unit_words.utterances(12)
    (folder / "audio").mkdir()
    for line in lines[:10]:
        soundfile.write(folder / line.audio, tones(line.frames()), RATE)
    return unit_words.write(folder, lines)


def test_files_are_written_beside_the_corpus_and_always_the_same(corpus, tmp_path):
    done = run(corpus, "--vocab-size", 40, "--tokens")
    assert done.exit_code == 0, done.output
    assert {path.name for path in (corpus / "motifs").iterdir()} == FILES
    assert "12 utterances" in done.stdout
    assert "no sound of u1" in done.stderr
    again = run(corpus / "corpus_timestamped.jsonl", "--vocab-size", 40, "-o", tmp_path / "again", "--tokens")
    assert again.exit_code == 0, again.output
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (corpus / "motifs" / name).read_bytes()


def test_a_vocabulary_that_is_too_large_is_lowered_and_the_reason_said(corpus, tmp_path):
    done = run(corpus, "--vocab-size", 9000, "--min-count", 4, "-o", tmp_path, "--no-page")
    assert done.exit_code == 0, done.output
    assert re.search(r"note: the vocabulary has \d+ pieces instead of 9,000: only \d+ sequences", done.stderr)
    told = json.loads((tmp_path / "motif_analysis.json").read_text())
    assert told["remarks"][0] in done.stderr
    assert min(each["occurrences"] for each in told["motifs"] if each["length"] > 1) >= 4
    assert not (tmp_path / "index.html").exists()


def test_recordings_that_are_not_there_are_named(corpus, tmp_path):
    done = run(corpus, "--vocab-size", 40, "-o", tmp_path, "--json")
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert told["recordings_heard"] > 0
    assert {sentence.split(":")[0] for sentence in told["recordings_not_heard"]} <= {"u10", "u11"}


def test_motifs_of_one_corpus_are_found_in_another(corpus, tmp_path):
    assert run(corpus, "--vocab-size", 40, "-o", tmp_path / "one", "--no-page").exit_code == 0
    other = unit_words.write(tmp_path / "other", unit_words.utterances(6, seed=5))
    model = tmp_path / "one" / "motifs.model"
    done = run(other, "--model", model, "--name", "theirs", "--no-page", "-q")
    assert (done.exit_code, done.output) == (0, "")
    assert (other / "motifs" / "theirs.model").read_bytes() == model.read_bytes()
    told = json.loads((other / "motifs" / "motif_analysis.json").read_text())
    assert (told["corpus"]["utterances"], told["model"]["learnt_here"]) == (6, False)


def test_frames_are_units_with_their_repeats(corpus, tmp_path):
    assert run(corpus, "--vocab-size", 60, "--frames", "--no-page", "-o", tmp_path).exit_code == 0
    told = json.loads((tmp_path / "motif_analysis.json").read_text())
    assert told["of"] == "frames"
    assert any(len(set(each["units"])) < each["length"] for each in told["motifs"])
    assert all(each["ms"]["mean"] == 20 * each["length"] for each in told["motifs"] if each["frequency"])


def test_text_has_no_times(tmp_path):
    text = "".join(f"{' '.join(map(str, line.units))}\n" for line in unit_words.utterances(12))
    (tmp_path / "all_units_for_bpe.txt").write_text(text)
    done = run(tmp_path / "all_units_for_bpe.txt", "--vocab-size", 40, "--no-page")
    assert done.exit_code == 0, done.output
    told = json.loads((tmp_path / "motifs" / "motif_analysis.json").read_text())
    assert told["rate"]["tokens_per_second"] is None
    assert {each["ms"] for each in told["motifs"]} == {None}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--vocab-size", 12], "a vocabulary of 12 has no motif beside 19 units: take 21 up"),
        (["--name", "../out"], "is no name for a folder"),
        (["--model", "nothing.model"], "nothing.model cannot be read"),
        (["--longest", 1], "one is not so"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence_and_nothing_written(corpus, tmp_path, given, said):
    done = run(corpus, "-o", tmp_path / "out", *given)
    assert done.exit_code == 2
    assert said in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_place_where_nothing_can_be_written_is_refused_before_any_work(corpus, tmp_path, monkeypatch):
    (tmp_path / "out").write_text("a file")
    monkeypatch.setitem(sys.modules, "sentencepiece", None)  # work would end by saying that it is missing
    done = run(corpus, "-o", tmp_path / "out")
    assert done.exit_code == 2
    assert "out is no folder" in done.stderr


def test_a_line_that_is_wrong_is_named_and_nothing_written(corpus, tmp_path):
    good = (corpus / "corpus_timestamped.jsonl").read_text()
    (tmp_path / "corpus_timestamped.jsonl").write_text(good + '{"id": "x", "audio": "x", "units": [{"unit": -1}]}\n')
    done = run(tmp_path)
    assert done.exit_code == 2
    assert "line 13" in done.stderr
    assert not (tmp_path / "motifs").exists()


def test_the_extra_that_is_missing_is_named(corpus, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    done = run(corpus, "-o", tmp_path / "out")
    assert done.exit_code == 3
    assert "pip install 'melisma[units]'" in done.stderr
    assert not (tmp_path / "out").exists()
