"""Networks of Whisper: what learns, what is loaded safely, and what a new vocabulary keeps."""

from __future__ import annotations

import json
import pickle
import shutil

import pytest
import torch

from melisma.core.errors import InputError, ModelError
from melisma.testing.whisper_checkpoints import RandomWhisper, save_random_whisper
from melisma.train.whisper.config import WhisperTrainingConfig
from melisma.train.whisper.generation import settle
from melisma.train.whisper.network import load, merged, open_network, plain, source, tuned
from melisma.train.whisper.processor import NewVocabulary, new_processor, open_processor


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    pytest.importorskip("ctranslate2")
    return save_random_whisper(tmp_path_factory.mktemp("whisper")).parent / "transformers"


def opened(checkpoint, **settings):
    config = WhisperTrainingConfig(model=str(checkpoint), **settings)
    processor = open_processor(settings.get("processor") or checkpoint)
    return open_network(config, source(config), processor).model, config, processor


def learning(model):
    return {name for name, weight in model.named_parameters() if weight.requires_grad}


def test_the_sines_of_the_encoder_do_not_learn(checkpoint):
    model, config, _ = opened(checkpoint)
    names = {name for name, _ in model.named_parameters()}
    assert names - learning(tuned(model, config)) == {"model.encoder.embed_positions.weight"}


def test_a_frozen_encoder_learns_nothing(checkpoint):
    model, config, _ = opened(checkpoint, tuning="frozen-encoder")
    found = learning(tuned(model, config))
    assert found
    assert not any(name.startswith("model.encoder.") for name in found)


def test_adapters_that_are_merged_say_what_they_said_beside(checkpoint):
    model, config, _ = opened(checkpoint, tuning="lora", lora={"rank": 4, "dropout": 0.0})
    adapted = tuned(model, config)
    assert all("lora_" in name for name in learning(adapted))
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:  # zeros, until something is learnt
                weight.normal_(0, 0.2, generator=torch.Generator().manual_seed(1))
    adapted.eval()
    given = {"input_features": torch.randn(1, 80, 3000), "decoder_input_ids": torch.tensor([[50258, 5, 6]])}
    with torch.no_grad():
        beside = adapted(**given).logits
        untouched = load(checkpoint)(**given).logits
        whole = merged(adapted)
        assert "lora_" not in "".join(whole.state_dict())
        assert torch.allclose(whole(**given).logits, beside, atol=1e-4)
    assert not torch.allclose(beside, untouched, atol=1e-2)


def test_layers_that_are_not_there_get_no_adapters(checkpoint):
    model, config, _ = opened(checkpoint, tuning="lora", lora={"targets": ["wq"]})
    with pytest.raises(InputError, match=r"no layer of .* is called wq"):
        tuned(model, config)


def test_a_new_vocabulary_keeps_what_was_known_of_its_tokens(checkpoint, tmp_path):
    new_processor([" dobar dan"] * 3, NewVocabulary(n_tokens=300)).save_pretrained(tmp_path / "p")
    old = load(checkpoint).get_input_embeddings().weight
    model, _, processor = opened(checkpoint, processor=str(tmp_path / "p"))
    ids, before = processor.tokenizer.get_vocab(), open_processor(checkpoint).tokenizer.get_vocab()
    weight = model.get_input_embeddings().weight
    assert len(weight) == max(ids.values()) + 1 < len(old)
    assert model.get_output_embeddings().weight is weight
    shared = ids.keys() & before.keys()
    assert {"<|hr|>", "<|0.00|>", "<|30.00|>", "<|transcribe|>", "a"} <= shared
    assert all(torch.equal(weight[ids[token]], old[before[token]]) for token in shared)
    assert model.config.decoder_start_token_id == ids["<|startoftranscript|>"]
    assert model.config.eos_token_id == ids["<|endoftext|>"]


def test_what_a_network_may_not_say_are_the_same_tokens_of_a_new_vocabulary(checkpoint, tmp_path):
    made = new_processor([" dobar dan"] * 3, NewVocabulary(n_tokens=300))
    made.save_pretrained(tmp_path / "p")
    new_vocabulary, before = made.tokenizer.get_vocab(), open_processor(checkpoint).tokenizer.get_vocab()
    folder = shutil.copytree(checkpoint, tmp_path / "own")
    path = folder / "generation_config.json"
    said = json.loads(path.read_text())
    names = {number: token for token, number in before.items()}
    gone = next(n for n in range(256, 300) if names[n] not in new_vocabulary)
    path.write_text(json.dumps(said | {"suppress_tokens": [before["("], gone]}))
    model, _, processor = opened(folder, processor=str(tmp_path / "p"))
    settle(model, processor, ["hr"], "transcribe")
    assert gone < new_vocabulary["<|endoftext|>"]  # where it is a word of the text
    words = [n for n in model.generation_config.suppress_tokens if n < new_vocabulary["<|endoftext|>"]]
    assert words == [new_vocabulary["("]]


