"""What a phone network learns by: CTC over phones, vocal activity beside it, and what sounds in each frame."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from melisma.models.phone_net import PhoneNet
from melisma.train.batches import Batch
from melisma.train.config import PhoneTrainingConfig
from melisma.train.rows import RowBatch

Figures = Mapping[str, Tensor | float]  # for the log; single numbers, which stay on the device until the step is taken


def loss_of(net: PhoneNet, batch: Batch, vocal_weight: float, bf16: bool) -> tuple[Tensor, Figures]:
    """CTC per label plus weighted binary cross-entropy of the vocal activity; figures for the log beside it."""
    device = batch.features.device
    lengths = batch.lengths.to(device, non_blocking=True)
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        logits, vocal = net(batch.features, lengths)
    ctc, log_probs = _ctc(logits, batch.labels, batch.lengths, batch.label_lengths)
    mask = (torch.arange(vocal.shape[1], device=device)[None] < lengths[:, None]).float()
    activity = (
        functional.binary_cross_entropy_with_logits(vocal.float(), batch.active, reduction="none") * mask
    ).sum() / mask.sum()
    with torch.no_grad():
        blanks = ((log_probs.argmax(1) == 0).float() * mask).sum() / mask.sum()
        silence = ((batch.active < 0.5).float() * mask).sum() / mask.sum()
    figures = {"ctc": ctc.detach(), "vocal": activity.detach(), "blanks": blanks, "silence": silence}
    return ctc + vocal_weight * activity, figures


def row_loss_of(net: PhoneNet, batch: RowBatch, config: PhoneTrainingConfig) -> tuple[Tensor, Figures]:
    """CTC per label, cross-entropy per feature frame where there is a second head, and vocal activity; figures."""
    device = batch.features.device
    n_frames = batch.features.shape[2] // net.config.stride
    lengths = torch.full((len(batch.features),), n_frames)
    with torch.autocast(device.type, torch.bfloat16, enabled=config.bf16):
        shared = net.trunk(batch.features, lengths.to(device, non_blocking=True))
        logits, vocal = net.spell(shared)
        sounds = net.sound(shared) if config.fine_weight else None
    ctc, log_probs = _ctc(logits, batch.labels, lengths, batch.label_lengths)
    active = batch.active.view(-1, n_frames, net.config.stride).mean(2)
    activity = functional.binary_cross_entropy_with_logits(vocal.float(), active)
    blanks = (log_probs.detach().argmax(1) == 0).float().mean()
    silence = (active < 0.5).float().mean()
    figures = {"ctc": ctc.detach(), "vocal": activity.detach(), "blanks": blanks, "silence": silence}
    loss = ctc + config.vocal_weight * activity
    if sounds is not None:
        fine = functional.cross_entropy(sounds.float(), batch.targets, label_smoothing=config.label_smoothing)
        wrong = (sounds.detach().argmax(1) != batch.targets).float().mean()
        figures |= {"fine": fine.detach(), "wrong": wrong}
        loss = loss + config.fine_weight * fine
    return loss, figures


def _ctc(logits: Tensor, labels: Tensor, lengths: Tensor, label_lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Return CTC per label, and the log-probabilities [batch, n_labels, n_frames].

    Labels are int64 on the device of the logits, lengths int64 on the CPU: that way a GPU takes torch's own kernel too,
    not cuDNN's, which is for int32 only and refuses long rows.
    """
    log_probs = logits.float().log_softmax(1)
    loss = functional.ctc_loss(
        log_probs.permute(2, 0, 1), labels, lengths, label_lengths, reduction="sum", zero_infinity=True
    )
    return loss / max(int(label_lengths.sum()), 1), log_probs
