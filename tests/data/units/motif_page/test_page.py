"""What a page of motifs holds: recordings that are worth it, their sound, and nothing that others wrote as markup."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

import unit_words
from melisma.data.units.motif_page import page, passages
from melisma.units.line import UnitLine, joined
from melisma.units.motifs.corpus import Corpus
from melisma.units.motifs.find import Wanted, find
from melisma.units.motifs.learn import Learning
from motif_sounds import HOSTILE, RATE, STRIDE, tones


def data_of(path: Path) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text())[1])


def test_names_are_data_and_no_markup(written):
    text = written.path.read_text(encoding="ascii")
    assert text.count("<script") == 2
    assert "<img" not in text
    assert HOSTILE in [each["id"] for each in data_of(written.path)["recordings"]]
    assert "Content-Security-Policy" in text.split("<title>")[0]
    assert "unsafe" not in text


def test_all_words_are_motifs(found):
    assert set(unit_words.WORDS) <= {each.units for each in found.analysis.motifs if each.frequency > 20}


def test_every_motif_is_heard_by_all_who_say_it(found, written):
    recordings = data_of(written.path)["recordings"]
    for motif in [each for each in found.analysis.motifs if each.length > 1 and each.frequency]:
        there = [each for each in recordings if motif.id in each["pieces"]]
        assert sum(each["pieces"].count(motif.id) for each in there) >= min(6, motif.frequency)
    assert {each["speaker"] for each in recordings} == {"ana", HOSTILE}


def test_the_sound_of_a_passage_is_that_of_its_units(heard, written):
    assert written.silent == ()
    known = {line.id: line for line in unit_words.utterances(24)} | {HOSTILE: unit_words.utterances(24)[3]}
    recordings = data_of(written.path)["recordings"]
    assert len(recordings) == written.n_heard > 3
    for each in recordings:
        samples, rate = soundfile.read(io.BytesIO(base64.b64decode(each["sound"])), dtype="float32")
        truth = tones(known[each["id"]].frames())
        assert rate == RATE
        assert sum(each["runs"]) * STRIDE == len(samples) == len(truth)
        assert np.corrcoef(samples, truth)[0, 1] > 0.95


def test_a_page_holds_no_more_sound_than_it_may(heard, found, tmp_path):
    small = page.write(Corpus.of(heard), found, tmp_path, sound_mb=0.05)
    recordings = data_of(small.path)["recordings"]
    assert 0 < sum(len(each["sound"]) for each in recordings) <= 50_000
    none = page.write(Corpus.of(heard), found, tmp_path, sound_mb=0)
    assert (none.n_heard, data_of(none.path)["recordings"]) == (0, [])


def test_recordings_that_are_gone_are_named_and_the_page_is_made(heard, found, tmp_path):
    corpus = Path(heard) / "corpus_timestamped.jsonl"
    (tmp_path / corpus.name).write_bytes(corpus.read_bytes())
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio" / "0.wav").write_bytes(b"no sound")
    made = page.write(Corpus.of(tmp_path), found, tmp_path)
    assert made.n_heard == 0
    assert len(made.silent) == len(data_of(made.path)["recordings"])
    assert str(tmp_path) not in " ".join(made.silent)
    assert str(tmp_path) not in made.path.read_text()


def test_a_recording_that_ends_early_is_silent(heard, found, tmp_path):
    unit_words.write(tmp_path, [next(iter(unit_words.utterances(1)))])
    (tmp_path / "audio").mkdir()
    soundfile.write(tmp_path / "audio" / "0.wav", np.zeros(RATE, np.float32), RATE)
    of = find(Corpus.of(tmp_path), tmp_path, Wanted(model=heard / "motifs" / "motifs.model"))
    assert page.write(Corpus.of(tmp_path), of, tmp_path).silent == ("u0: 0.wav ends before its units do",)


def test_of_a_long_recording_only_passages_are_taken(tmp_path):
    rng = np.random.default_rng(0)
    frames = [unit for _ in range(150) for unit in (*rng.integers(5, 60, 30).tolist(), 1, 2, 3)]
    units, runs = joined(frames)
    unit_words.write(tmp_path, [UnitLine("long", "long.flac", units, runs)])
    soundfile.write(tmp_path / "long.flac", tones(tuple(frames)), RATE)
    of = find(Corpus.of(tmp_path), tmp_path, Wanted(Learning(vocab_size=64, min_count=50)))
    motif = next(each.id for each in of.analysis.motifs if each.units == (1, 2, 3))
    parts = passages.candidates(Corpus.of(tmp_path), of.model, of.analysis, [motif])
    assert 1 < len(parts) <= 8
    for part in parts:
        assert part.n_frames <= 1000
        assert motif in part.pieces
    made = page.write(Corpus.of(tmp_path), of, tmp_path)
    shown = data_of(made.path)["recordings"]
    assert made.n_heard == len(shown) > 0
    for each in shown:
        samples, _ = soundfile.read(io.BytesIO(base64.b64decode(each["sound"])), dtype="float32")
        truth = tones(tuple(frames))[each["first"] * STRIDE :][: len(samples)]
        assert np.corrcoef(samples, truth)[0, 1] > 0.9


def test_units_without_times_have_a_page_without_recordings(tmp_path):
    (tmp_path / "units.txt").write_text("1 2 3 4 1 2 3 0\n" * 9)
    corpus = Corpus.of(tmp_path / "units.txt")
    of = find(corpus, tmp_path, Wanted(Learning(vocab_size=20)))
    made = page.write(corpus, of, tmp_path)
    told = data_of(made.path)
    assert (told["recordings"], told["motifs"][0]["ms"]) == ([], None)


@pytest.mark.parametrize("counts", [[[3, 0], [0, 2], [3, 2]]])
def test_the_passage_that_has_most_is_chosen_first(counts):
    def passage(pieces):
        ids = np.repeat([1, 2], pieces)
        utterance = type("Spoken", (), {"speaker": None})()
        return passages.Passage(utterance, 0, 0, ids, np.full(len(ids), 5))

    assert passages.choose([passage(each) for each in counts], [1, 2], 3)[0] == 2
