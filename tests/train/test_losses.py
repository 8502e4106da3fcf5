"""What the network learns by: whatever is in a batch, the loss is a number that can be learnt by."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from melisma.models.features import N_MELS
from melisma.train.augment import plain
from melisma.train.batches import collate
from melisma.train.config import PhoneTrainingConfig
from melisma.train.corpus import Clip
from melisma.train.losses import loss_of, row_loss_of
from melisma.train.rows import RowBatch
from melisma.train.trainer import Trainer

TINY = PhoneTrainingConfig(channels=16, dilations=(1, 2), fine_weight=0.3, bf16=False)


def test_a_label_that_the_frames_cannot_spell_does_not_spoil_the_step(tmp_path):
    silence = np.zeros((30, N_MELS), np.float16)
    short = Clip("c", "en", "s", silence[:9], np.arange(1, 9))  # eight labels in three frames
    batch = collate([plain(Clip("c", "en", "s", silence, np.array([1]))), plain(short)])
    net = Trainer(TINY, tmp_path).net
    loss, figures = loss_of(net, batch, 0.3, False)
    assert torch.isfinite(loss)
    assert figures["ctc"] > 0


def rows(n_rows: int, labels: list[int], label_lengths: list[int]) -> RowBatch:
    features = torch.randn(n_rows, N_MELS, 48, generator=torch.Generator().manual_seed(2))
    targets = torch.ones(n_rows, 48, dtype=torch.int64)
    active = torch.ones(n_rows, 48)
    return RowBatch(features, targets, active, torch.tensor(labels, dtype=torch.int64), torch.tensor(label_lengths))


def test_a_row_in_which_nobody_sings_is_learnt_from(tmp_path):
    net = Trainer(TINY, tmp_path).net
    loss, figures = row_loss_of(net, rows(2, [3, 3, 5], [3, 0]), TINY)
    loss.backward()
    assert torch.isfinite(loss)
    assert net.head.weight.grad.abs().sum() > 0
    parts = figures["ctc"] + TINY.vocal_weight * figures["vocal"] + TINY.fine_weight * figures["fine"]
    assert float(loss.detach()) == pytest.approx(float(parts), rel=1e-5)


def test_figures_take_no_slope_along(tmp_path):
    _, figures = row_loss_of(Trainer(TINY, tmp_path).net, rows(1, [1], [1]), TINY)
    assert {"ctc", "vocal", "blanks", "silence", "fine", "wrong"} == figures.keys()
    assert not any(value.requires_grad for value in figures.values())
