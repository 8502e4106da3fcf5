"""`melisma units synthesize`, `units vocoder synthesize` and `units vocoder export` as a user runs them."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

import speaking_vocoder
import unit_corpus
from melisma.cli.main import app


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    made = unit_corpus.make(tmp_path_factory.mktemp("units"), 3)
    facts = {"encoder": made.codebook.encoder, "codebook": made.codebook.sha256}
    speaking_vocoder.save(made.folder / "vocoder", speakers=unit_corpus.SPEAKERS, **facts)
    done = run("units", "vocoder", "export", made.folder)
    assert done.exit_code == 0, done.output
    assert "dB from torch" in done.stderr
    return made


def run(*given):
    return CliRunner().invoke(app, [str(each) for each in given])


def test_a_corpus_is_said(corpus, tmp_path):
    done = run("units", "synthesize", corpus.folder, "-o", tmp_path / "out", "--speaker", "same", "--limit", 2, "-j", 1)
    assert done.exit_code == 0, done.output
    assert "lines: 2" in done.stdout
    assert len(list((tmp_path / "out" / "audio").rglob("*.wav"))) == 2
    assert len((tmp_path / "out" / "manifest.jsonl").read_text(encoding="utf-8").splitlines()) == 2
    report = json.loads((tmp_path / "out" / "synthesize_report.json").read_text(encoding="utf-8"))
    assert report["counts"]["failed"] == 0


def test_a_corpus_is_foretold(corpus, tmp_path):
    done = run("units", "synthesize", corpus.folder, "-o", tmp_path / "out", "--preview", "-j", 1)
    assert done.exit_code == 0, done.output
    assert "of 3 tasks none is left to be done" in done.stdout
    assert "measured on 3 tasks done just now" in done.stdout
    assert not (tmp_path / "out" / "manifest.jsonl").exists()


def test_units_that_are_written_down_are_said(corpus, tmp_path):
    done = run("units", "synthesize", "--units", "5 5 7:8", "--vocoder", corpus.folder, "-o", tmp_path / "x.flac")
    assert done.exit_code == 0, done.output
    assert "10 units, 0.20 s" in done.stderr
    assert soundfile.info(tmp_path / "x.flac").frames == 3200


def test_a_recording_is_said_again_by_torch_as_without(corpus, tmp_path):
    recording = corpus.folder / "recordings" / "1.wav"
    for group, name in ((["units"], "onnx.wav"), (["units", "vocoder"], "torch.wav")):
        how = ["--vocoder", corpus.folder / "vocoder", "--speaker", "bo", "-o", tmp_path / name]
        done = run(*group, "synthesize", recording, *how)
        assert done.exit_code == 0, done.output
    sounds = [soundfile.read(tmp_path / name, dtype="int16")[0].astype(int) for name in ("onnx.wav", "torch.wav")]
    assert len(sounds[0]) == 320 * corpus.lines[1].n_frames
    assert np.abs(sounds[0] - sounds[1]).max() <= 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--units", "5"], "who is to speak?"),
        (["--units", "99", "--vocoder", "DIR"], "there is no unit 99"),
        (["--units", "five", "--vocoder", "DIR"], "'five' is no unit"),
        (["--units", "5", "--vocoder", "DIR", "--speaker", "eve"], "does not know the speaker 'eve'"),
        (["--units", "5", "--vocoder", "DIR", "--pitch"], "trained without pitch"),
        (["--vocoder", "DIR"], "name a corpus or a recording"),
        (["DIR", "--units", "5"], "one of them"),
        (["DIR", "--format", "mp3"], "no format of sound"),
        (["--units", "5", "--vocoder", "DIR", "--preview"], "--preview is for a corpus"),
        (["--units", "5", "--vocoder", "nowhere"], "there is no vocoder in nowhere"),
    ],
)
def test_what_cannot_be_said_is_one_sentence_and_nothing_written(corpus, tmp_path, given, said):
    given = [str(corpus.folder) if each == "DIR" else each for each in given]
    done = run("units", "synthesize", *given, "-o", tmp_path / "out")
    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_export_of_another_checkpoint_is_said_to_be_one(corpus, tmp_path):
    shutil.copytree(corpus.folder / "vocoder", tmp_path / "v")
    (tmp_path / "v" / "vocoder_final.pt").write_bytes(b"trained on")
    done = run("units", "synthesize", "--units", "5", "--vocoder", tmp_path / "v", "-o", tmp_path / "x.wav")
    assert done.exit_code == 0, done.output
    assert "vocoder.onnx is of another checkpoint than vocoder_final.pt" in done.stderr


def test_a_vocoder_of_another_codebook_is_refused(corpus, tmp_path):
    other = unit_corpus.make(tmp_path / "other", 2, seed=7)
    done = run("units", "synthesize", other.folder, "--vocoder", corpus.folder, "-o", tmp_path / "out")
    assert done.exit_code == 2
    assert "units of another codebook" in done.stderr
    recording = other.folder / "recordings" / "0.wav"
    how = ["--vocoder", corpus.folder, "--codebook", other.folder, "-o", tmp_path / "out"]
    assert "units of another codebook" in run("units", "synthesize", recording, *how).stderr


def test_a_recording_without_a_codebook_is_refused(corpus, tmp_path):
    shutil.copytree(corpus.folder / "vocoder", tmp_path / "v")
    how = ["--vocoder", tmp_path / "v", "-o", tmp_path / "out"]
    done = run("units", "synthesize", corpus.folder / "recordings" / "0.wav", *how)
    assert done.exit_code == 2
    assert "name the codebook" in done.stderr


def test_a_line_that_fails_is_named_and_the_exit_code_says_so(corpus, tmp_path):
    lines = [corpus.lines[0].to_json(), '{"id":"bad","audio":"x.wav","units":[{"unit":77,"run":2}]}']
    path = tmp_path / "corpus.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = run("units", "synthesize", path, "--vocoder", corpus.folder, "-o", tmp_path / "out", "-j", 1)
    assert done.exit_code == 1
    assert "bad: there is no unit 77" in done.stderr
    assert len(list((tmp_path / "out").rglob("*.wav"))) == 1


def test_an_export_says_what_it_is_in_json(corpus, tmp_path):
    done = run("units", "vocoder", "export", corpus.folder, "-o", tmp_path, "--json")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["parity"]["whole_db"] > 60
    assert (tmp_path / "vocoder.onnx").stat().st_size == said["size_bytes"]
    missing = run("units", "vocoder", "export", tmp_path / "nowhere")
    assert (missing.exit_code, missing.stderr.count("\n")) == (2, 1)
