"""Other kinds of network than the one that ships, for `study.py`: same first layer, heads and training.

They are here and not in the package because none of them earned its place; docs/embedded-model.md has the table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from melisma.core.records import Float32
from melisma.models.features import FLOOR, N_MELS
from melisma.models.phone_net import PhoneNet, PhoneNetConfig
from melisma.train.rows import RowBatch, RowSampler

HEADS = 4
NEIGHBOURS = 64  # emission frames on either side whose distance a head tells apart


class _Feed(nn.Module):
    """A feed-forward layer of four times the width."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(channels),
            nn.Linear(channels, 4 * channels),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(4 * channels, channels),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return out


class _Attention(nn.Module):
    """Self-attention with a learnt bias per head and distance (Raffel et al. 2020, without buckets)."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.mixed = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        self.bias = nn.Parameter(torch.zeros(HEADS, 2 * NEIGHBOURS + 1))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        batch, n, channels = x.shape
        query, key, value = self.mixed(self.norm(x)).view(batch, n, 3, HEADS, channels // HEADS).unbind(2)
        at = torch.arange(n, device=x.device)
        distance = (at[None] - at[:, None]).clamp(-NEIGHBOURS, NEIGHBOURS) + NEIGHBOURS
        bias = self.bias[:, distance].to(query.dtype)[None] + torch.where(mask, 0.0, -1e4).to(query.dtype)[:, None]
        heard = functional.scaled_dot_product_attention(
            query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), attn_mask=bias
        )
        out: Tensor = self.dropout(self.out(heard.transpose(1, 2).reshape(batch, n, channels)))
        return out


class _ConformerBlock(nn.Module):
    """Half a feed-forward, attention, a dense convolution, half a feed-forward (after Gulati et al. 2020).

    The convolution is dense where theirs is depthwise: on this kind of CPU that is the faster one to train.
    """

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.before, self.after = _Feed(channels, dropout), _Feed(channels, dropout)
        self.attention = _Attention(channels, dropout)
        self.conv = nn.Conv1d(channels, channels, 7, padding=3, bias=False)
        self.norm, self.last = nn.BatchNorm1d(channels), nn.LayerNorm(channels)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        rows = x.transpose(1, 2)
        rows = rows + 0.5 * self.before(rows)
        rows = rows + self.attention(rows, mask > 0)
        columns = rows.transpose(1, 2) * mask
        rows = rows + functional.silu(self.norm(self.conv(columns))).transpose(1, 2)
        out: Tensor = self.last(rows + 0.5 * self.after(rows)).transpose(1, 2) * mask
        return out


class ConformerNet(PhoneNet):
    """`len(dilations)` conformer-like blocks instead of dilated convolutions."""

    def __init__(self, config: PhoneNetConfig) -> None:
        super().__init__(replace(config, dilations=()))
        self.blocks = nn.ModuleList(_ConformerBlock(config.channels, config.dropout) for _ in config.dilations)


class _Recurrent(nn.Module):
    """A bidirectional LSTM, added to what it hears."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(channels)
        self.lstm = nn.LSTM(channels, channels // 2, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):  # as fast on a CPU, and states stay exact
            heard = self.lstm(self.norm(x).float().transpose(1, 2))[0].transpose(1, 2)
        out: Tensor = (x + self.dropout(heard.to(x.dtype))) * mask
        return out


class RecurrentNet(PhoneNet):
    """Dilated convolutions, of which the last `LAYERS` make way for LSTMs of both directions."""

    LAYERS = 3

    def __init__(self, config: PhoneNetConfig) -> None:
        super().__init__(replace(config, dilations=config.dilations[: -2 * self.LAYERS]))
        for _ in range(self.LAYERS):
            self.blocks.append(_Recurrent(config.channels, config.dropout))


class MaskedNet(PhoneNet):
    """A small network before the first layer says how much of each mel band and 10 ms is voice, and mutes the rest.

    It is taught by the mixes that rows are made of, whose voices are known; `MaskSampler` remembers them.
    """

    WIDTH = 96

    def __init__(self, config: PhoneNetConfig) -> None:
        super().__init__(config)
        width = self.WIDTH
        layers: list[nn.Module] = [nn.Conv1d(N_MELS, width, 5, padding=2), nn.ReLU()]
        for dilation in (1, 2, 4, 8, 16):
            layers += [nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation, bias=False)]
            layers += [nn.BatchNorm1d(width), nn.ReLU()]
        self.enhance = nn.Sequential(*layers, nn.Conv1d(width, N_MELS, 1))
        self.depth = nn.Parameter(torch.full((N_MELS, 1), 0.5))  # deviations of a band per nat of the mask
        self.said: Tensor | None = None  # logits of the mask of the last batch, float32 [batch, N_MELS, n_features]

    def trunk(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return what all heads read, of features whose music is turned down."""
        self.said = self.enhance(features).float()
        return super().trunk(features + self.depth * functional.logsigmoid(self.said).clamp(min=-6), lengths)


@dataclass(frozen=True, slots=True)
class MaskedBatch(RowBatch):
    """A batch that knows the share of the voice in the power of each band."""

    voice: Tensor  # float32 [n_rows, N_MELS, n_frames], 0 to 1


class MaskSampler(RowSampler):
    """Rows that remember how much of each band was voice before the music came; for one thread."""

    def batch(self, step: int, strength: float = 1.0) -> MaskedBatch:
        """Make the batch of a step."""
        self._voices: list[Float32] = []
        made = RowSampler.batch(self, step, strength)
        voice = torch.from_numpy(np.stack([share.T for share in self._voices]))
        return MaskedBatch(made.features, made.targets, made.active, made.labels, made.label_lengths, voice)

    def among_music(self, power: Float32, active: Float32, strength: float, rng: np.random.Generator) -> Float32:
        """Mix as ever, and remember the share of the voice."""
        voice = power.copy()
        mixed = super().among_music(power, active, strength, rng)
        self._voices.append(np.clip(voice / (mixed + FLOOR), 0, 1).astype(np.float32))
        return mixed
