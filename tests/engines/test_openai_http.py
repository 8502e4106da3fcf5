"""Transcription over HTTP, against a real server on the loopback that listens, and misbehaves in every way we know."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import struct
import threading
import time
from dataclasses import replace
from email.utils import formatdate

import numpy as np
import pytest
from stamina.instrumentation import set_on_retry_hooks

import transcription_server as fake
from melisma.core.errors import EngineFailed, EngineTimeout, EngineUnavailable, UnitsError, UnknownName
from melisma.core.records import Waveform
from melisma.core.timebase import Timebase
from melisma.core.units import to_clock
from melisma.engines.groq import GroqEngine
from melisma.engines.http_client import ServerConfig, endpoint
from melisma.engines.openai_http import OpenAIHTTPEngine
from melisma.engines.protocol import Task, TranscribingEngine
from melisma.testing.engines import check_engine

KEY = "sk-not-for-any-log-0123456789"
CLOCK = Timebase(fake.RATE)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    for name in ("MELISMA_OPENAI_URL", "MELISMA_OPENAI_API_KEY", "MELISMA_OPENAI_MODEL", "GROQ_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server():
    with fake.running() as running:
        yield running


@pytest.fixture
def config(server):
    return ServerConfig(
        "openai_http",
        endpoint(server.url),
        "tones",
        KEY,
        "MELISMA_OPENAI_API_KEY",
        connect_s=60.0,
        read_s=120.0,
        total_s=600.0,
        attempts=3,
        wait_initial_s=0.01,
        wait_max_s=0.02,
        wait_jitter_s=0.01,
        max_wait_s=2.0,
    )


@pytest.fixture(scope="module")
def song():
    return fake.recording(12.0)


def texts(heard):
    return [word.text for word in heard.words]


def transcribe(config, song, **more):
    return OpenAIHTTPEngine(config).transcribe(song[0], **more)


# What goes well.


def test_the_words_that_are_heard_come_back_where_they_are_sung(config, song):
    got = transcribe(config, song, language="fr")
    assert texts(got) == [tone.text for tone in song[1]]
    for word, tone in zip(got.words, song[1], strict=True):
        assert abs(got.unit.seconds(word.start) - tone.start_s) < 0.03
        assert abs(got.unit.seconds(word.end) - tone.end_s) < 0.03
    assert got.language == "fr"
    assert got.breaks == tuple(range(0, len(song[1]), 8))


def test_what_is_sent_is_small_and_says_what_is_wanted(server, config, song):
    transcribe(config, song, language="pt-br", prompt="la mer  qu'on voit danser " * 40)
    (asked,) = server.asked
    assert asked.path == "/v1/audio/transcriptions"
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.fields["model"] == ["tones"]
    assert asked.fields["response_format"] == ["verbose_json"]
    assert asked.fields["timestamp_granularities[]"] == ["word", "segment"]
    assert asked.fields["language"] == ["pt"]
    assert asked.fields["prompt"][0].startswith("la mer qu'on voit")
    assert 350 < len(asked.fields["prompt"][0]) <= 400
    assert len(asked.audio) < 2 * len(song[0].samples)
    assert np.abs(asked.samples - song[0].samples).max() < 1e-4


def test_nothing_is_said_of_a_language_that_nobody_gave(server, config, song):
    transcribe(replace(config, key=""), song)
    (asked,) = server.asked
    assert "language" not in asked.fields
    assert "prompt" not in asked.fields
    assert "authorization" not in asked.headers


@pytest.mark.parametrize("gap_s", [(0.1, 0.4), (0.0, 0.0)], ids=["with pauses", "without a pause"])
def test_a_long_recording_goes_in_pieces_and_no_word_is_lost_at_a_seam(server, config, gap_s):
    waveform, truth = fake.recording(100.0, seed=4, gap_s=gap_s)
    shares = []
    got = OpenAIHTTPEngine(replace(config, max_piece_s=15.0)).transcribe(waveform, progress=shares.append)
    assert len(server.asked) >= 9
    assert all(len(asked.samples) <= 15 * fake.RATE for asked in server.asked)
    assert texts(got) == [tone.text for tone in truth]
    for word, tone in zip(got.words, truth, strict=True):
        assert abs(got.unit.seconds(word.start) - tone.start_s) < 0.03
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    to_clock(got, len(waveform.samples), CLOCK)


def test_the_size_that_a_server_takes_is_kept(server, config):
    noise = np.random.default_rng(0).uniform(-1, 1, 60 * fake.RATE).astype(np.float32)
    OpenAIHTTPEngine(replace(config, max_upload=1_000_000)).transcribe(Waveform(noise, fake.RATE))
    assert len(server.asked) > 1
    assert all(len(asked.audio) <= 1_000_000 for asked in server.asked)


def test_silence_stays_at_home(server, config):
    got = transcribe(config, (Waveform(np.zeros(5 * fake.RATE, np.float32), fake.RATE), []))
    assert got.words == ()
    assert server.asked == []


def test_words_inside_of_segments_are_read_too(server, config, song):
    def inside(handler, asked):
        heard = fake.answer(fake.listen(asked.samples))
        words = [{**word, "probability": 0.5} for word in heard.pop("words")]
        heard["segments"] = [{**heard["segments"][0], "words": words, "no_speech_prob": 0.1, "tokens": [1, 2]}]
        handler.send(200, json.dumps(heard).encode())

    server.script = [inside]
    got = transcribe(config, song)
    assert texts(got) == [tone.text for tone in song[1]]
    assert {word.confidence for word in got.words} == {0.5}


def test_a_server_that_hears_nothing_says_so(server, config, song):
    server.script = [lambda handler, asked: handler.send(200, b'{"text": "", "segments": []}')]
    assert transcribe(config, song).words == ()


@pytest.mark.parametrize("kind", [OpenAIHTTPEngine, GroqEngine])
def test_it_keeps_the_contract(config, song, kind):
    named = replace(config, name=kind.name)
    check_engine(lambda: kind(named), kind.name, song[0])


def test_without_settings_it_keeps_what_can_be_kept():
    check_engine(OpenAIHTTPEngine, "openai_http")
    check_engine(GroqEngine, "groq")


def test_a_language_that_whisper_was_not_taught_is_refused_before_anything_is_sent(server, config, song):
    with pytest.raises(UnknownName, match="no language of Whisper's is called 'kok'"):
        transcribe(config, song, language="kok")
    assert server.asked == []


# What goes wrong and passes.


def fails(status, **headers):
    return lambda handler, asked: handler.send(status, b'{"error": {"message": "not now"}}', **headers)


def reset(handler, asked):
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def half(handler, asked):
    """Promise more than is sent."""
    body = json.dumps(fake.answer(fake.listen(asked.samples))).encode()
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])
    handler.close_connection = True


@pytest.mark.parametrize("once", [fails(500), fails(502), fails(503), fails(429), reset, half])
def test_a_fault_that_passes_is_waited_for(server, config, song, once):
    server.script = [once, once]
    assert texts(transcribe(config, song)) == [tone.text for tone in song[1]]
    assert len(server.asked) == 3


@pytest.fixture
def waits():
    """The seconds that are waited for before each new attempt."""
    asked = []
    set_on_retry_hooks([lambda details: asked.append(details.wait_for)])
    yield asked
    set_on_retry_hooks(None)


def test_retries_say_nothing_on_standard_output(server, config, song, capfd, caplog):
    set_on_retry_hooks(None)  # as a program finds them
    server.script = [fails(500)]
    with caplog.at_level(logging.INFO, "melisma"):
        transcribe(config, song)
    assert capfd.readouterr().out == ""
    assert "answers 500" in caplog.text


@pytest.mark.parametrize("kind", ["seconds", "date"])
def test_a_server_is_heard_that_asks_to_wait(server, config, song, waits, kind):
    def later(handler, asked):
        # A date has whole seconds: this one is between three and four seconds away.
        after = "1" if kind == "seconds" else formatdate(time.time() + 4, usegmt=True)
        fails(429, Retry_After=after)(handler, asked)

    server.script = [later]
    assert len(transcribe(replace(config, max_wait_s=5.0), song).words) == len(song[1])
    (wait,) = waits
    # However slow the machine, more of the date is left than the engine would wait by itself.
    low, high = (1.0, 1.0) if kind == "seconds" else (config.wait_max_s + config.wait_jitter_s, 4.0)
    assert low <= wait <= high + config.wait_jitter_s


def test_waits_grow_where_a_server_asks_for_none(server, config, song, waits):
    server.script = [fails(503)] * 3
    patient = replace(config, attempts=4, wait_initial_s=0.02, wait_max_s=1.0, wait_jitter_s=0.005)
    assert len(transcribe(patient, song).words) == len(song[1])
    assert len(waits) == 3
    assert all(0.02 * 2**i <= wait <= 0.02 * 2**i + 0.005 for i, wait in enumerate(waits))


def test_a_piece_that_fails_once_does_not_lose_the_others(server, config):
    waveform, truth = fake.recording(40.0, seed=2)
    server.script = [None, fails(503)]
    got = OpenAIHTTPEngine(replace(config, max_piece_s=15.0)).transcribe(waveform)
    assert texts(got) == [tone.text for tone in truth]


# What goes wrong and stays so: one sentence, and the right class for the router.


def test_a_fault_that_stays_ends_after_the_attempts(server, config, song):
    server.script = [fails(500)] * 9
    with pytest.raises(EngineFailed, match="openai_http answers 500, 3 times") as raised:
        transcribe(config, song)
    assert raised.type is EngineFailed  # what a log line says of it
    assert len(server.asked) == 3


def test_a_server_that_wants_an_hour_is_not_waited_for(server, config, song):
    server.script = [fails(429, Retry_After="3600")]
    with pytest.raises(EngineFailed, match="answers 429 and asks to come back in 3600 s"):
        transcribe(config, song)
    assert len(server.asked) == 1


def test_a_wait_beyond_the_time_that_is_left_is_not_begun(server, config, song):
    server.script = [fails(429, Retry_After="121")]
    with pytest.raises(EngineFailed, match="answers 429"):
        transcribe(replace(config, total_s=120.0, max_wait_s=1000.0), song)
    assert len(server.asked) == 1


def test_a_slow_server_is_a_time_out_and_not_asked_again(server, config, song):
    began, go = threading.Event(), threading.Event()

    def sleep(handler, asked):
        began.set()
        go.wait(60)

    server.script = [sleep, sleep]
    with pytest.raises(EngineTimeout, match=r"gave no answer within 0\.2 s"):
        transcribe(replace(config, read_s=0.2), song)
    assert began.wait(60)  # it may hear of the request after the engine has given up
    assert len(server.asked) == 1
    go.set()


def test_a_server_that_drips_is_stopped_when_the_time_is_up(server, config, song):
    def drip(handler, asked):
        handler.send_response(200)
        handler.end_headers()
        with contextlib.suppress(OSError):  # until nobody listens any more
            while True:
                handler.wfile.write(b" ")
                handler.wfile.flush()
                time.sleep(0.05)

    server.script = [drip]
    with pytest.raises(EngineTimeout, match="not done within 1 s"):
        transcribe(replace(config, total_s=1.0), song)


def test_nobody_there_is_a_failure(config, song):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(EngineFailed, match="cannot be reached"):
        transcribe(replace(config, url=f"http://127.0.0.1:{port}/v1/audio/transcriptions"), song)


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_not_taken_is_named_by_its_variable(server, config, song, status):
    server.script = [fails(status)]
    with pytest.raises(
        EngineUnavailable, match=f"answers {status}: it does not take the key: check MELISMA_OPENAI_API_KEY"
    ):
        transcribe(config, song)
    assert len(server.asked) == 1


def test_a_model_that_is_not_there(server, config, song):
    server.script = [fails(404)]
    with pytest.raises(EngineUnavailable, match=r"knows no such endpoint or model 'tones' \(not now\)"):
        transcribe(config, song)


def test_a_server_that_takes_less_than_it_was_said_to(server, config, song):
    server.script = [fails(413)]
    with pytest.raises(EngineFailed, match="answers 413: it takes less than the 25000000 bytes"):
        transcribe(config, song)


def test_what_a_server_says_of_a_fault_stays_short_and_in_one_line(server, config, song):
    said = f"bad\n\x1b[31mkey {KEY} " + "x" * 5000
    server.script = [lambda handler, asked: handler.send(400, json.dumps({"error": said}).encode())]
    with pytest.raises(EngineFailed, match="answers 400") as caught:
        transcribe(config, song)
    text = str(caught.value)
    assert len(text) < 260
    assert text.isprintable()
    assert KEY not in text


def test_a_redirect_is_not_followed_and_the_key_goes_nowhere(server, config, song):
    with fake.running() as elsewhere:
        server.script = [lambda handler, asked: handler.send(307, Location=f"{elsewhere.url}/v1/audio/transcriptions")]
        with pytest.raises(EngineFailed, match=r"answers 307, a redirect to 127\.0\.0\.1, which is not followed"):
            transcribe(config, song)
        assert elsewhere.asked == []


def answers(body, **headers):
    return lambda handler, asked: handler.send(200, body, **headers)


def changed(change):
    """Answer honestly but for one change."""

    def lie(handler, asked):
        heard = fake.answer(fake.listen(asked.samples))
        change(heard)
        handler.send(200, json.dumps(heard).encode())

    return lie


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b'{"text": "la mer", "words": [{"word": "la"', "no usable answer: Invalid JSON"),
        (b"<html>busy</html>", "no usable answer: Invalid JSON"),
        (b"\xff\xfe\x00", "no usable answer"),
        (b"[" * 100_000, "no usable answer"),
        (b"[]", "no usable answer"),
        (
            b'{"words": [{"word": "la", "start": "0.5", "end": 1.0}]}',
            r"words\.0\.start: Input should be a valid number",
        ),
        (b'{"words": [{"word": 7, "start": 0.5, "end": 1.0}]}', r"words\.0\.word"),
        (b'{"words": [{"word": "la", "start": 0.5}]}', r"words\.0\.end: Field required"),
        (b'{"words": [{"word": "la", "start": NaN, "end": 1.0}]}', "no usable answer"),
        (b'{"words": [{"word": "la", "start": 0.5, "end": 1e999}]}', "no usable answer"),
        (b'{"words": {"la": 1}}', "words: Input should be a valid"),
        (b'{"text": "la mer qu\'on voit"}', "gives no times of words"),
    ],
)
def test_what_is_no_answer_is_a_failure_in_one_sentence(server, config, song, body, fault):
    server.script = [answers(body)]
    with pytest.raises(EngineFailed, match=fault) as caught:
        transcribe(config, song)
    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()
    assert len(server.asked) == 1


def test_an_answer_that_never_ends_is_cut_off(server, config, song):
    server.script = [answers(b'{"text": "' + b"x" * 3_000_000 + b'"}')]
    with pytest.raises(EngineFailed, match="sends more than 1000000 bytes"):
        transcribe(replace(config, max_answer=1_000_000), song)


def test_a_packed_answer_is_not_unpacked(server, config, song):
    server.script = [answers(b"\x1f\x8b\x08", Content_Encoding="gzip")]
    with pytest.raises(EngineFailed, match="packed as 'gzip', unasked"):
        transcribe(config, song)


def scale(factor):
    def change(heard):
        for word in heard["words"]:
            word["start"], word["end"] = word["start"] * factor, word["end"] * factor

    return change


@pytest.mark.parametrize("factor", [1000, 50, 100, 1 / 1000])
def test_times_in_another_unit_are_refused(server, config, song, factor):
    server.script = [changed(scale(factor))]
    with pytest.raises(UnitsError, match="seconds"):
        transcribe(config, song)


def test_times_that_run_backwards_are_refused(server, config, song):
    server.script = [changed(lambda heard: heard["words"].reverse())]
    with pytest.raises(UnitsError, match="backwards"):
        transcribe(config, song)


def test_credits_of_subtitles_are_no_words(server, config, song):
    def credit(heard):
        end = heard["words"][-1]["end"]
        words = [{"word": w, "start": end, "end": end + 0.05} for w in ("Sous-titrage", "ST'", "501")]
        heard["words"] += words
        heard["segments"].append({"start": end + 0.01, "end": end + 0.1, "text": "Sous-titrage ST' 501"})

    server.script = [changed(credit)]
    assert texts(transcribe(config, song)) == [tone.text for tone in song[1]]


# Settings.


def test_without_a_url_it_says_what_to_set(monkeypatch):
    engine = OpenAIHTTPEngine()
    assert "MELISMA_OPENAI_URL" in engine.missing()
    with pytest.raises(EngineUnavailable, match="MELISMA_OPENAI_URL"):
        engine.load()
    assert engine.facts.name == "openai_http"


def test_the_environment_says_where_and_how(monkeypatch, server, song):
    monkeypatch.setenv("MELISMA_OPENAI_URL", server.url + "/")
    monkeypatch.setenv("MELISMA_OPENAI_API_KEY", f" {KEY}\n")
    monkeypatch.setenv("MELISMA_OPENAI_MODEL", "large-v3")
    monkeypatch.setenv("MELISMA_OPENAI_TIMEOUT", "30")
    monkeypatch.setenv("MELISMA_OPENAI_MAX_MB", "2")
    engine = OpenAIHTTPEngine()
    assert engine.missing() is None
    assert (engine.facts.model_id, engine.facts.device, engine.facts.task) == ("large-v3", "http", Task.TRANSCRIBE)
    assert (engine.config.total_s, engine.config.max_upload) == (30, 2_000_000)
    assert engine.facts.model_revision == server.url.removeprefix("http://")
    assert isinstance(engine, TranscribingEngine)
    assert len(engine.transcribe(song[0]).words) == len(song[1])
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("variable", "value", "fault"),
    [
        ("MELISMA_OPENAI_URL", "ftp://host", "the URL of the transcription server is none"),
        ("MELISMA_OPENAI_URL", "localhost:8000", "is none"),
        ("MELISMA_OPENAI_URL", "http://user:secret@host/v1", "more than an address"),
        ("MELISMA_OPENAI_URL", "https://host/v1?api-key=secret", "more than an address"),
        ("MELISMA_OPENAI_URL", "http://host:99999/", "cannot be used"),
        ("MELISMA_OPENAI_TIMEOUT", "soon", "MELISMA_OPENAI_TIMEOUT is 'soon'"),
        ("MELISMA_OPENAI_MAX_MB", "-1", "MELISMA_OPENAI_MAX_MB is '-1'"),
        ("MELISMA_OPENAI_API_KEY", "secret\nkey", "MELISMA_OPENAI_API_KEY holds characters"),
        ("MELISMA_OPENAI_API_KEY", "secret–key", "MELISMA_OPENAI_API_KEY holds characters"),
    ],
)
def test_a_setting_that_cannot_be_is_named(monkeypatch, variable, value, fault):
    monkeypatch.setenv("MELISMA_OPENAI_URL", "http://localhost:9/v1")
    monkeypatch.setenv(variable, value)
    said = OpenAIHTTPEngine().missing()
    assert fault in said
    assert "secret" not in said


def test_servers_behind_one_gateway_are_told_apart(monkeypatch):
    revisions = []
    for path in ("", "/v1", "/small/v1", "/large/v1"):
        monkeypatch.setenv("MELISMA_OPENAI_URL", f"http://localhost:9{path}")
        revisions.append(OpenAIHTTPEngine().facts.model_revision)
    assert revisions == ["localhost:9", "localhost:9", "localhost:9/small", "localhost:9/large"]


def test_a_licence_that_is_not_commercial_can_be_said(monkeypatch):
    monkeypatch.setenv("MELISMA_OPENAI_URL", "http://localhost:9/v1")
    assert OpenAIHTTPEngine().facts.licence.commercial
    monkeypatch.setenv("MELISMA_OPENAI_LICENSE", "CC-BY-NC-4.0")
    assert not OpenAIHTTPEngine().facts.licence.commercial


def test_groq_speaks_the_same_at_its_own_address(monkeypatch, server, song):
    assert "GROQ_API_KEY" in GroqEngine().missing()
    monkeypatch.setenv("GROQ_API_KEY", KEY)
    engine = GroqEngine()
    assert engine.missing() is None
    assert engine.config.url == "https://api.groq.com/openai/v1/audio/transcriptions"
    assert engine.config.max_upload == 25_000_000
    assert (engine.facts.name, engine.facts.model_id) == ("groq", "whisper-large-v3-turbo")
    monkeypatch.setenv("MELISMA_GROQ_URL", server.url)
    assert texts(GroqEngine().transcribe(song[0])) == [tone.text for tone in song[1]]
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"


def test_the_key_is_in_no_log_and_no_text(server, config, song, caplog):
    caplog.set_level(logging.DEBUG)
    server.script = [fails(500), fails(401)]
    with pytest.raises(EngineUnavailable) as caught:
        transcribe(config, song)
    assert caplog.records
    said = [caplog.text, repr(config), repr(caught.value), str(caught.value.__cause__), repr(caught.value.__context__)]
    assert all(KEY not in text for text in said)


def test_another_sample_rate_is_a_mistake_of_the_caller(config):
    with pytest.raises(ValueError, match="takes 16000 Hz, not 44100 Hz"):
        transcribe(config, (Waveform(np.zeros(10, np.float32), 44_100), []))
