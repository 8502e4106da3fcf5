"""What other programs heard: their files are a stranger's."""

from __future__ import annotations

import hashlib
import json

import pytest

from melisma.core.errors import ManifestError
from melisma.evaluate.asr_hypotheses import read

GOOD = {"id": "a", "text": "da", "words": [{"text": "da", "start": 0.1, "end": 0.2, "probability": 0.5}]}


def write(tmp_path, *lines):
    path = tmp_path / "heard.jsonl"
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def test_lines_are_read_by_id(tmp_path):
    path = write(tmp_path, GOOD, {"id": 7, "text": None, "language": None}, {"id": "c", "error": "it broke off"})
    found, digest = read(path)
    assert found["a"].words[0].probability == 0.5
    assert (found["7"].text, found["7"].language, found["7"].words) == ("", "", None)
    assert found["c"].error == "it broke off"
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_words_without_a_text_are_its_words(tmp_path):
    words = [{"text": " da ", "start": 0, "end": 1}, {"text": "ne", "start": 1, "end": 2}]
    assert read(write(tmp_path, {"id": "a", "words": words}))[0]["a"].text == "da ne"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "Invalid JSON"),
        ("[]", "should be an object"),
        ({"text": "da"}, "id: "),
        ({"id": ""}, "id: "),
        ({"id": "a", "text": ["da"]}, "text: "),
        ({"id": "a", "text": "x" * 2_000_001}, "text: "),
        ('{"id": "a", "text": "\\ud800"}', "hex escape"),
        (GOOD | {"words": [{"text": "da", "start": 2, "end": 1}]}, "ends at 1.0 s, before it starts"),
        (GOOD | {"words": [{"text": "da", "start": -1, "end": 1}]}, "start: "),
        ('{"id": "a", "words": [{"text": "da", "start": 1e999, "end": 1e999}]}', "start: "),
        (GOOD | {"words": "da"}, "words: "),
        (GOOD | {"words": ["da"]}, "words: 0: "),
        ('{"id": "a", "seconds": NaN}', "seconds: "),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, why):
    with pytest.raises(ManifestError, match=r"heard\.jsonl, line 2: .*") as found:
        read(write(tmp_path, {"id": "first"}, line))
    assert why in str(found.value)


def test_an_id_that_comes_twice_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="a hypothesis for 'a' already"):
        read(write(tmp_path, GOOD, GOOD))


def test_a_file_without_hypotheses_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="holds no hypothesis"):
        read(write(tmp_path, "", ""))
