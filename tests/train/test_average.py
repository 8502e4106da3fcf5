"""Weights of two trainings, averaged: what lies between, what stays, what is refused."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from typer.testing import CliRunner  # noqa: E402

from melisma.cli.main import app  # noqa: E402
from melisma.train.checkpoint import read_checkpoint  # noqa: E402
from melisma.train.config import PhoneTrainingConfig  # noqa: E402
from melisma.train.export import load_average  # noqa: E402
from melisma.train.origin import Origin  # noqa: E402
from melisma.train.trainer import Trainer  # noqa: E402


def checkpoint(folder, seed, **changes):
    folder.mkdir()
    given = {"channels": 8, "dilations": (1, 2), **changes}
    trainer = Trainer(PhoneTrainingConfig.model_validate({"seed": seed, **given}), folder)
    trainer.origin = Origin({"speech": folder.name}, None, frozenset({folder.name, "both"}), True)
    trainer.save()
    return trainer.checkpoint


@pytest.fixture
def earlier(tmp_path):
    return checkpoint(tmp_path / "earlier", 1)


@pytest.fixture
def later(tmp_path):
    return checkpoint(tmp_path / "later", 2, fine_weight=0.3)


def average(*args):
    return CliRunner().invoke(app, ["train", "average", *map(str, args)])


def test_weights_lie_between_the_two_and_a_new_head_stays(later, earlier, tmp_path):
    out = tmp_path / "deep" / "mean.pt"
    result = average(later, earlier, "--share", "0.25", "-o", out)
    assert result.exit_code == 0, result.output
    mine, theirs, made = (read_checkpoint(path)["average"] for path in (later, earlier, out))
    torch.testing.assert_close(made["head.weight"], 0.75 * mine["head.weight"] + 0.25 * theirs["head.weight"])
    assert not torch.equal(mine["head.weight"], theirs["head.weight"])
    assert torch.equal(made["fine.weight"], mine["fine.weight"])
    assert made["stem_norm.num_batches_tracked"] == mine["stem_norm.num_batches_tracked"]
    assert load_average(out).config.channels == 8  # it can be exported
    origin = read_checkpoint(out)["origin"]
    assert origin["speakers"] == ["both", "earlier", "later"]
    assert (origin["manifests"], origin["whole"]) == ({"speech": "later"}, True)


def test_networks_of_another_shape_are_refused_and_nothing_is_written(later, tmp_path):
    wide = checkpoint(tmp_path / "wide", 1, channels=16)
    result = average(later, wide, "-o", tmp_path / "mean.pt")
    assert result.exit_code == 2
    assert "are networks of different shape" in result.output
    assert not (tmp_path / "mean.pt").exists()


def test_a_file_that_is_no_checkpoint_is_one_sentence(later, tmp_path):
    (tmp_path / "x.pt").write_bytes(b"x")
    result = average(later, tmp_path / "x.pt", "-o", tmp_path / "mean.pt")
    assert result.exit_code == 2
    assert "x.pt is no checkpoint, or a damaged one" in result.output


def test_a_checkpoint_without_averaged_weights_is_refused(later, tmp_path):
    torch.save({"net": {}}, tmp_path / "bare.pt")
    result = average(later, tmp_path / "bare.pt", "-o", tmp_path / "mean.pt")
    assert result.exit_code == 2
    assert "is no checkpoint of a phone model" in result.output


def test_a_folder_that_cannot_be_made_is_one_sentence(later, earlier, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    result = average(later, earlier, "-o", tmp_path / "file" / "mean.pt")
    assert result.exit_code == 2
    assert "cannot make the folder" in result.output
