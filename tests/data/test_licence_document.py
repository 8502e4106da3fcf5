from __future__ import annotations

from pathlib import Path

import pytest

from melisma.data.licence_document import document, take
from melisma.data.manifest import Utterance, write


def utterance(number: int, **fields) -> Utterance:
    return Utterance(id=f"u{number}", audio=f"u{number}.wav", **{"duration": 1800.0, **fields})


def page(tmp_path: Path, *utterances: Utterance) -> str:
    manifest = tmp_path / "m.jsonl"
    write(manifest, utterances)
    return document(take([manifest]), [Path("m.jsonl")])


def section(text: str, title: str) -> str:
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_sources_hours_credit_and_what_is_permitted(tmp_path):
    text = page(
        tmp_path,
        utterance(1, source="choir", license="cc0"),
        utterance(2, source="https://v/1", license="CC BY-SA 4.0", title="Oj", artist="Ana", source_url="https://v/1"),
        utterance(3, source="https://v/1", license="CC-BY-SA-4.0", title="Oj", artist="Ana", source_url="https://v/1"),
        utterance(4, source="radio", license="CC-BY-SA-4.0"),
    )
    assert "4 utterances, 2.0 h, of `m.jsonl`" in text
    assert "**Commercial use:** allowed" in text
    assert "| choir | 1 | 0.50 |" in section(text, "CC0-1.0")
    assert "Credit" not in section(text, "CC0-1.0")
    alike = section(text, "CC-BY-SA-4.0")
    assert "| https://v/1 | 2 | 1.00 |" in alike
    assert alike.count("- “Oj” by Ana <https://v/1>, CC-BY-SA-4.0") == 1
    assert "by the name of the source, for the manifests name no author: “radio”" in alike
    assert "go out under the same licence" in alike
    assert "melisma data remove --source" in section(text, "How a source is removed")


@pytest.mark.parametrize("licence", ["", "ask me"])
def test_what_has_no_licence_is_named(tmp_path, licence):
    text = page(tmp_path, utterance(1, source="choir", license="cc0"), utterance(2, source="tapes", license=licence))
    assert "**Commercial use:** not allowed" in text
    assert "for: tapes (" in text
    assert "Nobody has said" in section(text, licence or "No licence named")
    assert "| tapes | 1 | 0.50 |" in section(text, licence or "No licence named")


def test_non_commercial_and_no_derivatives_are_said(tmp_path):
    said = section(page(tmp_path, utterance(1, source="x", license="CC-BY-NC-ND-4.0")), "CC-BY-NC-ND-4.0")
    assert "non-commercial purposes only" in said
    assert "may not be passed on" in said


def test_names_of_strangers_stay_in_their_cell(tmp_path):
    text = page(
        tmp_path, utterance(1, source="a|b\n# c <script>", license="CC-BY-4.0", artist="[x](javascript:1)", title="*t*")
    )
    assert "| a\\|b # c \\<script\\> | 1 | 0.50 |" in text
    assert "by \\[x\\](javascript:1)" in text


def test_an_utterance_in_two_manifests_counts_once(tmp_path):
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    write(first, [utterance(1, source="choir"), utterance(2, source="choir")])
    write(second, [utterance(2, source="choir"), utterance(2, source="other")])
    found = take([first, second])
    assert (found.taint.total.clips, found.n_repeated) == (3, 1)
