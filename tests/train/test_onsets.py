"""Onsets: how late a model is, label by label, comes out, and goes into the facts of the model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from melisma.cli.main import app
from melisma.core.errors import InputError
from melisma.models import embedded
from melisma.text.phones import INVENTORY, VOWELS
from melisma.train import onsets
from melisma.train.corpus import Clip
from melisma.train.onsets import BEAT, measure_onset_shifts, write_onset_shifts

N_LABELS = len(INVENTORY) + 1


def spikes(frames, labels, n: int) -> np.ndarray:
    """Log-probabilities of a model of 10 ms frames that hears every label for one frame."""
    log_probs = np.full((n, N_LABELS), -12.0, np.float32)
    log_probs[:, 0] = -0.01
    for frame, label in zip(frames, labels, strict=True):
        log_probs[frame, [0, label]] = -12.0, -0.01
    return log_probs


def late(phones: str, lengths, lateness, starts=(0,)) -> list[tuple[str, float]]:
    """Time words whose phones last so many frames, by a model that is so many frames late in each phone."""
    labels = np.array([INVENTORY.index(p) + 1 for p in phones], np.int64)
    owners = np.repeat(np.array([-1, *range(len(labels)), -1], np.int16), [20, *lengths, 20])
    begins = 20 + np.cumsum([0, *lengths[:-1]])
    one = Clip("c", "en", "s", np.zeros((len(owners), 64), np.float16), labels, owners)
    log_probs = spikes(begins + np.array(lateness), labels, len(owners))
    return onsets._late(log_probs, 1, one, owners, np.array(starts))


def test_a_vowel_is_as_late_as_its_spike():
    assert late("at", [10, 10], [4, 0]) == [("a", pytest.approx(-0.04))]


def test_the_beat_of_a_cluster_lies_at_65_percent_of_the_way_to_the_vowel():
    assert late("sta", [12, 8, 30], [0, 0, 0]) == [("s", pytest.approx(BEAT * 0.2))]
    assert pytest.approx(0.65) == BEAT


def test_the_beat_of_a_long_consonant_lies_no_later_than_a_quarter_second():
    assert late("sa", [60, 10], [6, 0]) == [("s", pytest.approx(0.25 - 0.06))]


def test_the_next_word_s_vowel_is_not_this_word_s():
    assert late("stta", [12, 8, 10, 10], [0, 0, 0, 0], (0, 2)) == [
        ("s", pytest.approx(0)),
        ("t", pytest.approx(0.065)),
    ]


def test_what_is_far_off_is_lost_and_not_late():
    assert late("at", [40, 10], [30, 0]) == []


def test_a_phone_without_a_frame_does_not_count():
    assert late("at", [0, 10], [-3, 0]) == []


def test_few_words_follow_their_class_and_many_speak_for_themselves():
    shifts = onsets._shifts([("s", 0.05)] * 100 + [("f", -0.1)] + [("a", -0.04)] * 90 + [("e", 0.08)] * 30)
    assert list(shifts) == list(INVENTORY)
    assert shifts["s"] == pytest.approx(0.05)
    assert shifts["f"] == pytest.approx(30 / 31 * 0.05 - 1 / 31 * 0.1, abs=1e-4)
    assert shifts["ʃ"] == pytest.approx(0.05)
    assert shifts["a"] == shifts["i"] == pytest.approx(-0.04)
    assert shifts["e"] == pytest.approx((0.08 - 0.04) / 2)
    assert {shifts[p] for p in "ptmnlw"} == {0.0}  # classes of which nothing was heard


def test_the_lateness_of_a_model_comes_out(timed, tmp_path, monkeypatch):
    known = {label: (3 if label in VOWELS else -2) for label in INVENTORY}  # frames of 10 ms
    seen = []
    real = onsets.bend

    def bend(clip, *rest):
        log_power, owners = real(clip, *rest)
        seen.append((clip, owners))
        return log_power, owners

    def hear(normal):
        clip, owners = seen[-1]
        assert len(normal) == len(owners)
        begins = [int(np.argmax(owners == k)) for k in range(len(clip.labels))]
        late = [known[INVENTORY[label - 1]] for label in clip.labels]
        return spikes(np.add(begins, late), clip.labels, len(owners))

    monkeypatch.setattr(onsets, "_SURE", 0.5)  # ten clips are few
    monkeypatch.setattr(onsets, "bend", bend)
    shifts = measure_onset_shifts(hear, 1, timed, tmp_path / "cache", [])
    assert len(seen) == 10
    vowels = [shifts[p] for p in VOWELS & set(INVENTORY)]
    np.testing.assert_allclose(vowels, -0.03, atol=1e-3)
    # A consonant of 150 ms with its gap, at 0.8 to 1.2 times the pace and up to 1.8 times as long.
    assert BEAT * 0.09 + 0.02 < shifts["s"] < BEAT * 0.33 + 0.02


@pytest.fixture
def model(tmp_path):
    """A network that has learnt nothing, as ONNX, with the facts of its card."""
    from melisma.train.config import CardFacts, PhoneTrainingConfig
    from melisma.train.export import export
    from melisma.train.phone import Trainer

    (tmp_path / "run").mkdir()
    trainer = Trainer(PhoneTrainingConfig(channels=8, dilations=(1,)), tmp_path / "run")
    trainer.save()
    return export(trainer.checkpoint, tmp_path / "model", CardFacts(model_id="tiny", languages=("en",)))


def test_shifts_go_beside_the_other_facts(model):
    before = json.loads(model.with_suffix(".json").read_text(encoding="utf-8"))
    write_onset_shifts(model, {"a": -0.03})
    write_onset_shifts(model, {"a": -0.03, "ʃ": 0.01})
    after = json.loads(model.with_suffix(".json").read_text(encoding="utf-8"))
    assert after == before | {"onset_shifts_s": {"a": -0.03, "ʃ": 0.01}}
    assert embedded.read_card(model).onset_shifts_s == {"a": -0.03, "ʃ": 0.01}


@pytest.mark.parametrize("text", ["", "[]", "{", "null", None])
def test_facts_that_cannot_be_read_are_refused_and_left_as_they_are(tmp_path, text):
    facts = tmp_path / "tiny.json"
    if text is not None:
        facts.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"cannot read the facts of the model, .*tiny\.json"):
        write_onset_shifts(tmp_path / "tiny.onnx", {"a": 0.1})
    assert (facts.read_text(encoding="utf-8") if facts.exists() else None) == text


def invoke(*arguments):
    return CliRunner().invoke(app, ["train", "onsets", *map(str, arguments)])


def refused(model, *arguments) -> str:
    facts = model.with_suffix(".json")
    before = facts.read_bytes() if facts.exists() else None
    done = invoke(model, *arguments)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert (facts.read_bytes() if facts.exists() else None) == before
    return done.stderr.removeprefix("error: ").strip()


def test_the_command_measures_and_writes(model, timed, noise, monkeypatch):
    monkeypatch.setattr(onsets, "_FAR_S", 10.0)  # nothing that this model says lies near
    done = invoke(model, "--speech", timed, "--noise", noise)
    assert done.exit_code == 0, done.output
    assert done.stderr.startswith("a ")
    assert set(embedded.read_card(model).onset_shifts_s) == set(INVENTORY)


def test_speech_that_is_not_there_is_named(model, tmp_path):
    assert refused(model, "--speech", tmp_path / "no.jsonl") == (
        f"cannot read the manifest {tmp_path / 'no.jsonl'}: No such file or directory"
    )


def test_speech_without_phone_times_is_refused(model, corpus):
    manifest = corpus / "manifest.jsonl"
    assert refused(model, "--speech", manifest) == f"no word of {manifest} could be timed"


def test_only_an_onnx_file_has_facts_of_its_own(timed):
    assert refused(Path("phone-0.1"), "--speech", timed) == "phone-0.1 is no ONNX file"
