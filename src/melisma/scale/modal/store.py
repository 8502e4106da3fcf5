"""A volume of Modal, from outside; needs the package `modal`, and an account."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import modal
from modal.exception import AuthError, NotFoundError
from modal.types import FileEntryType

from melisma.scale.modal.cloud import CloudError, Entry


@contextmanager
def sentences() -> Iterator[None]:
    """Say in one sentence what Modal says in many.

    Raises
    ------
    CloudError
        For whatever Modal refuses, or cannot do.
    """
    try:
        yield
    except AuthError as error:
        raise CloudError(
            "Modal does not know who you are: make an account, then `modal token new`, or set MODAL_TOKEN_ID and "
            f"MODAL_TOKEN_SECRET ({_said(error)})"
        ) from error
    except (modal.Error, ConnectionError, TimeoutError) as error:
        raise CloudError(f"Modal: {_said(error)}") from error


def _said(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


class ModalStore:
    """A volume by its name; it is made if there is none.

    Parameters
    ----------
    name : str
        Of the volume.
    """

    def __init__(self, name: str) -> None:
        with sentences():
            self._volume = modal.Volume.from_name(name, create_if_missing=True)

    def upload(self, files: Sequence[tuple[Path | bytes, str]]) -> None:
        """Write files, or bytes, to paths of the volume, in place of what is there; visible when it returns."""
        with sentences(), self._volume.batch_upload(force=True) as batch:
            for source, path in files:
                batch.put_file(io.BytesIO(source) if isinstance(source, bytes) else source, f"/{path}")

    def files(self, folder: str) -> Iterator[Entry]:
        """Yield the files in a folder and those in it; none if there is no such folder."""
        with sentences(), suppress(NotFoundError, FileNotFoundError):
            for entry in self._volume.iterdir(f"/{folder}", recursive=True):
                if entry.type == FileEntryType.FILE:
                    yield Entry(entry.path.strip("/"), entry.size, float(entry.mtime))

    def read(self, path: str) -> Iterator[bytes]:
        """Yield what a file holds; FileNotFoundError if there is none."""
        with sentences():
            yield from self._volume.read_file(path)

    def remove(self, path: str) -> None:
        """Remove a file or folder, if it is there."""
        with sentences(), suppress(NotFoundError, FileNotFoundError):
            self._volume.remove_file(path, recursive=True)
