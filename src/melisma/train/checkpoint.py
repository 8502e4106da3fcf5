"""Checkpoints of a training: written whole or not at all, read on whatever machine without running what is in them."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path
from typing import Any

import torch

from melisma.core.errors import OutputError
from melisma.models.torch_file import read_torch as read_checkpoint

__all__ = ["CHECKPOINT", "also", "read_checkpoint", "write_checkpoint"]
CHECKPOINT = "checkpoint.pt"  # in the folder of a training


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint whole or not at all.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    partial = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {path.parent}: {error.strerror or error}") from error
    try:
        torch.save(state, partial)
        os.replace(partial, path)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
        partial.unlink(missing_ok=True)
        why = "it broke off, is the disk full?" if "inline_container" in str(error) else error
        raise OutputError(f"cannot write the checkpoint {path}: {why}") from error


def also(path: Path, name: Path) -> None:
    """Give a file another name, in place of what had it; both are one file where the file system can.

    Raises
    ------
    OutputError
        If it cannot be.
    """
    partial = name.with_name(f".{name.name}.{secrets.token_hex(4)}")
    try:
        try:
            os.link(path, partial)
        except OSError:  # a file system without hard links
            shutil.copyfile(path, partial)
        os.replace(partial, name)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OutputError(f"cannot write the checkpoint {name}: {error.strerror or error}") from error
