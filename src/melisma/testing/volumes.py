"""The contract of volumes, as functions that tests call: of Modal's own, with an account, and of what stands for it.

from melisma.scale.modal.store import ModalStore
from melisma.testing.volumes import check_store

def test_a_real_volume_keeps_the_contract():
    check_store(ModalStore("a-volume-for-tests"))
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from melisma.scale.modal.cloud import Store
from melisma.scale.modal.work import Mounted
from melisma.testing.engines import ContractBroken

_LARGE = 3 * 2**20  # bytes: more than a block of those that a volume is read in


def check_store(store: Store) -> None:
    """Hold a volume, as it is seen from outside, to its contract.

    Parameters
    ----------
    store : Store
        A folder of a name that nobody else has is made in it, and removed.

    Raises
    ------
    ContractBroken
        With a sentence that names the promise.
    """
    place = f"melisma-check-{token_hex(8)}"
    try:
        _promise(list(store.files(place)) == [], "a folder that is not there has no files")
        store.upload([(b"x" * _LARGE, f"{place}/a/b \u00e4.bin"), (b"", f"{place}/empty"), (b"1", f"{place}/c")])
        found = {each.path: each.size for each in store.files(place)}
        expected = {f"{place}/a/b \u00e4.bin": _LARGE, f"{place}/empty": 0, f"{place}/c": 1}
        _promise(found == expected, "files are listed in all folders below, with their sizes, and folders are not")
        _promise([e.path for e in store.files(f"{place}/c")] == [f"{place}/c"], "a file is listed as itself")
        _promise(_text(store, f"{place}/a/b \u00e4.bin") == b"x" * _LARGE, "a file is read as it was written")
        _promise(_text(store, f"{place}/empty") == b"", "an empty file is one")
        store.upload([(b"22", f"{place}/c")])
        _promise(_text(store, f"{place}/c") == b"22", "what is uploaded takes the place of what is there")
        try:
            _text(store, f"{place}/nothing")
        except FileNotFoundError:
            pass
        else:
            raise ContractBroken("a file that is not there is a FileNotFoundError")
        store.remove(f"{place}/c")
        store.remove(f"{place}/c")
        _promise(f"{place}/c" not in {e.path for e in store.files(place)}, "what is removed is gone, and gone twice")
    finally:
        store.remove(place)
    _promise(list(store.files(place)) == [], "a folder is removed with what is in it")


def check_mounted(store: Store, mount: Callable[[], tuple[Mounted, Path]]) -> None:
    """Hold what containers see of a volume to its contract.

    Parameters
    ----------
    store : Store
        The volume from outside.
    mount : callable
        Returns what a new container sees of it, and where.
    """
    (one, here), (other, there) = mount(), mount()
    (here / "check").mkdir()
    (here / "check" / "file").write_text("1", encoding="utf-8")
    _promise(not (there / "check").exists(), "what is not committed is seen by no other container")
    other.reload()
    _promise(not (there / "check").exists(), "nor by one that reloads")
    _promise(list(store.files("check")) == [], "nor from outside")
    one.commit()
    _promise(_text(store, "check/file") == b"1", "what is committed is seen from outside")
    _promise(not (there / "check").exists(), "but by no container that has not reloaded")
    _promise((mount()[1] / "check" / "file").exists(), "a container that begins sees it")
    other.reload()
    _promise((there / "check" / "file").read_text(encoding="utf-8") == "1", "and so does one that reloads")
    with (there / "check" / "file").open("rb"), suppress(RuntimeError):
        other.reload()
        raise ContractBroken("a volume with an open file is not reloaded")
    (there / "check" / "file").unlink()
    other.commit()
    _promise(list(store.files("check")) == [], "what is removed and committed is gone")


def _text(store: Store, path: str) -> bytes:
    return b"".join(store.read(path))


def _promise(kept: bool, promise: str) -> None:
    if not kept:
        raise ContractBroken(promise)
