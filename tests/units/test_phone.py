import os
import subprocess
import sys

import numpy as np
import pytest

from melisma.core.errors import InputError
from melisma.engines.phone import PhoneEngine
from melisma.models import features as mels
from melisma.units.clock import n_frames
from melisma.units.encoder import EncoderConfig
from melisma.units.encoders import open_encoder
from melisma.units.phone import PhoneEncoder


def noise(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    loud = np.repeat(rng.uniform(0.01, 0.3, n // 1600 + 1), 1600)[:n]
    return (loud * rng.standard_normal(n)).astype(np.float32)


@pytest.fixture(scope="module")
def encoder() -> PhoneEncoder:
    return PhoneEncoder(EncoderConfig("phone"))


@pytest.mark.parametrize("n", [0, 399, 400, 719, 720, 721, 16000, 16001])
def test_there_is_a_frame_for_every_unit(encoder, n):
    [features] = encoder.encode([noise(n)])
    assert features.shape == (n_frames(n), encoder.facts.n_dims)
    assert features.dtype == np.float32


def test_every_third_frame_is_the_engines_own():
    """60 ms are two frames of the emission and three units: those that begin together hear the same."""
    samples = noise(160 * 900)
    [ours] = PhoneEncoder(EncoderConfig("phone", layer=13)).encode([samples])
    normal = mels.log_mel(samples)
    theirs, _ = PhoneEngine().hear(mels.normalise(normal))
    np.testing.assert_allclose(ours[::3][:120], theirs[::2][:120], atol=1e-5)
    # The end of the recording is padded a little otherwise, which the network hears for 1.7 s.
    assert np.abs(ours[::3][120:150] - theirs[::2][120:150]).mean() < 0.5


def test_frames_in_between_are_those_of_the_recording_begun_later():
    samples = noise(160 * 900)
    encoder = PhoneEncoder(EncoderConfig("phone", layer=2))
    [whole], [late] = encoder.encode([samples]), encoder.encode([samples[320:]])
    # Levels are normalised over the recording: 20 ms less of it change them a little.
    assert np.abs(whole[101:300] - late[100:299]).mean() < 0.02 * whole.std()
    assert np.abs(whole[100:299] - late[100:299]).mean() > 0.1 * whole.std()


def test_a_long_recording_has_no_seams(encoder, monkeypatch):
    samples = noise(16000 * 20)
    [whole] = encoder.encode([samples])
    monkeypatch.setattr("melisma.units.phone._WINDOW", 100)
    [parts] = encoder.encode([samples])
    np.testing.assert_allclose(parts, whole, atol=1e-4)


def test_layers_differ_and_say_so():
    low, high = PhoneEncoder(EncoderConfig("phone", layer=0)), PhoneEncoder(EncoderConfig("phone", layer=12))
    assert (low.facts.layer, high.facts.layer) == (0, 12)
    assert low.facts.fingerprint != high.facts.fingerprint
    [a], [b] = low.encode([noise(8000)]), high.encode([noise(8000)])
    assert a.shape == b.shape
    assert not np.allclose(a, b)


@pytest.mark.parametrize("layer", [-1, 14])
def test_a_layer_that_is_none_is_refused(layer):
    with pytest.raises(InputError, match=f"no layer {layer}"):
        open_encoder(EncoderConfig("phone", layer=layer))


def test_neighbours_change_nothing(encoder):
    a, b = noise(16000), noise(4000, 1)
    np.testing.assert_array_equal(encoder.encode([b, a])[1], encoder.encode([a])[0])


def test_the_number_of_threads_shows_in_no_bit(encoder):
    script = (
        "import hashlib, numpy as np; from melisma.units.phone import PhoneEncoder;"
        "from melisma.units.encoder import EncoderConfig;"
        "x = np.random.default_rng(3).standard_normal(160_000).astype(np.float32);"
        "print(hashlib.sha256(PhoneEncoder(EncoderConfig('phone')).encode([x])[0].tobytes()).hexdigest())"
    )
    seen = set()
    for threads in ("1", "2"):
        names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MELISMA_THREADS")
        environment = os.environ | dict.fromkeys(names, threads)
        got = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        seen.add(got.stdout)
    assert len(seen) == 1
