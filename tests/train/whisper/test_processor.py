"""Processors are opened from folders, keep their group, and are read by transformers and faster-whisper alike."""

from __future__ import annotations

import json

import numpy as np
import pytest

from whisper_clips import TEXTS, small_processor

transformers = pytest.importorskip("transformers")

from melisma.core.errors import EngineUnavailable, InputError  # noqa: E402
from melisma.models.quiet import quiet  # noqa: E402
from melisma.train.whisper.processor import (  # noqa: E402
    Group,
    NewVocabulary,
    group_of,
    new_processor,
    open_processor,
    save_processor,
    set_group,
)
from melisma.train.whisper.tokenizer import Spelling, tokens_of  # noqa: E402

BCS = Group(languages=("bs", "hr", "sr"), read_as={"cnr": "sr"}, script="latin")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processor") / "bcs"
    processor = new_processor([f" {text}" for own in TEXTS.values() for text in own] * 2, NewVocabulary(400))
    set_group(processor, BCS)
    save_processor(processor, folder)
    return folder


def test_what_is_saved_is_opened_the_same(saved):
    opened, made = open_processor(saved), small_processor()
    assert opened.tokenizer.get_vocab() == made.tokenizer.get_vocab()
    assert tokens_of(opened) == tokens_of(made)
    assert group_of(opened) == BCS


def test_the_group_goes_with_every_copy_that_transformers_saves(saved, tmp_path):
    open_processor(saved).save_pretrained(tmp_path / "run")
    assert group_of(open_processor(tmp_path / "run")) == BCS


def test_a_processor_without_a_group_takes_every_language():
    assert group_of(small_processor()) == Group()


def test_bands_of_the_log_mels_are_said_where_faster_whisper_looks(tmp_path):
    save_processor(new_processor([" da"], NewVocabulary(300, 128)), tmp_path)
    assert json.loads((tmp_path / "preprocessor_config.json").read_text())["feature_size"] == 128
    assert open_processor(tmp_path).feature_extractor.feature_size == 128


@pytest.mark.parametrize(
    ("language", "code"),
    [("hr", "hr"), ("sr-Latn", "sr"), ("cnr", "sr"), ("cnr-Cyrl", "sr"), ("hrv", "hr"), ("bs-BA", "bs")],
)
def test_languages_of_the_group_have_their_tokens(language, code):
    assert BCS.code(language, tokens_of(small_processor())) == code


@pytest.mark.parametrize(
    ("language", "match"), [("sl", "not of the group"), ("und", "no token"), ("eo", "no token"), ("tlh", "no token")]
)
def test_other_languages_are_told_why_not(language, match):
    with pytest.raises(InputError, match=match):
        BCS.code(language, tokens_of(small_processor()))


def test_the_script_of_a_training_is_the_processors_unless_it_keeps_any():
    assert BCS.with_script("keep").script == "latin"
    assert Group().with_script("cyrillic").script == "cyrillic"
    with pytest.raises(InputError, match="made for latin text"):
        BCS.with_script("cyrillic")


def test_what_is_no_processor_is_refused(tmp_path):
    with pytest.raises(InputError, match="no folder"):
        open_processor(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no processor"):
        open_processor(tmp_path)


def test_damaged_files_are_refused_with_a_sentence(saved, tmp_path):
    for name, damage in (("tokenizer.json", '{"version": "1.0"}'), ("tokenizer_config.json", "[]")):
        folder = tmp_path / name
        save_processor(open_processor(saved), folder)
        (folder / name).write_text(damage)
        with pytest.raises(InputError, match="holds no processor"):
            open_processor(folder)


def test_code_that_a_stranger_put_beside_it_is_neither_run_nor_asked_about(saved, tmp_path, monkeypatch, capsys):
    save_processor(open_processor(saved), tmp_path)
    (tmp_path / "theirs.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Theirs: pass\n")
    path = tmp_path / "tokenizer_config.json"
    strange = {"tokenizer_class": "Theirs", "auto_map": {"AutoTokenizer": ["theirs.Theirs", "theirs.Theirs"]}}
    path.write_text(json.dumps(json.loads(path.read_text()) | strange))
    monkeypatch.setattr("builtins.input", lambda question="": pytest.fail(f"asked {question!r}"))
    with pytest.raises(InputError, match="holds no processor"):
        open_processor(tmp_path)
    assert not (tmp_path / "ran").exists()
    assert "custom code" not in capsys.readouterr().out


def test_a_group_that_was_changed_is_refused(saved, tmp_path):
    save_processor(open_processor(saved), tmp_path)
    path = tmp_path / "tokenizer_config.json"
    said = json.loads(path.read_text()) | {"melisma": {"languages": 3}}
    path.write_text(json.dumps(said))
    with pytest.raises(InputError, match="group of languages cannot be read: languages"):
        group_of(open_processor(tmp_path))


def test_models_of_the_hub_are_not_fetched_unasked(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(EngineUnavailable, match="hf download openai/whisper-tiny"):
        open_processor("openai/whisper-tiny")


def test_a_network_with_a_vocabulary_of_its_own_is_heard_by_faster_whisper(saved, tmp_path):
    pytest.importorskip("faster_whisper")
    from ctranslate2.converters import TransformersConverter
    from faster_whisper import WhisperModel

    processor = open_processor(saved)
    _save_network(processor, tmp_path / "whole")
    with quiet():
        converter = TransformersConverter(
            str(tmp_path / "whole"), copy_files=["tokenizer.json", "preprocessor_config.json"]
        )
        folder = converter.convert(str(tmp_path / "converted"))
    model = WhisperModel(folder, device="cpu", compute_type="float32", cpu_threads=1)
    assert model.model.is_multilingual
    noise = np.random.default_rng(1).normal(0, 0.1, 16_000).astype(np.float32)
    heard, info = model.transcribe(noise, beam_size=1, temperature=0, language="hr", max_new_tokens=4)
    assert info.language == "hr"
    assert all(0 <= token < len(processor.tokenizer) for segment in heard for token in segment.tokens)
    assert model.detect_language(noise)[0] in tokens_of(processor).languages
    for text in TEXTS["hr"]:
        spelt = model.hf_tokenizer.encode(f" {text}", add_special_tokens=False).ids
        assert spelt == Spelling(processor).ids(f" {text}")
        assert model.hf_tokenizer.decode(spelt) == f" {text}"


def _save_network(processor, folder):
    import torch

    tokens = tokens_of(processor)
    sizes = {"layers": 1, "attention_heads": 2, "ffn_dim": 32}
    config = transformers.WhisperConfig(
        vocab_size=len(processor.tokenizer),
        d_model=16,
        **{f"{side}_{name}": size for side in ("encoder", "decoder") for name, size in sizes.items()},
        pad_token_id=tokens.end,
        bos_token_id=tokens.end,
        eos_token_id=tokens.end,
        decoder_start_token_id=tokens.start,
        suppress_tokens=[],
        begin_suppress_tokens=[],
    )
    torch.manual_seed(0)
    with quiet():
        model = transformers.WhisperForConditionalGeneration(config)
        model.generation_config._from_model_config = False
        model.generation_config.lang_to_id = {f"<|{code}|>": token for code, token in tokens.languages.items()}
        model.generation_config.alignment_heads = [[0, 0]]
        model.save_pretrained(folder)
    save_processor(processor, folder)
