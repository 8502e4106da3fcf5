from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from melisma.scale.modal.cloud import Entry
from melisma.scale.modal.folder_volume import FolderVolume, View
from melisma.testing.engines import ContractBroken
from melisma.testing.volumes import check_mounted, check_store


def views(volume: FolderVolume):
    names = iter("abcdef")

    def mount() -> tuple[View, Path]:
        view = View(volume, volume.containers / next(names))
        return view, view.folder

    return mount


def test_a_folder_keeps_the_contract(tmp_path: Path):
    volume = FolderVolume(tmp_path)
    check_store(volume)
    check_mounted(volume, views(volume))


class Forgets(FolderVolume):
    """Removes nothing."""

    def remove(self, path: str) -> None:
        pass


class Listless(FolderVolume):
    """Lists the files of the folder alone."""

    def files(self, folder: str) -> Iterator[Entry]:
        return (each for each in super().files(folder) if each.path.count("/") < 2)


class Eager(View):
    """Commits whatever is written as soon as somebody else looks."""

    def reload(self) -> None:
        for other in self._volume.containers.iterdir():  # as a disk that all share
            if other != self.folder:
                for path in other.rglob("*"):
                    if path.is_file():
                        self._volume.put(path, path.relative_to(other).as_posix())
        super().reload()


@pytest.mark.parametrize(
    ("kind", "promise"), [(Forgets, "what is removed is gone"), (Listless, "files are listed in all folders below")]
)
def test_a_volume_that_breaks_a_promise_is_told(tmp_path: Path, kind: type[FolderVolume], promise: str):
    with pytest.raises(ContractBroken, match=promise):
        check_store(kind(tmp_path))


def test_a_disk_that_all_share_is_no_volume(tmp_path: Path):
    volume = FolderVolume(tmp_path)
    names = iter("abcdef")

    def mount() -> tuple[View, Path]:
        view = Eager(volume, volume.containers / next(names))
        return view, view.folder

    with pytest.raises(ContractBroken, match="nor by one that reloads"):
        check_mounted(volume, mount)
