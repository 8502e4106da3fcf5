"""A transcription server on the loopback that really listens: every word is a tone, and it hears which, and when.

It speaks OpenAI's protocol, keeps what it was sent, and misbehaves as told: `script` holds what to do with the next
requests, one entry each; without an entry it answers honestly.
"""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import numpy as np
import soundfile

from melisma.core.records import Waveform

RATE = 16_000
WORDS = ("la", "mer", "qu'on", "voit", "danser", "le", "long", "des", "golfes", "clairs", "a", "reflets")
_FREQUENCIES = 300.0 + 150.0 * np.arange(len(WORDS))
_HOP, _WINDOW = 160, 640


@dataclass(frozen=True)
class Tone:
    """A word of a made recording."""

    text: str
    start_s: float
    end_s: float


def recording(seconds: float, seed: int = 0, gap_s: tuple[float, float] = (0.1, 0.4)) -> tuple[Waveform, list[Tone]]:
    """Make a recording of tones and the truth about it; no two neighbours are the same word."""
    rng = np.random.default_rng(seed)
    samples = np.zeros(round(seconds * RATE), np.float32)
    truth: list[Tone] = []
    at, last = 0.3, -1
    while True:
        length = float(rng.uniform(0.25, 0.6))
        if at + length > seconds - 0.2:
            return Waveform(samples, RATE), truth
        word = int(rng.choice([i for i in range(len(WORDS)) if i != last]))
        first, stop = round(at * RATE), round((at + length) * RATE)
        phase = 2 * np.pi * _FREQUENCIES[word] * np.arange(stop - first) / RATE
        samples[first:stop] = 0.3 * np.sin(phase)
        truth.append(Tone(WORDS[word], first / RATE, stop / RATE))
        at, last = at + length + float(rng.uniform(*gap_s)), word


def listen(samples: np.ndarray) -> list[Tone]:
    """Hear the tones of a recording."""
    padded = np.pad(samples, _WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    spectra = np.abs(np.fft.rfft(frames * np.hanning(_WINDOW), axis=1))
    loudest = spectra.argmax(axis=1) * RATE / _WINDOW
    heard = np.abs(loudest[:, None] - _FREQUENCIES[None, :]).argmin(axis=1)
    heard[spectra.max(axis=1) < 15] = -1
    edges = [0, *(np.flatnonzero(np.diff(heard)) + 1), len(heard)]
    length = len(samples) / RATE
    return [
        Tone(WORDS[heard[a]], max(0.0, (a - 0.5) * _HOP / RATE), min(length, (b - 0.5) * _HOP / RATE))
        for a, b in pairwise(edges)
        if heard[a] >= 0 and b - a > 3
    ]


def answer(tones: list[Tone]) -> dict:
    """Write what was heard as verbose_json, a segment for every eight words."""
    words = [{"word": t.text, "start": t.start_s, "end": t.end_s} for t in tones]
    groups = [words[i : i + 8] for i in range(0, len(words), 8)]
    segments = [
        {"id": i, "start": g[0]["start"], "end": g[-1]["end"], "text": " ".join(w["word"] for w in g)}
        for i, g in enumerate(groups)
    ]
    text = " ".join(w["word"] for w in words)
    return {"task": "transcribe", "language": "french", "text": text, "words": words, "segments": segments}


@dataclass
class Asked:
    """One request."""

    path: str
    headers: dict[str, str]
    fields: dict[str, list[str]]
    audio: bytes

    @property
    def samples(self) -> np.ndarray:
        """The recording that was sent."""
        samples, rate = soundfile.read(io.BytesIO(self.audio), dtype="float32")
        assert rate == RATE
        return samples


Misbehaviour = Callable[["Handler", Asked], None]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        asked = _parsed(self.path, dict(self.headers), body)
        with self.server.lock:
            self.server.asked.append(asked)
            misbehave = self.server.script.pop(0) if self.server.script else None
        if misbehave is None:
            self.send(200, json.dumps(answer(listen(asked.samples))).encode())
        else:
            misbehave(self, asked)

    def send(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


def _parsed(path: str, headers: dict[str, str], body: bytes) -> Asked:
    kind = next(value for name, value in headers.items() if name.lower() == "content-type")
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
    fields: dict[str, list[str]] = {}
    audio = b""
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if name == "file":
            audio = content
        else:
            fields.setdefault(name, []).append(content.decode())
    return Asked(path, {name.lower(): value for name, value in headers.items()}, fields, audio)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.asked: list[Asked] = []
        self.script: list[Misbehaviour | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is what half of the tests are about."""


@contextmanager
def running() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
