"""A Demucs of about 230,000 random weights, saved as Demucs saves its own."""

from __future__ import annotations

import hashlib
import io
import warnings
from fractions import Fraction
from pathlib import Path

RATE = 8000
SIZES = {"channels": 8, "nfft": 1024, "bottom_channels": 16, "t_layers": 1, "t_heads": 2, "samplerate": RATE}


def save(folder: Path) -> Path:
    """Save it as the model `htdemucs` in a folder, for MELISMA_DEMUCS_REPO."""
    import torch
    from demucs.htdemucs import HTDemucs
    from demucs.states import get_state

    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(3)
        made = HTDemucs(["drums", "bass", "other", "vocals"], **SIZES, segment=Fraction(2, 5)).eval()
    args, kwargs = made._init_args_kwargs
    package = {"klass": type(made), "args": args, "kwargs": kwargs, "state": get_state(made, None), "training_args": {}}
    buffer = io.BytesIO()
    torch.save(package, buffer)
    name = f"0a1b2c3d-{hashlib.sha256(buffer.getvalue()).hexdigest()[:8]}.th"
    (folder / name).write_bytes(buffer.getvalue())
    (folder / "htdemucs.yaml").write_text("models: ['0a1b2c3d']\n", encoding="utf-8")
    return folder
