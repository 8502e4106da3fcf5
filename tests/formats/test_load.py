from __future__ import annotations

from pathlib import Path

import pytest
from format_cases import GOLDEN, SONG, golden, got, texts

from melisma.core import plugins
from melisma.core.errors import FormatError, InputError, UnknownName
from melisma.core.files import Format, format_named, save
from melisma.formats.load import MAX_BYTES, decode, load

BUILT_IN = ("json", "lrc", "elrc", "srt", "vtt", "ass", "ttml", "textgrid", "ultrastar", "word-timestamps")


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_format_is_found_by_name_and_its_files_by_suffix(name: str, tmp_path: Path):
    found = format_named(name)
    assert (found.name, found.read is not None) == (name, True)
    path = save(SONG, tmp_path / f"song{found.suffixes[0]}")
    assert [text for text, _ in texts(load(path))] == [
        word.text.replace("{", "(").replace("}", ")") if name == "ass" else word.text for word in SONG.words
    ]


def test_every_built_in_format_has_a_golden_file():
    suffixes = {format_named(name).suffixes[0] for name in BUILT_IN}
    assert {path.name.removeprefix("song") for path in GOLDEN.glob("song*")} == suffixes
    assert set(BUILT_IN) <= set(plugins.names(plugins.FORMATS))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_utf_16_is_read_by_its_mark(encoding: str, tmp_path: Path):
    path = tmp_path / "song.TextGrid"
    path.write_bytes(golden("song.textgrid").encode(encoding))
    assert texts(load(path)) == texts(SONG)


def test_a_big_endian_mark_is_known():
    assert decode(b"\xfe\xff" + "é".encode("utf-16-be"), "srt") == "é"


def test_bytes_of_another_encoding_are_refused_with_the_line():
    with pytest.raises(FormatError, match="srt, line 2: the file is not UTF-8"):
        decode("one\ndéjà".encode("latin-1"), "srt")


def test_the_format_may_be_named(tmp_path: Path):
    path = tmp_path / "song.dat"
    path.write_text(golden("song.elrc"), encoding="utf-8")
    assert got(load(path, "elrc"))[0][:3] == ("Puisque", 16_230, 16_900)
    with pytest.raises(UnknownName, match="no format is called"):
        load(path)


def test_a_missing_file_is_one_sentence(tmp_path: Path):
    with pytest.raises(InputError, match=r"cannot read .*song\.lrc: No such file"):
        load(tmp_path / "song.lrc")


def test_a_file_of_any_size_is_not_read(tmp_path: Path):
    path = tmp_path / "song.lrc"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(InputError, match="larger than 200 MB"):
        load(path)


def test_a_format_without_a_reader_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    only_written = Format("drawing", (".svg",), "image/svg+xml", "a drawing", write=lambda alignment: "")
    monkeypatch.setattr("melisma.formats.load.format_of", lambda path: only_written)
    with pytest.raises(InputError, match="'drawing' can be written but not read"):
        load(tmp_path / "song.svg")
