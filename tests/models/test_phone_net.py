from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from melisma.models.features import N_MELS, STRIDE  # noqa: E402
from melisma.models.phone_net import PhoneNet, PhoneNetConfig  # noqa: E402

SHAPE = PhoneNetConfig(n_labels=7, channels=12, dilations=(1, 2, 4), dropout=0.2)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """A small network waits longer for a second thread than it computes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def net():
    """A small network whose norms have seen data, ready for use."""
    generator = torch.Generator().manual_seed(5)
    made = PhoneNet(SHAPE)
    with torch.no_grad():
        for values in made.parameters():
            values.copy_(torch.randn(values.shape, generator=generator) * 0.4)
        for name, values in made.named_buffers():
            if name.endswith("running_mean"):
                values.copy_(torch.randn(values.shape, generator=generator) * 0.3)
            elif name.endswith("running_var"):
                values.copy_(torch.rand(values.shape, generator=generator) + 0.5)
    return made.eval()


def features(n_frames: int, n_items: int = 1, seed: int = 1):
    return torch.randn(n_items, N_MELS, n_frames * STRIDE, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def run(net, x, *lengths: int):
    return net(x, torch.tensor(lengths or [x.shape[2] // STRIDE]))


@pytest.mark.parametrize("n_frames", [1, 2, 7, 50])
def test_every_three_feature_frames_give_one_of_emission(net, n_frames):
    logits, vocal = run(net, features(n_frames))
    assert logits.shape == (1, SHAPE.n_labels, n_frames)
    assert vocal.shape == (1, n_frames)
    assert logits.dtype == vocal.dtype == torch.float32


def test_padding_a_batch_changes_no_item(net):
    lengths = (20, 33, 7)
    items = [features(n, seed=n) for n in lengths]
    batch = torch.zeros(3, N_MELS, 48 * STRIDE)
    for i, item in enumerate(items):
        batch[i, :, : item.shape[2]] = item[0]
    logits, vocal = run(net, batch, *lengths)
    for i, item in enumerate(items):
        alone, alone_vocal = run(net, item)
        torch.testing.assert_close(logits[i, :, : lengths[i]], alone[0], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(vocal[i, : lengths[i]], alone_vocal[0], rtol=1e-5, atol=1e-5)


def test_what_lies_beyond_the_reach_changes_nothing(net):
    n, at, reach = 80, 40, SHAPE.reach
    x = features(n)
    other = features(n, seed=2)
    other[:, :, (at - reach) * STRIDE : (at + reach + 1) * STRIDE] = x[
        :, :, (at - reach) * STRIDE : (at + reach + 1) * STRIDE
    ]
    assert not torch.equal(run(net, other)[0], run(net, x)[0])
    torch.testing.assert_close(run(net, other)[0][..., at], run(net, x)[0][..., at], rtol=1e-5, atol=1e-5)


def test_the_reach_is_exact(net):
    x = features(80).requires_grad_()
    logits, _ = net(x, torch.tensor([80]))
    logits[0, :, 40].sum().backward()
    seen = x.grad[0].abs().sum(0).nonzero().flatten() // STRIDE
    assert 40 - int(seen.min()) == int(seen.max()) - 40 == SHAPE.reach


def test_dropout_is_silent_in_use_and_heard_in_training(net):
    x = features(30)
    assert torch.equal(run(net, x)[0], run(net, x)[0])
    noisy = PhoneNet(SHAPE)
    noisy.load_state_dict(net.state_dict())
    noisy.train()
    with torch.random.fork_rng():
        torch.manual_seed(1)
        assert not torch.equal(run(noisy, x)[0], run(noisy, x)[0])


def test_the_shape_can_be_written_down_and_read_back():
    assert PhoneNetConfig(**SHAPE.to_dict()) == SHAPE


@pytest.mark.parametrize("stride", [1, 2, 3, 4])
def test_each_emission_frame_is_centred_on_its_own_feature_frames(stride):
    net = PhoneNet(PhoneNetConfig(n_labels=3, channels=64, dilations=(), stride=stride)).eval()
    x = torch.randn(1, N_MELS, 12 * stride, requires_grad=True)
    logits, vocal = net(x, torch.tensor([12]))
    assert logits.shape == (1, 3, 12)
    assert vocal.shape == (1, 12)
    logits[0, :, 5].sum().backward()
    seen = x.grad[0].abs().sum(0).nonzero().flatten()
    assert (int(seen.min()), int(seen.max())) == (5 * stride - 3, 6 * stride + 2)


FINE = PhoneNetConfig(n_labels=3, channels=4, dilations=(1,), fine=True)


@pytest.mark.parametrize("n_frames", [1, 5])
def test_the_second_head_says_what_sounds_in_every_feature_frame(n_frames):
    net = PhoneNet(FINE).eval()
    x = features(n_frames, 2)
    with torch.no_grad():
        net.fine.weight.zero_()
        net.fine.bias.copy_(torch.arange(9.0))
        shared = net.trunk(x, torch.tensor([n_frames, n_frames]))
        sounds = net.sound(shared)
    assert shared.shape == (2, 4, n_frames)
    assert sounds.shape == (2, 3, n_frames * STRIDE)
    assert sounds.dtype == torch.float32
    assert sounds[1].T.tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]] * n_frames


def test_the_second_head_leaves_the_first_as_it_is():
    net = PhoneNet(FINE).eval()
    without = PhoneNet(PhoneNetConfig(n_labels=3, channels=4, dilations=(1,))).eval()
    without.load_state_dict({key: value for key, value in net.state_dict().items() if not key.startswith("fine.")})
    for one, other in zip(run(net, features(9)), run(without, features(9)), strict=True):
        assert torch.equal(one, other)


def test_what_is_asked_of_a_network_without_a_second_head_is_refused(net):
    with pytest.raises(ValueError, match="this network has no second head"):
        net.sound(torch.zeros(1, SHAPE.channels, 4))
