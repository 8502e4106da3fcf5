"""Codebooks: made of features on disk, judged against phones, drawn from manifests without favour."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile

from melisma.core.errors import InputError
from melisma.data import manifest, recordings
from melisma.data.manifest import Utterance
from melisma.data.units import features
from melisma.data.units.feature_files import Features
from melisma.data.units.phones import Phones, PhoneSpans
from melisma.scale.local import LocalExecutor
from melisma.train.units import fit
from melisma.train.units.fit import Settings, drawn
from melisma.train.units.kmeans import Config
from melisma.units import codebook_file
from melisma.units.encoder import EncoderConfig

pytest.importorskip("sklearn", reason="needs the extra [units]")

RATE = 16000
TONES = (200.0, 700.0, 1900.0)
SETTINGS = Settings(Config(k=6, n_init=2, batch=200, max_iter=20), 60.0)


def corpus(folder: Path) -> Path:
    """Make recordings of tones of half a second each, and the features of them."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(4):
        at = np.arange(RATE // 2) / RATE
        order = [(i + j) % 3 for j in range(3)]
        sound = np.concatenate([np.sin(2 * np.pi * TONES[tone] * at) for tone in order]) * 0.3
        samples = (sound + rng.normal(0, 0.003, len(sound))).astype(np.float32)
        soundfile.write(folder / f"{i}.wav", samples, RATE)
        rows.append(Utterance(id=f"{i}", audio=f"{i}.wav", duration=1.5))
    manifest.write(folder / "m.jsonl", rows)
    made = recordings.read(folder / "m.jsonl")
    features.write(made, folder, features.Settings(EncoderConfig("mfcc")), executor=LocalExecutor(1))
    return folder


def truth() -> Phones:
    start = np.array([0.0, 0.5, 1.0])
    spans = {str(i): PhoneSpans(np.array([1 + (i + j) % 3 for j in range(3)]), start, start + 0.5) for i in range(4)}
    return Phones(("sil", "low", "middle", "high"), spans)


def test_units_of_tones_tell_the_tones(tmp_path):
    made = fit.fit(Features.open(corpus(tmp_path)), SETTINGS, truth())
    facts = made.codebook.facts
    assert facts["phones"]["without_pauses"]["phone_purity"] > 0.95
    assert facts["phones"]["without_pauses"]["pnmi"] > 0.85
    assert facts["phones"]["n_utterances"] == 4
    assert (facts["n_frames"], facts["n_sampled"]) == (4 * 74, 4 * 74)
    assert facts["sample"]["dead"] == []
    assert 1 < facts["sample"]["perplexity"] <= 6
    assert 0.5 < facts["sample"]["explained"] < 1
    assert [each["pnmi"] for each in facts["phones"]["field"]] == [0.563, 0.575]


def test_a_codebook_is_written_and_its_pickle_only_when_asked_for(tmp_path):
    made = fit.fit(Features.open(corpus(tmp_path)), SETTINGS)
    assert "phones" not in made.codebook.facts
    assert [path.name for path in fit.write(made, tmp_path / "out")] == ["codebook.npz", "codebook.json"]
    again = codebook_file.read(tmp_path / "out")
    assert (again.sha256, again.facts) == (made.codebook.sha256, made.codebook.facts)
    fit.write(made, tmp_path / "out", tmp_path / "portuguese_kmeans.pkl")
    estimator = pickle.loads((tmp_path / "portuguese_kmeans.pkl").read_bytes())
    frames = Features.open(tmp_path)["2"]
    assert estimator.predict(frames).tolist() == again.predict(frames).tolist()


def test_a_sample_holds_no_more_than_it_may(tmp_path):
    small = Settings(Config(k=4, n_init=1), 2.0)
    facts = fit.fit(Features.open(corpus(tmp_path)), small).codebook.facts
    assert (facts["n_frames"], facts["n_sampled"]) == (4 * 74, 100)


def test_a_sample_takes_no_more_memory_than_there_is_to_sample(tmp_path):
    facts = fit.fit(Features.open(corpus(tmp_path)), Settings(Config(k=4, n_init=1), 1e7)).codebook.facts
    assert facts["n_sampled"] == 4 * 74


def test_phones_of_other_utterances_are_refused_before_anything_is_clustered(tmp_path, monkeypatch):
    monkeypatch.setattr(fit, "sampled", None)
    other = Phones(("sil", "a"), {"elsewhere": truth().spans["0"]})
    with pytest.raises(InputError, match="do their ids agree"):
        fit.fit(Features.open(corpus(tmp_path)), SETTINGS, other)


def test_who_is_drawn_does_not_depend_on_who_else_is_there():
    rows = [Utterance(id=f"u{i}", audio=f"{i}.wav", duration=1.0 + i % 3) for i in range(300)]
    chosen = drawn(rows, 60.0, 1)
    ids = [each.id for each in chosen]
    assert 60 <= sum(each.duration for each in chosen) < 63
    assert ids == [each.id for each in rows if each.id in set(ids)]
    assert drawn([each for each in rows if each.id in set(ids)], 60.0, 1) == chosen
    assert [each.id for each in drawn(rows, 60.0, 2)] != ids
    assert drawn(rows, 1e6, 1) == rows
    assert drawn([], 60.0, 1) == []


def test_lots_favour_no_part_of_a_manifest():
    rows = [Utterance(id=f"u{i}", audio="a.wav", duration=1.0) for i in range(400)]
    firsts = [sum(int(each.id[1:]) < 200 for each in drawn(rows, 40.0, seed)) for seed in range(50)]
    # Half of 40, with a standard deviation of 3 each: the mean of 50 is within 2 of it.
    assert abs(np.mean(firsts) - 20) < 2
