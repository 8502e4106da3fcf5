from __future__ import annotations

import os
import threading
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from melisma.core import files, plugins
from melisma.core.errors import FormatError, InputError, OutputError, UnknownName
from melisma.core.files import Format, format_named, format_of, save, write_atomically
from melisma.core.records import Alignment, Line, Word

SONG = Alignment((Word("été", 0, 0, 500),), (Line(0, 1),), 1000)


def fail(alignment: Alignment) -> str:
    raise FormatError("failing", "cannot hold this")


PLAIN = Format("plain", (".txt",), "text/plain", "text", write=lambda alignment: alignment.text)
WORDS = Format("words", (".words.txt", ".wrd"), "text/plain", "words", write=lambda alignment: "\n".join("abc"))
FAILING = Format("failing", (".fail",), "text/plain", "never", write=fail)
HALF = Format("half", (".half",), "text/plain", "surrogates", write=lambda alignment: "a\ud800")
NOT_A_FORMAT = "just a string"


@pytest.fixture(autouse=True)
def formats(monkeypatch):
    names = {"plain": "PLAIN", "words": "WORDS", "failing": "FAILING", "half": "HALF", "odd": "NOT_A_FORMAT"}
    offered = {name: globals()[value] for name, value in names.items()}
    points = [EntryPoint(name, f"here:{value}", plugins.FORMATS) for name, value in names.items() if name != "odd"]
    monkeypatch.setattr(plugins, "entry_points", lambda group: points)
    monkeypatch.setattr(plugins, "load", lambda group, name: offered[name] if name in offered else unknown(name))
    plugins._points.cache_clear()
    yield
    plugins._points.cache_clear()


def unknown(name: str) -> None:
    raise UnknownName("format", name, ["plain"])


@pytest.mark.parametrize(
    ("name", "format_name"),
    [
        ("song.txt", "plain"),
        ("song.TXT", "plain"),
        ("song.words.txt", "words"),  # the longest suffix wins
        ("a.b.c.wrd", "words"),
        (".txt", "plain"),
    ],
)
def test_a_format_is_told_from_the_file_name(name, format_name):
    assert format_of(Path("folder.wrd") / name).name == format_name


@pytest.mark.parametrize(("name", "shown"), [("song.xyz", ".xyz"), ("song", "song"), ("txt", "txt")])
def test_an_unknown_suffix_lists_those_that_exist(name, shown):
    with pytest.raises(UnknownName, match=rf"no format is called '{shown}'; there are: \.fail, \.half, \.txt, "):
        format_of(Path(name))


def test_a_plugin_that_offers_no_format_is_an_error():
    with pytest.raises(InputError, match="the plug-in 'odd' offers no Format but a str"):
        format_named("odd")


def test_save_writes_utf8_in_the_format_of_the_suffix(tmp_path):
    path = save(SONG, tmp_path / "song.txt")
    assert path.read_bytes() == "été".encode()


def test_save_takes_a_format_by_name_whatever_the_suffix(tmp_path):
    assert save(SONG, tmp_path / "song.txt", "words").read_text(encoding="utf-8") == "a\nb\nc"


def test_an_alignment_saves_itself(tmp_path):
    assert SONG.save(str(tmp_path / "song.txt")).read_text(encoding="utf-8") == "été"


@pytest.mark.parametrize(
    ("suffix", "error", "sentence"),
    [("fail", FormatError, "cannot hold this"), ("half", OutputError, "half a character")],
)
def test_a_format_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, suffix, error, sentence):
    path = tmp_path / f"song.{suffix}"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(error, match=sentence):
        save(SONG, path)
    assert path.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == [path.name]


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "a"
    write_atomically(path, b"first, and longer")
    write_atomically(path, b"second")
    assert path.read_bytes() == b"second"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["disk", "ctrl-c"])
def test_a_failure_on_the_way_leaves_the_old_file_and_no_temporary(tmp_path, monkeypatch, error):
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def refuse(*args):
        raise error

    monkeypatch.setattr(files.os, "replace", refuse)
    expected = OutputError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected, match="No space left" if expected is OutputError else None):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(OutputError, match=r"cannot write .*none/a: No such file or directory"):
        write_atomically(tmp_path / "none" / "a", b"")


def test_a_folder_in_the_place_of_the_file_is_one_sentence(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(OutputError, match=r"cannot write .*a: Is a directory"):
        write_atomically(tmp_path / "a", b"")
    assert os.listdir(tmp_path) == ["a"]


def test_the_longest_name_that_the_system_takes_can_be_written(tmp_path):
    name = "é" * 127  # 254 bytes
    write_atomically(tmp_path / name, b"x")
    assert os.listdir(tmp_path) == [name]


def test_a_new_file_has_the_permissions_that_the_umask_leaves(tmp_path):
    old = os.umask(0o027)
    try:
        write_atomically(tmp_path / "a", b"")
    finally:
        os.umask(old)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_symbolic_link_stays_and_its_target_is_replaced(tmp_path):
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write_atomically(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write_atomically(pipe, b"through")
    reader.join(timeout=300)
    assert got == [b"through"]
    assert pipe.is_fifo()
