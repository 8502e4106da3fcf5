"""A tiny Hybrid Transformer Demucs with random weights, saved in the ways that Demucs saves models."""

import hashlib
import io
import json
import warnings
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

RATE = 8000
SOURCES = ["drums", "bass", "other", "vocals"]
SIZES = {"channels": 8, "nfft": 1024, "bottom_channels": 16, "t_layers": 1, "t_heads": 2, "samplerate": RATE}


def network(**sizes):
    """Build HTDemucs of about 230,000 weights, segments of 0.4 s at 8 kHz."""
    torch = pytest.importorskip("torch")
    htdemucs = pytest.importorskip("demucs.htdemucs")
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(3)
        return htdemucs.HTDemucs(SOURCES, **(SIZES | {"segment": Fraction(2, 5)} | sizes)).eval()


def package_of(made):
    """Return what demucs.states.serialize_model puts into a file."""
    from demucs.states import get_state

    args, kwargs = made._init_args_kwargs
    state = get_state(made, None)
    return {"klass": type(made), "args": args, "kwargs": kwargs, "state": state, "training_args": {"lr": 3e-4}}


def save_pickle(package, folder: Path, signature: str) -> Path:
    """Save as `SIGNATURE-CHECKSUM.th`, as demucs.states.save_with_checksum does."""
    import torch

    buffer = io.BytesIO()
    torch.save(package, buffer)
    path = folder / f"{signature}-{hashlib.sha256(buffer.getvalue()).hexdigest()[:8]}.th"
    path.write_bytes(buffer.getvalue())
    return path


def save_safetensors(made, folder: Path, signature: str, **metadata: str) -> Path:
    """Save as demucs.hf.load_safetensors_model reads it."""
    safetensors = pytest.importorskip("safetensors.torch")
    args, kwargs = made._init_args_kwargs

    def plain(value):
        if isinstance(value, Fraction):
            return {"_type": "fraction", "numerator": value.numerator, "denominator": value.denominator}
        return value

    said = {
        "klass": f"{type(made).__module__}.{type(made).__name__}",
        "args": json.dumps(list(args)),
        "kwargs": json.dumps({key: plain(value) for key, value in kwargs.items()}),
    }
    path = folder / f"{signature}.safetensors"
    tensors = {key: value.contiguous() for key, value in made.state_dict().items()}
    safetensors.save_file(tensors, path, said | metadata)
    return path


@pytest.fixture(scope="session")
def save() -> SimpleNamespace:
    """Give the functions above."""
    return SimpleNamespace(network=network, package=package_of, pickle=save_pickle, safetensors=save_safetensors)


@pytest.fixture(autouse=True)
def one_thread(monkeypatch) -> Iterator[None]:
    """Keep torch to one thread: for a network as small as this, more of them only wait for each other."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr("melisma.audio.separation.demucs.n_threads", lambda: 1)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny():
    """One network, for all tests that do not change it."""
    return network()


@pytest.fixture
def repo(tiny, tmp_path) -> Path:
    """Give a folder as `demucs --repo` takes it: a bag, and a pickle with a checksum."""
    folder = tmp_path / "repo"
    folder.mkdir()
    save_pickle(package_of(tiny), folder, "0a1b2c3d")
    (folder / "htdemucs.yaml").write_text("models: ['0a1b2c3d']\n", encoding="utf-8")
    return folder


@pytest.fixture
def stereo(tmp_path) -> Path:
    """Give two seconds of stereo at 44.1 kHz."""
    rng = np.random.default_rng(1)
    path = tmp_path / "song.wav"
    soundfile.write(path, 0.1 * rng.standard_normal((2 * 44100, 2)), 44100)
    return path


@pytest.fixture
def nothing_fetched(tmp_path, monkeypatch) -> None:
    """Hide what this machine's user may have fetched."""
    for name in ("HF_HUB_CACHE", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "nowhere"))
    pytest.importorskip("huggingface_hub")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "nowhere"))
    for name in ("MELISMA_DEMUCS_REPO", "MELISMA_DEMUCS_MODEL", "MELISMA_DEVICE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MELISMA_CACHE_DIR", str(tmp_path / "cache"))
