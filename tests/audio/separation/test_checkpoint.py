"""Models of Demucs: found where they may lie, read as Demucs reads them, and never trusted."""

import os
from fractions import Fraction

import numpy as np
import pytest

from melisma.audio.separation import checkpoint
from melisma.core.errors import ModelError

torch = pytest.importorskip("torch")
pytest.importorskip("demucs")


def same_weights(bag, network):
    (found,) = bag.models
    wanted = network.state_dict()
    return all(torch.equal(value, wanted[key]) for key, value in found.state_dict().items())


def test_a_pickle_with_a_checksum_gives_what_demucs_itself_reads(repo, tiny):
    from demucs.pretrained import get_model

    bag = checkpoint.load(checkpoint.find("htdemucs", repo))
    assert same_weights(bag, tiny)
    assert same_weights(get_model("htdemucs", repo=repo), tiny)
    assert bag.models[0].segment == Fraction(2, 5)
    assert not bag.training


def test_safetensors_give_what_demucs_itself_reads(tiny, tmp_path, save):
    from demucs.hf import load_safetensors_model

    path = save.safetensors(tiny, tmp_path, "feed")
    (tmp_path / "htdemucs.yaml").write_text("models: ['feed']\n")
    found = checkpoint.find("htdemucs", tmp_path)
    assert found.files == (path,)
    assert same_weights(checkpoint.load(found), tiny)
    assert torch.equal(
        load_safetensors_model(path).state_dict()["freq_emb.embedding.weight"],
        checkpoint.load(found).models[0].state_dict()["freq_emb.embedding.weight"],
    )


def test_a_bag_of_several_networks_keeps_their_order_and_weights(repo, tiny, save):
    other = save.network(channels=16)
    save.pickle(save.package(other), repo, "beef")
    (repo / "two.yaml").write_text("models: [beef, 0a1b2c3d]\nweights: [[1, 0, 0, 0], [0, 1, 1, 1]]\nsegment: 0.25\n")
    bag = checkpoint.load(checkpoint.find("two", repo))
    assert [len(model.state_dict()) for model in bag.models] == [len(n.state_dict()) for n in (other, tiny)]
    assert bag.weights == [[1, 0, 0, 0], [0, 1, 1, 1]]
    assert bag.models[0].segment == 0.25


def test_a_file_can_be_named(tiny, tmp_path, save):
    path = save.safetensors(tiny, tmp_path, "mine")
    assert same_weights(checkpoint.load(checkpoint.find(str(path))), tiny)
    assert checkpoint.find(str(tmp_path / "other.th")) is None


def test_what_demucs_has_fetched_is_found_in_torch_s_cache(tiny, tmp_path, save, monkeypatch, nothing_fetched):
    assert checkpoint.find("htdemucs") is None
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    save.pickle(save.package(tiny), folder, "955717e8")  # as the package's own htdemucs.yaml has it
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    assert same_weights(checkpoint.load(checkpoint.find("htdemucs")), tiny)


def test_what_demucs_has_fetched_is_found_in_the_cache_of_the_hub(tiny, tmp_path, save, monkeypatch, nothing_fetched):
    hub = tmp_path / "hub"
    revision = "0123456789abcdef0123456789abcdef01234567"
    snapshot = hub / "models--adefossez--HTDemucs" / "snapshots" / revision
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text(revision)
    (snapshot / "htdemucs.yaml").write_text("models: ['955717e8']\n")
    save.safetensors(tiny, snapshot, "955717e8")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(hub))
    assert checkpoint.find("htdemucs").files[0].parent == snapshot


@pytest.mark.parametrize("name", ["htdemucs", "htdemucs_ft", "htdemucs_6s", "mdx_extra", "hdemucs_mmi"])
def test_the_hub_s_repositories_are_called_as_demucs_calls_them(name, monkeypatch):
    import huggingface_hub
    from demucs.hf import hf_repo_name

    asked = []
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda repo, file: asked.append((repo, file)))
    checkpoint.find(name)
    assert asked == [(f"adefossez/{hf_repo_name(name)}", f"{name}.yaml")]


def test_the_revision_is_of_the_content(repo, tiny, save):
    before = checkpoint.find("htdemucs", repo).revision
    (old,) = repo.glob("*.th")
    old.unlink()
    changed = save.package(tiny)
    changed["state"] = {key: value + 1e-3 for key, value in changed["state"].items()}
    save.pickle(changed, repo, "0a1b2c3d")
    assert len(before) == 12
    assert checkpoint.find("htdemucs", repo).revision != before


