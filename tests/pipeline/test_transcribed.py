"""From a recording to an alignment by way of a transcription server that really listens, with lyrics and without."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

import transcription_server as fake
from melisma.core.errors import NoEngine
from melisma.core.records import LyricLine, Lyrics
from melisma.pipeline.align import AlignConfig, align


@pytest.fixture(scope="module")
def song():
    return fake.recording(40.0, seed=6)


def config(settings, *order, language="fr"):
    return AlignConfig(language, settings=replace(settings, tiers=order))


def lines(texts, length=6):
    return Lyrics(tuple(LyricLine(tuple(texts[i : i + length])) for i in range(0, len(texts), length)))


def test_known_words_stand_where_they_were_heard(tone_server, settings, song):
    sheet = lines([tone.text for tone in song[1]])
    made = align(song[0], sheet, config=config(settings, "openai_http"))
    assert tuple(word.text for word in made.words) == sheet.words
    assert made.engine == "openai_http"
    assert all(abs(word.start_s - tone.start_s) < 0.03 for word, tone in zip(made.words, song[1], strict=True))


def test_words_that_nobody_sang_are_not_timed(tone_server, settings, song):
    texts = [tone.text for tone in song[1]]
    extra = ["extraordinaire", "jamais", "entendu", "ici", "ni", "ailleurs"] * 4
    made = align(song[0], lines(texts[:18] + extra + texts[18:]), config=config(settings, "openai_http"))
    assert all(word.unsung for word in made.words[18:42])
    timed = [word for word in made.words if not word.unsung]
    assert [word.text for word in timed] == texts
    assert all(abs(word.start_s - tone.start_s) < 0.03 for word, tone in zip(timed, song[1], strict=True))


def test_without_lyrics_the_words_are_those_that_were_heard(tone_server, settings, song):
    made = align(song[0], config=config(settings, "openai_http", language=None))
    assert [word.text for word in made.words] == [tone.text for tone in song[1]]
    assert made.language == "fr"
    assert 1 < len(made.lines) <= len(song[1]) / 3


def in_milliseconds(handler, asked):
    heard = fake.answer(fake.listen(asked.samples))
    for word in heard["words"]:
        word["start"], word["end"] = 1000 * word["start"], 1000 * word["end"]
    handler.send(200, json.dumps(heard).encode())


def test_times_in_the_wrong_unit_are_refused_in_one_sentence(tone_server, settings, song):
    tone_server.script = [in_milliseconds]
    sheet = lines([tone.text for tone in song[1]])
    with pytest.raises(NoEngine, match=r"openai_http.* if the times of word \d+ .* are seconds: the unit is wrong"):
        align(song[0], sheet, config=config(settings, "openai_http"))


def test_times_in_the_wrong_unit_fall_to_the_next_tier(tone_server, settings, song, monkeypatch):
    monkeypatch.setenv("MELISMA_GROQ_URL", tone_server.url)
    monkeypatch.setenv("MELISMA_GROQ_API_KEY", "a-key")
    tone_server.script = [in_milliseconds]
    made = align(song[0], lines([tone.text for tone in song[1]]), config=config(settings, "openai_http", "groq"))
    assert made.engine == "groq"
    assert len(tone_server.asked) == 2
    assert all(abs(word.start_s - tone.start_s) < 0.03 for word, tone in zip(made.words, song[1], strict=True))
