"""How things are called and bounded on Modal: from variables of the environment, with the names of the document."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from melisma.core import environment
from melisma.core.artifacts import Artifacts
from melisma.core.errors import InputError

LONGEST_S = 24 * 3600  # Modal's limit of one execution: https://modal.com/docs/guide/timeouts
DETACH, GPU, TASK_S = "MELISMA_MODAL_DETACH", "MELISMA_MODAL_GPU", "MELISMA_MODAL_TASK_S"
# Folders here, below the root, and what the document calls them on the volume; `*` is one name. What is in none of them
# has the same path on both sides.
FOLDERS = (
    ("uploads", "raw_audio"),
    ("data/processed", "converted_audio"),
    ("data/segments", "segmented_audio"),
    ("units/*", "*_units"),
)


@dataclass(frozen=True, slots=True)
class ModalConfig:
    """What runs on Modal, and where its files lie.

    Parameters
    ----------
    app, volume : str
        Names of both at Modal.
    mount : str
        Where containers find the volume.
    root : Path
        Folder here that the volume mirrors, absolute.
    folders : tuple of (str, str)
        Which folders below the root are called otherwise on the volume.
    gpu : str
        Kind of GPU for stages that want one; a fraction of one is a whole one.
    extras : tuple of str
        Extras of the package that its image has.
    call_s : float
        What a call is given to do: about so many seconds of work.
    stop_s : float
        When a call ends by itself and hands back what it has not begun.
    commit_s : float
        How often a container commits: what it loses at most when it is stopped, besides the task that it is at.
    task_s : float
        The longest that a task may take, unless `Resources.seconds` says otherwise; then it is given up.
    detach : bool
        Let calls go on when the program here ends before them; the next run takes their outcomes.
    rehearsal : Path, optional
        Do not call Modal: the same functions in processes here, with this folder as the volume.
    """

    app: str = "melisma"
    volume: str = "bible-audio-data"
    mount: str = "/mnt/audio_data"
    root: Path = Path("/")
    folders: tuple[tuple[str, str], ...] = FOLDERS
    gpu: str = "L4"
    extras: tuple[str, ...] = ("data", "units", "train")
    call_s: float = 120.0
    stop_s: float = 3600.0
    commit_s: float = 60.0
    task_s: float = 4 * 3600.0
    detach: bool = False
    rehearsal: Path | None = None

    def __post_init__(self) -> None:
        if not self.mount.startswith("/") or self.mount.rstrip("/") == "":
            raise InputError(f"the volume is mounted at an absolute path, and not at {self.mount!r}")
        if self.stop_s + self.task_s > LONGEST_S:
            said = "a task may take at most 23 h: Modal ends what takes 24, and a call does more than one"
            raise InputError(f"{TASK_S} is too much: {said}")

    @classmethod
    def of(cls, environ: Mapping[str, str] | None = None) -> ModalConfig:
        """Return what the environment says.

        Raises
        ------
        InputError
            If a variable holds what it cannot.
        """
        environ = os.environ if environ is None else environ

        def said(name: str, default: str) -> str:
            return environ.get(name, "").strip() or default

        usual = cls()
        root = said("MELISMA_MODAL_ROOT", "")
        rehearsal = said("MELISMA_MODAL_REHEARSAL", "")
        return cls(
            app=said("MELISMA_MODAL_APP", usual.app),
            volume=said("MELISMA_MODAL_VOLUME", usual.volume),
            mount=said("MELISMA_MODAL_MOUNT", usual.mount).rstrip("/"),
            root=absolute(Path(root).expanduser() if root else Artifacts.of(environ).root),
            folders=read_folders(environ.get("MELISMA_MODAL_FOLDERS")),
            gpu=said(GPU, usual.gpu),
            extras=environment.names(environ, "MELISMA_MODAL_EXTRAS") or usual.extras,
            task_s=environment.number(environ, TASK_S, float, usual.task_s),
            detach=environment.flag(environ, DETACH, False),
            rehearsal=absolute(Path(rehearsal).expanduser()) if rehearsal else None,
        )


def absolute(path: Path) -> Path:
    """Return a path from the root of the disk, without `..`; links stay."""
    return Path(os.path.abspath(path))


def read_folders(said: str | None) -> tuple[tuple[str, str], ...]:
    """Read HERE=THERE pairs between commas; none given are the document's, an empty value is none.

    Raises
    ------
    InputError
        If one is no pair of relative paths, or lies within another: what a container calls a folder inside of it would
        be elsewhere.

    Examples
    --------
    >>> read_folders("segments=segmented_audio")
    (('segments', 'segmented_audio'),)
    """
    if said is None:
        return FOLDERS
    found = []
    for part in filter(None, (part.strip() for part in said.split(","))):
        here, _, there = (side.strip().strip("/") for side in part.partition("="))
        if not here or not there or ".." in Path(here).parts + Path(there).parts or here.count("*") != there.count("*"):
            raise InputError(f"MELISMA_MODAL_FOLDERS takes FOLDER=FOLDER between commas, not {part[:80]!r}")
        if here.count("*") > 1:
            raise InputError(f"MELISMA_MODAL_FOLDERS takes one * on each side, not {part[:80]!r}")
        found.append((here, there))
    for side in zip(*found, strict=True):
        for one in side:
            if any(one != other and other.startswith(f"{one}/") for other in side) or side.count(one) > 1:
                raise InputError(f"MELISMA_MODAL_FOLDERS may not name {one!r} twice, nor a folder inside of it")
    return tuple(found)
