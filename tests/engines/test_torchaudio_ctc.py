"""Bundles of torchaudio: what is known of them without it, and their networks where it is installed."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from melisma.core.errors import EngineUnavailable, ModelError, UnknownName
from melisma.core.records import Waveform
from melisma.engines._windows import Geometry
from melisma.engines.protocol import Licence
from melisma.engines.torchaudio_ctc import (
    BUNDLES,
    TorchaudioCtcEngine,
    geometry_of_module,
    unwrapped,
    vocabulary_of,
)
from melisma.models.pretrained import Vocabulary
from melisma.text.letters import Letters

# As torchaudio 2.11 gives them.
MMS_FA = ("-", *"aienoutsrmkldghybpwcvjzf'qx")
ENGLISH = ("-", "|", *"ETAONIHSRDLUMWCFGYPBVK'XJQZ")
FRENCH = ("-", "|", *"esnitraouldcpmévqfgbhxàjèyêzôkçœûùîâwïëüæ")


@pytest.fixture(autouse=True)
def at_home(monkeypatch, tmp_path):
    for name in ("TORCHAUDIO_BUNDLE", "DOWNLOAD"):
        monkeypatch.delenv(f"MELISMA_{name}", raising=False)
    monkeypatch.setenv("MELISMA_DEVICE", "cpu")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))


@pytest.mark.parametrize(
    ("bundle", "licence", "languages"),
    [
        ("MMS_FA", Licence("CC-BY-NC-4.0", False), None),
        ("VOXPOPULI_ASR_BASE_10K_FR", Licence("CC-BY-NC-4.0", False), {"fr"}),
        ("WAV2VEC2_ASR_BASE_960H", Licence("MIT", True), {"en"}),
    ],
)
def test_bundles_have_their_true_licences(monkeypatch, bundle, licence, languages):
    monkeypatch.setenv("MELISMA_TORCHAUDIO_BUNDLE", bundle)
    facts = TorchaudioCtcEngine().facts
    assert (facts.name, facts.model_id, facts.licence, facts.languages) == (
        "torchaudio_ctc",
        bundle,
        licence,
        languages,
    )
    assert set(BUNDLES) >= {bundle}


@pytest.mark.skipif(find_spec("torchaudio") is not None, reason="torchaudio is installed")
def test_without_torchaudio_it_says_so_in_one_sentence():
    engine = TorchaudioCtcEngine()
    wanted = (
        "the engine torchaudio_ctc needs torchaudio, in an environment of its own .* pip install 'melisma.torchaudio.'$"
    )
    for act in (engine.load, lambda: engine.labels, lambda: engine.spell("la", "en")):
        with pytest.raises(EngineUnavailable, match=wanted):
            act()


def test_a_bundle_that_is_not_there_is_one_sentence():
    engine = TorchaudioCtcEngine("WAV2VEC2_MARTIAN")
    assert engine.missing() == (
        "no bundle is called 'WAV2VEC2_MARTIAN'; there are: MMS_FA, VOXPOPULI_ASR_BASE_10K_FR, WAV2VEC2_ASR_BASE_960H"
    )
    assert engine.facts.licence == Licence("LicenseRef-unknown", False)


def test_languages_are_refused_before_anything_is_loaded():
    with pytest.raises(UnknownName, match="no language is called 'de'; there are: fr"):
        TorchaudioCtcEngine("VOXPOPULI_ASR_BASE_10K_FR").spell("ja", "de")
    with pytest.raises(UnknownName, match="no language is called 'qq'"):
        TorchaudioCtcEngine().spell("la", "qq")


def test_labels_are_the_bundles_and_the_first_is_the_blank():
    assert vocabulary_of(ENGLISH) == Vocabulary(ENGLISH, 0, frozenset("-|"), "|")
    assert vocabulary_of(MMS_FA) == Vocabulary(MMS_FA, 0, frozenset("-"), None)
    assert vocabulary_of((*MMS_FA, "*")).silent == {"-", "*"}


@pytest.mark.parametrize(
    ("labels", "word", "spelt"),
    [
        (ENGLISH, "Don’t", "DON'T"),
        (ENGLISH, "x-ray", "XRAY"),  # the hyphen is the blank
        (ENGLISH, "2", "TU"),
        (FRENCH, "Où", "où"),
        (FRENCH, "l’été", "lété"),
        (MMS_FA, "été", "ete"),
    ],
)
def test_words_are_spelt_in_the_bundles_letters(labels, word, spelt):
    words = vocabulary_of(labels)
    letters = Letters(label for label in words.labels if label not in words.silent)
    assert "".join(letters.spell(word, "en")) == spelt


class TestNetworks:
    """Networks that are called as torchaudio's are: samples and lengths in, logits and lengths out."""

    def network(self, kernels=(10, 3, 3, 3, 3, 2, 2), strides=(5, 2, 2, 2, 2, 2, 2)):
        torch = pytest.importorskip("torch")

        class FeatureExtractor(torch.nn.Module):
            def __init__(self):
                super().__init__()
                widths = (1, *(4,) * len(kernels))
                sizes = zip(widths[:-1], widths[1:], kernels, strides, strict=True)
                self.conv_layers = torch.nn.ModuleList(torch.nn.Conv1d(a, b, k, s) for a, b, k, s in sizes)

            def forward(self, x):
                for layer in self.conv_layers:
                    x = layer(x)
                return x.transpose(1, 2)

        class Model(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.feature_extractor = FeatureExtractor()
                self.aux = torch.nn.Linear(4, len(ENGLISH))

            def forward(self, waveforms, lengths=None):
                return self.aux(self.feature_extractor(waveforms[:, None])), lengths

        class Wrapper(torch.nn.Module):
            def __init__(self, model, normalize_waveform):
                super().__init__()
                self.model, self.normalize_waveform = model, normalize_waveform

        with torch.random.fork_rng():
            torch.manual_seed(1)
            return Wrapper(Model(), True)

    def test_the_stride_is_read_from_the_layers(self):
        assert geometry_of_module(self.network()) == Geometry(320, 400, 40)
        assert geometry_of_module(self.network((4, 3), (2, 3))) == Geometry(6, 8, 1)

    def test_a_network_without_convolutions_is_refused(self):
        torch = pytest.importorskip("torch")
        with pytest.raises(ModelError, match="no feature extractor"):
            geometry_of_module(torch.nn.Linear(2, 2))

    def test_what_normalises_over_a_batch_is_taken_off(self):
        wrapped = self.network()
        assert unwrapped(wrapped) == (wrapped.model, True)
        assert unwrapped(wrapped.model) == (wrapped.model, False)

    @pytest.mark.parametrize("n_samples", [1, 320, 16000 * 9 + 77])
    def test_an_emission_of_such_a_network_is_exact(self, n_samples):
        torch = pytest.importorskip("torch")
        from melisma.engines._networks import TorchNetwork
        from melisma.engines._windows import Listener, WindowConfig
        from melisma.engines.device import Device

        module, normalise = unwrapped(self.network())
        network = TorchNetwork(module, geometry_of_module(module), Device("cpu"))
        samples = np.random.default_rng(1).normal(0, 0.1, n_samples).astype(np.float32)
        heard = Listener(network, len(ENGLISH), normalise, 16000, WindowConfig(2, 0.5, 3)).hear(samples)
        normal = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
        n_frames = -(-n_samples // 320)
        padded = np.pad(normal, (40, 400))[: (n_frames - 1) * 320 + 400]
        with torch.inference_mode():
            wanted = module(torch.from_numpy(padded.astype(np.float32)[None]))[0].log_softmax(-1)[0].numpy()
        assert heard.shape == (n_frames, len(ENGLISH))
        np.testing.assert_allclose(heard, wanted, atol=1e-4)


def test_a_bundle_with_random_weights_runs_as_the_real_one_does(monkeypatch, tmp_path):
    torchaudio = pytest.importorskip("torchaudio")
    import torch

    bundle = torchaudio.pipelines.WAV2VEC2_ASR_BASE_960H
    state = torchaudio.models.wav2vec2_model(**bundle._params).state_dict()
    for key in ("aux.weight", "aux.bias"):  # fairseq's weights have three labels more, which the bundle takes out
        state[key] = torch.cat([state[key][:1], state[key][:3], state[key][1:]])
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(state, folder / BUNDLES["WAV2VEC2_ASR_BASE_960H"].file)
    engine = TorchaudioCtcEngine("WAV2VEC2_ASR_BASE_960H")
    assert engine.missing() is None
    assert engine.labels == ENGLISH
    emission = engine.emit(Waveform(np.random.default_rng(0).normal(0, 0.1, 48001).astype(np.float32), 16000))
    assert emission.log_probs.shape == (151, len(ENGLISH))
    assert emission.timebase.stride == 320
