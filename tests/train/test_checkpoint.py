"""Checkpoints: whole or not at all, and read on a machine without the device that they were written on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from melisma.core.errors import InputError, OutputError
from melisma.train.average import average_checkpoints
from melisma.train.checkpoint import read_checkpoint, write_checkpoint
from melisma.train.config import CardFacts, PhoneTrainingConfig
from melisma.train.export import export
from melisma.train.trainer import Trainer

TINY = PhoneTrainingConfig(channels=8, dilations=(1,), bf16=False)
no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the device")


@pytest.fixture
def from_cuda(tmp_path, as_if_from_cuda):
    """A folder with a checkpoint as a GPU writes it, and the network that is in it."""
    (tmp_path / "gpu").mkdir()
    trainer = Trainer(TINY.model_copy(update={"seed": 7}), tmp_path / "gpu")
    trainer.progress.step = 3
    trainer.save()
    state = torch.load(trainer.checkpoint, weights_only=True) | {"cuda_rng": torch.zeros(16, dtype=torch.uint8)}
    torch.save(state, trainer.checkpoint)
    as_if_from_cuda(trainer.checkpoint)
    return trainer


@no_gpu
def test_torch_by_itself_does_not_read_what_a_gpu_wrote(from_cuda):
    with pytest.raises(RuntimeError, match="Attempting to deserialize object on a CUDA device"):
        torch.load(from_cuda.checkpoint, weights_only=True)


def test_what_a_gpu_wrote_is_read_on_the_cpu(from_cuda):
    average = read_checkpoint(from_cuda.checkpoint)["average"]
    assert all(value.device.type == "cpu" for value in average.values())
    assert all(torch.equal(average[name], value) for name, value in from_cuda.average.state_dict().items())


def test_a_training_goes_on_without_the_gpu_it_was_begun_on(from_cuda):
    trainer = Trainer(TINY, from_cuda.out)
    assert not torch.equal(trainer.net.stem.weight, from_cuda.net.stem.weight)
    trainer.resume()
    assert trainer.progress.step == 3
    assert torch.equal(trainer.net.stem.weight, from_cuda.net.stem.weight)


def test_what_a_gpu_wrote_is_exported_averaged_and_started_from_on_the_cpu(from_cuda, tmp_path):
    (tmp_path / "run").mkdir()
    trainer = Trainer(TINY, tmp_path / "run")
    assert trainer.start_from(from_cuda.checkpoint) == []
    trainer.save()
    mean = average_checkpoints(trainer.checkpoint, from_cuda.checkpoint, 0.5, tmp_path / "mean.pt")
    assert export(mean, tmp_path, CardFacts(model_id="tiny")).exists()
    torch.testing.assert_close(read_checkpoint(mean)["average"]["stem.weight"], from_cuda.average.stem.weight.detach())


def test_a_checkpoint_that_would_run_something_is_refused(tmp_path):
    torch.save({"average": PhoneTrainingConfig}, tmp_path / "code.pt")
    with pytest.raises(InputError, match=r"code\.pt is no checkpoint, or a damaged one$"):
        read_checkpoint(tmp_path / "code.pt")


def test_a_list_and_a_missing_file_are_one_sentence(tmp_path):
    torch.save([1], tmp_path / "list.pt")
    with pytest.raises(InputError, match=r"list\.pt is no checkpoint, or a damaged one$"):
        read_checkpoint(tmp_path / "list.pt")
    with pytest.raises(InputError, match=r"cannot read the checkpoint .*no\.pt: No such file or directory$"):
        read_checkpoint(tmp_path / "no.pt")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_leaves_the_checkpoint_before(tmp_path):
    path = tmp_path / "checkpoint.pt"
    write_checkpoint(path, {"step": 1})
    path.with_suffix(".part").symlink_to("/dev/full")  # what is written first goes there
    with pytest.raises(OutputError, match=r"cannot write the checkpoint .*checkpoint\.pt"):
        write_checkpoint(path, {"step": 2, "weights": torch.zeros(100_000)})
    assert read_checkpoint(path) == {"step": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_a_checkpoint_cannot_take_the_place_of_a_folder(tmp_path):
    path = tmp_path / "checkpoint.pt"
    path.mkdir()
    with pytest.raises(OutputError, match=r"cannot write the checkpoint .*checkpoint\.pt"):
        write_checkpoint(path, {"step": 1})
    assert list(tmp_path.iterdir()) == [path]
