"""Training on rows: it learns, it goes on to the same bits after a kill, it starts from what fits."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys

import pytest
import torch
from typer.testing import CliRunner

from melisma.cli.main import app
from melisma.core.errors import InputError
from melisma.models.phone_net import PhoneNet
from melisma.train import certificate, row_training
from melisma.train.config import CardFacts, PhoneTrainingConfig
from melisma.train.export import load_average
from melisma.train.row_training import train_rows
from melisma.train.rows import RowConfig
from melisma.train.trainer import Trainer

TINY = PhoneTrainingConfig(
    channels=8,
    dilations=(1, 2),
    steps=8,
    lr=5e-3,
    warmup_steps=3,
    fine_weight=0.3,
    bf16=False,
    rows=RowConfig(row_s=0.96, n_rows=2),
)
CLEAN = RowConfig(
    row_s=1.92, n_rows=4, long_gap=0, tempo=0.05, stretch=0, warp=0, colour_db=0, reverb=0, choir=0, music=0,
    lowpass=0, freq_masks=0, time_masks=0,
)  # fmt: skip


def journal(out) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def lines_without_time(out) -> list[dict[str, float]]:
    return [{key: value for key, value in line.items() if key != "seconds"} for line in journal(out)]


def weights(out) -> dict[str, torch.Tensor]:
    state = torch.load(out / "checkpoint.pt", weights_only=True)
    flat = {f"{part}.{name}": value for part in ("net", "average") for name, value in state[part].items()}
    moments = state["optimiser"]["state"]
    return flat | {f"{i}.{key}": value for i, kept in moments.items() for key, value in kept.items()}


def assert_same_end(one, other):
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    assert len(first) > 50
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
    assert lines_without_time(one) == lines_without_time(other)


def test_a_tiny_network_learns_the_tones(timed, strangers, tmp_path, monkeypatch):
    monkeypatch.setattr(row_training, "_SHOWN", 2)
    config = TINY.model_copy(
        update={"channels": 16, "dropout": 0.0, "steps": 300, "lr": 0.02, "ema": 0.9, "rows": CLEAN, "seed": 3}
    )
    train_rows(config, {"tones": timed}, strangers, {}, tmp_path / "run", report_every=10)
    lines = journal(tmp_path / "run")
    first, plateau, last = lines[0], lines[4], lines[-1]
    assert last["ctc"] < 0.7 * plateau["ctc"] < 0.4 * first["ctc"]
    assert last["fine"] < 0.8 * plateau["fine"] < 0.8 * first["fine"]
    assert last["wrong"] < 0.3
    assert last["vocal"] < 0.5 * first["vocal"]
    judged = [line["held_out_per_clean"] for line in lines if "held_out_per_clean" in line]
    assert len(judged) == 6
    assert judged[-1] < judged[0] - 0.15


class Interrupted(Exception):
    """The machine went away."""


def test_an_interrupted_run_ends_with_the_same_bits(timed, strangers, noise, tmp_path):
    def train(out, report=None):
        given = {"tones": timed}, strangers, {"m": noise}
        train_rows(TINY, *given, tmp_path / out, report=report, report_every=1, device="cpu")

    def stop(line: dict[str, float]) -> None:
        if line["step"] == 7:  # two steps after the last checkpoint: they are done again
            raise Interrupted

    train("whole")
    with pytest.raises(Interrupted):
        train("parts", stop)
    assert torch.load(tmp_path / "parts" / "checkpoint.pt", weights_only=True)["progress"]["step"] == 5
    torch.manual_seed(12345)  # whatever the process did in between
    train("parts")
    assert_same_end(tmp_path / "whole", tmp_path / "parts")
    assert len(journal(tmp_path / "parts")) == TINY.steps
    assert (tmp_path / "whole" / "split.json").read_bytes() == (tmp_path / "parts" / "split.json").read_bytes()


def test_nothing_depends_on_the_number_of_workers(timed, strangers, noise, tmp_path):
    for workers in (1, 3):
        out = tmp_path / f"{workers}"
        given = {"tones": timed}, strangers, {"m": noise}, out
        train_rows(TINY, *given, report_every=1, workers=workers, device="cpu")
    assert_same_end(tmp_path / "1", tmp_path / "3")


KILLED = """
import os, signal, sys
from pathlib import Path
from melisma.train.config import CardFacts, PhoneTrainingConfig
from melisma.train.row_training import train_rows

def report(line):
    if line["step"] == 7:
        os.kill(os.getpid(), signal.SIGKILL)

