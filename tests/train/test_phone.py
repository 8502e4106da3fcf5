from __future__ import annotations

import hashlib
import json

import pytest
import torch
from typer.testing import CliRunner

from melisma.cli.main import app
from melisma.core.errors import InputError
from melisma.train import certificate, phone
from melisma.train.config import PhoneTrainingConfig
from melisma.train.corpus import load_speech
from melisma.train.origin import mark
from melisma.train.phone import _ahead, train
from melisma.train.trainer import Trainer

TINY = PhoneTrainingConfig(
    channels=16,
    dilations=(1, 2),
    dropout=0.1,
    passes=4,
    clean_passes=1,
    ramp_passes=1,
    batch_s=4,
    lr=5e-3,
    warmup_steps=3,
    held_out=0.2,
    bf16=False,
)


def journal(out) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def test_a_tiny_network_learns_ten_clips_by_heart(corpus, tmp_path):
    config = TINY.model_copy(
        update={"channels": 32, "dropout": 0.0, "passes": 70.0, "clean_passes": 70.0, "ema": 0.9, "held_out": 0.0}
    )
    train(config, corpus, None, tmp_path / "run", report_every=20, workers=1)
    lines = journal(tmp_path / "run")
    assert lines[-1]["ctc"] < 0.2 * lines[0]["ctc"]
    assert lines[-1]["vocal"] < 0.5 * lines[0]["vocal"]
    assert lines[-1]["blanks"] < 0.99
    clips = load_speech(corpus, tmp_path / "run" / "cache", frozenset(), 1)
    trainer = Trainer(config, tmp_path / "run")
    trainer.resume()
    assert phone.phone_error_rate(trainer.average, clips) < 0.1


class Interrupted(Exception):
    """The machine went away."""


def weights(out) -> dict[str, torch.Tensor]:
    state = torch.load(out / "checkpoint.pt", weights_only=True)
    flat = {f"{part}.{name}": value for part in ("net", "average") for name, value in state[part].items()}
    moments = state["optimiser"]["state"]
    return flat | {f"{i}.{key}": value for i, kept in moments.items() for key, value in kept.items()}


def test_an_interrupted_run_ends_with_the_same_bits(corpus, noise, tmp_path):
    given = {"report_every": 1, "workers": 1, "device": "cpu"}
    train(TINY, corpus, noise, tmp_path / "whole", **given)

    def stop(line: dict[str, float]) -> None:
        if line["step"] == 7:  # two steps after the last checkpoint: they are done again
            raise Interrupted

    with pytest.raises(Interrupted):
        train(TINY, corpus, noise, tmp_path / "parts", report=stop, **given)
    assert torch.load(tmp_path / "parts" / "checkpoint.pt", weights_only=True)["progress"]["step"] == 5
    torch.manual_seed(12345)  # whatever the process did in between
    train(TINY, corpus, noise, tmp_path / "parts", **given)
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert whole.keys() == parts.keys()
    assert len(whole) > 50
    for name, value in whole.items():
        assert torch.equal(value, parts[name]), name
    ends = [journal(tmp_path / run)[-1] for run in ("whole", "parts")]
    for end in ends:
        del end["seconds"]
    assert ends[0] == ends[1]


def test_nothing_depends_on_the_number_of_workers(corpus, noise, tmp_path):
    for workers in (1, 4):
        out = tmp_path / f"{workers}"
        train(TINY, corpus, noise, out, report_every=1, workers=workers, device="cpu")
    one, four = weights(tmp_path / "1"), weights(tmp_path / "4")
    assert all(torch.equal(value, four[name]) for name, value in one.items())
    logs = [[{k: v for k, v in line.items() if k != "seconds"} for line in journal(tmp_path / n)] for n in "14"]
    assert logs[0] == logs[1]
    assert logs[0][-1]["pass"] == 4


def test_batches_come_in_order_from_many_threads_and_none_is_left_to_make(tmp_path):
    made = []

    def make(step):
        made.append(step)
        return step

    assert list(_ahead(make, 3, 50, 5)) == list(range(3, 50))
    assert sorted(made) == list(range(3, 50))
    some = _ahead(make, 100, 200, 2)
    assert next(some) == 100
    some.close()  # as when a training is interrupted
    assert max(made) <= 102


def test_a_batch_that_cannot_be_made_ends_the_training(tmp_path):
    def make(step):
        if step == 2:
            raise InputError("no such step")
        return step

    with pytest.raises(InputError, match="no such step"):
        list(_ahead(make, 0, 9, 3))


