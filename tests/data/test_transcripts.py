from __future__ import annotations

import json

import pytest

from melisma.core.errors import InputError
from melisma.data import transcripts


def read(tmp_path, name: str, content: str | bytes):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return transcripts.read(path)


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.txt", "\ufeffPrvi red\nDrugi\n", "Prvi red\nDrugi"),
        ("a.txt", "Žena šeće čuda po džungli, ćao đače".encode("cp1250"), "Žena šeće čuda po džungli, ćao đače"),
        ("a.lrc", "[ti:Song]\n[00:01.00]Prvi\n[00:02.00]Drugi", "Prvi\nDrugi"),
        ("a.srt", "1\n00:00:01,000 --> 00:00:02,000\nPrvi\n", "Prvi"),
        ("a.vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\nPrvi\n", "Prvi"),
        ("a.json", json.dumps({"text": " Prvi ", "segments": []}), "Prvi"),
        ("a.json", json.dumps({"segments": [{"text": " Prvi"}, {"text": "drugi"}]}), "Prvi\ndrugi"),
        ("a.json", json.dumps([{"text": "Prvi"}, "drugi", 3]), "Prvi\ndrugi"),
        ("a.txt", " \n", ""),
    ],
)
def test_the_text_of_a_file(tmp_path, name, content, text):
    assert read(tmp_path, name, content).text == text


def test_an_alignment_gives_its_words_too(tmp_path):
    from melisma.core.records import Alignment, Line, Word
    from melisma.formats import json as format

    words = (Word("Dobar", 0, 100, 400, 0.9), Word("dan", 0, 500, 900, 0.9))
    made = Alignment(words, (Line(0, 2),), 1000)
    found = read(tmp_path, "a.json", format.write(made))
    assert found.text == "Dobar dan"
    assert found.words == [{"text": "Dobar", "start": 0.1, "end": 0.4}, {"text": "dan", "start": 0.5, "end": 0.9}]


@pytest.mark.parametrize("content", ['{"title": "no text"}', "3", "[]", '{"segments": 5}'])
def test_json_without_a_text_is_none(tmp_path, content):
    assert read(tmp_path, "a.json", content) is None


@pytest.mark.parametrize(
    ("name", "content"), [("a.json", "{"), ("a.json", "[" * 100_000), ("a.txt", bytes(range(32)) * 20)]
)
def test_what_is_no_text_is_one_sentence(tmp_path, name, content):
    with pytest.raises(InputError, match=r"a\.(json|txt)"):
        read(tmp_path, name, content)


def test_what_a_person_wrote_comes_first():
    assert transcripts.file_of("a", {"a.json", "a.lrc", "a.txt"}) == "a.txt"
    assert transcripts.file_of("a", {"a.json", "a.LRC"}) == "a.LRC"
    assert transcripts.file_of("a", {"b.txt"}) is None