class Planted:
    """A pickle that makes a folder when it is read."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_pickle_that_runs_code_is_refused_and_runs_nothing(repo, tiny, tmp_path, save):
    (old,) = repo.glob("*.th")
    old.unlink()
    save.pickle(save.package(tiny) | {"training_args": Planted(tmp_path / "owned")}, repo, "0a1b2c3d")
    with pytest.raises(ModelError, match="is damaged, or no network of Demucs"):
        checkpoint.load(checkpoint.find("htdemucs", repo))
    assert not (tmp_path / "owned").exists()
    from demucs.pretrained import get_model

    get_model("htdemucs", repo=repo)  # Demucs' own loader would have run it
    assert (tmp_path / "owned").exists()


def test_safetensors_that_name_another_class_are_refused(tiny, tmp_path, save):
    path = save.safetensors(tiny, tmp_path, "x", klass="os.mkdir", args=f'["{tmp_path / "owned"}"]', kwargs="{}")
    with pytest.raises(ModelError, match=r"holds a os\.mkdir, and only HTDemucs or HDemucs is taken"):
        checkpoint.load(checkpoint.find(str(path)))
    assert not (tmp_path / "owned").exists()


def test_safetensors_with_classes_in_their_state_are_refused(tiny, tmp_path, save):
    path = save.safetensors(tiny, tmp_path, "x", structure='{"_class": "os.mkdir"}')
    with pytest.raises(ModelError, match="is taken"):
        checkpoint.load(checkpoint.find(str(path)))


def test_what_published_pickles_hold_beside_weights_is_let_through(repo, tiny, save):
    (old,) = repo.glob("*.th")
    old.unlink()
    package = save.package(tiny) | {"training_args": {"best": np.float64(1.5), "half": np.float32(0.5)}}
    save.pickle(package, repo, "0a1b2c3d")
    assert same_weights(checkpoint.load(checkpoint.find("htdemucs", repo)), tiny)


@pytest.mark.parametrize("suffix", [".th", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"no model", b"PK\x03\x04" + bytes(100), bytes(range(256)) * 8])
def test_damaged_files_are_one_sentence(tmp_path, suffix, content):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=f"model{suffix} is damaged"):
        checkpoint.load(checkpoint.find(str(path)))


def test_a_file_that_breaks_off_is_refused(repo):
    (path,) = repo.glob("*.th")
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ModelError, match="does not match the checksum in its name"):
        checkpoint.load(checkpoint.find("htdemucs", repo))


def test_weights_of_another_size_are_refused(repo, tiny, save):
    (old,) = repo.glob("*.th")
    old.unlink()
    package = save.package(tiny)
    package["kwargs"] = package["kwargs"] | {"channels": 16}
    save.pickle(package, repo, "0a1b2c3d")
    with pytest.raises(ModelError, match="is damaged"):
        checkpoint.load(checkpoint.find("htdemucs", repo))


def test_a_quantised_model_is_refused(repo, tiny, save):
    (old,) = repo.glob("*.th")
    old.unlink()
    save.pickle(save.package(tiny) | {"state": {"__quantized": True}}, repo, "0a1b2c3d")
    with pytest.raises(ModelError, match="quantised"):
        checkpoint.load(checkpoint.find("htdemucs", repo))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "models: 3",
        "models: []",
        "models: ['../0a1b2c3d']",
        "models: [1]",
        "[",
        "weights: [[1]]",
        "models: [a]\nweights: x",
        "!!python/object/apply:os.mkdir [owned]",
        "models: [a]\nsegment: [1]",
    ],
)
def test_a_damaged_list_of_networks_is_one_sentence(repo, text):
    (repo / "bad.yaml").write_text(text)
    with pytest.raises(ModelError, match=r"bad\.yaml does not say which networks"):
        checkpoint.find("bad", repo)


@pytest.mark.parametrize("name", ["../repo/htdemucs", "no such", "", "htdemucs_ft", "hf://somebody/model"])
def test_a_model_that_is_not_there_is_none(repo, name):
    assert checkpoint.find(name, repo) is None


def test_a_bag_whose_weights_are_not_all_there_is_none(repo):
    (repo / "half.yaml").write_text("models: ['0a1b2c3d', 'beef']\n")
    assert checkpoint.find("half", repo) is None
