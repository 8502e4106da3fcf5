"""A backup holds everything, is taken while the service writes, and can be started on."""

from __future__ import annotations

import shutil
import subprocess
import threading

import pytest

from melisma.core.errors import InputError, OutputError, StoreError
from melisma.store.service import songs
from melisma.store.service.backup import Source, _program, back_up
from melisma.store.service.database import ServiceDatabase
from melisma.store.service.files import FileStore


class Running:
    """A service's data folder and database."""

    def __init__(self, data, url):
        self.data, self.database, self.files = data, ServiceDatabase(url), FileStore(data / "files")
        self.source = Source(url, "", data)

    def add(self, content: bytes) -> str:
        with self.files.incoming() as coming:
            coming.write(content)
            stored = coming.keep(".mp3")
        recording = songs.Recording(stored.content, "audio/mpeg", ".mp3", len(content), 1000, "a.mp3")
        with self.database.begin() as session:
            songs.add(session, recording, songs.Names(title=content.decode()))
        return stored.content


@pytest.fixture
def running(tmp_path, service_url):
    running = Running(tmp_path / "service", service_url)
    yield running
    running.database.close()


def titles(url: str) -> set[str]:
    database = ServiceDatabase(url)
    try:
        with database.begin(write=False) as session:
            return {song.title for song in songs.page(session, songs.Wanted(limit=200)).items}
    finally:
        database.close()


def test_a_copy_has_the_same_songs_and_files(running, tmp_path, request):
    content = running.add(b"one"), running.add(b"two")
    made = back_up(running.source, tmp_path / "copy")
    assert (made.n_files, made.n_bytes, made.missing) == (2, 6, ())
    store = FileStore(tmp_path / "copy" / "files")
    assert [store.path(each, ".mp3").read_bytes() for each in content] == [b"one", b"two"]
    if running.database.path is not None:
        assert made.databases == ("melisma.sqlite",)
        assert titles(f"sqlite:///{tmp_path}/copy/melisma.sqlite") == {"one", "two"}
        assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == ["files", "melisma.sqlite"]
    else:
        assert made.databases == ("melisma.dump",)
        restored = request.getfixturevalue("postgres").new()
        dump = str(tmp_path / "copy" / "melisma.dump")
        command = [_program("pg_restore"), "--no-owner", f"--dbname={restored}", dump]
        subprocess.run(command, check=True, capture_output=True)
        assert titles(restored) == {"one", "two"}


def test_a_copy_is_whole_while_songs_are_added(running, tmp_path):
    """Whatever the copied database names lies in the copy: files are there before their rows, and copied after them."""
    stop = threading.Event()
    added = []

    def add():
        while not stop.is_set():
            added.append(running.add(f"song {len(added)}".encode()))

    running.add(b"first")
    thread = threading.Thread(target=add)
    thread.start()
    try:
        made = [back_up(running.source, tmp_path / f"copy {n}") for n in range(3)]
    finally:
        stop.set()
        thread.join()
    assert added
    if running.database.path is not None:
        assert [each.missing for each in made] == [(), (), ()]
        assert "first" in titles(f"sqlite:///{tmp_path}/copy 2/melisma.sqlite")


def test_a_file_that_is_named_and_gone_is_told(running, tmp_path):
    content = running.add(b"one")
    running.files.remove(content, ".mp3")
    assert back_up(running.source, tmp_path / "copy").missing == (f"{content}.mp3",)


def test_the_cache_is_copied_too(running, tmp_path):
    from melisma.store.database import Database

    running.add(b"one")
    url = f"sqlite:///{tmp_path}/cache/alignments.sqlite"
    cache = Database(url)
    cache.migrate()
    cache.close()
    made = back_up(Source(running.source.database, url, running.data), tmp_path / "copy")
    assert made.databases[1] == "alignments.sqlite"
    assert (tmp_path / "copy" / "alignments.sqlite").stat().st_size > 0


def test_a_folder_that_holds_something_is_left_alone(running, tmp_path):
    running.add(b"one")
    folder = tmp_path / "copy"
    folder.mkdir()
    back_up(running.source, folder)
    with pytest.raises(InputError, match="copy is not empty: a backup takes a new folder"):
        back_up(running.source, folder)
    with pytest.raises(InputError, match="lies among the files that are to be copied"):
        back_up(running.source, running.data / "files" / "copy")


def test_nothing_is_left_of_a_copy_that_failed(running, tmp_path, dead_port):
    running.add(b"one")
    with pytest.raises(StoreError, match=r"pg_dump could not copy the service's database: .*refused") as caught:
        back_up(
            Source(f"postgresql://melisma:hidden@127.0.0.1:{dead_port}/melisma", "", running.data), tmp_path / "copy"
        )
    assert "hidden" not in str(caught.value)
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OutputError, match="the backup cannot be written to"):
        back_up(running.source, tmp_path / "file" / "copy")
    assert not [path for path in tmp_path.iterdir() if "copy" in path.name]


def test_a_damaged_database_is_one_sentence(tmp_path):
    (tmp_path / "service").mkdir()
    path = tmp_path / "service" / "melisma.sqlite"
    path.write_bytes(b"no database at all, " * 100)
    with pytest.raises(StoreError, match=r"melisma\.sqlite cannot be copied: file is not a database"):
        back_up(Source(f"sqlite:///{path}", "", tmp_path / "service"), tmp_path / "copy")


def test_a_copy_on_another_disk_is_a_copy(running, tmp_path, monkeypatch):
    """Where no link can be made, as across file systems, files are copied."""
    content = running.add(b"one")

    def refuse(*_, **__):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.link", refuse)
    back_up(running.source, tmp_path / "copy")
    copied = FileStore(tmp_path / "copy" / "files").path(content, ".mp3")
    shutil.rmtree(running.data / "files")
    assert copied.read_bytes() == b"one"