config, speech, out = sys.argv[1:]
train_rows(
    PhoneTrainingConfig.model_validate_json(config), {"tones": Path(speech)}, None, {}, Path(out),
    report=report, report_every=1, device="cpu",
)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="only POSIX kills like this")
def test_a_process_that_is_killed_goes_on_to_the_same_bits(timed, tmp_path):
    out = tmp_path / "parts"
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, TINY.model_dump_json(), str(timed), str(out)],
        env=os.environ | {"MELISMA_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert torch.load(out / "checkpoint.pt", weights_only=True)["progress"]["step"] == 5
    for name in ("whole", "parts"):
        train_rows(TINY, {"tones": timed}, None, {}, tmp_path / name, report_every=1, device="cpu")
    assert_same_end(tmp_path / "whole", out)


def checkpoint_of(config: PhoneTrainingConfig, folder):
    folder.mkdir()
    trainer = Trainer(config.model_copy(update={"seed": 99}), folder)
    trainer.save()
    return trainer.checkpoint


def start_of(config: PhoneTrainingConfig, init, folder):
    """Return the network at the first step, with what did not come from `init`."""
    folder.mkdir()
    trainer = Trainer(config, folder)
    return trainer, trainer.start_from(init)


def test_a_run_starts_from_what_fits(tmp_path):
    plain = TINY.model_copy(update={"fine_weight": 0.0})
    given = checkpoint_of(plain, tmp_path / "given")
    trainer, left = start_of(TINY, given, tmp_path / "run")
    assert left == ["fine.bias", "fine.weight"]
    own, before = trainer.net.state_dict(), load_average(given).state_dict()
    assert all(torch.equal(own[name], value) for name, value in before.items())
    assert all(torch.equal(own[name], value) for name, value in trainer.average.state_dict().items())


def test_a_head_that_is_not_wanted_is_left_behind(tmp_path):
    given = checkpoint_of(TINY, tmp_path / "given")
    trainer, left = start_of(TINY.model_copy(update={"fine_weight": 0.0}), given, tmp_path / "run")
    assert left == []
    assert torch.equal(trainer.net.stem.weight, load_average(given).stem.weight)


def test_init_counts_at_the_first_step_only_and_what_begins_anew_is_said(timed, tmp_path, warnings_of):
    given = checkpoint_of(TINY.model_copy(update={"fine_weight": 0.0}), tmp_path / "given")
    still = TINY.model_copy(update={"steps": 1, "lr": 1e-9, "weight_decay": 0.0})
    train_rows(still, {"tones": timed}, None, {}, tmp_path / "run", init=given)
    (said,) = warnings_of()
    assert said == f"2 weights do not come from {given} and begin anew: fine.bias, fine.weight"
    trained = load_average(tmp_path / "run" / "checkpoint.pt").stem.weight
    torch.testing.assert_close(trained, load_average(given).stem.weight, rtol=0, atol=1e-6)
    other = checkpoint_of(TINY.model_copy(update={"dilations": (4, 4)}), tmp_path / "other")
    train_rows(still, {"tones": timed}, None, {}, tmp_path / "run", init=other)
    assert torch.equal(load_average(tmp_path / "run" / "checkpoint.pt").stem.weight, trained)


def test_more_steps_than_before_are_a_warning_and_are_done(timed, tmp_path, warnings_of):
    train_rows(TINY, {"tones": timed}, None, {}, tmp_path / "run", report_every=4)
    train_rows(TINY.model_copy(update={"steps": 12}), {"tones": timed}, None, {}, tmp_path / "run", report_every=4)
    assert warnings_of() == [f"going on from {tmp_path / 'run' / 'checkpoint.pt'} with another steps"]
    assert [line["step"] for line in journal(tmp_path / "run")] == [4, 8, 12]


def test_a_change_of_the_card_is_no_change(timed, tmp_path, warnings_of):
    train_rows(TINY, {"tones": timed}, None, {}, tmp_path / "run")
    card = CardFacts(model_id="other", title="Of another name")
    train_rows(TINY.model_copy(update={"card": card}), {"tones": timed}, None, {}, tmp_path / "run")
    assert warnings_of() == []


class Doubled(PhoneNet):
    """A network of another kind: every channel twice as loud before the head."""

    def spell(self, x):
        return super().spell(2 * x)


def test_another_kind_of_network_can_be_trained(timed, tmp_path):
    made = []

    def network(shape):
        made.append(shape)
        return Doubled(shape)

    short = TINY.model_copy(update={"steps": 2})
    for name, kind in (("doubled", network), ("plain", PhoneNet)):
        train_rows(short, {"tones": timed}, None, {}, tmp_path / name, network=kind, report_every=1, device="cpu")
    assert made[0].channels == TINY.channels
    first, other = (journal(tmp_path / name)[0]["ctc"] for name in ("doubled", "plain"))
    assert first != other


def test_rows_can_be_learnt_by_another_loss(timed, tmp_path):
    def loss(net, batch, config):
        vocal = net(batch.features, torch.full((len(batch.features),), batch.features.shape[2] // config.stride))[1]
        return vocal.square().mean(), {"voice": 1.5}

    (tmp_path / "run").mkdir()
    trainer = Trainer(TINY, tmp_path / "run", row_loss=loss)
    sampler = row_training._sampler({"tones": row_training._clips(timed, TINY, tmp_path / "cache", 1)}, {}, TINY)
    steps = [trainer.step(sampler.batch(0), 100) for _ in range(20)]
    assert steps[0]["voice"] == 1.5
    assert steps[-1]["loss"] < 0.9 * steps[0]["loss"]


def test_a_start_that_is_no_phone_model_is_refused(timed, tmp_path):
    torch.save({"average": {"other.weight": torch.zeros(3)}}, tmp_path / "foreign.pt")
    torch.save({"weights": {}}, tmp_path / "nothing.pt")
    for name, sentence in (("foreign", "holds no weights that fit"), ("nothing", "is no checkpoint of a phone model")):
        with pytest.raises(InputError, match=rf"{name}\.pt {sentence}"):
            train_rows(TINY, {"tones": timed}, None, {}, tmp_path / "run", init=tmp_path / f"{name}.pt")


def test_the_certificate_lies_beside_the_run_and_holds(timed, strangers, tmp_path):
    train_rows(TINY.model_copy(update={"steps": 1}), {"tones": timed}, strangers, {}, tmp_path / "run")
    made = certificate.read(tmp_path / "run" / "split.json")
    assert made.training["en"].speakers == 10
    assert made.held_out_speakers == {"en": tuple(f"other-speaker-{n}" for n in range(4))}
    certificate.verify(made, [certificate.Part(timed)], [certificate.Part(strangers)])


def contents(out):
    return {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}


def changed(manifest):
    lines = manifest.read_text(encoding="utf-8").splitlines(keepends=True)
    manifest.write_text("".join(lines[:-1]), encoding="utf-8")


@pytest.mark.parametrize("name", ["speech tones", "noise m", "held out"])
def test_going_on_with_another_manifest_is_refused_and_nothing_is_written(timed, strangers, noise, tmp_path, name):
    def train(steps):
        config = TINY.model_copy(update={"steps": steps})
        train_rows(config, {"tones": timed}, strangers, {"m": noise}, tmp_path / "run")

    train(1)
    before = contents(tmp_path / "run")
    path = {"speech tones": timed, "noise m": noise / "manifest.jsonl", "held out": strangers}[name]
    changed(path)
    with pytest.raises(InputError, match=rf"^the manifest {path} \({name}\) is not the one .*checkpoint\.pt was begun"):
        train(2)
    assert contents(tmp_path / "run") == before


def test_going_on_without_what_it_was_begun_with_is_refused(timed, strangers, tmp_path):
    train_rows(TINY.model_copy(update={"steps": 1}), {"tones": timed}, strangers, {}, tmp_path / "run")
    before = contents(tmp_path / "run")
    with pytest.raises(InputError, match="was begun with a manifest held out, which is not given now"):
        train_rows(TINY, {"tones": timed}, None, {}, tmp_path / "run")
    with pytest.raises(InputError, match=r"was begun without .*manifest\.jsonl \(speech more\)"):
        train_rows(TINY, {"tones": timed, "more": timed}, strangers, {}, tmp_path / "run")
    assert contents(tmp_path / "run") == before


def test_a_run_that_is_older_than_that_goes_on_with_a_warning(timed, tmp_path, warnings_of):
    train_rows(TINY.model_copy(update={"steps": 1}), {"tones": timed}, None, {}, tmp_path / "run")
    checkpoint = tmp_path / "run" / "checkpoint.pt"
    state = torch.load(checkpoint, weights_only=True)
    del state["origin"]
    torch.save(state, checkpoint)
    for _ in range(2):  # the second time it is known
        train_rows(TINY.model_copy(update={"steps": 1}), {"tones": timed}, None, {}, tmp_path / "run")
    assert warnings_of() == [f"{checkpoint} does not say which manifests it was trained on: see that they are the same"]
    changed(timed)
    with pytest.raises(InputError, match="is not the one"):
        train_rows(TINY, {"tones": timed}, None, {}, tmp_path / "run")


def test_a_start_that_has_heard_a_held_out_speaker_is_refused(timed, strangers, tmp_path, warnings_of):
    short = TINY.model_copy(update={"steps": 1})
    train_rows(short, {"strangers": strangers}, None, {}, tmp_path / "first")
    init = tmp_path / "first" / "checkpoint.pt"
    given = {"tones": timed}, strangers, {}, tmp_path / "run"
    with pytest.raises(InputError, match=rf"^the speaker other-speaker-0 is held out now, but {init} was trained on"):
        train_rows(short, *given, init=init)
    assert not (tmp_path / "run").exists()
    train_rows(short, {"tones": timed}, None, {}, tmp_path / "second", init=init)  # nobody is held out
    with pytest.raises(InputError, match=r"^the speaker other-speaker-0 is held out now"):
        train_rows(short, *given, init=tmp_path / "second" / "checkpoint.pt")  # the start of the start had heard them
    assert warnings_of() == []


STAGE_1 = """
channels = 8
dilations = [1]
passes = 1
held_out = 0.2
bf16 = false
skip_languages = ["ja"]
[card]
model_id = "tiny"
"""


def test_the_second_stage_starts_from_the_first_with_the_same_speakers_held_out(config, corpus, tmp_path, warnings_of):
    """As configs/phone-0.2-release.toml does."""
    (tmp_path / "first.toml").write_text(STAGE_1, encoding="utf-8")
    first, listener = tmp_path / "first", tmp_path / "listener"
    aligned = ["train", "align", corpus, "--model", listener / "tiny.onnx", "--held-out", "0.2", "--skip", "ja"]

    def rows(seed):
        speech, held_out = (tmp_path / f"aligned-{seed}" / f"{side}.jsonl" for side in ("training", "held-out"))
        given = ["--speech", f"corpus={speech}", "--held-out", held_out, "--init", first / "checkpoint.pt"]
        return ["train", "rows", config, *given, "-o", tmp_path / f"rows-{seed}"]

    for command in (
        ["train", "phone", tmp_path / "first.toml", "--corpus", corpus, "-o", first],
        ["train", "export", tmp_path / "first.toml", first / "checkpoint.pt", "-o", listener],
        [*aligned, "--seed", 1, "-o", tmp_path / "aligned-1"],
        [*aligned, "--seed", 2, "-o", tmp_path / "aligned-2"],
        rows(1),
    ):
        done = CliRunner().invoke(app, [str(part) for part in command])
        assert done.exit_code == 0, done.output
    assert not [line for line in warnings_of() if "held out" in line]
    done = CliRunner().invoke(app, [str(part) for part in rows(2)])
    assert done.exit_code == 2
    assert re.match(
        r"error: the speaker speaker-\d is held out now, but .*first/checkpoint\.pt was trained", done.stderr
    )
    assert not (tmp_path / "rows-2").exists()


def test_clips_without_phone_times_are_left_out_and_the_log_says_so(timed, tmp_path, warnings_of):
    rows = [json.loads(line) for line in timed.read_text(encoding="utf-8").splitlines()]
    del rows[2]["phones"]
    timed.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    train_rows(TINY.model_copy(update={"steps": 1}), {"tones": timed}, None, {}, tmp_path / "run")
    assert warnings_of() == [f"left out 1 clips of {timed}: they have no phone times"]


CONFIG = "channels = 8\ndilations = [1]\nsteps = 2\nbf16 = false\n[rows]\nrow_s = 0.96\nn_rows = 2\n"


@pytest.fixture
def config(tmp_path):
    (tmp_path / "tiny.toml").write_text(CONFIG, encoding="utf-8")
    return tmp_path / "tiny.toml"


def invoke(*arguments):
    return CliRunner().invoke(app, ["train", "rows", *map(str, arguments)])


def test_the_command_trains(config, timed, strangers, noise, tmp_path):
    out = tmp_path / "run"
    done = invoke(
        config, "--speech", f"tones={timed}", "--noise", f"m={noise}", "--held-out", strangers, "-o", out,
        "--report-every", 1, "--workers", 2, "--device", "cpu",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "held_out_per_mixed" in done.stderr
    assert done.stderr.endswith(f"wrote {out / 'checkpoint.pt'}\n")
    assert [line["step"] for line in journal(out)] == [1, 2]
    assert {path.name for path in out.iterdir()} == {"cache", "checkpoint.pt", "log.jsonl", "split.json"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--speech", "tones"], "this is not NAME=PATH: 'tones'"),
        (["--speech", "a={timed}", "--speech", "a={timed}"], "a is given twice"),
        (["--speech", "a={tmp}/no.jsonl"], "cannot read the manifest {tmp}/no.jsonl: No such file or directory"),
        (
            ["--speech", "a={timed}", "--noise", "m={tmp}/no"],
            "cannot read the manifest {tmp}/no/manifest.jsonl: No such file or directory",
        ),
        (
            ["--speech", "a={timed}", "--held-out", "{tmp}/no.jsonl"],
            "cannot read the manifest {tmp}/no.jsonl: No such file or directory",
        ),
        (
            ["--speech", "a={timed}", "--held-out", "{shared}"],
            "the speaker is on both sides of the split: speaker-3 (clip-3, other)",
        ),
    ],
    ids=["no pair", "twice", "no speech", "no noise", "no held-out", "shared speaker"],
)
def test_what_is_wrong_is_one_sentence_and_nothing_is_written(config, timed, tmp_path, arguments, sentence):
    row = json.loads(timed.read_text(encoding="utf-8").splitlines()[3]) | {"id": "other", "transcript": "else"}
    (timed.parent / "shared.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    names = {"tmp": tmp_path, "timed": timed, "shared": timed.parent / "shared.jsonl"}
    done = invoke(config, *(part.format(**names) for part in arguments), "-o", tmp_path / "run")
    assert done.exit_code == 2
    assert done.stderr == f"error: {sentence.format(**names)}\n"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[rows]\nrow = 3\n", "rows.row: Unexpected keyword argument"),
        ("[rows]\nn_rows = 0\n", "rows.n_rows: Input should be greater than or equal to 1"),
        ("[shares]\na = 0\n", "shares.a: Input should be greater than 0"),
    ],
)
def test_a_wrong_key_of_the_configuration_is_named(config, timed, tmp_path, text, sentence):
    config.write_text(text, encoding="utf-8")
    done = invoke(config, "--speech", f"a={timed}", "-o", tmp_path / "run")
    assert done.exit_code == 2
    assert done.stderr == f"error: {config}: {sentence}\n"
    assert not (tmp_path / "run").exists()


def test_speech_without_any_phone_times_and_noise_without_pieces_are_refused(config, corpus, timed, noise, tmp_path):
    (noise / "manifest.jsonl").write_text("", encoding="utf-8")
    for arguments, sentence in (
        (["--speech", f"a={corpus / 'manifest.jsonl'}"], f"{corpus / 'manifest.jsonl'} holds no clip with phone times"),
        (["--speech", f"a={timed}", "--noise", f"m={noise}"], f"{noise} holds no music or ambience"),
    ):
        done = invoke(config, *arguments, "-o", tmp_path / "run")
        assert done.exit_code == 2
        assert done.stderr == f"error: {sentence}\n"
        assert not (tmp_path / "run" / "checkpoint.pt").exists()
        assert not (tmp_path / "run" / "log.jsonl").exists()


def test_a_share_of_nothing_that_is_given_is_refused(timed, tmp_path):
    config = TINY.model_copy(update={"shares": {"tone": 2.0}})
    with pytest.raises(InputError, match=r"\[shares\] has tone, but nothing of that name is given"):
        train_rows(config, {"tones": timed}, None, {}, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_silence_is_logged_so_that_the_watch_can_take_it_off(timed, tmp_path):
    train_rows(TINY.model_copy(update={"steps": 2}), {"tones": timed}, None, {}, tmp_path / "run", report_every=1)
    assert all(0 < line["silence"] < 1 for line in journal(tmp_path / "run"))


def test_a_gradient_that_is_no_number_costs_a_step_and_not_the_run(timed, tmp_path, monkeypatch):
    real = torch.nn.utils.clip_grad_norm_
    norms = iter([float("inf")])

    def clip(parameters, most):
        norm = real(parameters, most)
        return torch.tensor(next(norms, float(norm)))

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", clip)
    train_rows(TINY.model_copy(update={"steps": 2}), {"tones": timed}, None, {}, tmp_path / "run", report_every=1)
    first, second = journal(tmp_path / "run")
    assert "grad" not in first
    assert second["grad"] > 0
