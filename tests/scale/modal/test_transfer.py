from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from melisma.core.errors import InputError
from melisma.scale.modal.folder_volume import FolderVolume
from melisma.scale.modal.hashes import NAME
from melisma.scale.modal.transfer import BATCH, LISTS, Way, compare, download, upload


class Counting(FolderVolume):
    """A volume that counts what is sent, and breaks off when it is told to."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.batches: list[int] = []
        self.most = 10**9

    def upload(self, files: Sequence[tuple[Path | bytes, str]]) -> None:
        paths = [path for _, path in files if not path.startswith(".melisma")]
        if paths:
            if len(self.batches) == self.most:
                raise ConnectionError("the line went dead")
            self.batches.append(len(paths))
        super().upload(files)


@pytest.fixture
def volume(tmp_path: Path) -> Counting:
    return Counting(tmp_path / "modal")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "segments"
    for i in range(2 * BATCH + 50):
        path = made / f"{i % 7}" / f"{i} ä.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"text {i}", encoding="utf-8")
    return made


def texts(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.is_file() and path.name != NAME
    }


def test_a_folder_goes_up_in_batches_and_comes_back(volume: Counting, folder: Path, tmp_path: Path):
    told: list[Way] = []
    made = upload(volume, folder, "segmented_audio", told=told.append)
    assert (made.n_files, made.n_there, volume.batches) == (250, 0, [100, 100, 50])
    assert [way.n_done for way in told] == [100, 200, 250]
    assert told[-1].n_bytes == told[-1].n_bytes_done == made.n_bytes
    back = download(volume, "segmented_audio", tmp_path / "back")
    assert back.n_files == 250
    assert texts(tmp_path / "back") == texts(folder)


def test_what_is_there_is_not_sent_again_and_what_changed_is(volume: Counting, folder: Path):
    upload(volume, folder, "s")
    assert upload(volume, folder, "s").n_there == 250
    (folder / "0" / "0 ä.txt").write_text("text X", encoding="utf-8")  # of the same size
    volume.batches.clear()
    made = upload(volume, folder, "s")
    assert (made.n_files, made.n_there, volume.batches) == (1, 249, [1])
    assert b"".join(volume.read("s/0/0 ä.txt")) == b"text X"
    volume.remove("s/0/7 ä.txt")
    assert upload(volume, folder, "s").n_files == 1, "a list is not believed where the file is gone"


def test_an_upload_that_breaks_off_goes_on(volume: Counting, folder: Path):
    volume.most = 2
    with pytest.raises(ConnectionError):
        upload(volume, folder, "s")
    volume.most = 100
    made = upload(volume, folder, "s")
    assert (made.n_there, made.n_files) == (200, 50)


def test_lists_are_joined_and_damage_in_them_costs_one_sending(volume: Counting, folder: Path):
    upload(volume, folder, "s")
    [entry] = volume.files(LISTS)
    lines = b"".join(volume.read(entry.path)).splitlines()
    assert len(lines) == 250
    broken = [b"{", b"[]", b"null", b'{"path": 1, "size": 2, "sha256": 3}', *lines[1:]]
    volume.put(b"\n".join(broken), entry.path)
    made = upload(volume, folder, "s")
    assert (made.n_files, made.n_there) == (1, 249)


def test_a_download_goes_on_and_mends(volume: Counting, folder: Path, tmp_path: Path):
    upload(volume, folder, "s")
    volume.upload([(b"made there", "s/0/new.txt")])  # by a stage: no list knows it
    back = tmp_path / "back"
    assert download(volume, "s", back).n_files == 251
    assert download(volume, "s", back).n_there == 251
    (back / "0" / "0 ä.txt").unlink()
    (back / "0" / "new.txt").write_text("other text", encoding="utf-8")
    made = download(volume, "s", back)
    assert (made.n_files, made.n_there) == (2, 249)
    assert (back / "0" / "new.txt").read_text(encoding="utf-8") == "made there"


def test_a_file_that_did_not_come_whole_is_told_and_not_left_here(volume: Counting, folder: Path, tmp_path: Path):
    upload(volume, folder, "s")
    volume.put(b"text Y", "s/0/0 ä.txt")  # of the same size, and not what the list says
    made = download(volume, "s", tmp_path / "back")
    assert made.n_files == 249
    assert made.problems == ["s/0/0 ä.txt did not come whole, or was changed meanwhile: fetch it again"]
    assert not (tmp_path / "back" / "0" / "0 ä.txt").exists()
    assert not list((tmp_path / "back").rglob(".melisma-?*[!l]")), "nothing half is left"


class Hostile(FolderVolume):
    """A volume whose names lead elsewhere."""

    def files(self, folder: str):
        from melisma.scale.modal.cloud import Entry

        if folder == "s":
            yield from (Entry(f"s/{name}", 1, 0.0) for name in ("../out", "/etc/x", "a//b", "ok", "link/x", "\0"))

    def read(self, path: str):
        yield b"x"


def test_names_that_lead_elsewhere_are_refused(tmp_path: Path):
    back = tmp_path / "back"
    back.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (back / "link").symlink_to(tmp_path / "elsewhere")
    made = download(Hostile(tmp_path / "modal"), "s", back)
    assert made.n_files == 1
    assert len(made.problems) == 5
    assert texts(back) == {"ok": "x"}
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert not (tmp_path / "out").exists()


def test_how_both_sides_differ_is_told(volume: Counting, folder: Path):
    upload(volume, folder, "s")
    (folder / "only.txt").write_text("x", encoding="utf-8")
    (folder / "0" / "0 ä.txt").write_text("text X", encoding="utf-8")
    volume.upload([(b"xy", "s/there.txt")])
    found = compare(volume, folder, "s")
    assert (found.same, found.only_here, found.only_there) == (249, ("s/only.txt",), ("s/there.txt",))
    assert found.different == ("s/0/0 ä.txt",)
    assert found.bytes_there == found.bytes_here - 1 + 2


def test_hidden_files_and_links_stay_here(volume: Counting, tmp_path: Path):
    folder = tmp_path / "f"
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "config").touch()
    (folder / ".env").touch()
    (folder / "link").symlink_to("/etc/passwd")
    with pytest.raises(InputError, match="holds no file"):
        upload(volume, folder, "s")
    (folder / "a").touch()
    assert upload(volume, folder, "s").n_files == 1


def test_one_file_and_the_root_of_the_volume_can_be_moved(volume: Counting, tmp_path: Path):
    (tmp_path / "a.txt").write_text("x", encoding="utf-8")
    assert upload(volume, tmp_path / "a.txt", "b.txt").n_files == 1
    assert upload(volume, tmp_path / "a.txt", "b.txt").n_there == 1
    assert download(volume, "", tmp_path / "all").n_files == 1
    assert texts(tmp_path / "all") == {"b.txt": "x"}


@pytest.mark.parametrize("move", [lambda v, f: upload(v, f, "s"), lambda v, f: download(v, "s", f)])
def test_what_is_not_there_is_one_sentence(volume: Counting, tmp_path: Path, move):
    with pytest.raises(InputError, match=r"there is no folder|has no file"):
        move(volume, tmp_path / "nothing")


def test_damaged_hashes_cost_reading_again(volume: Counting, folder: Path):
    upload(volume, folder, "s")
    (folder / NAME).write_bytes(b'{"x"\n[1]\n["a", 1, 2, 3, 4]\n\xff\n')
    assert upload(volume, folder, "s").n_there == 250
