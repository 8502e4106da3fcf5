"""From a recording to an alignment by way of a transcription server that really listens, with lyrics and without."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from melisma.core.errors import NoEngine
from melisma.core.records import LyricLine, Lyrics
from melisma.pipeline import tiers
from melisma.pipeline.align import AlignConfig, align

_SPEC = importlib.util.spec_from_file_location(
    "transcription_server", Path(__file__).parents[1] / "engines" / "transcription_server.py"
)
fake = importlib.util.module_from_spec(_SPEC)
sys.modules.setdefault("transcription_server", fake)
_SPEC.loader.exec_module(fake)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with fake.running() as running:
        monkeypatch.setenv("MELISMA_OPENAI_URL", running.url)
        tiers.engine_named.cache_clear()
        yield running
    tiers.engine_named.cache_clear()


@pytest.fixture(scope="module")
def song():
    return fake.recording(40.0, seed=6)


def config(settings, *order, language="fr"):
    return AlignConfig(language, settings=replace(settings, tiers=order))


def lines(texts, length=6):
    return Lyrics(tuple(LyricLine(tuple(texts[i : i + length])) for i in range(0, len(texts), length)))


def test_known_words_stand_where_they_were_heard(server, settings, song):
    sheet = lines([tone.text for tone in song[1]])
    made = align(song[0], sheet, config=config(settings, "openai_http"))
    assert tuple(word.text for word in made.words) == sheet.words
    assert made.engine == "openai_http"
    assert all(abs(word.start_s - tone.start_s) < 0.03 for word, tone in zip(made.words, song[1], strict=True))


def test_words_that_nobody_sang_are_not_timed(server, settings, song):
    texts = [tone.text for tone in song[1]]
    extra = ["extraordinaire", "jamais", "entendu", "ici", "ni", "ailleurs"] * 4
    made = align(song[0], lines(texts[:18] + extra + texts[18:]), config=config(settings, "openai_http"))
    assert all(word.unsung for word in made.words[18:42])
    timed = [word for word in made.words if not word.unsung]
    assert [word.text for word in timed] == texts
    assert all(abs(word.start_s - tone.start_s) < 0.03 for word, tone in zip(timed, song[1], strict=True))


def test_without_lyrics_the_words_are_those_that_were_heard(server, settings, song):
    made = align(song[0], config=config(settings, "openai_http", language=None))
    assert [word.text for word in made.words] == [tone.text for tone in song[1]]
    assert made.language == "fr"
    assert 1 < len(made.lines) <= len(song[1]) / 3


def in_milliseconds(handler, asked):
    heard = fake.answer(fake.listen(asked.samples))
    for word in heard["words"]:
        word["start"], word["end"] = 1000 * word["start"], 1000 * word["end"]
    handler.send(200, json.dumps(heard).encode())


def test_times_in_the_wrong_unit_are_refused_in_one_sentence(server, settings, song):
    server.script = [in_milliseconds]
    sheet = lines([tone.text for tone in song[1]])
    with pytest.raises(NoEngine, match=r"openai_http.* if the times of word \d+ .* are seconds: the unit is wrong"):
        align(song[0], sheet, config=config(settings, "openai_http"))


def test_times_in_the_wrong_unit_fall_to_the_next_tier(server, settings, song, monkeypatch):
    monkeypatch.setenv("MELISMA_GROQ_URL", server.url)
    monkeypatch.setenv("MELISMA_GROQ_API_KEY", "a-key")
    server.script = [in_milliseconds]
    made = align(song[0], lines([tone.text for tone in song[1]]), config=config(settings, "openai_http", "groq"))
    assert made.engine == "groq"
    assert len(server.asked) == 2
    assert all(abs(word.start_s - tone.start_s) < 0.03 for word, tone in zip(made.words, song[1], strict=True))
