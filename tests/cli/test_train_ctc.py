"""`melisma train ctc`: a few steps on ten clips, and one sentence for whatever is wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from melisma.cli.main import app


def call(*words):
    return CliRunner().invoke(app, ["train", "ctc", *map(str, words)])


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """Threads that wait for each other take ten times as long on a busy machine."""
    import torch

    from melisma.train.ctc import loop

    before = torch.get_num_threads()
    monkeypatch.setattr(loop, "n_threads", lambda: 1)
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def corpus(tmp_path):
    """Two manifests, six clips to learn from and three of other speakers, their words timed."""
    rng = np.random.default_rng(1)
    for side, n in (("train", 6), ("valid", 3)):
        rows = []
        for k in range(n):
            soundfile.write(tmp_path / f"{side}{k}.wav", rng.normal(0, 0.1, 16000), 16000)
            words = [{"text": "la", "start": 0.1, "end": 0.4}, {"text": "mala", "start": 0.5, "end": 0.9}]
            row = {"id": f"{side}{k}", "audio": f"{side}{k}.wav", "duration": 1.0, "transcript": "la mala"}
            rows.append(row | {"language": "en", "speaker_id": f"{side}{k}", "license": "CC0-1.0", "words": words})
        (tmp_path / f"{side}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return tmp_path


@pytest.fixture
def usual(corpus):
    """What every call here has in common."""
    return [corpus / "train.jsonl", "--valid", corpus / "valid.jsonl", "-o", corpus / "run", "--device", "cpu"]


def test_a_fast_run_goes_through_everything(corpus, usual):
    done = call(*usual, "--model", "random:tiny", "--fast-dev-run", "--workers", "0")
    assert done.exit_code == 0, done.output
    folder = corpus / "run" / "fast-dev-run"
    assert {path.name for path in (folder / "checkpoints").iterdir()} >= {"last.ckpt", "best.ckpt", "step-6.ckpt"}
    assert len((folder / "training_history.jsonl").read_text().splitlines()) == 2
    assert json.loads((folder / "vocab.json").read_text()) == {"<pad>": 0, "<unk>": 1, "|": 2, "a": 3, "l": 4, "m": 5}
    assert "6 of 6 clips" in done.output


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--model", "random:giant"], "random:tiny"),
        (["--precision", "fp16", "--model", "phone-net"], "a CPU does not train in fp16"),
        (["--units", "syllables"], "units"),
        (["--device", "mps", "--model", "phone-net"], "mps"),
        (["--noise", "somewhere", "--model", "phone-net"], "--augment"),
        (["--augment", "nowhere.yaml", "--model", "phone-net"], "nowhere.yaml"),
        (["--weights", "nowhere.jsonl", "--model", "phone-net"], "cannot read the weights nowhere.jsonl"),
        (["--model", "./no-such-folder"], "no-such-folder"),
    ],
)
def test_what_cannot_be_trained_is_one_sentence_and_writes_nothing(usual, corpus, options, sentence):
    done = call(*usual, *options)
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith("error: ")
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (corpus / "run").exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda rows: [], "holds no utterance"),
        (lambda rows: [row | {"speaker_id": "valid0"} for row in rows], "share the speaker 'valid0'"),
        (lambda rows: [row | {"duration": -1} for row in rows], "line 1: duration"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_one_sentence(usual, corpus, change, sentence):
    path = corpus / "train.jsonl"
    rows = change([json.loads(line) for line in path.read_text().splitlines()])
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    done = call(*usual, "--model", "phone-net", "--units", "phones")
    assert done.exit_code == 2, done.output
    assert sentence in done.stderr
    assert not (corpus / "run").exists()


def test_a_manifest_of_which_nothing_can_be_learnt_names_the_report(usual, corpus):
    path = corpus / "train.jsonl"
    path.write_text(path.read_text().replace('"audio": "train', '"audio": "gone'), encoding="utf-8")
    done = call(*usual, "--model", "phone-net", "--units", "phones")
    assert done.exit_code == 2
    assert "holds no clip that can be learnt from" in done.stderr
    assert json.loads((corpus / "run" / "prepared" / "train.json").read_text())["left_out"] == {
        "the audio file is not there": 6
    }


def test_a_certificate_beside_the_manifests_is_held_to(usual, corpus):
    (corpus / "split.json").write_text("{}")
    done = call(*usual, "--model", "phone-net")
    assert done.exit_code == 2
    assert "is no certificate of a split" in done.stderr
