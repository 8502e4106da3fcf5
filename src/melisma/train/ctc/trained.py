"""A network that a training has left behind, as evaluation, export and packaging take it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from torch import nn


class Kind(StrEnum):
    """What the network is."""

    TRANSFORMERS = "transformers"  # AutoModelForCTC: samples float32 [batch, n_samples] to logits
    PHONE_NET = "phone-net"  # melisma.models.phone_net.PhoneNet: log-mels to logits


class Units(StrEnum):
    """What its labels are."""

    CHARACTERS = "characters"
    PHONES = "phones"


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained network.

    Parameters
    ----------
    kind : Kind
        Of network.
    net : torch.nn.Module
        On the CPU, in evaluation mode, float32.
    labels : tuple of str
        By id.
    blank : int
        Id of the blank.
    units : Units
        What the labels spell.
    normalise : bool
        Whether samples are brought to mean 0 and variance 1 over a recording (transformers' `do_normalize`).
    languages : tuple of str
        That it was trained on.
    facts : mapping
        Plain values for the run manifest: settings, step, metrics, seeds, versions, git commit, licences and sources of
        the data, the split's certificate, the run's id.
    run : Path
        Folder of the training.
    """

    kind: Kind
    net: nn.Module
    labels: tuple[str, ...]
    blank: int
    units: Units
    normalise: bool
    languages: tuple[str, ...]
    facts: Mapping[str, Any]
    run: Path