def test_adapters_learn_no_new_vocabulary(checkpoint, tmp_path):
    new_processor([" dobar dan"] * 3, NewVocabulary(n_tokens=300)).save_pretrained(tmp_path / "p")
    with pytest.raises(InputError, match="adapters learn none"):
        opened(checkpoint, processor=str(tmp_path / "p"), tuning="lora")


def test_other_log_mels_are_refused(checkpoint):
    config = WhisperTrainingConfig(model=str(checkpoint))
    with pytest.raises(InputError, match="hears 80 mel bands and the processor makes 128"):
        open_network(config, source(config), new_processor([" da"], NewVocabulary(n_tokens=300, mels=128)))


class Evil:
    def __reduce__(self):
        return print, ("run",)


def test_a_pickle_of_a_stranger_is_not_run(checkpoint, tmp_path, capsys):
    (tmp_path / "config.json").write_bytes((checkpoint / "config.json").read_bytes())
    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ModelError, match="cannot be loaded"):
        load(tmp_path)
    assert "run" not in capsys.readouterr().out


@pytest.mark.parametrize("key", ["_attn_implementation", "attn_implementation", "kernel_config"])
def test_code_that_a_strangers_run_names_is_not_fetched(checkpoint, tmp_path, key):
    folder = shutil.copytree(checkpoint, tmp_path / "checkpoint-2")
    said = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(said | {key: "strangers/kernel"}))
    with pytest.raises(ModelError, match="want code that is not in transformers"):
        load(folder)


def test_a_checkpoint_that_lacks_weights_is_refused(checkpoint, tmp_path):
    from safetensors.torch import load_file, save_file

    weights = load_file(checkpoint / "model.safetensors")
    weights.pop("model.decoder.layers.1.fc1.weight")
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    (tmp_path / "config.json").write_bytes((checkpoint / "config.json").read_bytes())
    with pytest.raises(ModelError, match=r"lacks weights, such as model\.decoder\.layers\.1\.fc1\.weight"):
        load(tmp_path)


def test_a_network_of_another_kind_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "wav2vec2"}))
    with pytest.raises(InputError, match="is a wav2vec2, not a Whisper"):
        source(WhisperTrainingConfig(model=str(tmp_path)))


def test_the_generation_config_is_that_of_the_training(checkpoint, tmp_path):
    model, config, processor = opened(checkpoint)
    model.generation_config.forced_decoder_ids = [[1, 50266], [2, 50358]]  # German, to translate
    model.generation_config.suppress_tokens = [7, 99_999_999]
    settle(model, processor, ["hr"], "transcribe")
    tuned(model, config)
    plain(model).save_pretrained(tmp_path)
    said = load(tmp_path).generation_config
    ids = processor.tokenizer.get_vocab()
    assert said.forced_decoder_ids is None
    assert said.language == "hr"
    assert said.task == "transcribe"
    assert said.lang_to_id["<|sr|>"] == ids["<|sr|>"]
    assert said.task_to_id["translate"] == ids["<|translate|>"]
    assert said.no_timestamps_token_id == ids["<|notimestamps|>"]
    assert 7 in said.suppress_tokens
    assert ids["<|startofprev|>"] in said.suppress_tokens
    assert max(said.suppress_tokens) < len(processor.tokenizer)
    assert said.alignment_heads == [[0, 0], [1, 1]]
    assert said.is_multilingual
    settle(model, processor, ["bs", "hr"], "transcribe")
    assert model.generation_config.language is None


def test_a_model_of_english_alone_is_told_no_language(tmp_path):
    pytest.importorskip("ctranslate2")
    folder = save_random_whisper(tmp_path, RandomWhisper(multilingual=False)).parent / "transformers"
    model, _, processor = opened(folder)
    settle(model, processor, ["en"], "transcribe")
    said = model.generation_config
    assert said.is_multilingual is False
    assert said.language is None
    assert said.task is None
