"""Grow a network: a wider or deeper one that begins by saying what a smaller one has learnt to say.

After Net2Net (Chen, Goodfellow and Shlens, ICLR 2016). Channels that are added hear everything and are heard by none
that was there before, until training finds a use for them; layers that are added begin almost silent.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

QUIET = 0.1  # how loud a layer that was added begins; at 0 its rectifier would never let it learn


@torch.no_grad()
def grown(given: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Return the weights of a network that begins as a smaller one, and the names of those that come from nowhere.

    Parameters
    ----------
    given : mapping of str to Tensor
        Weights of the smaller network, or of one of the same shape.
    own : mapping of str to Tensor
        Weights of the larger one as they were drawn, [out, in, kernel] or [out] each, by the same names.

    Returns
    -------
    weights : dict of str to Tensor
        A value for every name of `own`.
    new : list of str
        Names that `given` lacks, or that are smaller in `own`; they keep what was drawn.
    """
    weights, new = {}, []
    for name, drawn in own.items():
        small = given.get(name)
        if isinstance(small, Tensor) and _fits(small, drawn, name.startswith(("head.", "fine."))):
            weights[name] = _inside(small, drawn)
            continue
        new.append(name)
        quiet = name.startswith("blocks.") and name.endswith("norm.weight")
        weights[name] = torch.full_like(drawn, QUIET) if quiet else drawn.clone()
    return weights, new


def _fits(small: Tensor, large: Tensor, speaks: bool) -> bool:
    """Say whether one lies inside the other: no longer in channels, of one kernel, and of one output if it `speaks`."""
    return (
        small.ndim == large.ndim
        and not (speaks and small.shape[0] != large.shape[0])
        and all(s <= n for s, n in zip(small.shape[:2], large.shape[:2], strict=True))
        and small.shape[2:] == large.shape[2:]
    )


def _inside(small: Tensor, drawn: Tensor) -> Tensor:
    out = drawn.clone()
    if small.ndim == 0:
        return small.clone()
    n_out = small.shape[0]
    if small.ndim == 1:
        out[:n_out] = small
        return out
    n_in = small.shape[1]
    out[:n_out] = 0  # those that were there go on hearing only those that were there
    out[:n_out, :n_in] = small
    return out
