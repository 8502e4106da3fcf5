"""Exact frames: every tail length, no seam between windows, memory that runs out, and clocks that do not drift."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.core.errors import EngineFailed, EngineOutOfMemory, ModelError
from melisma.engines._windows import Geometry, Listener, WindowConfig, cut

KERNELS, STRIDES = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)
WAV2VEC2 = Geometry.of_layers(KERNELS, STRIDES)


class Convolutions:
    """A network of wav2vec 2.0's kernels and strides, whose labels are sums over its windows, each its own weight."""

    least_frames = 1

    def __init__(self, kernels=KERNELS, strides=STRIDES) -> None:
        self.geometry = Geometry.of_layers(kernels, strides)
        self.layers = list(zip(kernels, strides, strict=True))
        self.n_windows: list[int] = []

    def __call__(self, windows: np.ndarray) -> np.ndarray:
        self.n_windows.append(len(windows))
        x = windows.astype(np.float64)
        for kernel, stride in self.layers:
            views = np.lib.stride_tricks.sliding_window_view(x, kernel, axis=1)[:, ::stride]
            x = views @ np.linspace(0.5, 1.0, kernel)
        x = x / 1e3
        logits = np.stack([x, -x, np.zeros_like(x)], axis=-1)
        return (logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)).astype(np.float32)


def noise(n_samples: int) -> np.ndarray:
    return np.random.default_rng(n_samples).normal(0, 0.1, n_samples).astype(np.float32)


def listener(network, core_s=2.0, context_s=0.1, batch=3, normalise=True) -> Listener:
    return Listener(network, 3, normalise, 16000, WindowConfig(core_s, context_s, batch))


