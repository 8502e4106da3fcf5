"""Attacks on the connection: calls that are no HTTP, that split, that hide a second one, that hold the service up."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("fastapi")
import httpx
from live import PATIENCE_S, asked, call, connected, everything, listening, status
from made_songs import LYRICS, make, wav
from programs import until

from melisma.server import derived, reading, uploads
from melisma.server.context import Context
from melisma.server.guard import door
from melisma.server.settings import JobSettings, Limits, ServiceSettings


@pytest.fixture
def settings(tmp_path):
    limits = Limits(requests_per_minute=0, body_s=PATIENCE_S)
    return ServiceSettings(data=tmp_path / "data", jobs=JobSettings(workers=0), limits=limits)


@pytest.fixture
def port(settings):
    with listening(settings) as port:
        yield port


@pytest.fixture
def client(port):
    limits = httpx.Limits(max_connections=100)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=2 * PATIENCE_S, limits=limits) as client:
        yield client


def uploaded(client: httpx.Client) -> dict:
    return client.post("/v1/songs", files={"audio": ("song.wav", wav())}, data={"lyrics": LYRICS}).json()


def alive(port: int) -> bool:
    return status(asked(port, call("GET /healthz HTTP/1.1"))) == 200


@pytest.mark.parametrize(
    "path",
    [
        "/studio/../v1/openapi.json", "/studio/..%2f..%2fpyproject.toml", "/studio/%2e%2e/%2e%2e/server/app.py",
        "/studio//etc/passwd", "/studio/..\\..\\x", "/studio/js/../../server/run.py", "/studio/%00", "/studio/.git/x",
        "/studio/index.html%00.js", "/studio/js%2f..%2f..%2fserver%2frun.py", "/studio/index.html/", "/studio/js",
    ],
)  # fmt: skip
def test_no_path_leads_out_of_the_studio(port, path):
    assert status(asked(port, call(f"GET {path} HTTP/1.1"))) in (400, 404)


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",  # no Host
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\x00b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX : a\r\n\r\n",
        b"GET /healthz\x00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300),  # TLS
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_what_is_no_call_is_answered_400_and_cut_off(port, sent):
    assert status(asked(port, sent)) in (400, 403, 0)
    assert alive(port)


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: -1"],
        ["Content-Length: 5, 6"],
        ["Content-Length: 0x10"],
        ["Transfer-Encoding: chunked, chunked"],
        ["Transfer-Encoding: identity"],
        ["Transfer-Encoding: \x0bchunked"],
        ["Content-Length: " + "9" * 30],
    ],
)
def test_a_body_whose_end_is_not_clear_is_refused(port, headers):
    """Where two programs on the way see two ends, one sees a second call that the other did not check."""
    answer = asked(port, call("POST /v1/session HTTP/1.1", *headers) + b'{"token": "x"}')
    assert status(answer) in (400, 413, 501)
    assert answer.count(b"HTTP/1.1 ") == 1


def test_a_call_hidden_in_the_body_of_another_is_not_answered(port):
    """A length beside chunks: what stands behind the last chunk is a call of its own for nobody."""
    hidden = b"GET /v1/songs HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    body = b"0\r\n\r\n" + hidden
    sent = call("POST /v1/session HTTP/1.1", f"Content-Length: {len(body)}", "Transfer-Encoding: chunked") + body
    assert asked(port, sent).count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("given", ["a\r\nSet-Cookie: x=1", "a\nX-Evil: 1", "a\r\n\r\n<script>", "%0d%0aX-Evil: 1"])
def test_an_answer_cannot_be_split(port, given):
    answer = asked(port, call("GET /healthz HTTP/1.1", f"X-Request-ID: {given}"))
    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert b"\r\nx-evil:" not in head
    assert b"\r\nset-cookie:" not in head
    for path in (f"/v1/songs/{given}", f"/studio/{given}", f"/?next={given}"):
        spelt = path.replace("\r", "%0d").replace("\n", "%0a").replace(" ", "%20")
        head = asked(port, call(f"GET {spelt} HTTP/1.1")).partition(b"\r\n\r\n")[0].lower()
        assert b"\r\nx-evil:" not in head


def test_titles_split_no_answer(client):
    song = uploaded(client)
    client.patch(f"/v1/songs/{song['id']}", json={"title": "a\r\nX-Evil: 1\r\n\r\n<script>", "artist": "b\nX-Evil: 1"})
    shown = client.get(f"/v1/songs/{song['id']}")
    assert "\n" not in shown.json()["title"] + shown.json()["artist"]
    assert "X-Evil" not in client.get(song["links"]["audio"]).headers


def test_many_headers_and_long_ones_are_refused(port):
    many = [f"X-{k}: y" for k in range(10_000)]
    assert status(asked(port, call("GET /healthz HTTP/1.1", *many))) in (400, 431)
    assert status(asked(port, call("GET /healthz HTTP/1.1", "X: " + "a" * door.HEAD_BYTES))) in (400, 431)
    assert status(asked(port, call(f"GET /{'a' * door.HEAD_BYTES} HTTP/1.1"))) in (400, 431)
    assert status(asked(port, call(f"GET /v1/songs?search={'a' * door.HEAD_BYTES} HTTP/1.1"))) in (400, 431)
    assert status(asked(port, call("GET /v1/songs HTTP/1.1", "Cookie: " + "a=b; " * 5000))) == 200
    assert alive(port)


def test_headers_that_are_odd_break_nothing(port):
    odd = [
        "",
        "*",
        "\xff",
        "q=",
        ";;;",
        ",,,",
        "a" * 5000,
        "bytes",
        '"',
        "0",
        "-1",
        "W/",
        "%",
        "text/html;q=nan",
        "1e999",
    ]
    names = [
        "Accept", "Accept-Encoding", "Accept-Language", "Range", "If-None-Match", "If-Match", "If-Range", "Cookie",
        "Content-Type", "Idempotency-Key", "X-Forwarded-For", "Forwarded", "Authorization", "Last-Event-ID", "Origin",
    ]  # fmt: skip
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S) as client:
        song = uploaded(client)
        paths = ["/v1/songs", song["links"]["audio"], f"/v1/alignments/{'0' * 32}", "/metrics", "/studio/"]
        for name in names:
            for value in odd:
                path = paths[len(name + value) % len(paths)]
                answer = client.get(path, headers={name: value.encode("latin-1")})
                assert answer.status_code < 500, (name, value)
        for value in odd:
            answer = client.post("/v1/alignments", headers={"Content-Type": value.encode("latin-1")}, content=b"{}")
            assert answer.status_code in (415, 422), value


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PUT", "PROPFIND", "X" * 1000, "get"])
def test_other_methods_are_refused(port, method):
    answer = asked(port, call(f"{method} /v1/songs HTTP/1.1", "X-Secret: of-the-caller"))
    assert status(answer) in (400, 405)
    assert b"of-the-caller" not in answer.partition(b"\r\n\r\n")[2]  # TRACE would give headers back


def test_an_upgrade_is_passed_over(port):
    sent = call("GET /v1/songs HTTP/1.1", "Upgrade: websocket", "Sec-WebSocket-Key: eA==", "Sec-WebSocket-Version: 13")
    assert status(asked(port, sent.replace(b"Connection: close", b"Connection: close, Upgrade"))) == 200


# Ranges


def test_ranges_multiply_nothing(client):
    """A hundred thousand ranges of one file are one answer of its size; and none makes an error of the service."""
    audio = uploaded(client)["links"]["audio"]
    size = len(client.get(audio).content)
    for many in ("0-," * 1000, ",".join(f"{k}-{size}" for k in range(3000)), "0-0,-1"):
        answer = client.get(audio, headers={"Range": f"bytes={many}"})
        assert answer.status_code in (200, 206, 416)
        assert len(answer.content) <= size
    for odd in ("0-" + "9" * 400, "-" + "9" * 400, "9" * 18 + "-", "-0", "5-2", "--1", "a-b", "0-0-0", "0 - 1"):
        answer = client.get(audio, headers={"Range": f"bytes={odd}"})
        assert answer.status_code in (200, 206, 416), odd
        assert answer.status_code == 416 or len(answer.content) <= size


# Holding the service up


def test_one_caller_has_so_many_event_streams(client, port, monkeypatch):
    monkeypatch.setattr(door, "STREAMS", 3)
    song = uploaded(client)
    job = client.post("/v1/alignments", json={"song_id": song["id"], "lyrics": {"text": LYRICS}}).json()
    line = f"GET /v1/jobs/{job['id']}/events HTTP/1.1"
    sent = call(line).replace(b"Connection: close\r\n", b"")
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(connected(port)) for _ in range(3)]
        for connection in held:
            connection.sendall(sent)
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
        answer = asked(port, call(line))
        assert status(answer) == 429
        assert b"retry-after: 1" in answer.lower()
        assert client.get("/v1/songs").status_code == 200
        client.post(f"/v1/jobs/{job['id']}/cancel")  # which ends the streams
        for connection in held:
            connection.shutdown(socket.SHUT_WR)
            everything(connection)
    until(lambda: status(asked(port, call(line))) == 200, "that the streams are given back")


def test_streams_that_are_left_are_given_back(client, port, monkeypatch):
    monkeypatch.setattr(door, "STREAMS", 2)
    song = uploaded(client)
    job = client.post("/v1/alignments", json={"song_id": song["id"], "lyrics": {"text": LYRICS}}).json()
    line = f"GET /v1/jobs/{job['id']}/events HTTP/1.1"
    answered = []
    for _ in range(1200):  # the service notices that somebody has hung up when it next looks
        with connected(port) as connection:
            connection.sendall(call(line))
            answered.append(status(connection.recv(1000)))
        if answered.count(200) >= 5:
            break
        threading.Event().wait(0.05)
    assert answered.count(200) >= 5


def test_uploads_that_take_long_hold_nobody_else_up(client, port, settings):
    """More recordings at once than there are threads, while whoever decodes them is busy: others are answered."""
    incoming = settings.data / "files" / "incoming"
    with ThreadPoolExecutor(60) as pool:
        with contextlib.ExitStack() as busy:
            for _ in range(uploads._AT_ONCE._initial_value):
                busy.enter_context(uploads._AT_ONCE)
            sent = [pool.submit(uploaded, client) for _ in range(60)]
            for _ in range(1200):
                if incoming.exists() and len(list(incoming.iterdir())) == len(sent):
                    break
                threading.Event().wait(0.05)
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S) as other:
                found = [
                    other.get(path).status_code for path in ("/v1/songs", "/healthz", "/v1/jobs") for _ in range(5)
                ]
        songs = {each.result()["id"] for each in sent}
    assert found == [200] * 15
    assert len(songs) == 1


def under_way(client: httpx.Client) -> int:
    """Return how many calls are being answered, by what the service says of itself."""
    said = client.get("/metrics").text
    return int(float(re.search(r"^melisma_http_requests_in_progress ([0-9.]+)", said, re.MULTILINE)[1])) - 1


@pytest.mark.parametrize("what", ["peaks", "onsets", "page"])
def test_recordings_that_are_read_whole_hold_nobody_else_up(settings, port, client, what):
    """More waveforms, onsets or pages at once than there are threads, while who reads is busy: others are answered."""
    song = uploaded(client)
    job = client.post("/v1/alignments", json={"song_id": song["id"], "lyrics": {"text": LYRICS}}).json()
    made = Context(settings)
    make(made, job["alignment_id"])
    made.close()
    page = f"/v1/alignments/{job['alignment_id']}?format=html"
    paths = {"peaks": song["links"]["peaks"], "onsets": song["links"]["onsets"], "page": page}
    with ThreadPoolExecutor(60) as pool:
        with contextlib.ExitStack() as busy:
            for one in (reading._PAGES, derived._AT_ONCE) * 2:
                busy.enter_context(one)
            asked = [pool.submit(client.get, paths[what]) for _ in range(60)]
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S) as other:
                while under_way(other) < 60:
                    threading.Event().wait(0.05)
                found = [
                    other.get(path).status_code for path in ("/v1/songs", "/v1/jobs", "/v1/service") for _ in "12345"
                ]
        answers = {each.result().content for each in asked}
    assert found == [200] * 15
    assert len(answers) == 1


def test_a_caller_who_reads_nothing_holds_up_nobody(client, port):
    song = uploaded(client)
    with contextlib.ExitStack() as stack:
        for _ in range(30):
            connection = stack.enter_context(connected(port))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            connection.sendall(call(f"GET {song['links']['audio']} HTTP/1.1"))
        assert client.get("/v1/songs").status_code == 200


@pytest.mark.parametrize(
    "body",
    [b"[" * 1_000_000, b'{"song_id":' * 200_000, b"1" * 4_000_000, b'"' + b"\\u0041" * 500_000, b"NaN", b"\xff", b"",
     b'{"song_id": 1e999}', b'{"title": "\\ud800"}', b'{"a": ' + b"9" * 100_000 + b"}"],
)  # fmt: skip
def test_json_that_is_hostile_is_refused(client, body):
    for method, path in (
        ("POST", "/v1/songs"), ("POST", "/v1/alignments"), ("POST", "/v1/transcriptions"), ("POST", "/v1/session"),
        ("PATCH", f"/v1/songs/{'0' * 32}"), ("PATCH", f"/v1/alignments/{'0' * 32}/words"),
        ("POST", f"/v1/alignments/{'0' * 32}/videos"),
    ):  # fmt: skip
        answer = client.request(method, path, content=body, headers={"Content-Type": "application/json"})
        assert 400 <= answer.status_code < 500, (method, path)
        assert json.loads(answer.content)["status"] == answer.status_code
