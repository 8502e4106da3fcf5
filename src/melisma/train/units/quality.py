"""How good a codebook is: how near frames are to its centres, how evenly it is used, what its units tell of phones."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from melisma.core.errors import InputError
from melisma.core.records import Float32
from melisma.data.units.feature_files import Features
from melisma.data.units.phones import Phones
from melisma.metrics import units as metrics
from melisma.train.units.kmeans import nearest
from melisma.units.codebook import Codebook


@dataclass(frozen=True, slots=True)
class FieldValue:
    """What others have found."""

    what: str
    pnmi: float
    source: str


# As our field notes give them: other speech and other phones than anybody's here, so a neighbourhood and no aim.
FIELD = (
    FieldValue("k=100 fitted on 1 h", 0.563, "as our field notes give it"),
    FieldValue("k=100 fitted on 100 h", 0.575, "as our field notes give it"),
)
STRANGERS = "no utterance of the features has phones among the alignments: do their ids agree?"


def of_sample(sample: Float32, centres: Float32) -> dict[str, Any]:
    """Return what a sample of frames says of centres, as plain JSON.

    `inertia` is the mean squared distance of a frame to its centre, `explained` the share of the variance that the
    centres explain; of usage, entropy is in nats and perplexity in units.
    """
    units, apart = nearest(sample, centres)
    counts = np.bincount(units, minlength=len(centres)).astype(np.int64)
    used = metrics.usage(counts)
    spread = float(np.var(sample, axis=0, dtype=np.float64).sum())
    inertia = float(apart.mean())
    return {
        "inertia": inertia,
        "explained": 1 - inertia / spread if spread > 0 else 0.0,
        "entropy": used.entropy,
        "perplexity": used.perplexity,
        "dead": list(used.dead),
        "rarest": int(counts.min()) / len(sample),
        "most_frequent": int(counts.max()) / len(sample),
    }


def against_phones(features: Features, book: Codebook, phones: Phones) -> dict[str, Any]:
    """Return how well the units of a corpus agree with its phones, as plain JSON, with and without pauses.

    Utterances of which only features or only phones are known are left out; one is in memory at a time.

    Raises
    ------
    InputError
        If there is none of which both are.
    """
    counts = np.zeros((len(phones.names), book.k), np.int64)
    n_utterances = 0
    for name, frames in features:
        spans = phones.spans.get(name)
        if spans is not None:
            n_utterances += 1
            counts += metrics.count_pairs(spans.of_frames(len(frames)), book.predict(frames), len(counts), book.k)
    whole, voiced = metrics.agreement(counts), metrics.agreement(counts[1:])
    if whole is None or voiced is None:
        raise InputError(STRANGERS)
    said = {"n_utterances": n_utterances, "with_pauses": asdict(whole), "without_pauses": asdict(voiced)}
    return said | {"field": [asdict(each) for each in FIELD]}
