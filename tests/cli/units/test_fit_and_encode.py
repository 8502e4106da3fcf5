"""From recordings to units on the command line: features, codebook, corpus, one recording, and what is refused."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from data.spoken import utterance
from melisma.cli.main import app
from melisma.data import manifest
from melisma.data.manifest import Utterance
from melisma.units import codebook_file
from melisma.units.read import parse, read_lines

pytest.importorskip("sklearn", reason="needs the extra [units]")

RATE = 16000
CODEBOOK = ("codebook.npz", "codebook.json")


def run(*words: object):
    return CliRunner().invoke(app, ["units", *map(str, words)])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """Make a folder with recordings, their features and a codebook."""
    folder = tmp_path_factory.mktemp("corpus")
    rows = []
    for i in range(3):
        rng = np.random.default_rng(i)
        pitch = np.repeat(rng.uniform(0.03, 0.2, 8), RATE // 8)
        samples = 0.2 * np.sin(np.cumsum(pitch)) + rng.normal(0, 0.01, RATE)
        soundfile.write(folder / f"{i}.wav", samples.astype(np.float32), RATE)
        rows.append(Utterance(id=f"{i}", audio=f"{i}.wav", duration=1.0))
    manifest.write(folder / "m.jsonl", rows)
    extracted = run("extract", folder / "m.jsonl", "-o", folder / "units", "--encoder", "mfcc", "--workers", 1)
    assert extracted.exit_code == 0, extracted.output
    fitted = run("fit", folder / "units", "-k", 8, "--n-init", 1)
    assert fitted.exit_code == 0, fitted.output
    assert "8 clusters of 147 of 147 frames" in fitted.stdout
    return folder


def encoded(corpus: Path, out: Path, *words: object):
    return run("encode", corpus / "m.jsonl", "-o", out, "--codebook", corpus / "units", "--workers", 1, *words)


def test_a_manifest_becomes_a_corpus_and_one_recording_says_the_same(corpus, tmp_path):
    done = encoded(corpus, tmp_path, "--json-file")
    assert done.exit_code == 0, done.output
    assert "encoded: 3" in done.stdout
    kept = [(folder / name).read_bytes() for folder in (corpus / "units", tmp_path) for name in CODEBOOK]
    assert kept[:2] == kept[2:]  # the corpus is whole without the folder that its codebook came from
    lines = list(read_lines(tmp_path))
    printed = run("encode", corpus / "1.wav", "--codebook", corpus / "units")
    assert printed.stdout == " ".join(map(str, lines[1].units)) + "\n"
    frames = run("encode", corpus / "1.wav", "--codebook", corpus / "units", "--no-dedupe")
    assert frames.stdout == " ".join(map(str, lines[1].frames())) + "\n"
    said = parse(run("encode", corpus / "1.wav", "--codebook", corpus / "units", "--json").stdout)
    assert (said.units, said.runs, said.duration_s) == (lines[1].units, lines[1].runs, 1.0)
    written = run("encode", corpus / "1.wav", "--codebook", corpus / "units", "-o", tmp_path / "new" / "one.txt")
    assert written.exit_code == 0
    assert (tmp_path / "new" / "one.txt").read_text() == printed.stdout
    assert len(json.loads((tmp_path / "corpus_timestamped.json").read_text())) == 3


def test_features_become_a_corpus_in_their_folder(corpus, tmp_path):
    done = run("encode", corpus / "units", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["counts"]["encoded"] == 3
    assert [line.id for line in read_lines(corpus / "units")] == ["0", "1", "2"]


def test_a_corpus_takes_the_codebook_of_its_folder(corpus):
    done = run("encode", corpus / "m.jsonl", "-o", corpus / "units", "--workers", 1, "-q")
    assert (done.exit_code, done.stdout) == (0, "")
    assert len(list(read_lines(corpus / "units"))) == 3


def test_a_folder_of_recordings_needs_no_manifest(corpus, tmp_path):
    done = run("encode", corpus, "-o", tmp_path, "--codebook", corpus / "units", "--workers", 1, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["counts"]["encoded"] == 3


def test_what_cannot_be_encoded_is_named_and_costs_nobody_else(corpus, tmp_path):
    rows = [*manifest.read(corpus / "m.jsonl"), Utterance(id="gone", audio="gone.wav", duration=1.0)]
    manifest.write(corpus / "more.jsonl", rows)
    out = tmp_path / "out"
    done = run("encode", corpus / "more.jsonl", "-o", out, "--codebook", corpus / "units", "--workers", 1)
    assert done.exit_code == 1
    assert "gone: " in done.stderr
    report = json.loads((out / "encode_report.json").read_text())
    assert (report["counts"]["encoded"], report["counts"]["failed"]) == (3, 1)
    assert [each["item"] for each in report["problems"]] == ["gone"]
    said = report["settings"]
    assert (said["encoder"], said["layer"], said["codebook"]) == ("mfcc", None, str(corpus / "units"))


def test_the_report_names_the_encoder_of_the_codebook(corpus, tmp_path):
    fitted = run("fit", corpus / "m.jsonl", "-o", tmp_path, "--encoder", "phone", "-k", 4, "--workers", 1)
    assert fitted.exit_code == 0, fitted.output
    done = run("encode", corpus / "m.jsonl", "-o", tmp_path, "--workers", 1, "--json")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)["settings"]
    assert (said["encoder"], said["layer"]) == ("phone", 8)
    refused = run("encode", corpus / "1.wav", "--codebook", tmp_path, "--encoder", "mfcc")
    assert refused.exit_code == 3
    assert "the codebook is of features of layer 8 of phone" in refused.stderr
    assert "mfcc here makes others" in refused.stderr


def test_a_manifest_is_sampled_encoded_and_clustered(corpus, tmp_path):
    done = run("fit", corpus / "m.jsonl", "-o", tmp_path, "--encoder", "mfcc", "-k", 4, "--sample", 1, "--json")
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert (facts["n_frames"], facts["settings"]["k"]) == (49, 4)
    assert codebook_file.read(tmp_path).k == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["codebook.json", "codebook.npz"]


def test_half_of_what_is_drawn_may_be_missing(corpus, tmp_path):
    rows = list(manifest.read(corpus / "m.jsonl"))[:2]
    gone = [row.model_copy(update={"id": f"gone{row.id}", "audio": f"gone{row.audio}"}) for row in rows]
    rows = [row.model_copy(update={"audio": str(corpus / row.audio)}) for row in rows]
    manifest.write(tmp_path / "m.jsonl", rows + gone)
    done = run("fit", tmp_path / "m.jsonl", "-o", tmp_path / "out", "--encoder", "mfcc", "-k", 4, "--workers", 1)
    assert done.exit_code == 0, done.output
    assert "2 utterances that were drawn could not be encoded" in done.stderr
    assert "gone1: " in done.stderr
    manifest.write(tmp_path / "none.jsonl", gone)
    done = run("fit", tmp_path / "none.jsonl", "-o", tmp_path / "none", "--encoder", "mfcc", "-k", 4, "--workers", 1)
    assert done.exit_code == 2
    assert "no utterance that was drawn" in done.stderr


def test_what_was_drawn_for_another_encoder_is_in_nobodys_way(corpus, tmp_path):
    words = ("fit", corpus / "m.jsonl", "-o", tmp_path, "--workers", 1)
    too_many = run(*words, "--encoder", "mfcc", "-k", 1000)
    assert "too few for 1,000 clusters" in too_many.stderr
    done = run(*words, "--encoder", "phone", "-k", 4)
    assert done.exit_code == 0, done.output
    assert codebook_file.read(tmp_path).encoder.name == "phone"


def test_units_are_held_against_phones(corpus, tmp_path):
    spans = [["a", 0.0, 0.5], ["b", 0.5, 1.0]]
    lines = [json.dumps({"id": str(i), "phones": spans}) for i in range(2)]
    (tmp_path / "phones.jsonl").write_text("\n".join(lines))
    done = run("fit", corpus / "units", "-o", tmp_path, "-k", 5, "--alignments", tmp_path / "phones.jsonl")
    assert done.exit_code == 0, done.output
    assert "against the phones of 2 utterances:" in done.stdout
    assert "elsewhere: k=100 fitted on 1 h: PNMI 0.563 (" in done.stdout  # what others found, whatever these units are
    assert codebook_file.read(tmp_path).facts["phones"]["with_pauses"]["n_frames"] == 98


def test_a_corpus_without_a_codebook_is_refused_before_anything_is_written(corpus, tmp_path):
    done = run("encode", corpus / "m.jsonl", "-o", tmp_path / "out")
    assert done.exit_code == 2
    assert "name a codebook with --codebook" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_with_a_codebook_takes_units_of_no_other(corpus, tmp_path):
    assert run("fit", corpus / "units", "-o", tmp_path / "own", "-k", 4, "--n-init", 1).exit_code == 0
    before = sorted((tmp_path / "own").iterdir())
    done = encoded(corpus, tmp_path / "own")
    assert done.exit_code == 2
    assert "has a codebook of its own" in done.stderr
    assert sorted((tmp_path / "own").iterdir()) == before
    done = run("encode", corpus / "m.jsonl", "-o", tmp_path / "own", "--codebook", tmp_path / "own", "--workers", 1)
    assert done.exit_code == 0, done.output


def test_a_codebook_that_is_not_there_is_one_sentence(corpus, tmp_path):
    done = run("encode", corpus / "1.wav", "--codebook", tmp_path / "gone")
    assert done.exit_code == 2
    assert f"there is no codebook {tmp_path / 'gone'}" in done.stderr


@pytest.mark.parametrize("source", ["gone.jsonl", "gone.wav"])
def test_what_is_not_there_is_one_sentence(corpus, tmp_path, source):
    done = run("encode", tmp_path / source, "--codebook", corpus / "units", "-o", tmp_path / "out")
    assert done.exit_code == 2
    assert source in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_encoder_that_lies_elsewhere_now_is_asked_for_and_the_corpus_stays(corpus, tmp_path):
    book = codebook_file.read(corpus / "units")
    facts = replace(book.encoder, name="hubert-of-mine", kind="hub", layer=6)
    codebook_file.write(replace(book, encoder=facts), tmp_path)
    (tmp_path / "corpus_timestamped.jsonl").write_text("what was there\n")
    for source in ("m.jsonl", "1.wav"):
        done = run("encode", corpus / source, "-o", tmp_path, "--codebook", tmp_path, "--workers", 1)
        assert done.exit_code == 3, done.output
        assert "layer 6 of hubert-of-mine" in done.stderr
        assert "say where it lies with --encoder" in done.stderr
    assert (tmp_path / "corpus_timestamped.jsonl").read_text() == "what was there\n"


def test_a_folder_without_features_is_refused(tmp_path):
    done = run("fit", tmp_path)
    assert done.exit_code == 2
    assert "holds no features" in done.stderr


def test_more_clusters_than_frames_are_refused_and_the_codebook_stays(corpus):
    before = (corpus / "units" / "codebook.npz").read_bytes()
    done = run("fit", corpus / "units", "-k", 1000)
    assert done.exit_code == 2
    assert "too few for 1,000 clusters" in done.stderr
    assert (corpus / "units" / "codebook.npz").read_bytes() == before


def test_a_pickle_goes_into_a_new_folder_and_where_it_cannot_the_codebook_stays(corpus, tmp_path):
    pickled = tmp_path / "new" / "portuguese_kmeans.pkl"
    done = run("fit", corpus / "units", "-o", tmp_path, "-k", 4, "--n-init", 1, "--pickle", pickled)
    assert done.exit_code == 0, done.output
    assert pickled.stat().st_size > 0
    before = [(tmp_path / name).read_bytes() for name in CODEBOOK]
    refused = run("fit", corpus / "units", "-o", tmp_path, "-k", 5, "--n-init", 1, "--pickle", tmp_path / ("x" * 300))
    assert refused.exit_code == 2
    assert refused.stderr.startswith("error: cannot write ")
    assert [(tmp_path / name).read_bytes() for name in CODEBOOK] == before


def test_a_language_that_nobody_speaks_is_one_sentence_and_what_was_aligned_stays(tmp_path):
    manifest.write(tmp_path / "m.jsonl", [utterance(tmp_path, "a", "es", "a.wav")])
    (tmp_path / "phones.jsonl").write_text("what was there\n")
    done = run("align", tmp_path / "m.jsonl", "-o", tmp_path / "phones.jsonl", "-l", "xx", "--workers", 1)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: no language is called 'xx'")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", "m.jsonl", "phones.jsonl"]
    assert (tmp_path / "phones.jsonl").read_text() == "what was there\n"


def test_transcripts_are_aligned(tmp_path):
    row = utterance(tmp_path, "a", "es", "a.wav")
    manifest.write(tmp_path / "m.jsonl", [row])
    done = run("align", tmp_path / "m.jsonl", "-o", tmp_path / "phones.jsonl", "--workers", 1)
    assert done.exit_code == 0, done.output
    assert "aligned: 1" in done.stdout
    assert json.loads((tmp_path / "phones.jsonl").read_text())["id"] == row.id


def test_without_the_extra_clusters_are_refused_and_recordings_still_encoded(corpus, monkeypatch):
    for module in ("sklearn", "sklearn.cluster", "torch", "transformers", "sentencepiece", "pyworld"):
        monkeypatch.setitem(sys.modules, module, None)
    refused = run("fit", corpus / "units")
    assert refused.exit_code == 3
    assert "k-means needs scikit-learn: pip install 'melisma[units]'" in refused.stderr
    done = run("encode", corpus / "1.wav", "--codebook", corpus / "units")
    assert done.exit_code == 0, done.output
    assert len(done.stdout.split()) > 5
