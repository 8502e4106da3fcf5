"""Vocabularies of one's own, their tokens that are no text, and text that is never taken for one of them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisper_clips import TEXTS, small_processor

pytest.importorskip("transformers")

from melisma.core.errors import InputError
from melisma.text.whisper_languages import WHISPER_ORDER
from melisma.train.whisper.tokenizer import (
    N_TIMES,
    SMALLEST,
    Spelling,
    special_tokens,
    tokens_of,
    train_tokenizer,
)


def test_the_other_tokens_stand_behind_the_text_in_the_order_of_the_multilingual_models():
    tokenizer = small_processor().tokenizer
    end = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    names = [*special_tokens(), "<|0.00|>", "<|0.02|>"]
    assert tokenizer.convert_tokens_to_ids(names) == list(range(end, end + len(names)))
    assert tokenizer.convert_tokens_to_ids("") == end - 1
    assert len(tokenizer) == end + len(special_tokens()) + N_TIMES
    assert tokenizer.convert_tokens_to_ids("<|30.00|>") == len(tokenizer) - 1


def test_timestamps_are_no_special_tokens_and_all_others_are():
    """Transformers finds the first timestamp behind the last special token."""
    processor = small_processor()
    assert processor.tokenizer.all_special_ids[-1] == tokens_of(processor).no_timestamps


@pytest.mark.parametrize("language", ["bs", "hr", "sr"])
def test_prompts_are_those_of_transformers(language):
    processor = small_processor()
    tokens = tokens_of(processor)
    processor.tokenizer.set_prefix_tokens(language=language, task="transcribe", predict_timestamps=False)
    assert processor.tokenizer.prefix_tokens == [
        tokens.start,
        *tokens.prompt(language, "transcribe", timed=False),
    ]
    processor.tokenizer.set_prefix_tokens(language=language, task="translate", predict_timestamps=True)
    assert processor.tokenizer.prefix_tokens == [tokens.start, *tokens.prompt(language, "translate", timed=True)]


def test_times_go_to_the_next_timestamp_and_no_further_than_30_s():
    processor = small_processor()
    tokens = tokens_of(processor)
    said = processor.tokenizer.convert_ids_to_tokens([tokens.time(t) for t in (0, 0.011, 4.2, 29.999, 31, -1)])
    assert said == ["<|0.00|>", "<|0.02|>", "<|4.20|>", "<|30.00|>", "<|30.00|>", "<|0.00|>"]


@given(st.text(max_size=60))
def test_any_text_comes_back_from_its_ids(text):
    spelling = Spelling(small_processor())
    assert spelling.text(spelling.ids(text)) == text


@pytest.mark.parametrize("text", ["<|endoftext|>", " da <|0.00|> ne", "<|hr|><|transcribe|>", "<|startoftranscript|>"])
def test_what_looks_like_an_order_is_spelt_as_text(text):
    spelling, tokens = Spelling(small_processor()), tokens_of(small_processor())
    ids = spelling.ids(text)
    assert max(ids) < tokens.end
    assert spelling.text(ids) == text


def test_the_same_texts_give_the_same_vocabulary():
    texts = [f" {text}" for own in TEXTS.values() for text in own]
    one, other = train_tokenizer(texts, 500), train_tokenizer(iter(texts), 500)
    assert one.backend_tokenizer.to_str() == other.backend_tokenizer.to_str()


def test_words_that_are_said_often_become_tokens():
    spelling = Spelling(SimpleNamespace(tokenizer=train_tokenizer([" dobar dan"] * 9, 300)))
    assert len(spelling.ids(" dobar dan")) == 2


def test_no_text_and_too_few_tokens_are_refused():
    with pytest.raises(InputError, match="no text"):
        train_tokenizer([], 400)
    with pytest.raises(InputError, match="257 tokens at least"):
        train_tokenizer([" a"], SMALLEST - 1)


def _processor_with(vocabulary):
    return SimpleNamespace(tokenizer=SimpleNamespace(get_vocab=lambda: vocabulary))


def test_tokenizers_of_other_models_are_refused():
    with pytest.raises(InputError, match=r"no <\|startoftranscript\|>"):
        tokens_of(_processor_with({"<|endoftext|>": 3}))
    broken = dict(small_processor().tokenizer.get_vocab()) | {"<|30.00|>": 5}
    with pytest.raises(InputError, match="do not run"):
        tokens_of(_processor_with(broken))


def _english_only():
    """Return the vocabulary of a model for English: GPT-2's ids, no empty token, all languages in the list."""
    special = [*special_tokens(), *(f"<|{0.02 * i:.2f}|>" for i in range(N_TIMES))]
    return {name: 50_256 + i for i, name in enumerate(special)}


def test_models_for_english_only_have_no_languages_in_their_prompt():
    tokens = tokens_of(_processor_with(_english_only()))
    assert not tokens.multilingual
    assert tokens.prompt("en", "transcribe", timed=False) == [tokens.no_timestamps]
    assert tokens.prompt("en", "transcribe", timed=True) == []


def test_the_empty_token_or_another_place_of_the_end_tells_a_multilingual_model():
    assert tokens_of(_processor_with(_english_only() | {"": 50_255})).multilingual
    assert tokens_of(_processor_with({name: token + 1 for name, token in _english_only().items()})).multilingual


def test_every_language_has_its_token():
    assert tuple(tokens_of(small_processor()).languages) == WHISPER_ORDER
