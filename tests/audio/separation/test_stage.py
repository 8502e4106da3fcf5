"""The networks of Demucs in a stream: what they give is what Demucs gives for the whole recording."""

import numpy as np
import pytest
import soundfile

from melisma.audio.separation.stage import VoiceStage
from melisma.core.errors import EngineOutOfMemory, ModelError

torch = pytest.importorskip("torch")
pytest.importorskip("demucs")

HALF_STEP = 0.5001 / 32768  # of 16 bits


@pytest.fixture
def bag(tiny):
    from demucs.apply import BagOfModels

    return BagOfModels([tiny]).eval()


def noise(n, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal((n, 2))).astype(np.float32)


def run(stage, stereo, n_cuts=5):
    return np.concatenate([*(stage.push(part) for part in np.array_split(stereo, n_cuts)), stage.flush()])


@pytest.mark.parametrize("n", [1, 500, 2399, 2400, 2401, 3199, 3200, 3201, 5333, 13_000])
def test_it_is_what_demucs_gives_for_the_whole_recording(bag, n):
    """A segment has 3,200 samples and begins 2,400 after the one before."""
    from demucs.apply import apply_model

    stereo = noise(n)
    whole = apply_model(bag, torch.from_numpy(stereo.T.copy())[None], shifts=0, split=True, overlap=0.25)
    wanted = whole[0, bag.sources.index("vocals")].mean(dim=0).numpy()
    assert np.abs(wanted).max() > HALF_STEP / 3
    np.testing.assert_allclose(run(VoiceStage(bag), stereo), wanted, atol=HALF_STEP)


def test_a_bag_of_two_is_averaged_as_demucs_does(bag, save):
    from demucs.apply import BagOfModels, apply_model

    two = BagOfModels([*bag.models, save.network(channels=16)], [[1, 1, 1, 0.25], [1, 1, 1, 0.75]]).eval()
    stereo = noise(9000)
    whole = apply_model(two, torch.from_numpy(stereo.T.copy())[None], shifts=0, split=True, overlap=0.25)
    wanted = whole[0, 3].mean(dim=0).numpy()
    np.testing.assert_allclose(run(VoiceStage(two), stereo), wanted, atol=HALF_STEP)
    assert np.abs(run(VoiceStage(bag), stereo) - wanted).max() > 10 * HALF_STEP


@pytest.mark.parametrize("n_cuts", [1, 2, 33])
def test_the_result_does_not_depend_on_the_blocks(bag, n_cuts):
    stereo = noise(9000)
    np.testing.assert_array_equal(run(VoiceStage(bag), stereo, n_cuts), run(VoiceStage(bag), stereo))


def test_the_file_holds_what_came_out(bag, tmp_path):
    stage = VoiceStage(bag, part=tmp_path / "voice.part")
    out = run(stage, noise(6000))
    samples, rate = soundfile.read(tmp_path / "voice.part", dtype="float32")
    assert (rate, stage.written, stage.n_out) == (8000, True, 6000)
    np.testing.assert_array_equal(samples, out)


def test_a_file_that_cannot_be_written_costs_only_the_copy(bag, tmp_path):
    stage = VoiceStage(bag, part=tmp_path / "missing" / "voice.part")
    np.testing.assert_array_equal(run(stage, noise(6000)), run(VoiceStage(bag), noise(6000)))
    assert not stage.written


def test_memory_does_not_grow_with_the_recording(bag):
    stage = VoiceStage(bag)
    for _ in range(20):
        stage.push(noise(1000))
        assert stage._segments._pending.shape[1] <= 2 * 3200 + 1000


def test_no_sample_gives_none(bag):
    assert run(VoiceStage(bag), noise(0), 1).shape == (0,)


def test_values_that_are_no_numbers_are_the_model_s_fault(save):
    from demucs.apply import BagOfModels

    broken = save.network()
    torch.nn.init.constant_(broken.decoder[-1].conv_tr.weight, float("nan"))
    with pytest.raises(ModelError, match="values that are no numbers"):
        run(VoiceStage(BagOfModels([broken]).eval()), noise(3200))


@pytest.mark.parametrize("segment", [0.01, 1e9, -1, float("nan")])
def test_absurd_segments_are_refused(bag, segment):
    from types import SimpleNamespace

    strange = SimpleNamespace(models=[SimpleNamespace(segment=segment)], samplerate=8000)
    with pytest.raises(ModelError, match="cannot be run"):
        VoiceStage(strange)


def test_too_little_memory_on_the_device_is_one_sentence(bag, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(type(bag.models[0]), "forward", full)
    with pytest.raises(EngineOutOfMemory, match="MELISMA_DEVICE=cpu separates on the CPU"):
        run(VoiceStage(bag), noise(3200))
