"""What augmentation costs and how exactly it does what its recipe says.

    OMP_NUM_THREADS=1 python benchmarks/augment.py [--recipe configs/augment.yaml] [--noise FOLDER] [--clips 40]

Clips are drawn from $MELISMA_SHARED/corpus and decoded beforehand. The first table gives seconds of audio for each
second of one core (time of this thread's processor, so that other work on the machine does not count), for each effect
always applied with the ranges of its defaults, and for the recipe as it is. The second says how far what was reached is
from what was drawn. The third holds the imitated codecs against ffmpeg's: signal-to-noise ratio, and the distance of
the log spectra in twenty bands of 400 Hz, in dB, as means over the clips.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from melisma.audio import codecs, effects, lossy, stretch
from melisma.audio.codecs import Codec
from melisma.audio.decode import load
from melisma.core.records import Float32
from melisma.data import manifest
from melisma.data.augment.recipe import Recipe, draws
from melisma.data.augment.sounds import Sounds

RATE = 16000
EFFECTS = ("noise", "speed", "tempo", "pitch", "reverb", "gain", "clipping", "drive", "equaliser", "lowpass", "band")
EFFECTS += ("codec", "dropouts")
REAL = (
    ("mp3", 16, 22050),
    ("mp3", 32, 44100),
    ("mp3", 48, 44100),
    ("aac", 24, 44100),
    ("aac", 48, 44100),
    ("opus", 12, 48000),
    ("opus", 24, 48000),
)


def clips_of(corpus: Path, number: int) -> list[Float32]:
    """Draw clips and decode them."""
    lines = list(manifest.read(corpus))
    drawn = random.Random(1).sample(lines, number)
    return [load(manifest.audio_path(corpus, each), downmix="mean").samples for each in drawn]


def pace(recipe: Recipe, clips: list[Float32]) -> float:
    """Return seconds of audio for each second of the processor."""
    for clip in clips[:3]:
        recipe.apply(clip, RATE, draws(0, 0, "warm"))
    begun = time.thread_time()
    for n, clip in enumerate(clips):
        recipe.apply(clip, RATE, draws(1, 0, str(n)))
    return sum(map(len, clips)) / RATE / (time.thread_time() - begun)


def always(name: str, folder: Path) -> Recipe:
    """Return the recipe that applies one effect to every clip."""
    (folder / "one.yaml").write_text(f"effects: [{{effect: {name}}}]\n", encoding="utf-8")
    return Recipe.read(folder / "one.yaml")


def decay_s(response: Float32) -> float:
    """Return RT60 by Schroeder's backward integration, from -5 to -25 dB."""
    level = 10 * np.log10(np.cumsum(response[::-1].astype(np.float64) ** 2)[::-1] + 1e-30)
    level -= level[0]
    at = np.flatnonzero((level < -5) & (level > -25))
    return float(-60 / np.polyfit(at / RATE, level[at], 1)[0])


