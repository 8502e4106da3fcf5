"""The samples of docs/formats.md are files of their formats."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from melisma.core.files import format_named

PAGE = Path(__file__).parents[2] / "docs" / "formats.md"
FRAMES = {
    "lrc": "{}",
    "elrc": "{}",
    "srt": "{}",
    "vtt": "WEBVTT\n\n{}",
    "ass": "[Events]\n{}",
    "ttml": '<tt xmlns="http://www.w3.org/ns/ttml" xmlns:tts="urn:x"><body><div>{}</div></body></tt>',
    "ultrastar": "#BPM:1500\n#GAP:16230\n{}E\n",
}


@pytest.mark.parametrize("name", FRAMES)
def test_the_sample_is_read(name: str):
    sample = re.search(rf"^## {name}$.*?^```\w*\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    alignment = format_named(name).read(FRAMES[name].replace("{}", sample[1]))
    alignment.check()
    assert alignment.words[0].text == "l'amour"
    assert alignment.words[0].start_ms == 16_230
    assert any(word.unsung for word in alignment.words) == (name not in ("lrc", "srt"))
