"""A training that is watched: its log through a kill, checkpoints to a store, and going on from there elsewhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from melisma.cli.main import app
from melisma.core.artifacts import Artifacts
from melisma.train.whisper import checkpoints
from melisma.train.whisper.processor import save_processor
from whisper_clips import group_rows, small_processor, write_clips

SETTINGS = """
model = "random:custom"
steps = 6
batch_size = 2
accumulate = 1
warmup_steps = 1
validate_steps = 3
checkpoint_steps = 2
validation_clips = 3
max_new_tokens = 8
log_steps = 1
lr = 1e-3
timestamps = 0.0

[shape]
width = 16
heads = 2
encoder_layers = 1
decoder_layers = 1
"""


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """Manifests of noise, a processor, and a configuration that goes with it."""
    folder = tmp_path_factory.mktemp("material")
    rows = group_rows(seconds=1.0, speakers=4)
    write_clips(folder / "train.jsonl", [row for row in rows if not row["speaker_id"].endswith("3")])
    write_clips(folder / "valid.jsonl", [row for row in rows if row["speaker_id"].endswith("3")])
    save_processor(small_processor(), folder / "processor")
    (folder / "config.toml").write_text(f'processor = "{folder}/processor"\n{SETTINGS}', encoding="utf-8")
    return folder


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("MELISMA_ROOT", str(tmp_path / "root"))
    return Artifacts(tmp_path / "root")


def command(material, *more):
    manifests = [str(material / "train.jsonl"), "--valid", str(material / "valid.jsonl")]
    settings = ["--config", str(material / "config.toml"), "--workers", "0", "--jobs", "1"]
    return ["train", "whisper", *manifests, *settings, *more]


def trained(material, *more):
    """Run the command in this process; return what it says."""
    from typer.testing import CliRunner

    result = CliRunner().invoke(app, command(material, *more))
    assert result.exit_code == 0, result.output
    return result.output


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def losses(path):
    return [(line["step"], line["loss"]) for line in lines(path) if line["stage"] == "train"]


@pytest.fixture(scope="module")
def whole(material, tmp_path_factory):
    """The log of a training that nobody disturbed."""
    root = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MELISMA_ROOT", str(root))
        patch.setenv("MELISMA_REQUEST_ID", "call-9")
        trained(material, "--run", "first")
    return root / "logs" / "training" / "first.log"


def test_the_log_has_every_step_once_with_its_seconds_of_audio(whole):
    steps = [line for line in lines(whole) if line["stage"] == "train"]
    assert [line["step"] for line in steps] == [1, 2, 3, 4, 5, 6]
    assert all(line["audio_s_per_s"] > 0 for line in steps)
    assert {line["request_id"] for line in lines(whole)} == {"call-9"}
    assert lines(whole)[-1]["stage"] == "end"
    assert 'melisma_training_running{run="first"} 0.0' in whole.with_suffix(".prom").read_text(encoding="utf-8")


def test_a_training_that_is_killed_goes_on_on_another_machine_with_equal_losses(material, whole, s3, root, tmp_path):
    url = f"s3://{s3.new_bucket()}/asr"
    program = [sys.executable, "-m", "melisma.cli.main", *command(material, "--run", "first", "--upload", url)]
    environ = os.environ | {"MELISMA_ROOT": str(tmp_path / "root"), "OMP_NUM_THREADS": "1", "MELISMA_THREADS": "1"}
    process = subprocess.Popen(program, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not _sent(url, "checkpoint-2") and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    finally:
        process.wait()
    assert _sent(url, "checkpoint-2")
    other = Artifacts(tmp_path / "other machine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MELISMA_ROOT", str(other.root))
        said = trained(material, "--run", "first", "--resume-from", f"{url}/first", "--upload", url)
    assert "fetching the checkpoint of step" in said or "is done" in said
    assert losses(other.log("first")) == losses(whole)
    assert (other.whisper("first") / "model.safetensors").is_file()
    assert "sent to s3://" in said


def _sent(url, name):
    """Return whether a checkpoint is whole in the store: its manifest goes last."""
    from melisma.train.whisper.object_store import Address, open_store

    pages = open_store(Address.of(url)).list(f"first/{name}")
    return any(each["path"].endswith("/manifest.json") for page in pages for each in page)


def test_a_store_that_hangs_changes_nothing_of_what_is_learnt(material, whole, s3, root, monkeypatch):
    from melisma.train.whisper import watching
    from melisma.train.whisper.object_store import Link
    from melisma.train.whisper.upload import Uploading

    def impatient(to, run, run_id):
        return Uploading(to, run, run_id, tries=1, close_s=0.0, link=Link(1.0, 1.0, 0))

    monkeypatch.setattr(watching, "Uploading", impatient)
    url = f"s3://{s3.new_bucket()}"
    with s3.frozen():
        said = trained(material, "--run", "first", "--upload", url)
    assert losses(root.log("first")) == losses(whole)
    assert said.count("the training goes on") <= 1
    assert "were not sent" in said
    assert (root.whisper("first") / "run_manifest.json").is_file()


def test_another_training_of_the_same_name_keeps_the_log_of_the_first(material, whole, root):
    log = root.log("first")
    log.parent.mkdir(parents=True)
    log.write_bytes(whole.read_bytes())
    trained(material, "--run", "first", "--steps", "1")
    kept = log.with_name(f"first.{lines(whole)[-1]['run_id']}.log")
    assert kept.read_bytes() == whole.read_bytes()
    assert [step for step, _ in losses(log)] == [1]


def test_a_fast_run_has_a_log_of_its_own_and_begins_anew(material, root):
    for _ in range(2):
        trained(material, "--run", "first", "--fast-dev-run")
    log = root.log("first").with_name("first.fast-dev-run.log")
    assert [step for step, _ in losses(log)] == [1, 2, 3, 4]
    assert [line["stage"] for line in lines(log)].count("start") == 1
    assert sorted(path.name for path in log.parent.iterdir()) == ["first.fast-dev-run.log", "first.fast-dev-run.prom"]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["--upload", "http://somewhere/x"], "no object store"),
        (["--upload", "s3://key:secret@bucket/x"], "from the environment"),
        (["--resume-from", "file:///nowhere/at/all"], "cannot be used"),
        (["--resume-from", "file:///tmp", "--fast-dev-run"], "begins anew"),
        (["--request-id", "two words"], "request id"),
    ],
)
def test_what_cannot_be_followed_is_refused_before_anything_is_written(material, root, more, why):
    from typer.testing import CliRunner

    result = CliRunner().invoke(app, command(material, "--run", "first", *more))
    assert result.exit_code == 2
    assert why in result.output
    assert "secret" not in result.output
    assert not any(path.is_file() for path in root.root.rglob("*"))


def test_the_last_checkpoint_is_sent_when_a_training_goes_on(material, root, tmp_path):
    url = f"file://{tmp_path}/store"
    trained(material, "--run", "first", "--steps", "6", "--checkpoint-steps", "100")
    for step, path in checkpoints.found(root.whisper("first")):  # as if killed after the third step
        if step > 3:
            for file in path.iterdir():
                file.unlink()
            path.rmdir()
    trained(material, "--run", "first", "--checkpoint-steps", "100", "--upload", url)
    assert (tmp_path / "store" / "first" / "checkpoint-3" / "manifest.json").is_file()
