"""Loaders: workers make what this process would make, from any batch on."""

from __future__ import annotations

import os

import numpy as np
import pytest
import soundfile
import torch

from melisma.train.ctc.batches import Plan, StepSampler
from melisma.train.ctc.collate import ClipDataset, Hearing
from melisma.train.ctc.dataset import Clips
from melisma.train.ctc.loader import loader
from melisma.train.ctc.trained import Kind


@pytest.fixture
def clips(tmp_path):
    rng = np.random.default_rng(1)
    names = []
    for k in range(6):
        soundfile.write(tmp_path / f"{k}.wav", rng.normal(0, 0.1, 16000), 16000)
        names.append(str(tmp_path / f"{k}.wav").encode())
    bounds = np.cumsum([0, *map(len, names)])
    labels, ends = np.tile(np.arange(1, 4, dtype=np.int32), 6), np.arange(0, 19, 3)
    owner, n_samples = np.arange(6, dtype=np.int32), np.full(6, 16000, np.int32)
    table = np.frombuffer(b"".join(names), np.uint8)
    return Clips(owner, np.zeros(6, np.int64), n_samples, labels, ends, np.arange(6), table, bounds)


def batches(clips, workers, first=0):
    plan = Plan(clips.lengths_s, clips.n_labels, 2.0)
    sampler = StepSampler(plan, 6)
    sampler.first = first
    return list(loader(ClipDataset(clips, Hearing(Kind.TRANSFORMERS, False, 320)), sampler, workers))


def test_a_worker_makes_what_this_process_would(clips):
    here, there = batches(clips, 0), batches(clips, 1)
    assert len(here) == 6
    for one, other in zip(here, there, strict=True):
        torch.testing.assert_close(one.inputs, other.inputs, rtol=0, atol=0)
        assert (one.number, one.labels.tolist()) == (other.number, other.labels.tolist())


def test_a_loader_begins_where_it_is_told(clips):
    assert [batch.number for batch in batches(clips, 0, first=4)] == [4, 5]


def test_the_environment_is_as_it_was_once_workers_have_begun(clips, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    batches(clips, 1)
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ
