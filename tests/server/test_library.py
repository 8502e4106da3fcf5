from __future__ import annotations

import os

import pytest

pytest.importorskip("fastapi")

from melisma.core.errors import InputError, NotFound
from melisma.server import library


@pytest.fixture
def root(tmp_path):
    """A library beside a secret."""
    root = tmp_path / "library"
    for name in ("a/b/deep.flac", "a/one.mp3", "two.WAV", "Ä/drei.ogg", "a/notes.txt", ".hidden/x.mp3", ".dot.mp3"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x" * len(name))
    (tmp_path / "secret.mp3").write_bytes(b"secret")
    return root


@pytest.mark.parametrize("path", ["a/b/deep.flac", "two.WAV", "Ä/drei.ogg", "a//one.mp3", "./two.WAV", "a/./one.mp3"])
def test_a_recording_is_found_by_its_path(root, path):
    assert library.resolve(root, path).is_relative_to(root)
    assert library.resolve(root, path).is_file()


@pytest.mark.parametrize(
    "path",
    [
        "../secret.mp3",
        "a/../../secret.mp3",
        "a/../two.WAV",
        "/etc/passwd",
        "//etc/passwd",
        "..",
        ".",
        "a",
        "gone.mp3",
        "two.WAV/x",
        ".hidden/x.mp3",
        ".dot.mp3",
        "~/x.mp3",
        "%2e%2e/secret.mp3",
        "a" * 999,
    ],
)
def test_nothing_else_is(root, path):
    with pytest.raises(NotFound, match="there is no recording"):
        library.resolve(root, path)


@pytest.mark.parametrize("path", ["", "a\\one.mp3", "..\\secret.mp3", "a\x00.mp3", "a\n.mp3", "a/" * 600 + "x"])
def test_what_is_no_path_is_refused(root, path):
    with pytest.raises(InputError, match="a recording of the library is named by its path in it"):
        library.resolve(root, path)


def test_links_lead_only_within(root, tmp_path):
    (root / "out.mp3").symlink_to(tmp_path / "secret.mp3")
    (root / "outside").symlink_to(tmp_path)
    (root / "in.mp3").symlink_to(root / "a" / "one.mp3")
    (root / "round.mp3").symlink_to(root / "round.mp3")
    for path in ("out.mp3", "outside/secret.mp3", "round.mp3"):
        with pytest.raises(NotFound, match="there is no recording"):
            library.resolve(root, path)
    assert library.resolve(root, "in.mp3") == (root / "a" / "one.mp3")
    listed = [entry.path for entry in library.listing(root)[0]]
    assert listed == ["a", "Ä", "in.mp3", "two.WAV"]
    assert [entry.path for entry in library.listing(root, search="secret")[0]] == []


def test_a_pipe_is_no_recording(root):
    os.mkfifo(root / "pipe.mp3")
    with pytest.raises(NotFound, match="there is no recording"):
        library.resolve(root, "pipe.mp3")
    assert "pipe.mp3" not in [entry.path for entry in library.listing(root)[0]]


def test_a_folder_is_listed_folders_first(root):
    found, more = library.listing(root)
    assert [(entry.path, entry.is_folder) for entry in found] == [("a", True), ("Ä", True), ("two.WAV", False)]
    assert (found[0].size_bytes, found[2].size_bytes, more) == (None, len("two.WAV"), None)
    inside, _ = library.listing(root, "a")
    assert [(entry.path, entry.name) for entry in inside] == [("a/b", "b"), ("a/one.mp3", "one.mp3")]


def test_a_search_goes_through_all_folders(root):
    assert [entry.path for entry in library.listing(root, search="DEEP fl")[0]] == ["a/b/deep.flac"]
    assert [entry.path for entry in library.listing(root, "a/b", "one")[0]] == []


def test_pages_hold_every_entry_once(root):
    for k in range(12):
        (root / "many" / f"{k % 4}").mkdir(parents=True, exist_ok=True)
        (root / "many" / f"Song {k}.mp3").write_bytes(b"x")
    whole, more = library.listing(root, "many", limit=200)
    assert more is None
    seen, cursor = [], None
    while True:
        found, cursor = library.listing(root, "many", limit=3, cursor=cursor)
        seen += found
        if cursor is None:
            break
    assert seen == list(whole)
    assert len(seen) == 16


@pytest.mark.parametrize("folder", ["gone", "two.WAV", "..", "a/../..", "/etc"])
def test_a_folder_that_is_not_there_is_said(root, folder):
    with pytest.raises(NotFound):
        library.listing(root, folder)


def test_without_a_library_there_is_nothing():
    for ask in (library.resolve, library.listing):
        with pytest.raises(NotFound, match=r"there is no library: .* MELISMA_LIBRARY_DIR"):
            ask(None, "a.mp3")
