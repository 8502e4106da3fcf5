"""What the service answers under load: `python benchmarks/serve_load.py [--postgresql URL --redis URL]`.

Two hundred clients on the loopback interface ask for alignments that are made already, each over a connection of its
own, one question after the other. Cold is the first answer of a service that has just been started, connecting
included; warm are the answers behind it. Every answer is read to its end and looked at. Of some rounds the fastest is
told, which leaves out what other work on the machine does, and the errors of all. Bounded: at most
`CLIENTS * QUESTIONS * ROUNDS` calls of a kind. The PostgreSQL database has to be empty; its tables are made, and what
is put in is left there. The limit of calls a minute is set so high that it counts and refuses nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from melisma.core.records import Alignment, Line, Word
from melisma.core.timebase import Timebase
from melisma.server.context import Context
from melisma.server.settings import from_environment
from melisma.store.entries import Source
from melisma.store.service import alignments, songs
from melisma.store.service.alignment_records import NewVersion

CLIENTS, QUESTIONS, ROUNDS, SONGS, WORDS = 200, 10, 3, 200, 400
TOKEN = "load-is-measured-with-a-token"
PROGRAM = [sys.executable, "-m", "melisma.cli.main"]


@dataclass
class Asked:
    """What came of one kind of call: seconds of each, what went wrong, seconds of all, the service's processor time."""

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    wall_s: float = 0.0
    used_s: float = 0.0

    def row(self, name: str) -> str:
        """Spell a row of the table."""
        p50, p95, most = (1000 * np.quantile(self.seconds, q) for q in (0.5, 0.95, 1.0))
        n = len(self.seconds)
        rate, used = n / self.wall_s, 1000 * self.used_s / n
        return f"| {name} | {n} | {p50:.0f} | {p95:.0f} | {most:.0f} | {rate:.0f} | {used:.1f} | {len(self.errors)} |"


