"""The embedded engine: windows leave no trace, threads and labels are the model's, silence and scraps are survived."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import soxr

from melisma.core import plugins
from melisma.core.records import Waveform
from melisma.engines.phone import PhoneEngine
from melisma.engines.protocol import EmittingEngine, Task
from melisma.models import features
from melisma.synth.songs import song_of_length


@pytest.fixture(scope="module")
def sung():
    mono = song_of_length(25, "en", seed=5).mono
    return Waveform(soxr.resample(mono.samples, mono.sample_rate, 16000).astype(np.float32), 16000)


def test_it_enters_by_the_door_of_every_engine():
    engine = plugins.load(plugins.ENGINES, "phone")()
    assert isinstance(engine, PhoneEngine)
    assert isinstance(engine, EmittingEngine)
    assert engine.facts.licence.commercial
    assert engine.facts.task is Task.EMIT
    assert (engine.facts.name, engine.missing()) == ("phone", None)


def test_an_engine_that_was_unloaded_loads_again(sung):
    engine = PhoneEngine()
    first = engine.emit(sung)
    engine.unload()
    np.testing.assert_array_equal(engine.emit(sung).log_probs, first.log_probs)


@pytest.mark.parametrize("window", [101, 256, 400])
def test_the_emission_does_not_depend_on_where_windows_fall(sung, window):
    whole = PhoneEngine(window=10**6).emit(sung)
    cut = PhoneEngine(window=window).emit(sung)
    assert len(whole.log_probs) > 2 * window
    np.testing.assert_allclose(np.exp(cut.log_probs), np.exp(whole.log_probs), atol=2e-4)
    np.testing.assert_allclose(cut.vocal, whole.vocal, atol=2e-4)


def test_an_emission_is_probabilities_one_frame_every_30_ms(sung):
    emission = PhoneEngine().emit(sung)
    assert emission.log_probs.dtype == np.float32
    assert emission.log_probs.shape == (-(-len(sung.samples) // 480), len(emission.labels))
    np.testing.assert_allclose(np.exp(emission.log_probs).sum(axis=1), 1, atol=1e-4)
    assert emission.labels[emission.blank] == ""
    assert emission.timebase.seconds(100) == 3.0
    assert emission.duration == len(sung.samples)
    assert 0 <= emission.vocal.min() <= emission.vocal.max() <= 1


@pytest.mark.parametrize("n_samples", [0, 1, 159, 160, 161, 479, 480, 481, 16000])
def test_scraps_of_any_length_give_the_frames_they_begin(n_samples):
    rng = np.random.default_rng(n_samples)
    emission = PhoneEngine().emit(Waveform(rng.normal(0, 0.1, n_samples).astype(np.float32), 16000))
    assert len(emission.log_probs) == math.ceil(n_samples / 480)
    assert np.isfinite(emission.log_probs).all()


def test_silence_is_finite():
    emission = PhoneEngine().emit(Waveform(np.zeros(32000, np.float32), 16000))
    assert np.isfinite(emission.log_probs).all()


def test_gain_changes_nothing(sung):
    engine = PhoneEngine()
    loud = engine.emit(sung)
    quiet = engine.emit(Waveform(sung.samples * np.float32(0.25), 16000))
    assert np.mean(quiet.log_probs.argmax(1) == loud.log_probs.argmax(1)) > 0.97


def test_it_hears_what_is_sung(sung):
    heard = PhoneEngine().emit(sung)
    assert np.mean(heard.vocal > 0.5) > 0.2


def test_progress_ends_at_one(sung):
    told = []
    PhoneEngine(window=200).emit(sung, told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_a_long_solo_does_not_bend_what_is_heard_of_the_singing(sung):
    rng = np.random.default_rng(3)
    hiss = np.sin(np.cumsum(rng.normal(0.3, 0.05, 16000 * 96))) * 0.3  # loud, and coloured otherwise than the song
    both = np.concatenate([hiss.astype(np.float32), sung.samples])
    engine, first = PhoneEngine(), 96 * 16000 // 480
    alone = np.exp(engine.emit(sung).log_probs)
    once = np.exp(engine.hear(features.normalise(features.log_mel(both)))[0][first:])
    twice = np.exp(engine.emit(Waveform(both, 16000)).log_probs[first:])
    off_once, off_twice = (np.abs(p[: len(alone)] - alone[: len(p)]).sum(axis=1).mean() for p in (once, twice))
    assert off_twice < 0.5 * off_once


def test_another_rate_is_the_callers_fault(sung):
    with pytest.raises(ValueError, match="takes 16000 Hz, not 8000 Hz"):
        PhoneEngine().emit(Waveform(sung.samples, 8000))


@pytest.fixture(scope="module", params=[1, 2, 3, 4], ids=["10 ms", "20 ms", "30 ms", "40 ms"])
def small(request, tmp_path_factory):
    """Give a small network of this stride, as torch and as an ONNX file with its facts."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")
    from melisma.models.phone_net import PhoneNet, PhoneNetConfig
    from melisma.train.export import to_onnx

    with torch.random.fork_rng():
        torch.manual_seed(4)
        net = PhoneNet(PhoneNetConfig(3, 8, (1, 2), stride=request.param, fine=True)).eval()
    path = tmp_path_factory.mktemp("small") / "small.onnx"
    path.write_bytes(to_onnx(net, "float32").SerializeToString())
    facts = {
        "model_id": "small", "revision": "0", "title": "Small", "licence": "CC0-1.0", "languages": [],
        "labels": ["", "a", "t"], "n_parameters": 1, "reach": net.config.reach, "hops": request.param,
        "onset_shifts_s": {"t": -0.02, "x": 9.0},
    }  # fmt: skip
    path.with_suffix(".json").write_text(json.dumps(facts), encoding="utf-8")
    return net, path, request.param


