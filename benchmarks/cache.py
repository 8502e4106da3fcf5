"""What the cache costs and saves: `python benchmarks/cache.py [--postgresql URL] [--redis URL]`.

The first table times `melisma align` on a made-up song of about four minutes, as a user runs it: the fastest of some
runs, and what it took of a processor. The second times the cache by itself, in one process, among 10,000 rows of songs
of 400 words: the fastest tenth of many looks. Both leave out what other work on the machine does to a time. The
PostgreSQL database has to be empty and migrated (`melisma cache migrate`); what is put in is left there.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import soundfile

from melisma.core.records import Alignment, Line, Word
from melisma.core.timebase import Timebase
from melisma.pipeline.version import code_version
from melisma.store import keys, payload
from melisma.store.cache import Cache
from melisma.store.connect import CALM, make_engine, parse
from melisma.store.database import Database, row_of
from melisma.store.entries import Entry, Source
from melisma.store.keys import ResultKey, Track
from melisma.store.settings import CacheSettings
from melisma.store.tables import KeptAlignment
from melisma.synth import write
from melisma.synth.score import score_of_length

N_RUNS, N_LOOKS, N_ROWS = 4, 200, 10_000


def make_song(folder: Path) -> tuple[Path, Path]:
    """Sing a song of about four minutes and save it as an MP3."""
    write.save(score_of_length(240, "en", seed=1), folder, title="Cache")
    samples, rate = soundfile.read(folder / "audio.wav", dtype="float32")
    soundfile.write(folder / "song.mp3", samples, rate)
    return folder / "song.mp3", folder / "lyrics.txt"


def run_s(song: tuple[Path, Path], url: str, redis: str, *options: str) -> tuple[float, float]:
    """Return the wall clock and the processor time of one `melisma align`."""
    program = Path(sys.executable).with_name("melisma")
    command = [str(program), "align", *map(str, song), "--language", "en", "-q", "-o", os.devnull, "--format", "json"]
    environ = {**os.environ, "MELISMA_CACHE_URL": url, "MELISMA_REDIS_URL": redis}
    begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([*command, *options], check=True, env=environ)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - begin, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def programs(song: tuple[Path, Path], folder: Path, postgresql: str, redis: str) -> None:
    """Time the program without a cache, when it misses and when it hits."""
    print("| `melisma align`, 4 minutes of MP3 | s | processor, s |\n|---|---|---|")

    def row(name: str, run: Callable[[int], tuple[float, float]]) -> None:
        times = [run(k) for k in range(N_RUNS)]
        print(f"| {name} | {min(wall for wall, _ in times):.2f} | {min(used for _, used in times):.2f} |", flush=True)

    row("`--no-cache`", lambda k: run_s(song, "off", "", "--no-cache"))
    row("miss, a new SQLite file", lambda k: run_s(song, f"sqlite:///{folder}/{k}.sqlite", ""))
    kept = f"sqlite:///{folder}/kept.sqlite"
    run_s(song, kept, "")
    row("miss, a SQLite file that is there", lambda k: run_s(song, kept, "", "--wildcard", str(3 + k / 10)))
    row("hit, SQLite", lambda k: run_s(song, kept, ""))
    if redis:
        run_s(song, kept, redis)
        row("hit, Redis before SQLite", lambda k: run_s(song, kept, redis))
    if postgresql:
        run_s(song, postgresql, "")
        row("hit, PostgreSQL", lambda k: run_s(song, postgresql, ""))


def entry(number: int) -> Entry:
    """Make an entry of a song of 400 words."""
    clock = Timebase(16000, 1)
    words = tuple(
        Word(f"word{i % 97}", i // 8, 9600 * i + number % 480, 9600 * i + 8000, (i % 89) / 89, clock)
        for i in range(400)
    )
    lines = tuple(Line(8 * k, 8 * k + 8) for k in range(50))
    track = Track(keys.given_digest(Track(str(number), ""), ""), "b" * 64)
    key = ResultKey(track, "fr", "phone", "2", "phone-0.2", "f00", "p")
    return Entry(Source.CTC, track, Alignment(words, lines, 4_000_000, clock), datetime.now(UTC), None, key)


def fill(url: str, some: list[Entry]) -> int:
    """Put the entries among many rows like them, unless they are there; return what all take on disk."""
    from sqlalchemy import insert

    database = Database(url)
    now = datetime.now(UTC)
    if not any(group.n_rows >= N_ROWS for group in database.groups(now)):
        for each in some:
            database.put(each, payload.write(each), now)
        row = row_of(some[0], payload.write(some[0]))
        others = [row | {"digest": f"{k:064}", "audio_hash": f"{k:064}"} for k in range(N_ROWS - len(some))]
        with make_engine(parse(url), CALM).begin() as connection:
            connection.execute(insert(KeptAlignment), others)
    size = database.n_bytes()
    database.close()
    return size


def looks(name: str, url: str, redis: str = "") -> None:
    """Time hits, misses and what keeping costs, among many rows."""
    some = [entry(number) for number in range(N_LOOKS)]
    size = fill(url, some) / 1e6
    with Cache(CacheSettings(url, redis), print) as cache:
        strangers = [replace(each.key, flags="other") for each in some]
        for each in some:
            cache.find(each.track, [each.key])  # whatever is in front holds them from now on
        hit = fastest_ms([lambda e=each: cache.find(e.track, [e.key]) for each in some])
        miss = fastest_ms([lambda k=key: cache.find(k.track, [k]) for key in strangers])
        keep = fastest_ms([lambda e=each: cache.keep(e.source, e.track, e.alignment, e.key) for each in some])
    print(f"| {name} | {hit:.1f} | {miss:.1f} | {keep:.1f} | {size:.0f} |", flush=True)


def fastest_ms(works: list[Callable[[], object]]) -> float:
    """Return the time under which the fastest tenth of some pieces of work stays."""
    times = []
    for work in works:
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return 1000 * statistics.quantiles(times, n=10)[0]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgresql", default="", metavar="URL")
    parser.add_argument("--redis", default="", metavar="URL")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        song = make_song(folder)
        mark = fastest_ms([lambda: keys.mark_file(song[0])] * 20)
        version = fastest_ms([code_version.__wrapped__] * 20)
        print(f"to hash the file: {mark:.1f} ms; the code: {version:.1f} ms\n")
        programs(song, folder, given.postgresql, given.redis)
        print(f"\n| {N_ROWS:,} rows | hit, ms | miss, ms | keep, ms | MB |\n|---|---|---|---|---|")
        looks("SQLite", f"sqlite:///{folder}/many.sqlite")
        if given.redis:
            looks("SQLite, Redis before it", f"sqlite:///{folder}/many.sqlite", given.redis)
        if given.postgresql:
            looks("PostgreSQL", given.postgresql)
            if given.redis:
                looks("PostgreSQL, Redis before it", given.postgresql, given.redis)


if __name__ == "__main__":
    main()
