"""Phone times: a boundary lies where the sound changes, wherever in the phone the model has its spike."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from typer.testing import CliRunner

from melisma.aligner.phone_times import align_phones
from melisma.cli.main import app
from melisma.core.errors import InputError, TooFewFrames
from melisma.models.features import log_mel
from melisma.text.phones import INVENTORY
from melisma.train import certificate
from melisma.train.phone_times import SplitConfig, align_corpus

N_LABELS = len(INVENTORY) + 1
LABELS = np.array([3, 30, 12, 7], np.int64)


def sound(spans, total: float) -> np.ndarray:
    """Return tones, one per span in seconds, over next to nothing, as log-mels."""
    samples = np.random.default_rng(1).normal(0, 1e-4, int(total * 16000))
    for k, (start, stop) in enumerate(spans):
        at = np.arange(int(start * 16000), int(stop * 16000))
        samples[at] += 0.3 * np.sin(2 * np.pi * (300 + 700 * k) * at / 16000)
    return log_mel(samples.astype(np.float32))


def spiky(frames, labels, hops: int):
    """Hear every label for one frame only, the one that holds the given feature frame."""

    def hear(normal):
        log_probs = np.full((-(-len(normal) // hops), N_LABELS), -12.0, np.float32)
        log_probs[:, 0] = -0.01
        for frame, label in zip(frames, labels, strict=True):
            log_probs[int(frame) // hops, [0, label]] = -12.0, -0.01
        return log_probs

    return hear


def aligned(spans, total: float, hops: int):
    middles = [round(50 * (start + stop)) for start, stop in spans]
    return align_phones(sound(spans, total), LABELS, spiky(middles, LABELS, hops), hops)


@pytest.mark.parametrize("hops", [1, 3])
def test_boundaries_lie_where_the_sound_changes(hops):
    edges = [0.2, 0.29, 0.45, 0.53, 0.8]
    times = aligned(list(pairwise(edges)), 1.1, hops)
    np.testing.assert_allclose(times.start, np.multiply(edges[:-1], 100), atol=2)
    np.testing.assert_allclose(times.stop, np.multiply(edges[1:], 100), atol=2)
    np.testing.assert_array_equal(times.stop[:-1], times.start[1:])  # no gap where there is none


@pytest.mark.parametrize("hops", [1, 3])
def test_a_pause_is_silence(hops):
    spans = [(0.15, 0.3), (0.3, 0.42), (0.62, 0.75), (0.75, 0.9)]
    times = aligned(spans, 1.2, hops)
    np.testing.assert_allclose(times.start, [100 * start for start, _ in spans], atol=2)
    np.testing.assert_allclose(times.stop, [100 * stop for _, stop in spans], atol=2)
    assert times.start[2] - times.stop[1] >= 17


def test_a_closure_belongs_to_a_phone():
    spans = [(0.15, 0.3), (0.34, 0.45), (0.45, 0.6), (0.6, 0.75)]
    times = aligned(spans, 1.0, 3)
    assert 28 <= times.stop[0] == times.start[1] <= 36


def test_a_clip_too_short_for_its_phones_is_refused():
    with pytest.raises(TooFewFrames):
        align_phones(sound([], 0.09), LABELS, spiky([], [], 3), 3)


def hear(normal):
    """Hear something, whatever it is, in the middle of every tone of the corpus."""
    n = len(normal)
    log_probs = np.full((-(-n // 3), N_LABELS), -12.0, np.float32)
    log_probs[:, 0] = -0.01
    for frame in range(11, n, 15):
        log_probs[frame // 3] = -4.0
        log_probs[frame // 3, 0] = -12.0
    return log_probs


def rows_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_corpus_is_divided_by_speakers_and_timed(corpus, tmp_path):
    out = tmp_path / "out"
    assert align_corpus(corpus, out, hear, 3, SplitConfig(held_out=0.2)) == (8, 2)
    sides = [rows_of(out / f"{name}.jsonl") for name in ("training", "held-out")]
    speakers = [{row["speaker_id"] for row in side} for side in sides]
    assert not speakers[0] & speakers[1]
    assert len(speakers[0] | speakers[1]) == 10
    made = certificate.read(out / "split.json")
    assert set(made.held_out_speakers["en"]) == speakers[1]
    certificate.verify(made, *([certificate.Part(out / f"{name}.jsonl")] for name in ("training", "held-out")))
    for row in sides[0] + sides[1]:
        assert row["audio"] == str((corpus / f"{row['id'].removeprefix('clip-')}.wav").resolve())
        assert row["phones"][0][1] == pytest.approx(0.05, abs=0.021)
        for k, ((_, _, stop), (_, start, _)) in enumerate(pairwise(row["phones"])):
            assert stop == start  # a gap of 30 ms is no pause
            assert 0.15 * k + 0.15 <= start <= 0.15 * k + 0.22


def test_the_same_seed_holds_the_same_speakers_out(corpus, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        align_corpus(corpus, tmp_path / name, hear, 3, SplitConfig(held_out=0.2, seed=seed))
    first, again, other = ((tmp_path / name / "held-out.jsonl").read_bytes() for name in "abc")
    assert first == again
    assert first != other


def test_with_nothing_held_out_there_is_no_certificate(corpus, tmp_path):
    out = tmp_path / "out"
    align_corpus(corpus, out, hear, 3, SplitConfig(held_out=0.2))
    assert align_corpus(corpus, out, hear, 3, SplitConfig(held_out=0)) == (10, 0)
    assert (out / "held-out.jsonl").read_bytes() == b""
    assert not (out / "split.json").exists()


@pytest.mark.parametrize(
    ("split", "sentence"),
    [
        (SplitConfig(held_out=0.01), "no speaker of .*corpus has as few clips as 1% of their language"),
        (SplitConfig(skip=frozenset({"en"})), "corpus holds no clip to align"),
    ],
)
def test_a_split_that_cannot_be_made_is_refused_before_anything_is_aligned(corpus, tmp_path, split, sentence):
    with pytest.raises(InputError, match=sentence):
        align_corpus(corpus, tmp_path / "out", lambda normal: pytest.fail("heard"), 3, split)
    assert not (tmp_path / "out" / "training.jsonl").exists()


@pytest.fixture
def model(tmp_path):
    """A network that has learnt nothing, as ONNX."""
    from melisma.train.config import CardFacts, PhoneTrainingConfig
    from melisma.train.export import export
    from melisma.train.phone import Trainer

    (tmp_path / "run").mkdir()
    trainer = Trainer(PhoneTrainingConfig(channels=8, dilations=(1,)), tmp_path / "run")
    trainer.save()
    return export(trainer.checkpoint, tmp_path / "model", CardFacts(model_id="tiny"))


def invoke(*arguments):
    return CliRunner().invoke(app, ["train", "align", *map(str, arguments)])


def test_the_command_aligns(corpus, model, tmp_path):
    out = tmp_path / "out"
    done = invoke(corpus, "--model", model, "--held-out", 0.2, "-o", out)
    assert done.exit_code == 0, done.output
    assert done.stderr == f"wrote 8 clips to train on and 2 held out to {out}\n"
    assert {path.name for path in out.iterdir()} == {"cache", "held-out.jsonl", "split.json", "training.jsonl"}
    assert all(row["phones"] for row in rows_of(out / "training.jsonl"))


def test_a_corpus_that_is_not_there_is_one_sentence_and_nothing_is_written(model, tmp_path):
    done = invoke(tmp_path / "no", "--model", model, "-o", tmp_path / "out")
    assert done.exit_code == 2
    missing = tmp_path / "no" / "manifest.jsonl"
    assert done.stderr == f"error: cannot read the manifest {missing}: No such file or directory\n"
    assert not (tmp_path / "out").exists()


def test_a_model_that_nobody_knows_is_one_sentence_and_nothing_is_written(corpus, tmp_path):
    done = invoke(corpus, "--model", "huge", "-o", tmp_path / "out")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: no embedded model is called 'huge'")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
