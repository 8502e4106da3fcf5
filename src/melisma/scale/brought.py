"""What a stage wrote where this machine does not see it, brought here: for a command that goes on with it itself."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from melisma.core.errors import OutputError
from melisma.scale.modal import transfer
from melisma.scale.modal.cloud import Store
from melisma.scale.modal.config import absolute
from melisma.scale.modal.executor import ModalExecutor, open_store
from melisma.scale.modal.paths import Paths
from melisma.scale.preview import underlying
from melisma.scale.protocol import Executor


def bring(executor: Executor, folder: Path, names: Iterable[str]) -> None:
    """Bring the folder that a stage wrote to from Modal's volume; with any other executor it is here.

    Parameters
    ----------
    executor : Executor
        Who ran the stage.
    folder : Path
        Here, as the stage was told, or one that it lies in; with the journal of the stage.
    names : iterable of str
        Of the files in it without which there is no going on.

    Raises
    ------
    OutputError
        If one of them is not on the volume, or cannot be written here.
    """
    found = _mirror(executor, folder)
    if found is None:
        return
    store, place = found
    wanted = set(names)
    lacking = wanted - {entry.path.rpartition("/")[2] for entry in store.files(place)}
    problems = transfer.download(store, place, folder).problems if wanted and not lacking else []
    if lacking or problems:
        why = problems[0] if problems else f"the volume lacks {min(lacking)} in {place}, which an earlier run made"
        raise OutputError(f"{why}: remove {folder}, and run the command again")


def forget(executor: Executor, folder: Path) -> None:
    """Remove the mirror of a folder from Modal's volume; with any other executor there is none."""
    found = _mirror(executor, folder)
    if found is not None:
        found[0].remove(found[1])


def _mirror(executor: Executor, folder: Path) -> tuple[Store, str] | None:
    """Return the volume and the folder's place on it; None where this machine has the folder itself."""
    modal = underlying(executor)
    if not isinstance(modal, ModalExecutor):
        return None
    config = modal.config
    try:
        place = Paths(str(config.root), config.mount, config.folders).on_volume(absolute(folder))
    except ValueError:  # a rehearsal sees what lies elsewhere on this machine; Modal itself has refused it
        return None
    return open_store(config), place
