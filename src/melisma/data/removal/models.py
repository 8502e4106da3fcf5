"""Trainings and packages that say they were made with what goes."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from melisma.core.files import sha256_of
from melisma.data.removal.choose import Gone
from melisma.data.removal.journals import strings

# What trainings and packages write of themselves.
_EVIDENCE = ("run_manifest.json", "melisma.json", "split.json", "config.json", "metadata.json")
_CHECKPOINTS = frozenset({".ckpt", ".safetensors", ".onnx", ".pt", ".bin"})
_PREPARED = "prepared"  # folder of a training: audio as its workers read it, made anew where it is missing
_LARGEST = 64 << 20


@dataclass(frozen=True, slots=True)
class Trained:
    """A training or a package.

    Parameters
    ----------
    folder : Path
        Its folder.
    evidence : Path
        The file that says so.
    why : str
        What of that file says so.
    prepared : tuple of Path
        Copies of audio that it keeps; they go.
    """

    folder: Path
    evidence: Path
    why: str
    prepared: tuple[Path, ...] = field(default=())


def trained_on(gone: Gone, files: list[Path], manifests: list[Path]) -> list[Trained]:
    """Return the folders with checkpoints or weights whose own papers name what goes.

    They name a source of what goes, or a manifest that holds some of it, by its SHA-256 or by its path.
    """
    with_weights = {path.parent for path in files if path.suffix in _CHECKPOINTS}
    with_weights |= {folder.parent for folder in with_weights if folder.name == "checkpoints"}
    digests = {sha256_of(path): path for path in manifests}
    found: dict[Path, Trained] = {}
    for path in files:
        if path.name in _EVIDENCE and path.parent in with_weights and path.parent not in found:
            why = _why(path, gone, digests)
            if why:
                found[path.parent] = Trained(path.parent, path, why, _prepared(path.parent, files))
    return list(found.values())


def _why(path: Path, gone: Gone, digests: dict[str, Path]) -> str:
    said = _read(path)
    if said is None:
        return ""
    manifests = {str(manifest) for manifest in digests.values()}
    texts = list(strings(said))
    for text in texts:
        if text in digests:
            return f"it was trained on {digests[text].name} as it was before (SHA-256 {text[:12]}…)"
        if text.endswith(".jsonl") and os.path.realpath(text) in manifests:
            return f"it was trained on {text}"
    named = sorted(gone.sources.intersection(texts))
    return f"it was trained on {named[0]!r}" if named else ""


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes()) if path.stat().st_size <= _LARGEST else None
    except (OSError, ValueError, RecursionError):
        return None


def _prepared(folder: Path, files: list[Path]) -> tuple[Path, ...]:
    return tuple(path for path in files if folder / _PREPARED in path.parents)
