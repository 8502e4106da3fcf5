"""What choosing an engine costs: the time of the router outside of the engine, on a made-up song of three minutes.

python benchmarks/routing.py
"""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from melisma.audio import decode
from melisma.pipeline import router
from melisma.pipeline.settings import RouterSettings
from melisma.pipeline.song import Song
from melisma.synth import write
from melisma.synth.score import score_of_length
from melisma.text.lyrics import from_text

RUNS = 15


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write.save(score_of_length(180, "en", seed=21), folder, title="Three minutes")
        waveform = decode.load(folder / "audio.wav")
        lyrics = from_text((folder / "lyrics.txt").read_text(encoding="utf-8"))
        settings = replace(RouterSettings(), state=folder / "state", flags=folder / "flags.toml")
        inside: list[float] = []
        listen = router.listen

        def timed(*args):
            since = time.perf_counter()
            placed = listen(*args)
            inside.append(time.perf_counter() - since)
            return placed

        router.listen = timed
        for wanted in ("phone", "auto"):
            outside = []
            for _ in range(RUNS):
                song = Song(waveform, lyrics, language="en")
                since = time.perf_counter()
                router.route(song, router.Route(wanted), settings)
                outside.append(1000 * (time.perf_counter() - since - inside[-1]))
            engine_ms = 1000 * statistics.median(inside[-RUNS:])
            print(
                f"{wanted:6s} engine and decoder {engine_ms:7.0f} ms, the rest: "
                f"median {statistics.median(outside):5.1f} ms, least {min(outside):5.1f} ms"
            )


if __name__ == "__main__":
    main()
