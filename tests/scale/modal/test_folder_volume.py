"""A volume in a folder behaves as one of Modal: nothing is seen that was not committed, nothing lasts either."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from melisma.scale.modal.folder_volume import FolderVolume, View


@pytest.fixture
def volume(tmp_path: Path) -> FolderVolume:
    return FolderVolume(tmp_path)


def view(volume: FolderVolume, name: str) -> View:
    return View(volume, volume.containers / name)


def write(seen: View, name: str, text: str) -> None:
    path = seen.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def names(volume: FolderVolume) -> list[str]:
    return [each.path for each in volume.files("")]


def test_what_is_not_committed_is_seen_by_nobody(volume: FolderVolume):
    one, other = view(volume, "one"), view(volume, "other")
    write(one, "a/b.txt", "x")
    other.reload()
    assert not (other.folder / "a").exists()
    assert names(volume) == []


def test_what_is_committed_is_seen_after_a_reload_and_not_before(volume: FolderVolume):
    one, other = view(volume, "one"), view(volume, "other")
    write(one, "a/b.txt", "x")
    one.commit()
    assert names(volume) == ["a/b.txt"]
    assert not (other.folder / "a/b.txt").exists()
    other.reload()
    assert (other.folder / "a/b.txt").read_text(encoding="utf-8") == "x"


def test_a_container_that_begins_sees_what_is_committed(volume: FolderVolume):
    volume.upload([(b"x", "a.txt")])
    assert (view(volume, "late").folder / "a.txt").read_bytes() == b"x"


def test_what_a_container_writes_in_place_changes_no_other(volume: FolderVolume):
    volume.upload([(b"x", "a.txt")])
    one, other = view(volume, "one"), view(volume, "other")
    with (one.folder / "a.txt").open("ab") as file:
        file.write(b"y")
    assert (other.folder / "a.txt").read_bytes() == b"x"
    assert b"".join(volume.read("a.txt")) == b"x"


def test_changes_that_are_not_committed_outlive_a_reload(volume: FolderVolume):
    volume.upload([(b"first", "a.txt")])
    one = view(volume, "one")
    write(one, "a.txt", "mine")
    volume.upload([(b"theirs", "a.txt")])
    one.reload()
    assert (one.folder / "a.txt").read_text(encoding="utf-8") == "mine"
    one.commit()
    assert b"".join(volume.read("a.txt")) == b"mine", "who commits last wins: hence one writer a file"


def test_files_that_go_away_go_away(volume: FolderVolume):
    volume.upload([(b"x", "a.txt"), (b"y", "b.txt")])
    one, other = view(volume, "one"), view(volume, "other")
    (one.folder / "a.txt").unlink()
    one.commit()
    assert names(volume) == ["b.txt"]
    other.reload()
    assert not (other.folder / "a.txt").exists()


def test_an_old_commit_takes_nothing_new_away(volume: FolderVolume):
    one, other = view(volume, "one"), view(volume, "other")
    write(other, "new.txt", "x")
    other.commit()
    write(one, "mine.txt", "y")
    one.commit()
    assert names(volume) == ["mine.txt", "new.txt"]


def test_open_files_keep_it_from_reloading(volume: FolderVolume):
    volume.upload([(b"x", "a.txt")])
    one = view(volume, "one")
    with (one.folder / "a.txt").open("rb"), pytest.raises(RuntimeError, match="there are open files"):
        one.reload()
    before = os.getcwd()
    os.chdir(one.folder)
    try:
        with pytest.raises(RuntimeError, match="there are open files"):
            one.reload()
    finally:
        os.chdir(before)
    one.reload()


def test_links_and_what_is_half_written_are_no_files_of_it(volume: FolderVolume, tmp_path: Path):
    one = view(volume, "one")
    (tmp_path / "secret").write_text("x", encoding="utf-8")
    (one.folder / "link").symlink_to(tmp_path / "secret")
    one.commit()
    assert names(volume) == []


def test_files_are_listed_read_and_removed(volume: FolderVolume):
    volume.upload([(b"x" * 3_000_000, "a/b/c.bin"), (b"", "a/d")])
    assert [(each.path, each.size) for each in volume.files("a")] == [("a/b/c.bin", 3_000_000), ("a/d", 0)]
    assert [each.path for each in volume.files("a/d")] == ["a/d"]
    assert list(volume.files("nothing")) == []
    assert sum(map(len, volume.read("a/b/c.bin"))) == 3_000_000
    with pytest.raises(FileNotFoundError):
        list(volume.read("a/x"))
    volume.remove("a/b")
    volume.remove("a/b")
    assert names(volume) == ["a/d"]
