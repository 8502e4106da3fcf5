from __future__ import annotations

import base64
import hashlib
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from melisma.core.records import LyricLine, Lyrics
from melisma.evaluate.align import Song
from melisma.evaluate.bench import Baseline, Bench, SongFacts, summarise, with_verdict
from melisma.evaluate.bench_plots import Trace, cumulative, early_and_late
from melisma.evaluate.bench_report import NAMES, page, write
from melisma.evaluate.bench_run import BenchSong, EngineRuns, Facts, Run

SVG = "{http://www.w3.org/2000/svg}"
NASTY = "<script>alert(1)</script>&\"'"


def song(name: str, n_words: int) -> BenchSong:
    words = tuple("la" for _ in range(n_words))
    made = Song(name, Path("audio.wav"), Path("lyrics.txt"), "fr", words, tuple(float(k) for k in range(n_words)))
    return BenchSong(made, Lyrics((LyricLine(words),)), np.zeros(n_words, np.int64))


def made(*names: str) -> Bench:
    songs = [song("one", 4), song(NASTY, 2)]
    errors = (np.array([0.01, -0.1, 0.3, np.nan]), np.array([0.02, 2.0]))
    results = []
    for name in names:
        runs = tuple((Run(of, 1.0), Run(of, 3.0)) for of in errors)
        results.append(summarise(EngineRuns(Facts(name, licence="MIT"), runs, 0.5, 300), songs, [10.0, 5.0]))
    results.append(summarise(EngineRuns(Facts("absent", missing=f"it lacks {NASTY}")), songs, [10.0, 5.0]))
    facts = tuple(SongFacts(s.song.song_id, "fr", len(s.song.words), 1, 10.0, "a", "b", "c") for s in songs)
    base = Baseline("v1", 0.9, f"{NASTY}.json")
    return Bench(facts, tuple(with_verdict(r, base) for r in results), 2, "a machine", base)


class Reader(HTMLParser):
    """Reads a page as a browser would: its elements with their attributes, and its text."""

    def __init__(self, document: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.style = ""
        self._tag = ""
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._tag = tag

    def handle_data(self, data: str) -> None:
        if self._tag == "style":
            self.style += data
            self._tag = ""
        else:
            self.text += data


def test_the_page_shows_every_engine_song_and_threshold():
    read = Reader(page(made("phone", "dtw")))
    for said in (
        "phone",
        "dtw",
        "absent",
        NASTY,
        f"it lacks {NASTY}",
        "no-go",
        "not run",
        "Hit@150",
        "asked: < 0.150 s",
    ):
        assert said in read.text
    assert "Gains are against v1 of" in read.text


def test_the_page_asks_no_host_and_runs_no_script():
    document = page(made("phone"))
    read = Reader(document)
    assert not {tag for tag, _ in read.tags} & {"script", "link", "img", "iframe", "object", "audio"}
    assert not any(
        name.startswith("on") or name in ("href", "src", "style") for _, attrs in read.tags for name in attrs
    )
    assert not re.search(r"url\(|@import|https?:", document)
    policy = next(attrs["content"] for _, attrs in read.tags if attrs.get("http-equiv"))
    digest = base64.b64encode(hashlib.sha256(read.style.encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'")
    assert "prefers-color-scheme: dark" in read.style


def test_the_files_are_written_whole(tmp_path: Path):
    paths = write(made("phone"), tmp_path / "new" / "folder")
    assert [path.name for path in paths] == list(NAMES)
    assert json.loads(paths[0].read_text(encoding="utf-8"))["schema"] == "melisma.bench/1"
    assert paths[1].read_text(encoding="utf-8").startswith("engine,song,aae,aae_spread")
    assert paths[2].read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_page_without_any_engine_that_ran():
    assert "not run" in Reader(page(made())).text


@pytest.mark.parametrize("n_traces", [1, 9])
def test_pictures_are_xml_and_curves_end_at_the_share_of_timed_words(n_traces: int):
    traces = [Trace(f"{NASTY}{k}", np.array([0.02, -0.02, 0.5, np.nan])) for k in range(n_traces)]
    root = ET.fromstring(cumulative(traces).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))
    curves = [
        [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
        for line in root.iter(f"{SVG}polyline")
    ]
    assert len(curves) == n_traces
    heights = [y for _, y in curves[0]]
    assert heights == sorted(heights, reverse=True)
    assert (heights[0], heights[-1]) == (300.0, pytest.approx(300 - 0.75 * 286, abs=0.1))
    assert next(title.text for title in root.iter(f"{SVG}title")) == f"{NASTY}0"
    looks = {(line.attrib["class"], line.attrib.get("stroke-dasharray")) for line in root.iter(f"{SVG}polyline")}
    assert len(looks) == n_traces


def test_boxes_stand_where_the_quartiles_are():
    errors = np.linspace(-0.25, 0.25, 101)
    picture = early_and_late([Trace("a", errors), Trace("b", np.full(3, np.nan))])
    root = ET.fromstring(picture.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))
    box = next(rect for rect in root.iter(f"{SVG}rect") if rect.attrib["class"].startswith("fill"))
    middle, unit = (150 + 716) / 2, 716 - 150  # SVG units a second: the picture reaches from -0.5 to 0.5 s
    assert float(box.attrib["x"]) == pytest.approx(middle - 0.125 * unit, abs=0.1)
    assert float(box.attrib["width"]) == pytest.approx(0.25 * unit, abs=0.1)
    assert "no word was timed" in picture
