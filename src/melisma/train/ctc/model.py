"""The network in training: its loss, its optimiser, and what of it a checkpoint holds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional

from melisma.core.errors import TrainingError
from melisma.models.pretrained import Vocabulary
from melisma.train.ctc.collate import Batch
from melisma.train.ctc.config import CtcTrainingConfig
from melisma.train.ctc.network import Shape, logits_of
from melisma.train.ctc.priors import prior_shift
from melisma.train.ctc.trained import Kind

_DROP = 13  # what a generator is for: part of its seed
_PATIENCE = 25  # steps in a row without a gradient that is a number, after which nothing is to be hoped for
_PRIOR_DECAY = 0.999  # a batch; the mean of some thousand batches


@dataclass(frozen=True, slots=True)
class Figures:
    """What one batch shows.

    Parameters
    ----------
    loss : float
        CTC in nats a label of the whole batch; the mean over its pieces is that of the batch.
    blank_share : float
        Of the frames, those whose likeliest label is the blank.
    spelt : float
        Labels that the likeliest path spells, per label of the transcripts.
    seconds : float
        Of audio.
    """

    loss: Tensor
    blank_share: Tensor
    spelt: Tensor
    seconds: float


@contextmanager
def drawing(key: tuple[int, ...], device: torch.device) -> Iterator[None]:
    """Let everything that draws at random in a step draw the same whenever the step is taken.

    torch's generators for dropout, and NumPy's own for transformers' SpecAugment, which takes no other.
    """
    words = np.random.SeedSequence(key).generate_state(2)
    torch.manual_seed(int(words[0]))
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(int(words[1]))  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002


def learning_rate(step: int, config: CtcTrainingConfig) -> float:
    """Return the share of `lr` at a step: a straight line up, then half a cosine down to `final_lr`."""
    if step < config.warmup_steps:
        return (step + 1) / (config.warmup_steps + 1)
    done = min(1.0, (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps))
    return config.final_lr + (1 - config.final_lr) * 0.5 * (1 + math.cos(math.pi * done))


class LyricAlignmentModel(pl.LightningModule):
    """A CTC network that learns to align lyrics.

    Parameters
    ----------
    net : torch.nn.Module
        As `melisma.train.ctc.network` opens it.
    shape : Shape
        Of it.
    vocabulary : Vocabulary
        Its labels.
    config : CtcTrainingConfig
        How it is trained.
    facts : mapping, optional
        Plain values that every checkpoint holds beside the weights.
    """

    log_priors: Tensor

    def __init__(
        self,
        net: nn.Module,
        shape: Shape,
        vocabulary: Vocabulary,
        config: CtcTrainingConfig,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.net, self.shape, self.vocabulary, self.config = net, shape, vocabulary, config
        self.facts: dict[str, Any] = dict(facts or {})
        self.figures: list[Figures] = []  # of the batches since the last step; whoever reads them clears them
        self.grad_norm = 0.0
        self._without = 0  # steps in a row that had no gradient
        self._heard: list[tuple[Tensor, Tensor]] = []  # posteriors of this step's batches, summed, and their frames
        n = len(vocabulary.labels)
        self.register_buffer("log_priors", torch.full((n,), -math.log(n)))
        if shape.kind is Kind.TRANSFORMERS and config.freeze_features:
            self._freeze_features()

    def forward(self, inputs: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits, float [batch, n_frames, n_labels], and how many frames are of each clip; see `logits_of`."""
        frozen = self.training and self.global_step < self.config.freeze_steps
        logits, frames = logits_of(self.net, self.shape, inputs, lengths, frozen=frozen)
        shift = None if self.training else prior_shift(self.log_priors, self.config, self.global_step)
        return (logits if shift is None else logits - shift), frames

    def _freeze_features(self) -> None:
        """Keep the convolutions as they are: for good, or until they learn as well."""
        net: Any = self.net
        until = self.config.freeze_features_steps
        if until:  # the optimiser knows them from the beginning on; what they gave has no gradients until then
            net.base_model.feature_extractor.register_forward_hook(
                lambda module, given, out: out.detach() if self.global_step < until else out
            )
        elif hasattr(net, "freeze_feature_encoder"):
            net.freeze_feature_encoder()

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Move what the network reads."""
        return batch.to(device)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch; its figures wait in `figures`."""
        with drawing((self.config.seed, _DROP, batch.number, batch.row), self.device):
            logits, frames = self(batch.inputs, batch.lengths)
        log_probs = logits.float().log_softmax(2)
        weighed = log_probs
        if self.config.label_priors:
            shift = prior_shift(self.log_priors, self.config, self.global_step)
            weighed = log_probs if shift is None else log_probs - shift
            if batch.weight:
                self._hear(log_probs.detach(), frames)
        loss = ctc_loss(weighed, batch, frames, self.vocabulary.blank) * batch.weight
        self.figures.append(self._figures(loss.detach(), weighed.detach(), batch, frames))
        return loss

    def _figures(self, loss: Tensor, log_probs: Tensor, batch: Batch, frames: Tensor) -> Figures:
        best = log_probs.argmax(2)
        inside = torch.arange(best.shape[1])[None] < frames[:, None]
        inside = inside.to(best.device, non_blocking=True)
        is_blank = (best == self.vocabulary.blank) & inside
        begins = inside & (best != self.vocabulary.blank)
        begins[:, 1:] &= best[:, 1:] != best[:, :-1]
        n_frames, n_labels = int(frames.sum()), max(1, int(batch.label_lengths.sum()))
        return Figures(loss, is_blank.sum() / n_frames, begins.sum() / n_labels, batch.seconds)

    @torch.no_grad()
    def _hear(self, log_probs: Tensor, frames: Tensor) -> None:
        """Keep the posteriors of a batch until its step is taken."""
        inside = (torch.arange(log_probs.shape[1])[None] < frames[:, None]).to(log_probs.device)
        self._heard.append(((log_probs.exp() * inside[..., None]).sum((0, 1)), inside.sum()))

    @torch.no_grad()
    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Take the posteriors of a step into the running priors: those of all its batches, pieces and processes."""
        if not self.config.label_priors:
            return
        none = torch.zeros_like(self.log_priors)
        said = torch.stack([none, *(said for said, _ in self._heard)]).sum(0)
        n = torch.stack([none[0], *(n for _, n in self._heard)]).sum()
        self._heard.clear()
        if self._trainer is not None and self.trainer.world_size > 1:
            said, n = (self.trainer.strategy.reduce(each, reduce_op="sum") for each in (said, n))
        decay = min(_PRIOR_DECAY, (1 + self.global_step) / (10 + self.global_step))
        self.log_priors = torch.log(decay * self.log_priors.exp() + (1 - decay) * said / n.clamp(min=1) + 1e-12)

    def configure_optimizers(self) -> Any:
        """Return AdamW and its schedule."""
        trained = [weight for weight in self.net.parameters() if weight.requires_grad]
        decayed = [weight for weight in trained if weight.ndim > 1]
        others = [weight for weight in trained if weight.ndim <= 1]
        groups = [
            {"params": decayed, "weight_decay": self.config.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        optimiser = torch.optim.AdamW(groups, self.config.lr, betas=(0.9, 0.98), eps=1e-8)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: learning_rate(step, self.config))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the gradients, and leave a step out whose gradients are no numbers.

        Raises
        ------
        TrainingError
            If too many steps in a row have none.
        """
        weights = [weight for weight in self.net.parameters() if weight.grad is not None]
        self.grad_norm = float(torch.nn.utils.clip_grad_norm_(weights, self.config.clip)) if weights else 0.0
        if math.isfinite(self.grad_norm):
            self._without = 0
            return
        self._without += 1
        for weight in weights:
            weight.grad = None
        if self._without >= _PATIENCE:
            raise TrainingError(
                f"the gradients of {_PATIENCE} steps in a row are no numbers, up to step {self.global_step}: "
                "go on from the last checkpoint with a lower lr, or train into another folder"
            )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what the network is made of again from."""
        checkpoint["melisma"] = {
            "format": 1,
            "config": self.config.model_dump(mode="json"),
            "shape": self.shape.to_dict(),
            "labels": list(self.vocabulary.labels),
            "blank": self.vocabulary.blank,
            "silent": sorted(self.vocabulary.silent),
            "delimiter": self.vocabulary.delimiter,
            **self.facts,
        }
        if "origin" in self.facts:  # where `melisma.train.origin` looks for it
            checkpoint["origin"] = self.facts["origin"]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Let Lightning count on from the batch that comes next, in however many pieces batches are cut now."""
        done = int(checkpoint["global_step"]) * self.trainer.accumulate_grad_batches
        progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
        for counted in ("current", "total"):
            progress[counted] = {"ready": done, "started": done, "processed": done, "completed": max(0, done - 1)}
        progress["is_last_batch"] = False


def ctc_loss(log_probs: Tensor, batch: Batch, frames: Tensor, blank: int) -> Tensor:
    """Return CTC in nats a label; clips that cannot be spelt in their frames count nothing.

    Labels are int64 on the device of the scores, lengths int64 on the CPU: that way a GPU takes torch's own kernel.
    """
    loss = functional.ctc_loss(
        log_probs.transpose(0, 1),
        batch.labels,
        frames,
        batch.label_lengths,
        blank=blank,
        reduction="sum",
        zero_infinity=True,
    )
    return loss / max(1, int(batch.label_lengths.sum()))
