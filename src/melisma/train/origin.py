"""What a network has been trained on, kept in its checkpoint: its manifests, and all speakers it has ever heard."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from melisma.core.errors import InputError
from melisma.core.files import sha256_of
from melisma.train import certificate as certificates
from melisma.train.certificate import Certificate
from melisma.train.checkpoint import read_checkpoint

log = logging.getLogger(__name__)
_ADVICE = "train into another folder; train rows --init takes over its weights"


@dataclass(frozen=True, slots=True)
class Origin:
    """What a network was trained on; speakers are those of all it started from too."""

    manifests: Mapping[str, str]  # SHA-256 of each manifest, by what it is to the training: "speech", "held out" …
    certificate: str | None  # SHA-256 of the split.json beside the checkpoint
    speakers: frozenset[str]  # what `mark` makes of their ids
    whole: bool  # whether nobody else was heard; False if it started from a checkpoint that does not say

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a checkpoint."""
        return {
            "manifests": dict(self.manifests),
            "certificate": self.certificate,
            "speakers": sorted(self.speakers),
            "whole": self.whole,
        }


NOTHING = Origin({}, None, frozenset(), True)
UNKNOWN = Origin({}, None, frozenset(), False)


def mark(speaker: str) -> str:
    """Return what stands for a speaker in a checkpoint: 16 hexadecimal digits, not the name."""
    return hashlib.sha256(speaker.encode("utf-8")).hexdigest()[:16]


def origin_of(state: Mapping[str, Any], checkpoint: Path) -> Origin:
    """Return what a checkpoint says of the network's training; UNKNOWN if it is older than that.

    Raises
    ------
    InputError
        If what it says makes no sense.
    """
    if "origin" not in state:
        return UNKNOWN
    try:
        return TypeAdapter(Origin).validate_python(state["origin"])
    except ValidationError as error:
        raise InputError(f"{checkpoint} is no checkpoint, or a damaged one") from error


def joined(later: Origin, earlier: Origin) -> Origin:
    """Return the origin of a network made of two."""
    return Origin(later.manifests, later.certificate, later.speakers | earlier.speakers, later.whole and earlier.whole)


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where a training starts: the checkpoint that it goes on from or takes weights from, if any, and its origin."""

    checkpoint: Path | None
    origin: Origin
    fingerprints: Mapping[str, str]  # SHA-256 of each manifest that is given now

    @classmethod
    def of(cls, own: Path, init: Path | None, manifests: Mapping[str, Path]) -> Beginning:
        """Look for the training's own checkpoint, or else `init`, and hold the manifests to what it says.

        Raises
        ------
        InputError
            If a file cannot be read, or the training was begun with other manifests.
        """
        fingerprints = {name: _fingerprint(path) for name, path in manifests.items()}
        checkpoint = own if own.exists() else init
        if checkpoint is None:
            return cls(None, NOTHING, fingerprints)
        origin = origin_of(read_checkpoint(checkpoint), checkpoint)
        if checkpoint == own:
            _check_manifests(origin, own, manifests, fingerprints)
        return cls(checkpoint, origin, fingerprints)

    def check_unheard(self, certificate: Certificate | None) -> None:
        """Refuse held-out speakers that the network has heard; log a warning where that cannot be known.

        A checkpoint that does not say is taken to have held out those that the split.json beside it names.

        Raises
        ------
        InputError
            If a speaker was trained on who is to be held out now; it names the first.
        """
        if certificate is None or self.checkpoint is None:
            return
        held_out = _names(certificate)
        heard = sorted(name for name in held_out if mark(name) in self.origin.speakers)
        if heard:
            raise InputError(
                f"the speaker {heard[0]} is held out now, but {self.checkpoint} was trained on their recordings: "
                "hold out speakers that it has not heard, or start from another checkpoint"
            )
        if self.origin.whole:
            return
        beside = self.checkpoint.with_name("split.json")
        known = _names(certificates.read(beside)) if beside.exists() else frozenset[str]()
        if held_out - known:
            log.warning(
                "%s does not say all that it was trained on: speakers that are held out now may be among it",
                self.checkpoint,
            )

    def then(self, certificate: Certificate | None, speakers: Iterable[str]) -> Origin:
        """Return the origin of the network once it is trained on the manifests that are given now."""
        heard = self.origin.speakers | {mark(speaker) for speaker in speakers}
        digest = hashlib.sha256(certificate.to_json()).hexdigest() if certificate else None
        return Origin(self.fingerprints, digest, heard, self.origin.whole)


def _names(certificate: Certificate) -> frozenset[str]:
    return frozenset(name for names in certificate.held_out_speakers.values() for name in names)


def _fingerprint(manifest: Path) -> str:
    try:
        return sha256_of(manifest)
    except OSError as error:
        raise InputError(f"cannot read the manifest {manifest}: {error.strerror or error}") from error


def _check_manifests(
    origin: Origin, checkpoint: Path, manifests: Mapping[str, Path], fingerprints: Mapping[str, str]
) -> None:
    """Refuse to go on with other manifests: the steps that are left would be of another training."""
    if not origin.manifests:
        log.warning("%s does not say which manifests it was trained on: see that they are the same", checkpoint)
        return
    for name in sorted(origin.manifests.keys() | manifests.keys()):
        if name not in manifests:
            raise InputError(f"{checkpoint} was begun with a manifest {name}, which is not given now: {_ADVICE}")
        if name not in origin.manifests:
            raise InputError(f"{checkpoint} was begun without {manifests[name]} ({name}): {_ADVICE}")
        if origin.manifests[name] != fingerprints[name]:
            raise InputError(
                f"the manifest {manifests[name]} ({name}) is not the one {checkpoint} was begun with: {_ADVICE}"
            )
