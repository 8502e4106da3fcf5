"""Weights of clips: read with their faults named, given to the clips they are of, and drawn by."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest

from melisma.core.errors import InputError
from melisma.data.balance_run import write_weights
from melisma.train.ctc.batches import Plan
from melisma.train.ctc.checkpoints import load_trained
from melisma.train.ctc.dataset import Clips
from melisma.train.ctc.weights import Weights, fingerprint


@pytest.fixture
def file(tmp_path, manifests):
    """Write weights of the training manifest; `change` says those of some, by number."""

    def write(**change):
        rows = [{"id": f"ours/{n}", "weight": change.get(f"w{n}", 1.0)} for n in range(10)]
        path = tmp_path / "weights.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return write


def clips_of(lines):
    n = len(lines)
    some = np.zeros(n, np.int64)
    return Clips(some, some, some, some, np.arange(n + 1), np.array(lines), some.astype(np.uint8), np.arange(n + 1))


def test_clips_get_the_weights_of_their_lines(file, manifests):
    weights = Weights.read(file(w2=0.5, w7=3)).of(clips_of([2, 5, 7]), manifests[0])
    assert weights.tolist() == [0.5, 1.0, 3.0]


def test_what_balance_writes_is_read(tmp_path, manifests):
    write_weights(manifests[0], tmp_path / "w.jsonl", ["language"], 0.5)
    assert Weights.read(tmp_path / "w.jsonl").of(clips_of([0, 9]), manifests[0]).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("nonsense", 'line 2: not {"id": …, "weight": …}'),
        ('{"id": "ours/1"}', "line 2: not"),
        ('{"id": 7, "weight": 1}', "line 2: a weight is a number from 0 to 1000"),
        ('{"id": "x", "weight": -1}', "line 2: a weight is"),
        ('{"id": "x", "weight": NaN}', "line 2: a weight is"),
        ('{"id": "x", "weight": 1e9}', "line 2: a weight is"),
        ('{"id": "ours/0", "weight": 2}', "line 2: ours/0 has another weight further up"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, sentence):
    path = tmp_path / "w.jsonl"
    path.write_text('{"id": "ours/0", "weight": 1}\n' + line + "\n")
    with pytest.raises(InputError) as caught:
        Weights.read(path)
    assert f"{path}, {sentence}" in str(caught.value)


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="cannot read the weights"):
        Weights.read(tmp_path / "none.jsonl")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="no text in UTF-8"):
        Weights.read(tmp_path / "bytes")


def test_clips_without_a_weight_and_weights_of_nothing_are_refused(file, manifests, tmp_path):
    (tmp_path / "few.jsonl").write_text('{"id": "ours/0", "weight": 1}\n')
    with pytest.raises(InputError, match=r"gives no weight for ours/3 of .*write it again with melisma data balance"):
        Weights.read(tmp_path / "few.jsonl").of(clips_of([0, 3]), manifests[0])
    with pytest.raises(InputError, match="the weight 0: there is nothing to learn from"):
        Weights.read(file(w1=0)).of(clips_of([1]), manifests[0])


def drawn(plan, passes):
    """Count how often each clip is drawn in each of some passes."""
    n = plan.n_per_pass
    return [Counter(np.concatenate([plan.batch(which * n + k) for k in range(n)]).tolist()) for which in range(passes)]


def test_clips_are_drawn_as_often_as_they_weigh():
    rng = np.random.default_rng(2)
    weights = rng.choice([0.0, 0.25, 1.0, 2.5], 400)
    plan = Plan(rng.uniform(0.5, 12, 400).astype(np.float32), rng.integers(2, 90, 400), 40.0, 3, weights=weights)
    passes = drawn(plan, 200)
    n = round(weights.sum())
    assert {counts.total() for counts in passes} == {n}
    wanted = weights * n / weights.sum()
    for counts in passes:
        times = np.array([counts[clip] for clip in range(400)])
        assert (times >= np.floor(wanted)).all()
        assert (times <= np.ceil(wanted)).all()
    mean = sum(np.array([counts[clip] for clip in range(400)]) for counts in passes) / 200
    # One draw a pass decides for all clips: six deviations of a share of 200 draws, the widest at a half.
    assert np.abs(mean - wanted).max() < 6 * 0.5 / np.sqrt(200)


def test_weighed_batches_are_no_longer_than_others():
    rng = np.random.default_rng(4)
    weights = rng.exponential(1.0, 300)
    plan = Plan(rng.uniform(0.5, 12, 300).astype(np.float32), rng.integers(2, 90, 300), 40.0, 3, weights=weights)
    for number in range(5 * plan.n_per_pass):
        clips = plan.batch(number)
        assert plan.lengths_s[clips].max() * len(clips) <= 44.001 or len(clips) == 1
    assert 0 < plan.padding() < 0.1


def test_weights_of_one_draw_as_no_weights_do():
    lengths = np.random.default_rng(6).uniform(0.5, 12, 50).astype(np.float32)
    plain, weighed = (Plan(lengths, np.ones(50, np.int64), 20.0, weights=w) for w in (None, np.ones(50)))
    assert all((plain.batch(k) == weighed.batch(k)).all() for k in range(3 * plain.n_per_pass))


def losses(folder):
    lines = map(json.loads, (folder / "log.jsonl").read_text(encoding="utf-8").splitlines())
    return {line["step"]: line["loss"] for line in lines}


def test_a_training_goes_on_with_its_weights_and_with_no_others(train, file, tmp_path):
    import pytorch_lightning as pl

    class Killed(Exception):
        pass

    class KillAt(pl.Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            if trainer.global_step == 6:
                raise Killed

    path = file(w0=4, w1=0, w2=0, w3=0.5)
    whole = losses(train("whole", weights=path))
    assert whole != losses(train("plain"))
    with pytest.raises(Killed):
        train("killed", weights=path, callbacks=lambda folder: [KillAt()])
    with pytest.raises(InputError, match="was begun with other weights: give the same --weights"):
        train("killed")
    with pytest.raises(InputError, match="was begun with other weights"):
        train("killed", weights=file(w0=3))
    folder = train("killed", weights=file(w0=4, w1=0, w2=0, w3=0.5))
    assert losses(folder) == pytest.approx(whole, rel=1e-5)
    assert load_trained(folder).facts["weighed_by"] == fingerprint(np.array([4, 0, 0, 0.5, *[1.0] * 6], np.float64))
