from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from melisma.core.errors import ModelError  # noqa: E402
from melisma.models.vocoder.file import make  # noqa: E402
from melisma.models.vocoder.inputs import F0_BINS, F0_HIGH_HZ, F0_LOW_HZ, pitch_features  # noqa: E402
from melisma.models.vocoder.shape import Shape  # noqa: E402
from melisma.models.vocoder.spectra import InverseSpectra  # noqa: E402

TINY = Shape("vocos", 12, n_speakers=3, with_f0=True, channels=8, coarse=(1, 2), fine=(1, 2))


def tiny(**more):
    torch.manual_seed(3)
    return make(Shape(**{name: getattr(TINY, name) for name in TINY.__slots__} | more)).eval()


def test_spectra_of_a_sound_give_the_sound_back():
    sound = torch.from_numpy(np.random.default_rng(1).normal(size=(2, 3200)).astype(np.float32))
    padded = torch.nn.functional.pad(sound, (240, 240))
    spectra = torch.stft(padded, 640, 160, window=torch.hann_window(640), center=False, return_complex=True)
    again = InverseSpectra(640, 160)(spectra.real, spectra.imag)
    assert again.shape == sound.shape
    inside = slice(480, -480)
    assert torch.allclose(again[:, inside], sound[:, inside], atol=1e-5)


@pytest.mark.parametrize("n_frames", [1, 2, 3, 50, 77])
def test_320_samples_for_each_unit(n_frames):
    units = torch.arange(n_frames)[None] % 12
    with torch.no_grad():
        assert tiny()(units.repeat(2, 1)).shape == (2, 320 * n_frames)


def test_nothing_is_heard_further_than_the_context():
    net = tiny()
    units = torch.randint(0, 12, (1, 60), generator=torch.Generator().manual_seed(1))
    other = units.clone()
    other[0, 30] = (units[0, 30] + 1) % 12
    with torch.no_grad():
        changed = (net(units) - net(other)).abs()[0] > 0
    places = changed.nonzero()[:, 0] // 320
    assert changed.any()
    assert 30 - net.context <= int(places.min()) <= int(places.max()) <= 30 + net.context


def test_a_long_sentence_in_parts_is_the_same_sound():
    net = tiny()
    units = torch.randint(0, 12, (1, 90), generator=torch.Generator().manual_seed(2))
    n = net.context
    with torch.no_grad():
        whole, part = net(units)[0], net(units[:, 40 - n : 60 + n])[0]
    assert torch.allclose(whole[40 * 320 : 60 * 320], part[n * 320 : -n * 320], atol=1e-6)


def test_speaker_and_pitch_change_the_sound_and_nobody_is_the_default():
    net, units = tiny(), torch.arange(12)[None]
    high = torch.full((1, 12), 200.0)
    with torch.no_grad():
        plain, nobody = net(units), net(units, torch.tensor([0]), torch.full((1, 12), -1.0))
        somebody, sung = net(units, torch.tensor([2])), net(units, None, high)
        unvoiced = net(units, None, torch.zeros(1, 12))
    assert torch.equal(plain, nobody)
    for other in (somebody, sung, unvoiced):
        assert not torch.allclose(plain, other)
    assert not torch.allclose(sung, unvoiced)


def test_pitch_is_shared_by_two_neighbours():
    hz = torch.tensor([0.0, -1.0, F0_LOW_HZ, F0_HIGH_HZ, 123.4, 1000.0])
    seen = pitch_features(hz)
    assert seen.shape == (6, F0_BINS + 2)
    assert torch.allclose(seen.sum(-1), torch.ones(6), atol=1e-5)
    assert seen[0, -2] == 1
    assert seen[1, -1] == 1
    assert (seen[4] > 0).sum() == 2
    scale = np.log2(123.4 / F0_LOW_HZ) / np.log2(F0_HIGH_HZ / F0_LOW_HZ) * (F0_BINS - 1)
    assert float((seen[4, :F0_BINS] * torch.arange(F0_BINS)).sum()) == pytest.approx(scale, abs=1e-3)
    assert torch.equal(seen[3], seen[5])


@pytest.mark.parametrize(
    "change",
    [{"k": 0}, {"k": 1 << 40}, {"channels": 0}, {"kind": "gan"}, {"coarse": [0]}, {"fine": [1] * 300}, {"k": "x"}],
)
def test_a_strangers_shape_is_checked(change):
    with pytest.raises(ModelError):
        Shape.of_dict(TINY.as_dict() | change)


def test_a_shape_comes_back():
    assert Shape.of_dict(TINY.as_dict()) == TINY
