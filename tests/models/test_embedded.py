from __future__ import annotations

import hashlib
import json

import pytest

from melisma.core.errors import ModelError, UnknownName
from melisma.models import embedded
from melisma.text.phones import INVENTORY

HAVE_WEIGHTS = any(entry.name.endswith(".json") for entry in embedded._WEIGHTS.iterdir())
needs_weights = pytest.mark.skipif(not HAVE_WEIGHTS, reason="the embedded model is not in this checkout")

FACTS = {
    "model_id": "tiny",
    "revision": "0" * 16,
    "title": "Tiny",
    "licence": "CC0-1.0",
    "languages": ["fr"],
    "labels": ["", "a"],
    "n_parameters": 3,
    "reach": 2,
    "onset_shifts_s": {"a": -0.04},
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of weights of our own, with one model in it."""
    (tmp_path / "tiny.onnx").write_bytes(b"weights")
    (tmp_path / "tiny.json").write_text(json.dumps(FACTS), encoding="utf-8")
    (tmp_path / "tiny.md").write_text("# Tiny\n", encoding="utf-8")
    monkeypatch.setattr(embedded, "_WEIGHTS", tmp_path)
    embedded.cards.cache_clear()
    yield tmp_path
    embedded.cards.cache_clear()


def test_a_card_holds_the_facts_and_what_people_read(folder):
    card = embedded.card("tiny")
    assert (card.model_id, card.languages, card.labels, card.reach) == ("tiny", ("fr",), ("", "a"), 2)
    assert (card.size_bytes, card.card_text, card.path) == (7, "# Tiny\n", folder / "tiny.onnx")
    assert embedded.cards() == (card,)


def test_a_card_tells_languages_of_recordings_from_those_of_synthesised_voices(folder):
    assert embedded.card("tiny").synthetic_languages == ()  # as in cards that were written before there was a list
    (folder / "tiny.json").write_text(json.dumps(FACTS | {"synthetic_languages": ["hr", "sr"]}), encoding="utf-8")
    card = embedded.read_card(folder / "tiny.onnx")
    assert (card.languages, card.synthetic_languages) == (("fr",), ("hr", "sr"))


def test_an_unknown_model_lists_those_that_exist(folder):
    with pytest.raises(UnknownName, match="no embedded model is called 'huge'; there are: tiny"):
        embedded.card("huge")


def test_a_missing_file_says_which(folder):
    (folder / "tiny.onnx").unlink()
    with pytest.raises(ModelError, match=r"the model tiny lacks its file tiny\.onnx"):
        embedded.cards()


def test_a_model_of_ones_own_needs_no_card_for_people(folder):
    (folder / "tiny.md").unlink()
    assert embedded.read_card(folder / "tiny.onnx").card_text == ""


@pytest.mark.parametrize(
    "text",
    ["{", "[]", json.dumps({**FACTS, "extra": 1}), json.dumps({k: v for k, v in FACTS.items() if k != "labels"})],
    ids=["no json", "no object", "a fact too many", "a fact too few"],
)
def test_a_damaged_card_says_so(folder, text):
    (folder / "tiny.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match="the facts of the model tiny are damaged"):
        embedded.cards()


@needs_weights
def test_shipped_cards_keep_their_promises():
    assert embedded.cards()
    for card in embedded.cards():
        data = card.path.read_bytes()
        assert card.revision == hashlib.sha256(data).hexdigest()[:16]
        assert card.size_bytes == len(data) <= 20e6
        assert card.labels == ("", *INVENTORY)
        assert card.licence
        assert card.languages
        assert not set(card.languages) & set(card.synthetic_languages)
        assert card.reach > 0
        assert set(card.onset_shifts_s) <= set(INVENTORY)
        assert all(abs(shift) < 0.2 for shift in card.onset_shifts_s.values())


@needs_weights
def test_shipped_cards_can_be_read_by_people():
    for card in embedded.cards():
        assert card.card_text.startswith("# ")
        assert len(card.card_text.split()) > 50
        assert card.licence in card.card_text


@needs_weights
def test_shipped_models_open_and_have_the_promised_shapes():
    onnxruntime = pytest.importorskip("onnxruntime")
    for card in embedded.cards():
        session = onnxruntime.InferenceSession(str(card.path), providers=["CPUExecutionProvider"])
        assert [value.name for value in session.get_inputs()] == ["features"]
        assert [value.name for value in session.get_outputs()] == ["log_probs", "vocal"]
        assert session.get_outputs()[0].shape[-1] == len(card.labels)


@pytest.mark.parametrize(
    ("key", "value"),
    [("hops", 0), ("hops", "3"), ("reach", -5), ("reach", "a"), ("onset_shifts_s", [1]), ("onset_shifts_s", {"a": "x"}),
     ("onset_shifts_s", {"a": float("nan")}), ("onset_shifts_s", {"a": 20}), ("synthetic_languages", 3)],
)  # fmt: skip
def test_facts_that_no_engine_can_use_are_refused(folder, key, value):
    (folder / "tiny.json").write_text(json.dumps(FACTS | {key: value}), encoding="utf-8")
    with pytest.raises(ModelError, match="the facts of the model tiny are damaged"):
        embedded.read_card(folder / "tiny.onnx")
