"""Which layer of an encoder makes units that tell most of the phones: a small k-means on each, held against phones."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from melisma.core.errors import InputError
from melisma.core.records import Int64
from melisma.data.units.layer_samples import Samples
from melisma.data.units.phones import Phones
from melisma.metrics import units as metrics
from melisma.metrics.units import Agreement, Usage
from melisma.scale.protocol import Progress
from melisma.train.units import kmeans

_N_INIT = 3  # of layers that differ by little: enough to see which are good


@dataclass(frozen=True, slots=True)
class LayerScore:
    """How well units of a layer agree with phones, on utterances that the clusters were not made of.

    Parameters
    ----------
    layer, n_dims : int
        Which, and of how many dimensions.
    with_pauses, without_pauses : Agreement
        Over all frames, and over those in which a phone sounds.
    usage : Usage
        How evenly the units are used.
    explained : float
        Share of the features' variance that the centres explain, in [0, 1].
    """

    layer: int
    n_dims: int
    with_pauses: Agreement
    without_pauses: Agreement
    usage: Usage
    explained: float

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return asdict(self) | {"usage": asdict(self.usage) | {"dead": list(self.usage.dead)}}


def scores(
    samples: Samples, phones: Phones, config: kmeans.Config, progress: Progress | None = None
) -> list[LayerScore]:
    """Return the score of every layer, in their order.

    Every second utterance of which phones are known makes the clusters; the others are counted. One layer is in memory.

    Raises
    ------
    InputError
        If too few utterances have phones.
    MissingDependency
        If scikit-learn is not installed.
    """
    kinds, fitted = _labels(samples, phones)
    found = []
    for number, layer in enumerate(samples.layers, 1):
        rows = samples.rows(layer)
        centres = kmeans.fit(rows[fitted == 1], replace(config, n_init=_N_INIT)).centres
        held = rows[fitted == 0]
        units, apart = kmeans.nearest(held, centres)
        counts = metrics.count_pairs(kinds[fitted == 0], units, len(phones.names), config.k)
        whole, voiced = metrics.agreement(counts), metrics.agreement(counts[1:])
        if whole is None or voiced is None:
            raise InputError("no frame of the utterances that are held out has a phone")
        spread = float(np.var(held, axis=0, dtype=np.float64).sum())
        explained = 1 - float(apart.mean()) / spread if spread > 0 else 0.0
        found.append(LayerScore(layer, rows.shape[1], whole, voiced, metrics.usage(counts.sum(axis=0)), explained))
        if progress is not None:
            progress("cluster layers", number / len(samples.layers))
    return found


def _labels(samples: Samples, phones: Phones) -> tuple[Int64, Int64]:
    """Return of each row the phone, and whether it makes clusters (1), is counted (0), or has no phones (-1)."""
    kinds, fitted, n_known = [], [], 0
    for name, n_frames, n_drawn in samples.utterances:
        spans = phones.spans.get(name)
        if spans is None:
            kinds.append(np.full(n_drawn, -1, np.int64))
            fitted.append(np.full(n_drawn, -1, np.int64))
            continue
        n_known += 1
        kinds.append(spans.of_frames(n_frames)[samples.drawing.frames(name, n_frames)])
        fitted.append(np.full(n_drawn, n_known % 2, np.int64))
    if n_known < 2:
        raise InputError(f"{n_known} of the utterances have phones among the alignments: do their ids agree?")
    return np.concatenate(kinds), np.concatenate(fitted)


def best(found: list[LayerScore]) -> LayerScore:
    """Return the layer whose units tell most of the phone, by PNMI over all frames; the lowest of equal ones."""
    return max(found, key=lambda score: score.with_pauses.pnmi)
