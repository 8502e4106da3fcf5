"""Encoders of the hub: every layer as transformers gives it, whatever stands beside a recording."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from melisma.core.errors import EngineOutOfMemory, InputError, ModelError
from melisma.models.speech_encoder import (
    KINDS,
    Running,
    SpeechEncoder,
    SpeechNetwork,
    choose_device,
    load_truncated,
    read_network,
)
from melisma.models.speech_parts import n_frames, normalised, parts_of
from melisma.testing.checkpoints import RandomCtc, save_random_ctc
from melisma.testing.speech_checkpoints import RandomEncoder, save_random_encoder

ALONE = Running("cpu", batch_s=0, threads=1)
SHAPES = [
    *((kind, stable) for kind in KINDS for stable in (False, True) if kind != "data2vec-audio"),
    ("data2vec-audio", False),
]


def voice(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (0.1 + 0.2 * np.sin(np.arange(n) * 0.05) + 0.05 * rng.standard_normal(n)).astype(np.float32)


@pytest.fixture(scope="module", params=SHAPES, ids=lambda shape: f"{shape[0]}{'-stable' if shape[1] else ''}")
def folder(request, tmp_path_factory) -> Path:
    kind, stable = request.param
    return save_random_encoder(tmp_path_factory.mktemp("net"), RandomEncoder(kind, stable, seed=3))


def theirs(folder: Path, samples: np.ndarray) -> list[np.ndarray]:
    """Return all hidden states, by transformers' own model and feature extractor."""
    net = transformers.AutoModel.from_pretrained(str(folder)).eval()
    prepare = transformers.AutoFeatureExtractor.from_pretrained(str(folder))
    values = prepare(samples, sampling_rate=16000, return_tensors="pt").input_values
    with torch.inference_mode():
        return [each[0].numpy() for each in net(values, output_hidden_states=True).hidden_states]


def test_every_layer_is_that_of_transformers_to_the_float(folder):
    torch.set_num_threads(1)
    samples, network = voice(9000), read_network(folder)
    expected = theirs(folder, samples)
    assert len(expected) == network.n_layers + 1
    for layer in range(network.n_layers + 1):
        [found] = SpeechEncoder(network, layer, ALONE).encode([samples])
        np.testing.assert_array_equal(found, expected[layer])
    [all_of_them] = SpeechEncoder(network, network.n_layers, ALONE).encode_layers([samples])
    np.testing.assert_array_equal(all_of_them, np.stack(expected, axis=1))
    assert not np.allclose(expected[0], expected[1], atol=1e-2)


def test_layers_above_are_not_loaded(folder):
    network = read_network(folder)
    assert len(load_truncated(network, 1).net.encoder.layers) == 1


@pytest.mark.parametrize("n", [0, 399, 400, 719, 720, 16000])
def test_there_is_a_frame_for_every_unit(folder, n):
    [found] = SpeechEncoder(read_network(folder), 2, ALONE).encode([voice(n)])
    assert found.shape == (n_frames(n), 16)
    assert np.isfinite(found).all()


def test_neighbours_in_a_batch_change_nothing(folder):
    """Networks that hear padding are given recordings of equal length only."""
    network = read_network(folder)
    waveforms = [voice(n, seed) for seed, n in enumerate((8000, 5000, 8000, 400, 7999, 12345))]
    alone = SpeechEncoder(network, 3, ALONE).encode(waveforms)
    together = SpeechEncoder(network, 3, Running("cpu", batch_s=60, threads=1)).encode(waveforms)
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)


def test_padding_would_be_heard_where_it_is_said_to_be(folder):
    """What `padded` keeps apart is not kept apart for nothing."""
    network = read_network(folder)
    running = Running("cpu", batch_s=60, threads=1)
    encoder = SpeechEncoder(network, 3, running)
    short, long = normalised(voice(4000)), normalised(voice(12000, 1))
    alone, padded = encoder._frames([short])[0], encoder._frames([short, long])[0]
    assert np.allclose(alone, padded, atol=2e-5) == network.padded


def test_a_long_recording_is_heard_in_parts_of_which_each_frame_hears_its_surroundings(tmp_path):
    folder = save_random_encoder(tmp_path / "net", RandomEncoder(n_layers=1))
    network, samples = read_network(folder), voice(16000 * 9)
    [whole] = SpeechEncoder(network, 0, ALONE).encode([samples])
    [parts] = SpeechEncoder(network, 0, Running("cpu", longest_s=5, threads=1)).encode([samples])
    # Layer 0 hears no further than its convolutions over positions: with their surroundings, parts are as good.
    np.testing.assert_allclose(parts, whole, atol=1e-5)
    assert len(whole) == n_frames(len(samples))


