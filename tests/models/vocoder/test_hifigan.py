from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch")

from melisma.models.vocoder.file import make, packed, read  # noqa: E402
from melisma.models.vocoder.hifigan import without_norms  # noqa: E402
from melisma.models.vocoder.shape import Shape  # noqa: E402
from melisma.train.checkpoint import write_checkpoint  # noqa: E402

SHAPE = Shape("hifigan", 12, channels=32)
FACTS = {"kind": "hifigan", "k": 12, "speakers": [], "with_f0": False, "encoder": {}, "codebook": ""}


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(3)
    made = make(SHAPE).eval()
    with torch.no_grad():
        for name, each in made.named_parameters():
            if name.endswith("original0"):  # lengths of filters: new ones are so short that nothing can be heard
                each.fill_(0.02 if name.startswith("head") else 1.0)
    return made


@pytest.mark.parametrize("n_frames", [1, 2, 3, 31])
def test_320_samples_for_each_unit(net, n_frames):
    with torch.no_grad():
        assert net(torch.arange(n_frames)[None] % 12).shape == (1, 320 * n_frames)


def test_nothing_is_heard_further_than_the_context(net):
    units = torch.randint(0, 12, (1, 70), generator=torch.Generator().manual_seed(1))
    other = units.clone()
    other[0, 35] = (units[0, 35] + 1) % 12
    with torch.no_grad():
        assert float(net(units).abs().max()) < 0.99  # no sound that is clipped, and so the same whatever is said
        changed = (net(units) - net(other)).abs()[0] > 0
    places = changed.nonzero()[:, 0] // 320
    assert 35 - net.context <= int(places.min()) < 35 < int(places.max()) <= 35 + net.context


def test_without_norms_of_weights_it_says_the_same(net, tmp_path):
    units = torch.arange(12)[None]
    with torch.no_grad():
        wanted = net(units)
        assert torch.allclose(without_norms(copy.deepcopy(net))(units), wanted, atol=1e-6)
    write_checkpoint(tmp_path / "x.pt", packed(SHAPE, FACTS, net.state_dict()))
    saved = read(tmp_path / "x.pt").net
    with torch.no_grad():
        assert torch.allclose(saved(units), wanted, atol=1e-6)
    assert not any("parametrizations" in name for name in saved.state_dict())
