"""How well discrete units agree with phones, and how evenly they are used.

Conventions
-----------
Everything is counted in frames: `counts[p, z]` says how many frames of phone p have unit z. Logarithms are natural, so
entropies are in nats. With N frames:

- phone purity      (1/N) Σ_z max_p counts[p, z]: accuracy, if each unit were named after its most frequent phone
- cluster purity    (1/N) Σ_p max_z counts[p, z]: the same the other way round; it falls where phones have many units
- PNMI              I(phone; unit) / H(phone): the share of the uncertainty about the phone that its unit takes away
- entropy           H(unit), and its exponential, the perplexity: how many units would be used as much, if evenly

Phone purity and PNMI rise with the number of units, and are 1 where every frame has a unit of its own: compare them at
the same k only.

References
----------
Hsu et al., HuBERT, IEEE/ACM TASLP 29, 2021, where these measures come from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from melisma.core.records import Int64

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of units with phones, all in [0, 1] but the number of frames and the entropies (nats).

    `chance` is the phone purity of one unit for everything: the share of the most frequent phone.
    """

    n_frames: int
    n_phones: int
    phone_purity: float
    cluster_purity: float
    pnmi: float
    phone_entropy: float
    chance: float


@dataclass(frozen=True, slots=True)
class Usage:
    """How units are used: entropy in nats, perplexity in units, and which are never used."""

    n_frames: int
    entropy: float
    perplexity: float
    dead: tuple[int, ...]


def count_pairs(phones: Int64, units: Int64, n_phones: int, n_units: int) -> Int64:
    """Count how often a phone and a unit meet, int64 [n_phones, n_units].

    Parameters
    ----------
    phones : int64 [n_frames]
        Phone of each frame; frames below 0 have none, and are left out.
    units : int64 [n_frames]
        Unit of each frame.
    n_phones, n_units : int
        How many there are.

    Raises
    ------
    ValueError
        If the lengths differ, or an id is too large.
    """
    if phones.shape != units.shape or phones.ndim != 1:
        raise ValueError(f"{phones.shape} phones and {units.shape} units are not of the same frames")
    known = phones >= 0
    phones, units = phones[known], units[known]
    if len(phones) and (phones.max() >= n_phones or units.max() >= n_units or units.min() < 0):
        raise ValueError(f"there are {n_phones} phones and {n_units} units, an id is none of them")
    counts = np.bincount(phones * n_units + units, minlength=n_phones * n_units)
    return counts.reshape(n_phones, n_units).astype(np.int64)


def agreement(counts: Int64) -> Agreement | None:
    """Return how well units and phones agree, or None where no frame was counted.

    Parameters
    ----------
    counts : int64 [n_phones, n_units]
        As `count_pairs` has them; those of several recordings are added.

    Examples
    --------
    >>> agreement(np.array([[3, 0, 1], [0, 4, 0]])).phone_purity
    1.0
    >>> agreement(np.array([[2, 2], [2, 2]])).pnmi
    0.0
    """
    n = int(counts.sum())
    if n == 0:
        return None
    per_phone, per_unit = counts.sum(axis=1), counts.sum(axis=0)
    phone_entropy = _entropy(per_phone)
    shared = phone_entropy + _entropy(per_unit) - _entropy(counts.ravel())
    return Agreement(
        n_frames=n,
        n_phones=int(np.count_nonzero(per_phone)),
        phone_purity=int(counts.max(axis=0).sum()) / n,
        cluster_purity=int(counts.max(axis=1).sum()) / n,
        # One phone alone leaves nothing to be told.
        pnmi=min(1.0, max(0.0, shared / phone_entropy)) if phone_entropy > 0 else 0.0,
        phone_entropy=phone_entropy,
        chance=int(per_phone.max()) / n,
    )


def usage(counts: Int64) -> Usage:
    """Return how evenly units are used.

    Parameters
    ----------
    counts : int64 [n_units]
        Frames of each unit.

    Examples
    --------
    >>> usage(np.array([5, 5, 0]))
    Usage(n_frames=10, entropy=0.6931471805599453, perplexity=2.0, dead=(2,))
    """
    entropy = _entropy(counts)
    dead = tuple(int(i) for i in np.flatnonzero(counts == 0))
    return Usage(int(counts.sum()), entropy, float(np.exp(entropy)), dead)


def _entropy(counts: Int64) -> float:
    used = counts[counts > 0]
    if not len(used):
        return 0.0
    shares: Float64 = used / used.sum()
    return max(0.0, float(-(shares * np.log(shares)).sum()))
