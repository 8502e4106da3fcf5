"""Packages of trained networks, and their ONNX files."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from melisma.core.errors import InputError, ModelError, OutputError  # noqa: E402
from melisma.models import package as packages  # noqa: E402
from melisma.models.phone_net import PhoneNet, PhoneNetConfig  # noqa: E402
from melisma.testing.checkpoints import RandomCtc, save_random_ctc  # noqa: E402
from melisma.train.ctc import onnx_export, parity  # noqa: E402
from melisma.train.ctc.onnx_export import ExportConfig, export  # noqa: E402
from melisma.train.ctc.package import PackageConfig, package  # noqa: E402
from melisma.train.ctc.packaged import open_trained, untrained  # noqa: E402
from melisma.train.ctc.parity import Limits, compare  # noqa: E402
from melisma.train.ctc.trained import Kind, Trained, Units  # noqa: E402

AMOUNT = {"clips": 10, "hours": 1.5}
FREE = {"source": "LJ Speech", "licence": "CC0-1.0", **AMOUNT}
TAINTED = {"source": "DALI", "licence": "CC-BY-NC-SA-4.0", **AMOUNT}


def facts(*sources):
    return {
        "data": {"sources": list(sources), "licences": {}, "vouched": [], **AMOUNT},
        "settings": {"lr": 3e-4, "manifest": "/home/someone/corpus/train.jsonl"},
        "metrics": {"aae": 0.05, "blank_share": float("nan")},
        "split": {"seed": 3},
        "seed": 7,
    }


@pytest.fixture(scope="module")
def transformers_net(tmp_path_factory):
    """A tiny network with group norms, as if it had been trained."""
    more = (("feat_extract_norm", "group"),)
    folder = save_random_ctc(tmp_path_factory.mktemp("start") / "Start 1", RandomCtc(more=more))
    return replace(open_trained(folder), languages=("en",), facts=facts(FREE))


@pytest.fixture(scope="module")
def phone_net(tmp_path_factory):
    labels = ("<pad>", "a", "e", "s", "t")
    with torch.random.fork_rng():
        torch.manual_seed(1)
        net = PhoneNet(PhoneNetConfig(len(labels), 8, (1, 2), stride=2)).eval()
    run = tmp_path_factory.mktemp("run")
    return Trained(Kind.PHONE_NET, net, labels, 0, Units.PHONES, False, ("hr", "de"), facts(FREE), run)


def test_a_package_says_what_it_is_and_holds_it(transformers_net, tmp_path):
    made = package(transformers_net, tmp_path / "out")
    assert packages.check(tmp_path / "out") == made
    assert (made.name, made.kind, made.stride, made.languages) == ("start-1", "transformers", 320, ("en",))
    assert made.terms.commercial
    weights = load_file(tmp_path / "out" / "model.safetensors")
    for name, values in transformers_net.net.state_dict().items():
        torch.testing.assert_close(weights[name], values)


def test_a_training_that_is_packaged_twice_is_the_same_package(transformers_net, phone_net, tmp_path):
    for name, trained in (("t", transformers_net), ("p", phone_net)):
        for k in (1, 2):
            package(trained, tmp_path / f"{name}{k}", PackageConfig("mine"))
        assert packages.revision(tmp_path / f"{name}1") == packages.revision(tmp_path / f"{name}2")


def test_languages_that_are_none_are_left_out(transformers_net, tmp_path):
    trained = replace(transformers_net, languages=("en", "und", "", "Klingon, loud", "en"))
    assert package(trained, tmp_path / "out").languages == ("en",)


def test_transformers_loads_it_and_reads_its_labels(transformers_net, tmp_path):
    import transformers

    package(transformers_net, tmp_path / "out")
    processor = transformers.AutoProcessor.from_pretrained(str(tmp_path / "out"))
    ids = [transformers_net.labels.index(char) for char in "kuula"]
    ids.insert(2, transformers_net.blank)
    assert processor.tokenizer.decode(ids) == "kuula"
    assert processor.feature_extractor.do_normalize is transformers_net.normalise


def test_the_run_s_manifest_holds_its_facts_and_no_folder_of_this_machine(transformers_net, tmp_path):
    package(transformers_net, tmp_path / "out")
    text = (tmp_path / "out" / "run_manifest.json").read_text(encoding="utf-8")
    said = json.loads(text)
    assert said["training"]["settings"] == {"lr": 3e-4, "manifest": "train.jsonl"}
    assert said["training"]["metrics"] == {"aae": 0.05, "blank_share": None}
    assert (said["training"]["seed"], said["training"]["split"]) == (7, {"seed": 3})
    assert {"torch", "melisma", "python"} <= set(said["packaged_with"])
    written = "".join(
        path.read_text("utf-8") for path in (tmp_path / "out").glob("*.*") if path.suffix != ".safetensors"
    )
    assert "/home/someone" not in written
    assert str(transformers_net.run) not in written


def test_the_card_names_licence_languages_and_sources(transformers_net, tmp_path):
    trained = replace(transformers_net, facts=facts(FREE, TAINTED), languages=("sv-SE", "en"))
    package(trained, tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    head = card.split("---")[1]
    assert "license: other" in head
    assert 'license_name: "CC0-1.0 AND CC-BY-NC-SA-4.0"' in head
    assert head.index('- "en"') < head.index('- "sv"')
    assert "| DALI | CC-BY-NC-SA-4.0 | 1.50 |" in card
    assert "does not allow commercial use" in card
    assert "What its training measured at step 40" not in card
    measured = {"aae_s": 0.0412, "hit100": 0.9, "label_error": float("nan")}
    package(replace(trained, facts=facts(FREE) | {"metrics": measured, "step": 40}), tmp_path / "measured")
    card = (tmp_path / "measured" / "README.md").read_text(encoding="utf-8")
    assert "at step 40, on speakers that it did not learn from: mean error of a word's onset 0.041 s, 90.0% of" in card
    assert "nan" not in card


def test_what_a_source_is_called_cannot_break_the_card(transformers_net, tmp_path):
    evil = {**FREE, "source": "x | y\n---\nlicense: mit <script>"}
    package(replace(transformers_net, facts=facts(evil)), tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert card.count("\n---\n") == 1
    assert "<script>" not in card


def test_a_licence_that_the_data_forbid_is_refused(transformers_net, tmp_path):
    trained = replace(transformers_net, facts=facts(FREE, TAINTED))
    with pytest.raises(InputError, match=r"cannot be licensed MIT.*DALI \(CC-BY-NC-SA-4\.0\)"):
        package(trained, tmp_path / "out", PackageConfig(license="MIT"))
    assert not (tmp_path / "out").exists()
    assert package(trained, tmp_path / "out", PackageConfig(license="CC-BY-NC-4.0")).terms.spdx == "CC-BY-NC-4.0"


def test_a_tainted_start_checkpoint_taints_too(transformers_net, tmp_path):
    base = {"model": "MahmoudAshraf/mms-300m", "license": "CC-BY-NC-4.0"}
    made = package(replace(transformers_net, facts=facts(FREE) | {"base": base}), tmp_path / "out")
    assert made.tainted_by == ("MahmoudAshraf/mms-300m (CC-BY-NC-4.0)",)


def test_a_folder_in_use_is_left_alone(transformers_net, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="is in use already"):
        package(transformers_net, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_a_package_is_read_back_with_what_it_was_trained_on(transformers_net, tmp_path):
    package(replace(transformers_net, facts=facts(FREE, TAINTED)), tmp_path / "out", PackageConfig("first"))
    again = package(open_trained(tmp_path / "out"), tmp_path / "again", PackageConfig("second"))
    assert again.tainted_by == ("DALI (CC-BY-NC-SA-4.0)",)
    assert packages.read(tmp_path / "out").files["model.safetensors"] == again.files["model.safetensors"]


def test_what_is_made_of_a_model_whose_data_was_removed_says_so_too(transformers_net, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "REMOVED_DATA.json").write_text('{"removals": [1]}', encoding="utf-8")
    package(replace(transformers_net, run=run), tmp_path / "out")
    export(open_trained(tmp_path / "out"), tmp_path / "onnx")
    for made in (tmp_path / "out", tmp_path / "onnx"):
        assert (made / "REMOVED_DATA.json").read_bytes() == (run / "REMOVED_DATA.json").read_bytes()
        assert "REMOVED_DATA.json" not in packages.check(made).files  # data remove may write it anew


def test_what_is_made_of_a_package_keeps_what_it_was_called(transformers_net, tmp_path):
    package(transformers_net, tmp_path / "out", PackageConfig("first", "CC-BY-4.0", "mix"))
    made = export(open_trained(tmp_path / "out"), tmp_path / "onnx").facts
    assert (made.name, made.license, made.listens_to) == ("first", "CC-BY-4.0", "mix")
    assert "packaged_with" in (tmp_path / "onnx" / "run_manifest.json").read_text(encoding="utf-8")


def test_facts_that_were_cleaned_by_hand_come_from_the_sealed_list(transformers_net, tmp_path):
    package(replace(transformers_net, facts=facts(TAINTED)), tmp_path / "out")
    (tmp_path / "out" / "run_manifest.json").write_text('{"training": {"data": {"sources": []}}}', encoding="utf-8")
    said = packages.read(tmp_path / "out").model_dump(mode="json", by_alias=True)
    packages.seal(tmp_path / "out", {key: said[key] for key in said if key not in ("schema", "files")})
    assert package(open_trained(tmp_path / "out"), tmp_path / "again").tainted_by == ("DALI (CC-BY-NC-SA-4.0)",)


def test_a_phone_network_brings_its_onnx_file(phone_net, tmp_path):
    made = package(phone_net, tmp_path / "out", PackageConfig("phones"))
    assert {"model.onnx", "model.safetensors"} <= set(made.files)
    assert (made.reach, made.stride, made.blank) == (phone_net.net.config.reach, 320, 0)
    again = open_trained(tmp_path / "out")
    for name, values in again.net.state_dict().items():
        torch.testing.assert_close(values, phone_net.net.state_dict()[name])


@pytest.mark.parametrize("int8", [False, True])
def test_an_export_says_what_torch_says_at_any_length_and_batch(transformers_net, int8, tmp_path):
    made = export(transformers_net, tmp_path / "out", ExportConfig(int8=int8))
    assert packages.check(tmp_path / "out").precision == ("int8" if int8 else "float32")
    assert not (tmp_path / "out" / "model.safetensors").exists()
    sizes = {(case.batch, case.n_samples) for case in made.parity.cases}
    assert (1, 400) in sizes  # the shortest there is
    assert {n % 2 for _, n in sizes} == {0, 1}
    assert onnx_export._EXAMPLE not in sizes
    assert len({batch for batch, _ in sizes}) >= 3
    assert made.parity.likely < (1.0 if int8 else 1e-3)
    kept = json.loads((tmp_path / "out" / "run_manifest.json").read_text(encoding="utf-8"))
    assert kept["onnx"]["agreement"] == made.parity.agreement


def test_only_matrix_products_are_kept_in_8_bits(transformers_net, tmp_path):
    export(transformers_net, tmp_path / "out", ExportConfig(int8=True))
    kinds = {node.op_type for node in onnx.load(tmp_path / "out" / "model.onnx").graph.node}
    assert "MatMulInteger" in kinds
    assert "ConvInteger" not in kinds
    assert "Conv" in kinds


@pytest.mark.parametrize("limits", [Limits(log_prob=1e-9), Limits(log_prob=10.0, agreement=1.1)])
def test_what_is_too_far_from_torch_is_refused_and_not_left_behind(transformers_net, limits, tmp_path):
    with pytest.raises(ModelError, match="the ONNX file"):
        export(transformers_net, tmp_path / "out", ExportConfig(int8=True, limits=limits))
    assert list(tmp_path.iterdir()) == []


def test_the_gate_sees_weights_that_differ(transformers_net, tmp_path):
    path = tmp_path / "model.onnx"
    onnx_export.write_onnx(untrained(transformers_net, seed=5), path, int8=False)
    found = compare(transformers_net, path)
    assert found.likely > 0.1
    with pytest.raises(ModelError, match="nats from torch"):
        found.check(Limits())


def test_the_gate_sees_a_fixed_length(transformers_net, tmp_path):
    """As exporters leave it behind that take the example's length for the only one."""
    path = tmp_path / "model.onnx"
    onnx_export.write_onnx(transformers_net, path, int8=False)
    model = onnx.load(path)
    shape = model.graph.input[0].type.tensor_type.shape
    shape.dim[1].dim_value = 24_000
    onnx.save(model, path)
    with pytest.raises(ModelError, match="fails at 1 x 400 samples"):
        compare(transformers_net, path)