def noisy(n_frames: int) -> np.ndarray:
    return np.random.default_rng(n_frames).normal(0, 1, (n_frames, features.N_MELS)).astype(np.float32)


@pytest.mark.parametrize("n_frames", [0, 1, 3, 4, 200])
def test_what_is_heard_of_log_mels_is_what_the_network_says(small, n_frames):
    import torch

    net, path, stride = small
    log_probs, vocal = PhoneEngine(path).hear(noisy(n_frames))
    n = math.ceil(n_frames / stride)
    assert (log_probs.shape, log_probs.dtype) == ((n, 3), np.float32)
    assert (vocal.shape, vocal.dtype) == ((n,), np.float32)
    if n_frames:
        padded = np.pad(noisy(n_frames), ((0, stride * n - n_frames), (0, 0)))
        with torch.no_grad():
            logits, voice = net(torch.from_numpy(padded.T[None].copy()), torch.tensor([n]))
        np.testing.assert_allclose(log_probs, logits.log_softmax(1)[0].T.numpy(), atol=1e-4)
        np.testing.assert_allclose(vocal, voice.sigmoid()[0].numpy(), atol=1e-4)


def test_what_is_heard_does_not_depend_on_where_windows_fall(small):
    whole = PhoneEngine(small[1]).hear(noisy(200))
    for one, other in zip(PhoneEngine(small[1], window=7).hear(noisy(200)), whole, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_an_emission_is_what_is_heard_with_the_clock_and_the_shifts_of_the_model(small):
    samples = np.random.default_rng(1).normal(0, 0.1, 16000).astype(np.float32)
    engine = PhoneEngine(small[1])
    emission = engine.emit(Waveform(samples, 16000))
    log_probs, vocal = engine.hear(features.normalise(features.log_mel(samples)))
    np.testing.assert_array_equal(emission.log_probs, log_probs)
    np.testing.assert_array_equal(emission.vocal, vocal)
    assert emission.timebase.seconds(30) == pytest.approx(0.3 * small[2])
    np.testing.assert_allclose(emission.onset_shifts_s, [0, 0, -0.02])
