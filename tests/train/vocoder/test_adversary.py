from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch")

from melisma.models.vocoder.discriminators import fooled, told_apart, unlike  # noqa: E402
from melisma.train.vocoder.adversary import Adversary, _squared_gradients  # noqa: E402
from melisma.train.vocoder.doctor import Care  # noqa: E402

CPU, OFF = torch.device("cpu"), torch.autocast("cpu", enabled=False)


@pytest.fixture
def sounds():
    made = 0.1 * torch.randn(2, 3200, generator=torch.Generator().manual_seed(1))
    return made, 0.3 * torch.sin(torch.arange(3200) * 0.2).repeat(2, 1)


@pytest.fixture
def adversary(quick):
    return Adversary(quick, CPU, width=2)


def weights(adversary: Adversary) -> list:
    return [each.detach().clone() for each in adversary.net.parameters()]


def test_losses_are_those_of_the_papers():
    real = [[torch.ones(1, 2), torch.tensor([[0.5, 1.0]])], [torch.zeros(1), torch.tensor([[1.0]])]]
    made = [[torch.zeros(1, 2), torch.tensor([[0.0, 1.0]])], [torch.ones(1), torch.tensor([[0.5]])]]
    assert float(told_apart(real, made)) == pytest.approx(((0.125 + 0.5) + (0 + 0.25)) / 2)
    assert float(fooled(made)) == pytest.approx(0.5 + 0.25)
    assert float(unlike(real, made)) == pytest.approx(1 + 1)


def test_each_discriminator_hears_sounds_of_any_length(adversary):
    for n_samples in (6400, 6401, 12345):
        heard = adversary.net(torch.zeros(1, n_samples))
        assert len(heard) == adversary.n == 8
        assert all(len(each) == 6 for each in heard)


def test_it_learns_to_tell_them_apart(adversary, sounds):
    losses = [adversary.learn(*sounds, 5e-3, Care(), OFF) for _ in range(15)]
    assert losses[-1] < 0.7 * losses[0]


def test_it_takes_no_step_while_it_wins(adversary, sounds):
    before = weights(adversary)
    adversary.learn(*sounds, 1e-2, Care(skip=99.0), OFF)
    assert all(map(torch.equal, before, weights(adversary)))
    adversary.learn(*sounds, 1e-2, Care(skip=0.0), OFF)
    assert not all(map(torch.equal, before, weights(adversary)))


def test_a_penalty_keeps_gradients_small(adversary, sounds):
    other = Adversary(adversary.config, CPU, adversary.width)
    other.net.load_state_dict(copy.deepcopy(adversary.net.state_dict()))
    for _ in range(10):
        adversary.learn(*sounds, 5e-3, Care(), OFF)
        other.learn(*sounds, 5e-3, Care(penalty=1e4), OFF)
    steepness = []
    for each in (adversary, other):
        real = sounds[1].clone().requires_grad_(True)
        steepness.append(float(_squared_gradients(each.net(real), real).detach()))
    assert steepness[1] < 0.5 * steepness[0]


def test_what_a_generator_learns_leaves_the_discriminators_alone(adversary, sounds):
    made = sounds[0].clone().requires_grad_(True)
    adv, features = adversary.teach(made, sounds[1], OFF)
    (adv + features).backward()
    assert made.grad is not None
    assert float(made.grad.abs().sum()) > 0
    assert all(each.grad is None for each in adversary.net.parameters())
    adversary.learn(*sounds, 1e-3, Care(), OFF)  # and they can still learn
    assert any(each.grad is not None for each in adversary.net.parameters())


def test_more_steps_of_the_discriminators_see_other_segments(train, monkeypatch):
    from melisma.train.vocoder.trainer import Trainer

    begin, n_learnt, learn = Trainer.__init__, [], Adversary.learn

    def cared(self, *args):
        begin(self, *args)
        self.care = Care(d_steps=3)

    def counted(self, made, real, *args):
        n_learnt.append(float(real.sum()))
        return learn(self, made, real, *args)

    monkeypatch.setattr(Trainer, "__init__", cared)
    monkeypatch.setattr(Adversary, "learn", counted)
    train(epochs=1, warmup_epochs=0, samples_per_epoch=4)  # two steps
    assert len(n_learnt) == 6
    assert len(set(n_learnt)) == 6
