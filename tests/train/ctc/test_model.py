"""The network in training: its loss, its schedule, its draws, its gradients and its priors."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from melisma.core.errors import TrainingError
from melisma.train.ctc.collate import Batch
from melisma.train.ctc.config import CtcTrainingConfig
from melisma.train.ctc.model import LyricAlignmentModel, ctc_loss, drawing, learning_rate
from melisma.train.ctc.network import open_network, with_labels
from melisma.train.ctc.vocabulary import PHONES, of_corpus

LETTERS = of_corpus(Counter("aabb"))


def module(**settings):
    config = CtcTrainingConfig(model="random:tiny", **settings)
    opened = with_labels(open_network(config), LETTERS, 1)
    return LyricAlignmentModel(opened.net, opened.shape, LETTERS, config)


def batch(n=2, weight=1.0, number=3):
    rng = np.random.default_rng(1)
    inputs = torch.from_numpy(rng.normal(0, 1, (n, 16000)).astype(np.float32))
    labels = torch.tensor([3, 4, 3] * n)
    return Batch(inputs, torch.full((n,), 16000), labels, torch.full((n,), 3), float(n), number, 0, weight)


@pytest.mark.parametrize(
    ("step", "share"), [(0, 1 / 11), (9, 10 / 11), (10, 1.0), (55, 0.505), (100, 0.01), (1000, 0.01)]
)
def test_the_learning_rate_goes_up_a_line_and_down_half_a_cosine(step, share):
    config = CtcTrainingConfig(steps=100, warmup_steps=10, final_lr=0.01)
    assert learning_rate(step, config) == pytest.approx(share)


def test_the_loss_is_that_of_all_paths():
    log_probs = torch.log(torch.tensor([[[0.6, 0.4], [0.5, 0.5]]]))
    one = replace(batch(1), labels=torch.tensor([1]), label_lengths=torch.tensor([1]))
    # a·blank, blank·a and a·a spell "a"
    expected = -math.log(0.4 * 0.5 + 0.6 * 0.5 + 0.4 * 0.5)
    assert float(ctc_loss(log_probs, one, torch.tensor([2]), 0)) == pytest.approx(expected)


def test_a_text_that_does_not_fit_costs_nothing_instead_of_everything():
    log_probs = torch.zeros(1, 2, 5).log_softmax(2)
    assert float(ctc_loss(log_probs, batch(1), torch.tensor([2]), 0)) == 0.0


def test_pieces_of_a_batch_have_its_loss_together():
    log_probs = torch.randn(2, 20, 5).log_softmax(2)
    frames = torch.tensor([20, 20])
    whole = replace(batch(), labels=torch.tensor([1, 2, 3, 1]), label_lengths=torch.tensor([3, 1]))
    parts = [
        replace(whole, labels=torch.tensor([1, 2, 3]), label_lengths=torch.tensor([3]), weight=2 * 3 / 4),
        replace(whole, labels=torch.tensor([1]), label_lengths=torch.tensor([1]), weight=2 * 1 / 4),
    ]
    of_parts = [ctc_loss(log_probs[k : k + 1], part, frames[:1], 0) * part.weight for k, part in enumerate(parts)]
    assert float(sum(of_parts) / 2) == pytest.approx(float(ctc_loss(log_probs, whole, frames, 0)), rel=1e-5)


def test_a_step_draws_the_same_whenever_it_is_taken_and_leaves_numpy_as_it_was():
    made = module(mask_time=0.3)
    made.train()
    np.random.seed(7)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    losses = [float(made.training_step(batch(number=n), 0).detach()) for n in (3, 4, 3)]
    assert losses[0] == losses[2] != losses[1]
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_drawing_leaves_numpy_as_it_was_after_a_fault_too():
    np.random.seed(7)  # noqa: NPY002
    expected = np.random.get_state()[1].copy()  # noqa: NPY002
    with pytest.raises(RuntimeError), drawing((1, 2), torch.device("cpu")):
        raise RuntimeError
    assert (np.random.get_state()[1] == expected).all()  # noqa: NPY002


def test_the_convolutions_do_not_learn_unless_they_are_to():
    frozen, free = module(), module(freeze_features=False)
    assert not any(w.requires_grad for n, w in frozen.net.named_parameters() if "feature_extractor" in n)
    assert all(w.requires_grad for w in free.net.parameters())


def test_figures_say_what_the_likeliest_path_spells():
    made = module()
    log_probs = torch.full((1, 6, 5), -9.0)
    for frame, label in enumerate([0, 3, 3, 0, 3, 4]):
        log_probs[0, frame, label] = 0.0
    figures = made._figures(torch.tensor(1.0), log_probs, batch(1), torch.tensor([5]))
    assert float(figures.blank_share) == pytest.approx(2 / 5)
    assert float(figures.spelt) == pytest.approx(2 / 3)


def test_gradients_that_are_no_numbers_leave_a_step_out_and_end_a_training_that_has_no_others():
    made = module()
    weight = made.net.lm_head.weight
    for k in range(25):
        weight.grad = torch.full_like(weight, math.nan)
        if k == 24:
            with pytest.raises(TrainingError, match="no numbers"):
                made.configure_gradient_clipping(None)
            return
        made.configure_gradient_clipping(None)
        assert weight.grad is None


def test_gradients_are_clipped_and_their_norm_is_told():
    made = module(clip=1.0)
    weight = made.net.lm_head.weight
    weight.grad = torch.ones_like(weight)
    made.configure_gradient_clipping(None)
    assert made.grad_norm == pytest.approx(math.sqrt(weight.numel()))
    assert float(weight.grad.norm()) == pytest.approx(1.0, rel=1e-4)


def test_priors_follow_what_the_network_says():
    made = module(label_priors=0.5)
    log_probs = torch.tensor([0.7, 0.1, 0.1, 0.05, 0.05]).log().expand(2, 8, 5)
    for _ in range(300):
        made._hear(log_probs, torch.tensor([8, 4]))
        made.on_before_optimizer_step(None)
    torch.testing.assert_close(made.log_priors.exp(), log_probs[0, 0].exp(), atol=0.02, rtol=0)


def test_priors_of_a_step_are_the_same_in_however_many_pieces():
    whole, pieces = module(label_priors=0.5), module(label_priors=0.5)
    log_probs, frames = torch.randn(3, 8, 5).log_softmax(2), torch.tensor([8, 4, 6])
    whole._hear(log_probs, frames)
    for k in range(3):
        pieces._hear(log_probs[k : k + 1], frames[k : k + 1])
    for made in (whole, pieces):
        made.on_before_optimizer_step(None)
    torch.testing.assert_close(pieces.log_priors, whole.log_priors)
    assert float(whole.log_priors.std()) > 0


def test_phones_have_the_blank_of_the_embedded_model():
    assert PHONES.labels[0] == "<pad>"
    assert PHONES.blank == 0