@pytest.mark.parametrize("int8", [False, True])
def test_a_phone_network_is_exported_by_its_own_writer(phone_net, int8, tmp_path):
    made = export(phone_net, tmp_path / "out", ExportConfig(int8=int8))
    assert made.parity.agreement > 0.97
    assert made.parity.cases[0].n_frames == 1


def test_random_weights_are_others_each_time_but_of_the_same_shape(transformers_net):
    first, same, other = (untrained(transformers_net, seed) for seed in (1, 1, 2))
    before = transformers_net.net.state_dict()
    assert {k: v.shape for k, v in first.net.state_dict().items()} == {k: v.shape for k, v in before.items()}
    weights = [net.net.state_dict()["lm_head.weight"] for net in (first, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert not torch.equal(weights[0], before["lm_head.weight"])


def test_sounds_are_normalised_and_no_two_alike():
    made = parity.sounds(3, 4001)
    np.testing.assert_allclose(made.mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(made.std(axis=1), 1, atol=1e-3)
    assert abs(np.corrcoef(made)[0, 1]) < 0.5


@pytest.mark.parametrize("name", ["nothing", "file.txt"])
def test_what_is_no_model_is_refused(tmp_path, name):
    (tmp_path / "file.txt").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="there is no training and no model"):
        open_trained(tmp_path / name)
    (tmp_path / "recordings").mkdir()
    with pytest.raises(InputError, match="recordings holds neither a training nor a model"):
        open_trained(tmp_path / "recordings")


def test_pickled_weights_are_not_opened(transformers_net, tmp_path):
    import pickle

    package(transformers_net, tmp_path / "out")
    (tmp_path / "out" / "pytorch_model.bin").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ModelError, match="may run code"):
        open_trained(tmp_path / "out")
