from __future__ import annotations

import copy
import json
import pickle
import struct

import pytest

torch = pytest.importorskip("torch")

from melisma.core.errors import InputError  # noqa: E402
from melisma.models.vocoder.file import SPEAKS, as_safetensors, make, packed, read  # noqa: E402
from melisma.models.vocoder.shape import Shape  # noqa: E402

SHAPE = Shape("vocos", 12, n_speakers=1, channels=8, coarse=(1,), fine=(1,))
FACTS = {"kind": "vocos", "k": 12, "speakers": ["a"], "with_f0": False, "encoder": {}, "codebook": "f" * 64}


@pytest.fixture
def state():
    torch.manual_seed(1)
    return packed(SHAPE, copy.deepcopy(FACTS), make(SHAPE).state_dict())


def test_what_is_written_is_read(state, tmp_path):
    torch.save(state, tmp_path / "x.pt")
    saved = read(tmp_path / "x.pt")
    assert saved.shape == SHAPE
    assert saved.facts == FACTS
    assert not saved.net.training
    assert all(torch.equal(saved.net.state_dict()[name], value) for name, value in state[SPEAKS].items())


@pytest.mark.parametrize(
    "harm",
    [
        lambda state: state.pop("shape"),
        lambda state: state.pop(SPEAKS),
        lambda state: state.pop("facts"),
        lambda state: state["shape"].update(k=50_000, channels=8192),  # more memory than the file is large
        lambda state: state["shape"].update(channels=9),
        lambda state: state["shape"].update(coarse=[1] * 190),
        lambda state: state["facts"].update(k=3),
        lambda state: state["facts"].update(speakers=[]),
        lambda state: state["facts"].update(kind="hifigan"),
        lambda state: state[SPEAKS].popitem(),
        lambda state: state.update({SPEAKS: {"a": 1}}),
        lambda state: state.update(melisma_vocoder=99),
        lambda state: state.update(facts=[1]),
    ],
)
def test_a_strangers_file_is_one_sentence(state, tmp_path, harm):
    harm(state)
    torch.save(state, tmp_path / "x.pt")
    with pytest.raises(InputError, match=r"x\.pt is (no checkpoint of a vocoder|a vocoder of another version)"):
        read(tmp_path / "x.pt")


def test_no_memory_is_taken_for_a_shape_that_the_weights_are_not_of(tmp_path, monkeypatch):
    """A file of half a megabyte whose shape has a hundred billion weights."""
    from melisma.models.vocoder import file

    large = {"k": 1, "n_speakers": 0, "channels": 8192, "coarse": [1] * 190}
    shape = SHAPE.as_dict() | large
    facts = FACTS | {"k": 1, "speakers": []}
    torch.save(packed(SHAPE, facts, {"a": torch.zeros(10 * 8192)}) | {"shape": shape}, tmp_path / "x.pt")
    monkeypatch.setattr(file, "make", lambda shape: pytest.fail("the network is made"))
    with pytest.raises(InputError, match="its shape is larger than its weights"):
        read(tmp_path / "x.pt")


@pytest.mark.parametrize("kind", ["vocos", "hifigan"])
def test_safetensors_hold_the_same_vocoder(tmp_path, kind):
    torch.manual_seed(1)
    shape = Shape(kind, 12, n_speakers=1, channels=32, coarse=(1,), fine=(1,))
    facts = FACTS | {"kind": kind, "speakers": ["ж\n"]}
    torch.save(packed(shape, facts, make(shape).state_dict()), tmp_path / "x.pt")
    saved = read(tmp_path / "x.pt")
    (tmp_path / "x.safetensors").write_bytes(as_safetensors(saved))
    again = read(tmp_path / "x.safetensors")
    assert (again.shape, again.facts) == (shape, facts)
    units = torch.tensor([[1, 2, 3]])
    with torch.no_grad():
        assert torch.equal(saved.net(units), again.net(units))


@pytest.mark.parametrize(
    "change",
    [
        {"shape": "{"},
        {"shape": "[" * 100_000},
        {"shape": "{}"},
        {"facts": "7"},
        {"melisma_vocoder": "x"},
        {"melisma_vocoder": "9"},
    ],
)
def test_a_strangers_safetensors_are_one_sentence(state, tmp_path, change):
    from safetensors.torch import save

    about = {"melisma_vocoder": "1", "shape": json.dumps(SHAPE.as_dict()), "facts": json.dumps(FACTS)}
    (tmp_path / "x.safetensors").write_bytes(save(state[SPEAKS], about | change))
    with pytest.raises(InputError, match=r"x\.safetensors is (no checkpoint|a vocoder of another version)"):
        read(tmp_path / "x.safetensors")


@pytest.mark.parametrize("data", [b"", b"x", struct.pack("<Q", 1 << 60), struct.pack("<Q", 2) + b"{}"])
def test_damaged_safetensors_are_one_sentence(tmp_path, data):
    (tmp_path / "x.safetensors").write_bytes(data)
    with pytest.raises(InputError, match=r"x\.safetensors is no checkpoint"):
        read(tmp_path / "x.safetensors")
    with pytest.raises(InputError, match=r"y\.safetensors"):
        read(tmp_path / "y.safetensors")


class Evil:
    def __reduce__(self):
        return print, ("run!",)


def test_nothing_in_a_file_is_run(state, tmp_path, capsys):
    torch.save(state | {"more": Evil()}, tmp_path / "x.pt")
    (tmp_path / "y.pt").write_bytes(pickle.dumps(Evil()))
    for name in ("x.pt", "y.pt", "there.is.none"):
        with pytest.raises(InputError, match="checkpoint"):
            read(tmp_path / name)
    assert "run!" not in capsys.readouterr().out