def whole(network, samples: np.ndarray, normalise=True) -> np.ndarray:
    """Hear a recording in one piece, without anything of what is tested."""
    x = samples.astype(np.float64)
    if normalise and len(x):
        x = (x - x.mean()) / np.sqrt(x.var() + 1e-7)
    n_frames = -(-len(x) // 320)
    x = np.pad(x, (40, max(0, n_frames * 320 + 40 - len(x))))[: (n_frames - 1) * 320 + 400]
    return network(x[None])[0] if n_frames else np.zeros((0, 3), np.float32)


# Every length over one stride would be 320 networks; each residue that a layer's stride can tell apart is here.
TAILS = sorted({*range(0, 6), *range(35, 46), *range(75, 85), 159, 160, 161, *range(278, 285), *range(315, 320)})


@pytest.mark.parametrize("n_frames", [0, 1, 2, 50, 109, 110, 111, 209, 300])
def test_every_tail_gives_the_frames_of_the_whole(n_frames):
    network = Convolutions()
    ears = listener(network)
    for tail in TAILS:
        samples = noise(n_frames * 320 + tail)
        heard = ears.hear(samples)
        assert heard.shape == (-(-len(samples) // 320), 3)
        np.testing.assert_allclose(heard, whole(network, samples), atol=2e-4)


@pytest.mark.parametrize("tail", range(320))
def test_every_length_over_one_stride_is_covered_to_its_last_sample(tail):
    n_samples = 48000 + tail
    ears = listener(Convolutions(), normalise=False)
    heard = ears.hear(noise(n_samples))
    assert len(heard) == (48000 + tail + 319) // 320
    changed = noise(n_samples)
    changed[-1] += 5  # the last sample is heard by the last frame
    assert not np.allclose(ears.hear(changed)[-1], heard[-1])


@pytest.mark.parametrize("seconds", [0.5, 3, 7.77, 15, 29.99, 30, 30.01, 31.5])
def test_the_clock_does_not_drift_on_short_clips(seconds):
    """The field's aligner divided the duration by the frames and rounded up: 21 ms, 1.2 s late after 25 s."""
    n_samples = int(seconds * 16000)
    place = n_samples - 4000
    samples = np.zeros(n_samples, np.float32)
    samples[place] = 1
    ears = listener(Convolutions(), core_s=30, context_s=2, normalise=False)
    quiet = ears.hear(np.zeros(n_samples, np.float32))
    frames = np.flatnonzero(np.abs(ears.hear(samples) - quiet).sum(axis=1) > 1e-9)
    assert place // 320 in frames
    assert np.abs(frames - place / 320).max() <= 1.3  # a frame is made of 400 samples


def test_a_click_in_the_middle_of_a_frame_is_in_the_middle_of_what_the_frame_is_made_of():
    for frame in (0, 1, 57):
        begin, end = WAV2VEC2.samples_of(frame, frame + 1)
        assert end - begin == 400
        assert (begin + end) / 2 == frame * 320 + 160


@pytest.mark.parametrize(
    ("kernels", "strides", "merged", "geometry"),
    [
        (KERNELS, STRIDES, 1, Geometry(320, 400, 40)),
        ((400, 2), (160, 2), 1, Geometry(320, 560, 120)),  # wav2vec2-BERT
        (KERNELS, STRIDES, 2, Geometry(640, 400, -120)),
        (KERNELS, STRIDES, 8, Geometry(2560, 400, -1080)),
        ((1,), (1,), 1, Geometry(1, 1, 0)),
    ],
)
def test_the_stride_is_the_product_of_the_layers(kernels, strides, merged, geometry):
    assert Geometry.of_layers(kernels, strides, merged) == geometry


@pytest.mark.parametrize(("kernels", "strides"), [((), ()), ((3,), (2, 2)), ((0,), (1,)), ((3,), (0,))])
def test_layers_that_give_no_frames_are_refused(kernels, strides):
    with pytest.raises(ModelError, match="give no frames"):
        Geometry.of_layers(kernels, strides)


@given(st.integers(0, 400), st.integers(1, 40), st.integers(0, 12), st.integers(1, 5))
def test_windows_count_every_frame_once_and_are_of_one_length(n_frames, core, context, least):
    windows = cut(n_frames, core, context, least)
    counted = [frame for window in windows for frame in range(window.begin, window.end)]
    assert counted == list(range(n_frames))
    assert len({window.stop - window.first for window in windows}) <= 1
    for window in windows:
        assert 0 <= window.first <= window.begin <= window.end <= window.stop
        assert window.stop <= max(n_frames, least)
        if n_frames > core + 2 * context:
            assert min(window.begin, context) <= window.begin - window.first
            assert min(n_frames - window.end, context) <= window.stop - window.end


@pytest.mark.parametrize("normalise", [True, False])
def test_twenty_minutes_in_windows_are_as_in_one_piece(normalise):
    samples = noise(16000 * 60 * 20 + 123) + np.float32(0.02)
    network = Convolutions()
    heard = listener(network, 30, 2, 8, normalise).hear(samples)
    np.testing.assert_allclose(heard, whole(network, samples, normalise), atol=2e-4)
    assert max(network.n_windows) == 8


def test_normalised_audio_is_as_the_feature_extractor_makes_it():
    transformers = pytest.importorskip("transformers")
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=True)
    seen = []

    class Looking(Convolutions):
        def __call__(self, windows):
            seen.append(windows)
            return super().__call__(windows)

    samples = noise(9600) * 0.3 + np.float32(0.1)
    listener(Looking()).hear(samples)
    wanted = extractor(samples, sampling_rate=16000, return_tensors="np")["input_values"][0]
    np.testing.assert_allclose(seen[0][0, 40 : 40 + 9600], wanted, atol=1e-5)
    assert not seen[0][0, :40].any()
    assert not seen[0][0, 40 + 9600 :].any()


class Small(Convolutions):
    """A network with room for so many windows."""

    def __init__(self, room: int, error: Exception) -> None:
        super().__init__()
        self.room, self.error = room, error

    def __call__(self, windows):
        if len(windows) > self.room:
            raise self.error
        return super().__call__(windows)


ERRORS = [
    RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] data. DefaultCPUAllocator: can't allocate memory: you tried"),
    MemoryError(),
]


@pytest.mark.parametrize("error", ERRORS, ids=["cuda", "cpu", "python"])
def test_what_does_not_fit_is_halved_and_stays_so(error):
    network = Small(2, error)
    ears = listener(network, batch=9)
    samples = noise(16000 * 21)
    heard = ears.hear(samples)
    np.testing.assert_array_equal(heard, listener(Convolutions(), batch=1).hear(samples))
    assert ears.batch == 2
    assert max(network.n_windows) == 2
    ears.hear(samples)
    assert ears.batch == 2


def test_torchs_own_error_counts_as_out_of_memory():
    torch = pytest.importorskip("torch")
    ears = listener(Small(1, torch.OutOfMemoryError("Allocation on device failed")), batch=4)
    ears.hear(noise(16000 * 9))
    assert ears.batch == 1


@pytest.mark.parametrize("error", ERRORS, ids=["cuda", "cpu", "python"])
def test_one_window_that_does_not_fit_is_out_of_memory(error):
    with pytest.raises(EngineOutOfMemory, match="too little memory for one window"):
        listener(Small(0, error), batch=4).hear(noise(16000 * 9))


def test_another_fault_of_the_network_is_no_lack_of_memory():
    ears = listener(Small(0, RuntimeError("expected scalar type Half\nmore")), batch=4)
    with pytest.raises(EngineFailed, match=r"the network broke off: expected scalar type Half$"):
        ears.hear(noise(16000))
    assert ears.batch == 4


def test_values_that_are_no_numbers_are_said():
    class Broken(Convolutions):
        def __call__(self, windows):
            return super().__call__(windows) * np.nan

    with pytest.raises(EngineFailed, match="no numbers"):
        listener(Broken()).hear(noise(16000))


def test_a_network_that_gives_other_frames_than_its_layers_promise_is_refused():
    class Short(Convolutions):
        def __call__(self, windows):
            return super().__call__(windows)[:, 1:]

    with pytest.raises(ModelError, match="gave 49 frames of 3 labels, its layers and its vocabulary promise 50 of 3"):
        listener(Short()).hear(noise(16000))


def test_progress_goes_up_to_one():
    for n_samples in (0, 100, 16000 * 13):
        told = []
        listener(Convolutions(), batch=2).hear(noise(n_samples), told.append)
        assert told == sorted(told)
        assert told[-1] == 1
        assert told.count(1) == 1


def test_a_constant_and_silence_are_finite():
    for value in (0.0, 0.7):
        heard = listener(Convolutions()).hear(np.full(16000 * 3, value, np.float32))
        assert np.isfinite(heard).all()
