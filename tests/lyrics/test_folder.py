import os

import pytest

from melisma.lyrics.folder import Folder
from melisma.lyrics.protocol import SongQuery

LRC = "[ar:Ana Lund]\n[00:12.50]Over the river\n"


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "lyrics"
    made.mkdir()
    return made


def write(folder, name, text="Over the river\n"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "name",
    [
        "Ana Lund - The River.txt",
        "ana lund - the river.TXT",
        "Ána Lund – The River (Remastered 2011).txt",
        "The River - Ana Lund.txt",
        "Ana Lund/The River.txt",
        "Ana Lund feat. Bo - The River.txt",
    ],
)
def test_a_file_is_found_by_its_name(folder, name):
    path = write(folder, name)
    write(folder, "Ana Lund - Another One.txt")
    (found,) = Folder(folder).candidates(SongQuery("Ana Lund", "The River"))
    assert found.file == path.resolve()
    assert not found.has_synced


def test_lrc_is_told_by_its_content(folder):
    write(folder, "Ana Lund - The River.lrc", LRC)
    write(folder, "Ana Lund - The River.txt", LRC)
    (folder / "Ana Lund - The River (live).lrc").write_bytes(LRC.encode("utf-16"))
    write(folder, "Ana Lund - The River (demo).lrc", "[Chorus]\nno times\n")
    found = {each.file.name: each.has_synced for each in Folder(folder).candidates(SongQuery("Ana Lund", "The River"))}
    assert found == {
        "Ana Lund - The River.lrc": True,
        "Ana Lund - The River.txt": True,
        "Ana Lund - The River (live).lrc": True,
        "Ana Lund - The River (demo).lrc": False,
    }


@pytest.mark.parametrize("artist", ["../secret", "..", "/etc", "../../etc/passwd", "\x00", "%2e%2e", "~"])
def test_no_name_leads_out_of_the_folder(folder, artist):
    write(folder.parent, "secret/passwd.txt")
    write(folder.parent, "passwd.txt")
    assert Folder(folder).candidates(SongQuery(artist, "passwd")) == []


def test_a_link_out_of_the_folder_is_not_read(folder):
    outside = write(folder.parent, "outside.txt")
    os.symlink(outside, folder / "Ana Lund - The River.txt")
    os.symlink(folder.parent, folder / "Ana Lund")
    assert Folder(folder).candidates(SongQuery("Ana Lund", "The River")) == []


def test_other_files_empty_ones_and_huge_ones_are_passed_over(folder):
    write(folder, "Ana Lund - The River.mp3")
    write(folder, "Ana Lund - The River.txt", "")
    write(folder, "Ana Lund - The River.lrc", "x" * 4_000_001)
    (folder / "Ana Lund - The River (live).txt").mkdir()
    write(folder, "just a name.txt")
    write(folder, " - .txt")
    assert Folder(folder).candidates(SongQuery("Ana Lund", "The River")) == []


def test_the_folder_is_named_by_the_environment(folder, monkeypatch):
    assert "MELISMA_LYRICS_DIR names none" in (Folder().missing() or "")
    monkeypatch.setenv("MELISMA_LYRICS_DIR", str(folder / "nowhere"))
    assert "is no folder" in (Folder().missing() or "")
    monkeypatch.setenv("MELISMA_LYRICS_DIR", str(folder))
    assert Folder().missing() is None
    assert Folder().cache_key is None
