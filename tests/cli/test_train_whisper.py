"""`melisma train whisper`: where it writes, and what it refuses before it does."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from melisma.cli.main import app

pytest.importorskip("accelerate")
pytest.importorskip("peft")


@pytest.fixture
def manifests(tmp_path, monkeypatch):
    """Two manifests of noise with words, in a folder that is the root of all artefacts."""
    monkeypatch.setenv("MELISMA_ROOT", str(tmp_path))
    rng, paths = np.random.default_rng(0), []
    for side, n in (("train", 6), ("valid", 2)):
        rows = []
        for i in range(n):
            soundfile.write(
                tmp_path / f"{side}{i}.wav", rng.normal(0, 0.1, 24_000 + 800 * i).astype(np.float32), 16_000
            )
            row = {"id": f"{side}{i}", "audio": f"{side}{i}.wav", "duration": 1.5 + 0.05 * i, "language": "hr"}
            rows.append(row | {"transcript": f"dobar dan {side} {i}", "speaker_id": f"{side}-{i}"})
        paths.append(tmp_path / f"{side}.jsonl")
        paths[-1].write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return paths


def whisper(manifests, *more):
    train, valid = map(str, manifests)
    command = ["train", "whisper", train, "--valid", valid, "--device", "cpu", "--workers", "0", *more]
    return CliRunner().invoke(app, command)


def test_a_fast_run_gives_a_checkpoint_and_metrics(manifests, tmp_path):
    done = whisper(manifests, "--run", "mine", "--model", "random:tiny", "--fast-dev-run")
    assert done.exit_code == 0, done.output
    folder = tmp_path / "models" / "whisper" / "mine" / "fast-dev-run"
    assert json.loads((folder / "metrics.json").read_text())["n_clips"] == 2
    assert (folder / "checkpoints" / "checkpoint-4" / "model.safetensors").is_file()
    metrics = json.loads((folder / "metrics.json").read_text())
    said = f"wrote {folder}: of step {metrics['step']}, WER {metrics['wer']:.1%} and CER {metrics['cer']:.1%}"
    assert said in done.stderr
    assert json.loads((folder / "generation_config.json").read_text())["language"] == "hr"


def test_without_a_name_the_folder_is_called_as_the_manifest(manifests, tmp_path):
    done = whisper(manifests, "--model", "random:big")
    assert done.exit_code == 2
    assert "there is no network random:big: take random:tiny, or random:custom" in done.stderr
    assert not (tmp_path / "models" / "whisper" / "train").exists()


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--run", "a", "-o", "b"), "give one of them"),
        (("--run", "../a"), "is no name for a folder"),
        (("--tuning", "half"), "tuning: Input should be"),
        (("--lr", "0"), "lr: Input should be greater than 0"),
        (("--model", "nobody/nothing"), "is not on this machine"),
        (("--noise", "sounds"), "give --augment with one"),
        (("--precision", "fp16"), "a CPU does not train in fp16"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_a_sentence(manifests, tmp_path, more, sentence, monkeypatch):
    monkeypatch.delenv("MELISMA_DOWNLOAD", raising=False)
    monkeypatch.chdir(tmp_path)
    done = whisper(manifests, *more)
    assert done.exit_code in (2, 3), done.output
    assert sentence in done.stderr
    assert not (tmp_path / "models").exists() or not list((tmp_path / "models" / "whisper").iterdir())


@pytest.mark.parametrize("more", [(), ("--fast-dev-run",)])
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"language": "und"}, "no token for the language 'und': melisma train whisper-processor --read-as und=CODE"),
        ({"duration": 31.0}, "longer than 30 s"),
        ({"audio": "gone.wav"}, "the audio file is not there"),
    ],
)
def test_a_manifest_that_teaches_nothing_leaves_nothing_behind(manifests, tmp_path, change, sentence, more):
    rows = [json.loads(line) | change for line in manifests[0].read_text(encoding="utf-8").splitlines()]
    manifests[0].write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    done = whisper(manifests, "--model", "random:tiny", *more)
    assert done.exit_code == 2, done.output
    assert sentence in done.stderr
    assert list((tmp_path / "models" / "whisper").iterdir()) == []


def test_a_fast_run_takes_clips_of_which_something_can_be_learnt(manifests, tmp_path):
    rows = [json.loads(line) for line in manifests[0].read_text(encoding="utf-8").splitlines()]
    others = [rows[0] | {"id": f"other{i}", "language": "und"} for i in range(12)]
    manifests[0].write_text("".join(json.dumps(row) + "\n" for row in [*others, *rows]), encoding="utf-8")
    done = whisper(manifests, "--run", "mine", "--model", "random:tiny", "--fast-dev-run")
    assert done.exit_code == 0, done.output
    assert "6 of 6 clips" in done.stderr
