"""What is said of a vocabulary is what a count by hand finds."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from whisper_clips import TEXTS, small_processor

pytest.importorskip("transformers")

from tokenizers import Tokenizer

from melisma.train.whisper.coverage import coverage, unreachable_tokens
from melisma.train.whisper.processor import NewVocabulary, new_processor
from melisma.train.whisper.tokenizer import Spelling


@pytest.fixture(scope="module")
def plain():
    """Return a processor that knows bytes and the word ` da` alone."""
    return new_processor([" da da"], NewVocabulary(259))


def test_counts_are_exact(plain):
    found = coverage(plain, [("hr", "da da ž"), ("hr", "da"), ("sr", "да"), ("sr", "123")])
    rows = {(row["language"], row["script"]): row for row in found["by_language"]}
    latin = rows["hr", "latin"]
    # " da" is one token; " ž" a space and two bytes.
    assert (latin["texts"], latin["words"], latin["characters"], latin["tokens"]) == (2, 4, 7, 6)
    assert (latin["in_bytes"], latin["in_bytes_share"]) == (2, round(2 / 6, 5))
    assert latin["tokens_per_word"] == 1.5
    assert latin["longest"] == 5 + 4
    assert (rows["sr", "cyrillic"]["tokens"], rows["sr", "cyrillic"]["in_bytes"]) == (5, 4)
    assert rows["sr", "none"]["tokens"] == 4
    assert found["labels"] == {"median": 8, "p95": 9, "longest": 9, "limit": 448, "over": 0}


def test_characters_without_a_token_are_named_the_commonest_first(plain):
    found = coverage(plain, [("hr", "žžž š da")])["characters"]
    assert found["distinct"] == 4
    assert found["in_bytes"] == 2
    assert found["in_bytes_share"] == round(4 / 6, 6)
    assert found["such_as"] == [
        {"character": "ž", "times": 3, "tokens": 2},
        {"character": "š", "times": 1, "tokens": 2},
    ]
    assert found["lost"] == []


def test_texts_that_are_too_long_are_counted(plain):
    found = coverage(plain, [("hr", "x" * 443), ("hr", "x" * 444)])
    assert found["by_language"][0]["too_long"] == found["labels"]["over"] == 1


def test_samples_come_back_exactly_and_are_shown_with_their_tokens():
    texts = [(language, text) for language, own in TEXTS.items() for text in own]
    found = coverage(small_processor(), texts)
    assert found["round_trip"] == {"exact": 12, "not_exact": 0, "such_as": []}
    assert {sample["text"] for sample in found["samples"]} == {text for _, text in texts}
    assert all(sample["exact"] for sample in found["samples"])
    whole = [sample for sample in found["samples"] if "\ufffd" not in "".join(sample["tokens"])]
    assert whole
    assert all("".join(sample["tokens"]) == f" {sample['text']}" for sample in whole)


def test_texts_that_do_not_come_back_are_named():
    """A reader of Whisper's output takes what looks like a timestamp away."""
    found = coverage(small_processor(), [("hr", "u <|1.20|> sati"), ("hr", "u dva sata")])["round_trip"]
    assert (found["exact"], found["not_exact"]) == (1, 1)
    assert found["such_as"] == [{"language": "hr", "text": "u <|1.20|> sati", "back": "u  sati"}]


def test_no_token_that_was_learnt_is_out_of_reach(plain):
    found = coverage(plain, [("hr", "da")])["vocabulary"]
    assert found["unreachable"] == 0
    assert found["of_text"] == 259
    assert found["used"] == 1
    assert found["timestamps"] == {"first": found["tokens"] - 1501, "n": 1501, "named": True}
    assert found["languages"]["hr"] == plain.tokenizer.convert_tokens_to_ids("<|hr|>")


def test_tokens_whose_merges_are_lost_are_out_of_reach():
    processor = small_processor()
    said = json.loads(processor.tokenizer.backend_tokenizer.to_str())
    said["model"]["merges"] = []
    bare = Tokenizer.from_str(json.dumps(said))
    spelling = Spelling(SimpleNamespace(tokenizer=SimpleNamespace(backend_tokenizer=bare)))
    lost = unreachable_tokens(spelling, 399)
    assert lost
    assert all(len(spelling.text([token])) > 1 or spelling.text([token]) > "\x7f" for token in lost)
    assert not unreachable_tokens(Spelling(processor), 399)
