from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch")

from melisma.core.errors import InputError  # noqa: E402
from melisma.models.vocoder.file import read  # noqa: E402
from melisma.train.checkpoint import read_checkpoint  # noqa: E402
from melisma.train.vocoder.run import Run  # noqa: E402
from melisma.units.codebook import Codebook  # noqa: E402
from melisma.units.codebook_file import read as read_codebook  # noqa: E402
from melisma.units.codebook_file import write  # noqa: E402
from melisma.units.read import read_lines  # noqa: E402


def steps_of(folder: Path) -> list[dict]:
    """Return what was logged of every step, but for the time of the clock."""
    lines = [json.loads(line) for line in (folder / "training_steps.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "timestamp"} for line in lines]


def same(one, other) -> bool:
    """Whether two states hold the same bits; seconds on the clock may differ."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one if key != "seconds")
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


def test_a_training_leaves_what_the_document_names(train, corpus):
    folder = train()
    names = {path.name for path in folder.iterdir()}
    assert {"vocoder_final.pt", "vocoder_latest.pt", "vocoder_epoch_0002.pt", "training_log.json"} <= names
    assert {"sample_epoch_0001.wav", "sample_epoch_0002.wav", "sample_epoch_0002.png"} <= names
    saved = read(folder / "vocoder_final.pt")
    assert saved.facts["k"] == 6
    assert saved.facts["codebook"] == read_codebook(corpus).sha256
    with torch.no_grad():
        assert saved.net(torch.tensor([[1, 2, 3]])).shape == (1, 960)
    held_out = [json.loads(line) for line in (folder / "held_out.txt").read_text().splitlines()]
    assert {line.speaker_id for line in read_lines(corpus) if line.id in held_out} == {"s2"}
    log = json.loads((folder / "training_log.json").read_text())
    assert [one["epoch"] for one in log["epochs"]] == [1, 2]
    assert [one["adversarial"] for one in log["epochs"]] == [False, True]
    assert "d" in log["epochs"][1]
    assert "d" not in log["epochs"][0]
    sample, rate = soundfile.read(folder / "sample_epoch_0002.wav")
    assert rate == 16000
    assert len(sample) % 320 == 0
    assert (folder / "sample_epoch_0002.png").read_bytes().startswith(b"\x89PNG")


def test_it_learns(train):
    folder = train(epochs=4, warmup_epochs=4, samples_per_epoch=160, batch_size=4, channels=24, lr=3e-3)
    log = json.loads((folder / "training_log.json").read_text())
    told = [one["val_mel"] for one in log["epochs"]]
    assert told[-1] < 0.75 * told[0]
    assert read(folder / "vocoder_final.pt").state["trained"]["epoch"] == 1 + int(np.argmin(told))


@pytest.mark.parametrize("at", [3, 6])  # in the warm-up, and against discriminators
def test_interrupted_within_an_epoch_it_goes_on_bit_for_bit(train, monkeypatch, at):
    whole = train("whole", dropout=0.2)
    count = Run._count

    def stop_there(self, figures, seconds):
        count(self, figures, seconds)
        self.ending = self.progress.step == at

    with monkeypatch.context() as patched:
        patched.setattr(Run, "_count", stop_there)
        train("parts", dropout=0.2)
    assert len(steps_of(whole.with_name("parts"))) == at
    assert not (whole.with_name("parts") / "vocoder_final.pt").exists()
    again = train("parts", dropout=0.2)
    assert steps_of(again) == steps_of(whole)
    for name in ("vocoder_latest.pt", "vocoder_final.pt"):
        assert same(read_checkpoint(again / name), read_checkpoint(whole / name))


KILLED = """
import sys
from pathlib import Path
from melisma.scale.local import LocalExecutor
from melisma.train.vocoder.config import VocoderTrainingConfig
from melisma.train.vocoder.loop import Request, train
config = VocoderTrainingConfig.model_validate_json(sys.argv[3])
request = Request(Path(sys.argv[1]), config, Path(sys.argv[2]), device="cpu", executor=LocalExecutor(1))
train(request, tell=lambda stage, share: None, say=lambda text: None)
"""


def test_killed_within_an_epoch_it_goes_on_bit_for_bit(train, corpus, quick, tmp_path):
    changes = {
        "epochs": 4000,
        "samples_per_epoch": 20,
        "warmup_epochs": 1,
        "checkpoint_minutes": 1e-5,
        "save_every": 50,
    }
    config, folder = quick.model_copy(update=changes), tmp_path / "killed"
    argv = [sys.executable, "-c", KILLED, str(corpus), str(folder), config.model_dump_json()]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MELISMA_THREADS": "1"}
    with subprocess.Popen(argv, env=environment) as process:
        deadline = time.monotonic() + 600
        steps = folder / "training_steps.jsonl"
        while process.poll() is None and not (steps.exists() and len(steps.read_bytes().splitlines()) > 13):
            if time.monotonic() > deadline:
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    n_done = read_checkpoint(folder / "vocoder_latest.pt")["progress"]["step"]
    assert n_done > 10
    last = -(-(n_done + 1) // 10)  # the epoch that was under way, or the next
    changes["epochs"] = last
    whole, again = train("whole", **changes), train("killed", **changes)
    assert steps_of(again) == steps_of(whole)
    assert same(read_checkpoint(again / "vocoder_final.pt"), read_checkpoint(whole / "vocoder_final.pt"))


def test_without_progress_it_ends_and_the_best_weights_stay(train):
    said: list[str] = []
    folder = train(epochs=9, warmup_epochs=9, patience=2, min_delta=1e6, said=said)
    log = json.loads((folder / "training_log.json").read_text())
    assert len(log["epochs"]) == 3
    assert "gets no better" in said[-1]
    best = min(log["epochs"], key=lambda one: one["val_mel"])["epoch"]
    assert read(folder / "vocoder_final.pt").state["trained"]["epoch"] == best == log["best_epoch"]


def test_the_warm_up_goes_on_to_its_end_whatever_the_patience(train):
    folder = train(epochs=4, warmup_epochs=3, patience=1, min_delta=1e6)
    log = json.loads((folder / "training_log.json").read_text())
    assert [one["adversarial"] for one in log["epochs"]] == [False, False, False, True]


def test_a_new_training_begins_with_the_weights_of_another(train, corpus):
    first = train("first", epochs=1, warmup_epochs=1)
    heard: list[str] = []
    train("second", begin=first / "vocoder_latest.pt", epochs=1, warmup_epochs=1, lr=1e-9, said=heard)
    one, other = (json.loads((first.with_name(n) / "training_log.json").read_text()) for n in ("first", "second"))
    assert abs(other["epochs"][0]["val_mel"] - one["epochs"][0]["val_mel"]) < 5
    assert not any("another codebook" in sentence for sentence in heard)
    with pytest.raises(InputError, match="another shape"):
        train("third", begin=first / "vocoder_latest.pt", channels=12)
    write(Codebook(np.ones((6, 4), np.float32), read_codebook(corpus).encoder), corpus)
    train("fourth", begin=first / "vocoder_latest.pt", epochs=1, warmup_epochs=1, said=heard)
    assert any("another codebook" in sentence for sentence in heard)


def test_what_is_no_checkpoint_is_refused_before_anything_is_prepared(train, tmp_path):
    (tmp_path / "text.pt").write_text("hello")
    for name in ("text.pt", "gone.pt"):
        with pytest.raises(InputError, match=name):
            train(begin=tmp_path / name)
    assert not (tmp_path / "run").exists()


def test_three_recordings_of_one_speaker_are_enough(train, few):
    folder = train(corpus=few, epochs=1, samples_per_epoch=2, speaker=True)
    assert read(folder / "vocoder_final.pt").facts["speakers"] == ["s0"]
    assert len((folder / "held_out.txt").read_text().splitlines()) == 1


def test_recordings_that_are_gone_are_named_and_put_back_they_are_gone_on_with(train, corpus):
    few = {"samples_per_epoch": 2, "warmup_epochs": 2}
    train(epochs=1, **few)
    (corpus / "0.wav").rename(corpus / "moved.wav")
    said: list[str] = []
    with pytest.raises(InputError, match="other recordings than can be read now"):
        train(epochs=2, said=said, **few)
    assert any("1 of 8 recordings are left out: u0: " in sentence for sentence in said)
    (corpus / "moved.wav").rename(corpus / "0.wav")
    log = json.loads((train(epochs=2, **few) / "training_log.json").read_text())
    assert [one["epoch"] for one in log["epochs"]] == [1, 2]


def test_speakers_that_nobody_named_cannot_be_told(train, corpus):
    path = corpus / "corpus_timestamped.jsonl"
    lines = [json.loads(line) | {"speaker_id": None} for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(InputError, match="says who speaks: train without --speaker"):
        train(speaker=True)


@pytest.mark.parametrize("width", [0, 10**6, "x", None])
def test_no_memory_is_taken_for_discriminators_that_a_checkpoint_only_promises(train, width):
    folder = train(epochs=1, warmup_epochs=0, samples_per_epoch=2)
    state = read_checkpoint(folder / "vocoder_latest.pt")
    state["adversary"]["width"] = width
    torch.save(state, folder.with_name("theirs.pt"))
    with pytest.raises(InputError, match=r"theirs\.pt is no checkpoint"):
        train("next", begin=folder.with_name("theirs.pt"))


def test_another_configuration_or_other_recordings_are_refused(train, corpus):
    train(epochs=1)
    with pytest.raises(InputError, match=r"was begun with lr = 0\.001, not 0\.002"):
        train(lr=2e-3)
    train(epochs=2)  # more of the same is none
    lines = (corpus / "corpus_timestamped.jsonl").read_text().splitlines(keepends=True)
    (corpus / "corpus_timestamped.jsonl").write_text("".join(lines[:-2]))
    with pytest.raises(InputError, match="other recordings"):
        train(epochs=3)


def test_a_first_checkpoint_without_discriminators_is_gone_on_with(train):
    """As the first trainings of this program wrote it: without discriminators, doctor and care."""
    folder = train(epochs=1, warmup_epochs=1)
    state = read_checkpoint(folder / "vocoder_latest.pt")
    for name in ("adversary", "care", "doctor", "scaler"):
        del state[name]
    for name in ("kept", "doctor"):
        del state["progress"][name]
    for name in ("discriminator_width", "rescues"):
        del state["config"][name]
    torch.save(state, folder / "vocoder_latest.pt")
    (folder / "vocoder_good.pt").unlink()
    train(epochs=2, warmup_epochs=1, discriminator_width=None)
    log = json.loads((folder / "training_log.json").read_text())
    assert [one["adversarial"] for one in log["epochs"]] == [False, True]


@pytest.mark.parametrize("damage", [b"", b"no zip", b"PK\x03\x04"])
def test_a_damaged_checkpoint_is_one_sentence(train, damage):
    folder = train(epochs=1)
    (folder / "vocoder_latest.pt").write_bytes(damage)
    with pytest.raises(InputError, match=r"vocoder_latest\.pt is no checkpoint"):
        train(epochs=2)


def test_fast_dev_run_does_all_of_it_anew_in_a_folder_of_its_own(train):
    for _ in range(2):
        folder = train(fast=True)
    assert folder.name == "fast-dev-run"
    log = json.loads((folder / "training_log.json").read_text())
    assert [one["adversarial"] for one in log["epochs"]] == [False, True]
    assert (folder / "vocoder_final.pt").exists()


@pytest.mark.parametrize("settings", [{"speaker": True}, {"f0": True}, {"generator": "hifigan", "channels": 32}])
def test_what_a_network_is_told_and_other_networks(train, settings):
    if "f0" in settings:
        pytest.importorskip("pyworld")
    folder = train(epochs=1, samples_per_epoch=2, warmup_epochs=0, **settings)
    saved = read(folder / "vocoder_final.pt")
    assert saved.facts["with_f0"] == settings.get("f0", False)
    assert saved.facts["kind"] == settings.get("generator", "vocos")
    assert len(saved.facts["speakers"]) == (3 if settings.get("speaker") else 0)  # one of four is held out
    with torch.no_grad():
        assert saved.net(torch.tensor([[1, 2]])).shape == (1, 640)
