"""A folder that behaves as a volume of Modal: containers see what was committed when they reloaded, and no more."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from melisma.core.files import make_folder
from melisma.scale.modal.cloud import Entry

_BLOCK = 2**20
Mark = tuple[int, int, int]  # size, time of the last change in ns, inode: another one is another content


class FolderVolume:
    """A volume in a folder of this machine, as it is seen from outside.

    Parameters
    ----------
    folder : Path
        `volume` in it holds what is committed; `containers` what each container sees, and has not committed.
    """

    def __init__(self, folder: Path) -> None:
        self.root, self.containers, self._lock = folder / "volume", folder / "containers", folder / "lock"
        self._incoming = folder / "incoming"
        for each in (self.root, self.containers, self._incoming):
            make_folder(each)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from the volume meanwhile."""
        with self._lock.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def put(self, source: Path | bytes, path: str) -> Mark:
        """Write a file of the volume, whole or not at all."""
        target, temporary = self.root / path, self._incoming / secrets.token_hex(8)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            if isinstance(source, bytes):
                temporary.write_bytes(source)
            else:
                shutil.copy2(source, temporary)
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
        return mark(target)

    def upload(self, files: Sequence[tuple[Path | bytes, str]]) -> None:
        """Write files, or bytes, to paths of the volume, in place of what is there; visible when it returns."""
        with self.locked():
            for source, path in files:
                self.put(source, path)

    def files(self, folder: str) -> Iterator[Entry]:
        """Yield the files in a folder and those in it; none if there is no such folder."""
        for path in sorted(walked(self.root / folder)):
            about = path.stat()
            yield Entry(path.relative_to(self.root).as_posix(), about.st_size, about.st_mtime)

    def read(self, path: str) -> Iterator[bytes]:
        """Yield what a file holds; FileNotFoundError if there is none."""
        with (self.root / path).open("rb") as file:
            while block := file.read(_BLOCK):
                yield block

    def remove(self, path: str) -> None:
        """Remove a file or folder, if it is there."""
        with self.locked():
            if (self.root / path).is_dir():
                shutil.rmtree(self.root / path)
            else:
                (self.root / path).unlink(missing_ok=True)


class View:
    """What one container sees of a volume: a copy, which takes up others' commits by `reload` alone.

    Parameters
    ----------
    volume : FolderVolume
        The volume.
    folder : Path
        Where the container sees it; what is not committed is lost with it.
    """

    def __init__(self, volume: FolderVolume, folder: Path) -> None:
        self.folder, self._volume = folder, volume
        self._base: dict[str, Mark] = {}  # files of the volume as they were taken up or committed
        self._seen: dict[str, Mark] = {}  # files here as they were then
        make_folder(folder)
        self.reload()

    def commit(self) -> None:
        """Make what was written here last, and visible to others."""
        with self._volume.locked():
            here = {path.relative_to(self.folder).as_posix(): path for path in walked(self.folder)}
            for name, path in here.items():
                if self._seen.get(name) != (now := mark(path)):
                    self._base[name] = self._volume.put(path, name)
                    self._seen[name] = now
            for name in [name for name in self._seen if name not in here]:
                (self._volume.root / name).unlink(missing_ok=True)
                del self._seen[name], self._base[name]

    def reload(self) -> None:
        """See what others have committed; RuntimeError while a file of it is open, or worked in."""
        self._refuse_if_open()
        with self._volume.locked():
            there = {path.relative_to(self._volume.root).as_posix(): path for path in walked(self._volume.root)}
            for name, path in there.items():
                if self._base.get(name) != (now := mark(path)) and not self._changed(name):
                    target = self.folder / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.unlink(missing_ok=True)
                    shutil.copy2(path, target)
                    self._base[name], self._seen[name] = now, mark(target)
            for name in [name for name in self._base if name not in there and not self._changed(name)]:
                (self.folder / name).unlink(missing_ok=True)
                del self._seen[name], self._base[name]

    def _changed(self, name: str) -> bool:
        path = self.folder / name
        return self._seen.get(name) != (mark(path) if path.is_file() else None)

    def _refuse_if_open(self) -> None:
        opened = [os.path.realpath(f"/proc/self/fd/{each}") for each in os.listdir("/proc/self/fd")]
        for path in (*opened, os.getcwd()):
            if Path(path).is_relative_to(self.folder.resolve()):
                raise RuntimeError(f"there are open files preventing the operation: {path}")


_CURRENT: list[View] = []


def be_seen(view: View) -> None:
    """Let this process be a container that sees a volume so."""
    _CURRENT[:] = [view]


def current_view() -> View | None:
    """Return what this process sees of a volume, if it is a container of a rehearsal."""
    return _CURRENT[0] if _CURRENT else None


def mark(path: Path) -> Mark:
    """Return what tells one content of a file from another."""
    about = path.stat()
    return about.st_size, about.st_mtime_ns, about.st_ino


def walked(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder and in those below it."""
    if folder.is_file():
        yield folder
    for where, _, names in os.walk(folder):
        for name in names:
            path = Path(where, name)
            if path.is_file() and not path.is_symlink():
                yield path