def test_going_on_with_another_manifest_is_refused_and_nothing_is_written(corpus, noise, tmp_path):
    out = tmp_path / "run"
    train(TINY, corpus, noise, out, workers=1)
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    lines = (corpus / "manifest.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (corpus / "manifest.jsonl").write_text("".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(InputError, match=rf"^the manifest {corpus}/manifest\.jsonl \(speech\) is not the one"):
        train(TINY.model_copy(update={"passes": 5.0}), corpus, noise, out, workers=1)
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before


def test_going_on_with_another_split_is_refused_and_nothing_is_written(corpus, tmp_path):
    out = tmp_path / "run"
    train(TINY, corpus, None, out, workers=1)
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    with pytest.raises(InputError, match=r"^the speaker speaker-\d is held out now, but .*checkpoint\.pt was trained"):
        train(TINY.model_copy(update={"seed": 2, "passes": 5.0}), corpus, None, out, workers=1)
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before


def test_a_checkpoint_knows_all_who_were_trained_on_and_nobody_else(corpus, tmp_path):
    train(TINY, corpus, None, tmp_path / "run", workers=1)
    held_out = certificate.read(tmp_path / "run" / "split.json").held_out_speakers["en"]
    assert len(held_out) == 2
    origin = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["origin"]
    speakers = {f"speaker-{n}" for n in range(10)} - set(held_out)
    assert set(origin["speakers"]) == {mark(name) for name in speakers}
    digest = hashlib.sha256((tmp_path / "run" / "split.json").read_bytes()).hexdigest()
    assert origin["certificate"] == digest
    assert origin["whole"]


def test_a_finished_run_is_left_as_it_is(corpus, tmp_path):
    train(TINY, corpus, None, tmp_path / "run", workers=1)
    before = weights(tmp_path / "run")
    train(TINY, corpus, None, tmp_path / "run", workers=1)
    after = weights(tmp_path / "run")
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_the_journal_gives_means_and_the_last_line_has_the_error_rate(corpus, tmp_path):
    said: list[dict[str, float]] = []
    train(TINY, corpus, None, tmp_path / "run", report=said.append, report_every=1000, workers=1)
    (line,) = journal(tmp_path / "run")
    assert line["step"] == said[0]["step"]
    assert line["pass"] == 4
    assert line["ctc"] + TINY.vocal_weight * line["vocal"] == pytest.approx(line["loss"], rel=1e-3)
    assert line["loss"] > 0.5  # of a mean over the steps that were taken, though fewer than a report asks for
    assert line["held_out_per"] > 0
    assert 0 <= line["blanks"] <= 1


def test_going_on_with_another_rate_is_allowed_and_said(corpus, tmp_path, warnings_of):
    train(TINY.model_copy(update={"passes": 1.0}), corpus, None, tmp_path / "run", workers=1)
    train(TINY.model_copy(update={"passes": 2.0}), corpus, None, tmp_path / "run", workers=1)
    assert any("going on from" in line and "passes" in line for line in warnings_of())


def test_going_on_with_another_network_is_refused(corpus, tmp_path):
    train(TINY.model_copy(update={"passes": 1.0}), corpus, None, tmp_path / "run", workers=1)
    with pytest.raises(InputError, match=r"checkpoint\.pt is not of this configuration's network"):
        train(TINY.model_copy(update={"channels": 24}), corpus, None, tmp_path / "run", workers=1)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"\x80\x02c__builtin__\neval\n.", b"text"])
def test_going_on_from_a_damaged_checkpoint_is_refused(corpus, tmp_path, content):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint.pt").write_bytes(content)
    with pytest.raises(InputError, match=r"checkpoint\.pt is no checkpoint, or a damaged one$"):
        train(TINY, corpus, None, tmp_path / "run", workers=1)


def test_a_corpus_with_nothing_to_train_on_is_one_sentence(corpus, tmp_path):
    with pytest.raises(InputError, match="corpus holds no clip to train on"):
        train(TINY.model_copy(update={"max_clip_s": 0.1}), corpus, None, tmp_path / "run", workers=1)


def test_the_commands_train_and_export(corpus, noise, tmp_path):
    config = tmp_path / "tiny.toml"
    config.write_text(
        'channels = 8\ndilations = [1]\npasses = 1\nbatch_s = 5\nbf16 = false\n[card]\nmodel_id = "tiny"\n',
        encoding="utf-8",
    )
    run = CliRunner().invoke(
        app,
        ["train", "phone", str(config), "--corpus", str(corpus), "--noise", str(noise), "-o", str(tmp_path / "run")],
    )
    assert run.exit_code == 0, run.output
    assert "step" in run.stderr
    assert f"wrote {tmp_path / 'run' / 'checkpoint.pt'}" in run.stderr
    checkpoint = str(tmp_path / "run" / "checkpoint.pt")
    run = CliRunner().invoke(app, ["train", "export", str(config), checkpoint, "-o", str(tmp_path / "out")])
    assert run.exit_code == 0, run.output
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"tiny.onnx", "tiny.json"}


def test_the_command_says_in_one_sentence_what_is_wrong(corpus, tmp_path):
    config = tmp_path / "tiny.toml"
    config.write_text("chanels = 8", encoding="utf-8")
    run = CliRunner().invoke(app, ["train", "phone", str(config), "--corpus", str(corpus), "-o", str(tmp_path / "run")])
    assert run.exit_code == 2
    assert run.stderr == f"error: {config}: chanels: Extra inputs are not permitted\n"
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_no_number_ends_the_training(tmp_path, monkeypatch):
    import torch

    from melisma.core.errors import TrainingError
    from melisma.train import phone
    from melisma.train.batches import Batch
    from melisma.train.config import PhoneTrainingConfig

    trainer = phone.Trainer(PhoneTrainingConfig(channels=8, dilations=(1,), bf16=False), tmp_path)
    bad = Batch(
        torch.full((1, 64, 48), float("nan")),
        torch.tensor([16]),
        torch.tensor([1]),
        torch.tensor([1]),
        torch.ones(1, 16),
    )
    with pytest.raises(TrainingError, match="step 0 is not a number"):
        trainer.step(bad, 10)


def test_a_log_goes_on_without_the_steps_that_come_again(tmp_path):
    from melisma.train.phone import _journal

    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 10}\n{"step": 20}\n{"step": 30}\n', encoding="utf-8")
    with _journal(path, 20) as journal:
        journal.write('{"step": 30, "again": 1}\n')
    assert path.read_text(encoding="utf-8").splitlines() == [
        '{"step": 10}',
        '{"step": 20}',
        '{"step": 30, "again": 1}',
    ]
