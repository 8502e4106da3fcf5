"""The mean of two trainings' weights: of a network and of what it became, often better than either.

Reference: Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022.
"""

from __future__ import annotations

from pathlib import Path

import torch

from melisma.core.errors import InputError
from melisma.train.checkpoint import read_checkpoint, write_checkpoint
from melisma.train.origin import joined, origin_of


def average_checkpoints(later: Path, earlier: Path, share: float, out: Path) -> Path:
    """Write a checkpoint like `later` whose averaged weights lie `share` of the way towards `earlier`.

    Weights that `earlier` lacks, such as those of a head that came later, stay as they are. Whom either has heard, the
    mean has heard.

    Parameters
    ----------
    later, earlier : Path
        Checkpoints of `train phone` or `train rows`; `later` was trained on from `earlier`.
    share : float
        From 0, as `later`, to 1, as `earlier`.
    out : Path
        The file to write.

    Raises
    ------
    InputError
        If a file is no checkpoint, or the two are of networks of different shape.
    OutputError
        If the file cannot be written.
    """
    if not 0 <= share <= 1:
        raise InputError(f"the share is from 0 to 1, not {share}")
    state, other = read_checkpoint(later), read_checkpoint(earlier)
    try:
        mine, theirs = dict(state["average"]), dict(other["average"])
        shared = mine.keys() & theirs.keys()
        unlike = sorted(key for key in shared if mine[key].shape != theirs[key].shape)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{later} or {earlier} is no checkpoint of a phone model") from error
    if unlike or not shared:
        raise InputError(f"{later} and {earlier} are networks of different shape: {', '.join(unlike[:2]) or 'all'}")
    for key in shared:
        if mine[key].is_floating_point():
            mine[key] = torch.lerp(mine[key], theirs[key], share)
    origin = joined(origin_of(state, later), origin_of(other, earlier))
    write_checkpoint(out, {**state, "average": mine, "origin": origin.to_dict()})
    return out