def sung(seed: int) -> Alignment:
    """Make an alignment of 400 words in lines of eight."""
    clock, draw = Timebase(16000, 1), np.random.default_rng(seed)
    starts = np.cumsum(draw.integers(4000, 12000, WORDS)).tolist()
    words = tuple(
        Word(f"word{i}", i // 8, start, start + 3500, float(draw.uniform(0.3, 1)), clock)
        for i, start in enumerate(starts)
    )
    lines = tuple(Line(first, first + 8) for first in range(0, WORDS, 8))
    return Alignment(words, lines, starts[-1] + 16000, clock, "en", "phone", "1", "phone-0.2", "0", (), ())


def fill(environ: dict[str, str]) -> list[str]:
    """Put songs with one alignment each into the service; return the ids of the alignments."""
    context = Context(from_environment(environ))
    found = []
    for n in range(SONGS):
        content = hashlib.sha256(f"song {n}".encode()).hexdigest()
        recording = songs.Recording(content, "audio/mpeg", ".mp3", 5_000_000, 240_000, f"song {n}.mp3")
        with context.database.begin() as session:
            song, _ = songs.add(session, recording, songs.Names(title=f"Song {n}", artist="Load"))
            made, _ = alignments.create(session, song.id, {"engine": "auto"}, "la la")
            alignments.add_version(session, made.id, NewVersion(sung(n), based_on=0, source=Source.CTC))
        found.append(made.id)
    context.close()
    return found


@contextmanager
def serving(environ: dict[str, str]) -> Iterator[tuple[str, int, int]]:
    """Start the service; yield host, port and the process's id."""
    command = [*PROGRAM, "serve", "--port", "0", "--workers", "0"]
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            address = urlsplit(line.split()[-1])
            yield str(address.hostname), int(address.port or 0), process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def used_s(pid: int) -> float:
    """Return the processor time of a process so far, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Call:
    """One call over HTTP: its head, which statuses are right, and whether an answer has to hold words."""

    head: str
    right: tuple[int, ...] = (200,)
    words: bool = True

    def spelt(self, alignment_id: str) -> bytes:
        """Spell the call for an alignment."""
        return self.head.format(id=alignment_id, token=TOKEN).replace("\n", "\r\n").encode()


READ = Call("GET /v1/alignments/{id} HTTP/1.1\nHost: 127.0.0.1\nAuthorization: Bearer {token}\n\n")
AGAIN = Call(
    'GET /v1/alignments/{id} HTTP/1.1\nHost: 127.0.0.1\nAuthorization: Bearer {token}\nIf-None-Match: "1"\n\n',
    (304,),
    words=False,
)
BRIEF = Call("GET /v1/alignments/{id}/info HTTP/1.1\nHost: 127.0.0.1\nAuthorization: Bearer {token}\n\n", words=False)


@asynccontextmanager
async def connected(host: str, port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a connection."""
    reader, writer = await asyncio.open_connection(host, port, limit=1 << 20)
    try:
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()


async def answer(reader: asyncio.StreamReader, call: Call) -> str:
    """Read one answer to its end; return what is wrong with it, nothing where it is right."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(head[0].split()[1])
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    if status not in call.right:
        return f"{status} {body[:200]!r}"
    if call.words and len(json.loads(body)["words"]) != WORDS:
        return "an answer without its words"
    return ""


async def client(where: tuple[str, int], call: Call, ids: list[str], asked: Asked, *, cold: bool) -> None:
    """Ask one question after the other; cold, the time of the first one begins before the connection does."""
    begin = time.perf_counter()
    try:
        async with connected(*where) as (reader, writer):
            for alignment_id in ids:
                begin = begin if cold else time.perf_counter()
                writer.write(call.spelt(alignment_id))
                wrong = await asyncio.wait_for(answer(reader, call), 60)
                asked.seconds.append(time.perf_counter() - begin)
                asked.errors.extend([wrong] if wrong else [])
    except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
        asked.errors.append(repr(error))


def ask(where: tuple[str, int, int], call: Call, ids: list[str], n_each: int, *, cold: bool = False) -> Asked:
    """Let all clients ask at once."""
    asked, (host, port, pid) = Asked(), where
    drawn = [[ids[(k * 7 + n * 13) % len(ids)] for n in range(n_each)] for k in range(CLIENTS)]

    async def everybody() -> None:
        await asyncio.gather(*(client((host, port), call, mine, asked, cold=cold) for mine in drawn))

    begin, before = time.perf_counter(), used_s(pid)
    asyncio.run(everybody())
    asked.wall_s, asked.used_s = time.perf_counter() - begin, used_s(pid) - before
    return asked


def measure(name: str, environ: dict[str, str], n_each: int) -> int:
    """Print the rows of one way to run the service; return how many calls went wrong."""
    subprocess.run([*PROGRAM, "service", "migrate", "-q"], env=environ, check=True)
    ids = fill(environ)
    found: dict[str, list[Asked]] = {}
    for _ in range(ROUNDS):
        with serving(environ) as where:
            found.setdefault("cold", []).append(ask(where, READ, ids, 1, cold=True))
            found.setdefault("warm", []).append(ask(where, READ, ids, n_each))
            found.setdefault("warm, 304 by its tag", []).append(ask(where, AGAIN, ids, n_each))
            found.setdefault("warm, `/info`", []).append(ask(where, BRIEF, ids, 1 + n_each // 5))
    for kind, rounds in found.items():
        best = min(rounds, key=lambda asked: asked.wall_s)
        best.errors = [wrong for asked in rounds for wrong in asked.errors]
        print(best.row(f"{name}, {kind}"), flush=True)
        for wrong in sorted(set(best.errors))[:3]:
            print(f"    {wrong}", file=sys.stderr)
    return sum(len(min(rounds, key=lambda asked: asked.wall_s).errors) for rounds in found.values())


def main() -> None:
    """Measure SQLite, and PostgreSQL with Redis where their URLs are given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgresql", default="", metavar="URL")
    parser.add_argument("--redis", default="", metavar="URL")
    parser.add_argument("--questions", type=int, default=QUESTIONS, help="of each client, warm")
    given = parser.parse_args()
    n_each = max(1, min(given.questions, 500))
    print("| service | calls | p50, ms | p95, ms | most, ms | calls/s | processor, ms a call | errors |")
    print("|---|---|---|---|---|---|---|---|")
    ours = {name: value for name, value in os.environ.items() if not name.startswith("MELISMA_")}
    ours |= {"MELISMA_API_TOKENS": f"load:{TOKEN}", "MELISMA_REQUESTS_PER_MINUTE": "1000000000"}
    with tempfile.TemporaryDirectory(prefix="melisma-load-") as folder:
        n_wrong = measure("SQLite", ours | {"MELISMA_DATA_DIR": f"{folder}/sqlite"}, n_each)
        if given.postgresql:
            servers = {"MELISMA_DATABASE_URL": given.postgresql, "MELISMA_QUEUE_REDIS_URL": given.redis}
            name = "PostgreSQL and Redis" if given.redis else "PostgreSQL"
            n_wrong += measure(name, ours | servers | {"MELISMA_DATA_DIR": f"{folder}/servers"}, n_each)
    sys.exit(1 if n_wrong else 0)


if __name__ == "__main__":
    main()