def pitch_hz(samples: Float32) -> float:
    """Return the frequency of the strongest tone."""
    middle = samples[len(samples) // 4 : len(samples) * 3 // 4] * np.hanning(len(samples) * 3 // 4 - len(samples) // 4)
    return int(np.abs(np.fft.rfft(middle, 1 << 18)).argmax()) * RATE / (1 << 18)


def reached(clips: list[Float32], recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Yield what was measured, and the largest differences to what was drawn."""
    noise_db, room, cents, place = [], [], [], []
    for n, clip in enumerate(clips):
        done = recipe.apply(0.01 * clip, RATE, draws(1, 0, str(n)))  # so soft that nothing has to be brought down
        noise = np.mean((done.samples - 0.01 * clip).astype(np.float64) ** 2)
        wanted = done.applied[0].facts["snr_db"]
        noise_db.append(10 * np.log10(effects.speech_power(0.01 * clip, RATE) / noise) - wanted)
    tone = np.sin(2 * np.pi * 220 * np.arange(2 * RATE) / RATE).astype(np.float32)
    rng = np.random.default_rng(0)
    for _ in range(20):
        wanted = rng.uniform(-400, 400)
        cents.append(1200 * np.log2(pitch_hz(stretch.pitch(tone, RATE, wanted)) / 220) - wanted)
        factor = rng.uniform(0.8, 1.25)
        cents.append(1200 * np.log2(pitch_hz(stretch.tempo(tone, RATE, factor)) / 220))
        click = np.zeros(3 * RATE, np.float32)
        click[0] = 1
        rt60_s = rng.uniform(0.2, 1.2)
        wet = effects.reverberate(click, RATE, rt60_s, 0, rng)[1:]
        room.append(decay_s(wet[np.flatnonzero(np.abs(wet) > 1e-6)[0] :]) / rt60_s - 1)
        burst = 0.001 * rng.standard_normal(2 * RATE, np.float32)
        burst[RATE : RATE + 800] += 0.3 * rng.standard_normal(800, np.float32)
        heard = np.convolve(np.abs(stretch.tempo(burst, RATE, factor)), np.ones(32) / 32, "same") > 0.05
        place.append(1000 * (np.flatnonzero(heard)[0] / RATE - 1 / factor))
    yield "distance to the noise, dB", f"{max(map(abs, noise_db)):.3f}"
    yield "pitch (of `pitch`, and kept by `tempo`), cents", f"{max(map(abs, cents)):.2f}"
    yield "time in which a room fades", f"{max(map(abs, room)):.1%}"
    yield "place of a burst in `tempo`, ms", f"{max(map(abs, place)):.1f}"


def damage(before: Float32, after: Float32) -> tuple[float, float]:
    """Return signal-to-noise ratio and distance of the log spectra, in dB."""
    ratio = 10 * np.log10(np.sum(before**2) / np.sum((before - after) ** 2))
    return float(ratio), float(np.sqrt(np.mean((_bands(before) - _bands(after)) ** 2)))


def _bands(samples: Float32) -> Float32:
    n = len(samples) // 400 - 1
    frames = np.stack([samples[k * 400 : k * 400 + 800] for k in range(n)]) * np.hanning(800)
    power = (np.abs(np.fft.rfft(frames))[:, :400] ** 2).reshape(n, 20, 20).mean(axis=2)
    return 10 * np.log10(power + 1e-6 * power.max())


def codec_rows(clips: list[Float32]) -> Iterator[str]:
    """Yield a row for each codec and bit rate."""
    for name, kbps, rate in REAL:

        def real(clip: Float32, codec: Codec = Codec(name, kbps, rate)) -> Float32:  # noqa: B008
            return codecs.through(clip, RATE, codec)

        def imitated(clip: Float32, name: str = name, kbps: int = kbps) -> Float32:
            return lossy.through(clip, RATE, name, kbps)

        found = [np.mean([damage(clip, way(clip)) for clip in clips], axis=0) for way in (real, imitated)]
        costs = [cost(way, clips) for way in (real, imitated)]
        cells = [f"{ratio:.1f} / {off:.1f} / {s:.0f}x" for (ratio, off), s in zip(found, costs, strict=True)]
        yield f"| {name} {kbps} kb/s | {' | '.join(cells)} |"


def cost(way: Callable[[Float32], Float32], clips: list[Float32]) -> float:
    """Return seconds of audio for each second by the clock: other processes count too."""
    begun = time.perf_counter()
    for clip in clips:
        way(clip)
    return sum(map(len, clips)) / RATE / (time.perf_counter() - begun)


def main() -> None:
    """Print the tables."""
    shared = Path(os.environ.get("MELISMA_SHARED", "shared"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", type=Path, default=Path("configs/augment.yaml"))
    parser.add_argument("--noise", type=Path, default=shared / "noise")
    parser.add_argument("--clips", type=int, default=40)
    asked = parser.parse_args()
    clips = clips_of(shared / "corpus" / "manifest.jsonl", asked.clips)
    print(f"{len(clips)} clips, {sum(map(len, clips)) / RATE:.0f} s\n\n| effect | times real time |\n|---|---|")
    with tempfile.TemporaryDirectory() as name:
        sounds = Sounds.prepare(asked.noise, Path(name) / "sounds", RATE)
        for effect in EFFECTS:
            print(f"| `{effect}` | {pace(always(effect, Path(name)).with_sounds(sounds), clips):.0f} |")
        recipe = Recipe.read(asked.recipe)
        print(f"| {asked.recipe}, coloured noise | {pace(recipe, clips):.0f} |")
        print(f"| {asked.recipe}, {len(sounds.sounds)} sounds | {pace(recipe.with_sounds(sounds), clips):.0f} |")
        print("\n| reached | largest difference |\n|---|---|")
        for what, off in reached(clips, always("noise", Path(name)).with_sounds(sounds)):
            print(f"| {what} | {off} |")
    print("\n| codec | ffmpeg: SNR / spectra / pace | imitated |\n|---|---|---|")
    for row in codec_rows(clips[:8]):
        print(row)


if __name__ == "__main__":
    main()
