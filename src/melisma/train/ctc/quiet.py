"""Keep Lightning from advertising."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Keep Lightning from advertising, and from warning of what is meant here: few workers, networks partly at rest."""
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning_fabric", "lightning")]
    levels = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=UserWarning, module="pytorch_lightning")
            warnings.filterwarnings("ignore", category=UserWarning, module="lightning_fabric")
            warnings.filterwarnings("ignore", message=".*LeafSpec")
            yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)
