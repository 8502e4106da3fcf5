"""Files of torch: read onto the CPU without running what is in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import torch

from melisma.core.errors import InputError


def read_torch(path: Path) -> dict[str, Any]:
    """Read a checkpoint, its tensors onto the CPU wherever they were written; nothing in it is run.

    Raises
    ------
    InputError
        If the file is missing, damaged or holds anything but tensors and plain values.
    """
    try:
        with path.open("rb") as file:
            whole = is_zipfile(file)
    except OSError as error:
        raise InputError(f"cannot read the checkpoint {path}: {error.strerror or error}") from error
    try:
        # Anything but a whole zip file would go to torch's reader of old pickles.
        state = torch.load(path, map_location="cpu", weights_only=True) if whole else None
    except Exception as error:  # torch raises whatever it stumbles over
        raise InputError(f"{path} is no checkpoint, or a damaged one") from error
    if not isinstance(state, dict):
        raise InputError(f"{path} is no checkpoint, or a damaged one")
    return state