def test_parts_hear_two_seconds_beside_their_own():
    n_samples = 16000 * 100 + 123
    parts = parts_of(4, n_samples, 30)
    assert [part.begin for part in parts[1:]] == [part.end for part in parts[:-1]]
    assert (parts[0].begin, parts[-1].end, parts[-1].last) == (0, n_frames(n_samples), n_samples)
    for part in parts:
        assert part.n_samples <= 30 * 16000
        assert part.first == (part.begin - part.lead) * 320
        assert part.lead == (100 if part.begin else 0)
        heard_after = n_frames(part.n_samples) - part.lead - (part.end - part.begin)
        assert heard_after == min(100, n_frames(n_samples) - part.end)


def test_audio_is_normalised_where_the_checkpoint_says_so(tmp_path):
    found = []
    for normalise in (True, False):
        folder = save_random_encoder(tmp_path / str(normalise), RandomEncoder(normalise=normalise))
        samples = voice(6000)
        [ours] = SpeechEncoder(read_network(folder), 3, ALONE).encode([samples])
        np.testing.assert_array_equal(ours, theirs(folder, samples)[3])
        found.append(ours)
    assert not np.allclose(found[0], found[1], atol=1e-3)


def test_a_checkpoint_with_a_head_is_taken_without_it(tmp_path):
    folder = save_random_ctc(tmp_path / "ctc", RandomCtc(kind="hubert"))
    [found] = SpeechEncoder(read_network(folder), 1, ALONE).encode([voice(4000)])
    assert found.shape == (n_frames(4000), 16)


def test_the_default_layer_is_the_fourteenth_of_24():
    network = SpeechNetwork(Path("x"), 24, 1024, True, True)
    assert network.default_layer == 14


def changed(folder: Path, **settings) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))
    return folder


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"model_type": "bert"}, "is a 'bert'"),
        ({"model_type": "wav2vec2-bert"}, "speech encoders here are"),
        ({"conv_stride": [5, 2, 2, 2, 2, 2, 1]}, "every 160 samples"),
        ({"conv_kernel": [10, 3]}, "does not say what its frames"),
        ({"num_hidden_layers": "many"}, "how many layers"),
        ({"num_hidden_layers": 10**9}, "how many layers"),
        ({"_attn_implementation": "kernels-community/evil"}, "code that is not in transformers"),
    ],
)
def test_settings_of_strangers_are_refused(tmp_path, settings, said):
    folder = changed(save_random_encoder(tmp_path / "net"), **settings)
    with pytest.raises(ModelError, match=said):
        read_network(folder)


def test_missing_weights_and_damaged_ones_are_refused(tmp_path):
    folder = changed(save_random_encoder(tmp_path / "net"), num_hidden_layers=5)
    with pytest.raises(ModelError, match="lacks weights"):
        SpeechEncoder(read_network(folder), 5, ALONE)
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ModelError, match="cannot be loaded"):
        SpeechEncoder(read_network(folder), 2, ALONE)


def test_pickled_code_is_not_run(tmp_path):
    folder = save_random_encoder(tmp_path / "net")
    (folder / "model.safetensors").unlink()
    mark = tmp_path / "mark"

    class Evil:
        def __reduce__(self):
            return (Path.touch, (mark,))

    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"a": Evil()}))
    with pytest.raises(ModelError, match="cannot be loaded"):
        SpeechEncoder(read_network(folder), 2, ALONE)
    assert not mark.exists()


@pytest.mark.parametrize("layer", [-1, 4])
def test_a_layer_that_is_none_is_refused(tmp_path, layer):
    with pytest.raises(InputError, match=f"no layer {layer}"):
        read_network(save_random_encoder(tmp_path / "net")).checked(layer)


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cpu:1", "cuda:99"])
def test_a_device_that_is_none_is_refused(name):
    with pytest.raises(InputError, match="no device"):
        choose_device(name)


def test_auto_is_what_the_environment_says(monkeypatch):
    monkeypatch.setenv("MELISMA_DEVICE", "cuda:99")
    with pytest.raises(InputError, match="no device cuda:99"):
        choose_device()
    assert choose_device("cpu").type == "cpu"


def test_too_little_memory_is_a_sentence(tmp_path):
    encoder = SpeechEncoder(read_network(save_random_encoder(tmp_path / "net")), 1, ALONE)

    class Full(torch.nn.Module):
        def forward(self, *_):
            raise torch.OutOfMemoryError("CUDA out of memory")

    encoder.module = Full()
    with pytest.raises(EngineOutOfMemory, match="smaller --batch-s"):
        encoder.encode([voice(4000)])
