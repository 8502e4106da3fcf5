"""A network that has grown: it says what the smaller one said, and takes nothing from one that does not fit inside."""

from __future__ import annotations

import pytest
import torch
from typer.testing import CliRunner

from melisma.cli.main import app
from melisma.core.errors import InputError
from melisma.models.features import N_MELS, STRIDE
from melisma.models.phone_net import PhoneNet, PhoneNetConfig
from melisma.train.config import PhoneTrainingConfig
from melisma.train.grow import grown
from melisma.train.trainer import Trainer

N_LABELS, N_FRAMES = 20, 32
SHAPE = (2, N_MELS, STRIDE * N_FRAMES)
LENGTHS = torch.tensor([N_FRAMES, N_FRAMES - 12])


def net_of(channels: int, dilations: tuple[int, ...], seed: int, kernel: int = 3) -> PhoneNet:
    torch.manual_seed(seed)
    return PhoneNet(PhoneNetConfig(N_LABELS, channels, dilations, kernel)).eval()


@pytest.fixture
def small() -> PhoneNet:
    """A network whose norms have heard something, and so are not what they are drawn as."""
    net, rng = net_of(32, (1, 2, 4), 1).train(), torch.Generator().manual_seed(3)
    for _ in range(30):
        net(2 * torch.randn(SHAPE, generator=rng) + 1, torch.full((2,), N_FRAMES))
    return net.eval()


@torch.no_grad()
def heard(net: PhoneNet) -> tuple[torch.Tensor, torch.Tensor]:
    """Return log-probabilities and voice logits of two recordings, in float64: the order of summing hardly counts."""
    features = torch.randn(
        2, N_MELS, STRIDE * N_FRAMES, generator=torch.Generator().manual_seed(4), dtype=torch.float64
    )
    logits, vocal = net.double()(features, LENGTHS)
    return logits.log_softmax(1), vocal


def grown_into(large: PhoneNet, small: PhoneNet) -> list[str]:
    weights, new = grown(small.state_dict(), large.state_dict())
    large.load_state_dict(weights)
    return new


def test_a_wider_network_says_what_the_smaller_one_says(small):
    wide = net_of(48, (1, 2, 4), 2)
    assert grown_into(wide, small) == []
    for mine, theirs in zip(heard(wide), heard(small), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-12)


def test_a_head_of_other_labels_begins_anew(small):
    torch.manual_seed(5)
    other = PhoneNet(PhoneNetConfig(N_LABELS + 3, 48, (1, 2, 4)))
    drawn = other.head.weight.clone()
    assert sorted(grown_into(other, small)) == ["head.bias", "head.weight"]
    assert torch.equal(other.head.weight, drawn)


def test_the_channels_that_were_added_can_learn(small):
    wide = net_of(48, (1, 2, 4), 2)
    grown_into(wide, small)
    torch.nn.init.normal_(wide.head.weight[:, 32:])  # as a step of training will
    assert not torch.allclose(heard(wide)[0], heard(small)[0], atol=1e-3)
    assert all(conv.weight[32:].abs().sum() > 0 for conv in (wide.stem, *(block.conv for block in wide.blocks)))


@pytest.mark.parametrize(("channels", "dilations"), [(32, (1, 2, 4, 1)), (48, (1, 2, 4, 1, 2))])
def test_a_deeper_network_says_nearly_what_the_smaller_one_says(small, channels, dilations):
    deep = net_of(channels, dilations, 2)
    new = grown_into(deep, small)
    assert {name.split(".")[1] for name in new} == {str(n) for n in range(3, len(dilations))}
    mine, theirs = heard(deep)[0], heard(small)[0]
    assert 0 < (mine - theirs).abs().mean() < 0.1 * theirs.std()
    assert (mine.argmax(1) == theirs.argmax(1)).float().mean() > 0.95


def test_convolutions_of_another_kernel_begin_anew(small):
    own = net_of(32, (1, 2, 4), 2, kernel=5).state_dict()
    weights, new = grown(small.state_dict(), own)
    assert new == [f"blocks.{n}.conv.weight" for n in range(3)]
    assert all(torch.equal(weights[name], own[name]) for name in new)
    assert torch.equal(weights["stem.weight"], small.state_dict()["stem.weight"])


def test_whatever_is_larger_than_its_place_begins_anew(small):
    own = net_of(16, (1, 2, 4), 2).state_dict()
    weights, new = grown(small.state_dict(), own)
    convolutions = [name for name in own if own[name].ndim > 1]
    assert set(convolutions) <= set(new)
    assert all(torch.equal(weights[name], own[name]) for name in convolutions)


def test_what_was_given_is_not_changed(small):
    before = {name: value.clone() for name, value in small.state_dict().items()}
    wide = net_of(48, (1, 2, 4), 2)
    grown_into(wide, small)
    for value in wide.state_dict().values():
        value.zero_()
    assert all(torch.equal(value, small.state_dict()[name]) for name, value in before.items())


def trainer_of(folder, **shape) -> Trainer:
    folder.mkdir()
    given = {"channels": 8, "dilations": (1,), "bf16": False}
    return Trainer(PhoneTrainingConfig.model_validate(given | shape), folder)


def test_a_training_starts_from_a_smaller_network(tmp_path):
    given = trainer_of(tmp_path / "given")
    given.save()
    trainer = trainer_of(tmp_path / "run", channels=12, dilations=(1, 2))
    new = {name.rpartition(".")[0] for name in trainer.start_from(given.checkpoint)}
    assert new == {"blocks.1.conv", "blocks.1.norm"}
    for net in (trainer.net, trainer.average):
        assert torch.equal(net.stem.weight[:8], given.average.stem.weight)
        assert torch.allclose(net.blocks[1].norm.weight, torch.tensor(0.1))


def test_a_larger_network_is_no_start_though_its_counters_fit(tmp_path):
    given = trainer_of(tmp_path / "given", channels=16)
    given.save()
    with pytest.raises(InputError, match=r"checkpoint\.pt holds no weights that fit into this network$"):
        trainer_of(tmp_path / "run").start_from(given.checkpoint)


def test_the_command_refuses_a_start_of_which_nothing_fits(timed, tmp_path):
    given = trainer_of(tmp_path / "given", channels=16)
    given.save()
    config = tmp_path / "tiny.toml"
    config.write_text("channels = 8\ndilations = [1]\nbf16 = false\n", encoding="utf-8")
    run = tmp_path / "run"
    call = ["train", "rows", str(config), "--speech", f"tones={timed}", "--init", str(given.checkpoint), "-o", str(run)]
    done = CliRunner().invoke(app, call)
    assert done.exit_code == 2
    assert done.stderr == f"error: {given.checkpoint} holds no weights that fit into this network\n"
    assert not (run / "checkpoint.pt").exists()
