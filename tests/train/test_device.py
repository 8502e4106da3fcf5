"""Where a network is trained: names of devices, what moves, and on a GPU that training goes through."""

from __future__ import annotations

import pytest
import torch
from typer.testing import CliRunner

from melisma.cli.main import app
from melisma.core.errors import InputError
from melisma.models.features import N_MELS
from melisma.train.batches import Batch
from melisma.train.config import PhoneTrainingConfig
from melisma.train.device import choose_device, device_of, moved, random_states, set_random_states
from melisma.train.losses import row_loss_of
from melisma.train.row_training import train_rows
from melisma.train.rows import RowBatch, RowConfig
from melisma.train.trainer import Trainer

TINY = PhoneTrainingConfig(
    channels=8,
    dilations=(1, 2),
    dropout=0.0,
    steps=3,
    warmup_steps=1,
    fine_weight=0.3,
    bf16=False,
    rows=RowConfig(row_s=0.96, n_rows=2),
)
no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def rows_of_noise() -> RowBatch:
    rng = torch.Generator().manual_seed(5)
    return RowBatch(
        torch.randn(2, N_MELS, 96, generator=rng),
        torch.randint(0, 5, (2, 96), generator=rng),
        torch.ones(2, 96),
        torch.tensor([1, 2, 2, 3]),
        torch.tensor([4, 0]),
    )


@pytest.mark.parametrize("name", ["", "gpu", "mps", "CUDA", "cuda:", "cuda:-1", "cuda:0 ", "cpu:0", "cuda:9999"])
def test_a_name_that_is_no_device_is_one_sentence(name):
    with pytest.raises(InputError, match=r" is no device to train on: name auto, cpu, cuda, or cuda:1 and the like$"):
        choose_device(name)


def test_the_cpu_is_there():
    assert choose_device("cpu") == torch.device("cpu")


@no_gpu
def test_without_a_gpu_auto_is_the_cpu_and_cuda_is_one_sentence():
    assert choose_device("auto") == torch.device("cpu")
    for name in ("cuda", "cuda:1"):
        with pytest.raises(InputError, match=f"sees no CUDA device, so there is no {name}: train with --device cpu$"):
            choose_device(name)


@no_gpu
@pytest.mark.parametrize("command", ["phone", "rows"])
def test_a_device_that_is_not_there_stops_a_command_before_anything_is_written(corpus, timed, tmp_path, command):
    config = tmp_path / "tiny.toml"
    config.write_text("channels = 8\ndilations = [1]\nsteps = 1\n", encoding="utf-8")
    given = ["--corpus", str(corpus)] if command == "phone" else ["--speech", f"tones={timed}"]
    run = ["train", command, str(config), *given, "-o", str(tmp_path / "run"), "--device", "cuda:0"]
    done = CliRunner().invoke(app, run)
    assert done.exit_code == 2
    assert done.stderr == "error: torch sees no CUDA device, so there is no cuda:0: train with --device cpu\n"
    assert not (tmp_path / "run").exists()


def test_all_of_a_batch_moves_but_its_lengths():
    meta = torch.device("meta")  # a device that every machine has; it computes nothing
    rows = moved(rows_of_noise(), meta)
    assert all(getattr(rows, name).is_meta for name in ("features", "targets", "active", "labels"))
    assert rows.label_lengths.tolist() == [4, 0]
    clips = moved(Batch(torch.zeros(1, 2, 3), torch.tensor([1]), torch.ones(1), torch.tensor([1]), torch.ones(1)), meta)
    assert all(getattr(clips, name).is_meta for name in ("features", "labels", "active"))
    assert (clips.lengths.tolist(), clips.label_lengths.tolist()) == ([1], [1])


def test_random_states_go_on_where_they_were():
    cpu = torch.device("cpu")
    torch.manual_seed(1)
    kept = random_states(cpu)
    first = torch.rand(3)
    set_random_states(kept | {"cuda_rng": torch.zeros(16, dtype=torch.uint8)}, cpu)
    assert torch.equal(torch.rand(3), first)
    assert kept.keys() == {"rng"}


@pytest.mark.gpu
@needs_gpu
def test_a_device_beyond_the_last_is_one_sentence():
    assert choose_device("auto") == torch.device("cuda", 0)
    with pytest.raises(InputError, match=r"^there is no cuda:99: torch sees \d+ CUDA devices, the last is cuda:\d+$"):
        choose_device("cuda:99")


@pytest.mark.gpu
@needs_gpu
def test_a_gpu_finds_the_same_loss_and_slope(tmp_path):
    slopes, losses = [], []
    for device in (torch.device("cpu"), torch.device("cuda", 0)):
        net = Trainer(TINY, tmp_path, device=device).net
        loss, figures = row_loss_of(net, moved(rows_of_noise(), device), TINY)
        loss.backward()
        losses.append({name: float(value) for name, value in figures.items()} | {"loss": float(loss.detach())})
        slopes.append(net.stem.weight.grad.cpu())
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)  # convolutions are in TF32 there
    torch.testing.assert_close(slopes[0], slopes[1], rtol=0.05, atol=1e-3)


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("bf16", [False, True])
def test_what_a_gpu_has_trained_goes_on_there_and_on_the_cpu(timed, strangers, noise, tmp_path, bf16):
    config = TINY.model_copy(update={"bf16": bf16, "dropout": 0.1})

    def train(device, steps):
        longer = config.model_copy(update={"steps": steps})
        given = {"tones": timed}, strangers, {"m": noise}
        return train_rows(longer, *given, tmp_path / "run", device=device, report_every=1, workers=2)

    checkpoint = train("cuda", 3)
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    assert state["cuda_rng"].dtype == torch.uint8
    for step, device in ((5, "cuda"), (7, "cpu")):
        train(device, step)
        trainer = Trainer(config, tmp_path / "run", device=torch.device(device))
        trainer.resume()
        assert trainer.progress.step == step
        assert device_of(trainer.net).type == device
