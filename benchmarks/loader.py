"""How fast a training's loader is, and how long a training waits for it.

    python benchmarks/loader.py [--minutes 5]

Clips are written as MP3 and as prepared WAV. Seconds of audio a second: from MP3 decoded in the loop, as trainings
should not; from WAV; with augmentation; with 0, 1 and 2 workers. Then the share of a training's steps that was spent
waiting, on prepared WAV, for a wav2vec2 network and for a phone network.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from melisma.audio import decode
from melisma.core.records import Float32
from melisma.data.augment.recipe import Recipe
from melisma.train.ctc.batches import Plan, StepSampler
from melisma.train.ctc.collate import ClipDataset, Hearing
from melisma.train.ctc.config import CtcTrainingConfig, PhoneNetShape
from melisma.train.ctc.dataset import Clips
from melisma.train.ctc.loader import loader
from melisma.train.ctc.loop import Request, train
from melisma.train.ctc.trained import Kind, Units

RATE = 16000
SAMPLES, MELS = Hearing(Kind.TRANSFORMERS, False, 320), Hearing(Kind.PHONE_NET, True, 320)
RECIPE = Path(__file__).parents[1] / "configs" / "augment.yaml"


class Decoding(ClipDataset):
    """Decodes and resamples in the loop, whatever the file is."""

    def samples(self, clip: int) -> Float32:  # noqa: D102
        return decode.load(self.clips.path_of(clip), sample_rate=RATE, downmix="mean").samples


def write_clips(folder: Path, minutes: float) -> tuple[list[Path], list[Path], list[float]]:
    """Write clips of 3 to 12 s as MP3 at 44.1 kHz and as WAV at 16 kHz."""
    rng = np.random.default_rng(1)
    mp3, wav, lengths = [], [], []
    while sum(lengths) < 60 * minutes:
        seconds = float(rng.uniform(3, 12))
        noise = rng.normal(0, 1, int(seconds * 44100))
        voice = 0.1 * np.convolve(noise, np.hanning(24), "same") * (0.6 + 0.4 * np.sin(np.arange(len(noise)) / 9000))
        name = f"{len(wav)}"
        mp3.append(folder / f"{name}.mp3")
        soundfile.write(mp3[-1], voice / 4, 44100)
        wav.append(folder / f"{name}.wav")
        soundfile.write(wav[-1], decode.load(mp3[-1], sample_rate=RATE, downmix="mean").samples, RATE, "PCM_16")
        lengths.append(soundfile.info(wav[-1]).frames / RATE)
    return mp3, wav, lengths


def clips_of(paths: list[Path], lengths: list[float]) -> Clips:
    """Return clips that are whole files, with thirty labels each."""
    n, names = len(paths), [str(path).encode() for path in paths]
    return Clips(
        np.arange(n, dtype=np.int32),
        np.zeros(n, np.int64),
        np.array([int(seconds * RATE) for seconds in lengths], np.int32),
        np.tile(np.arange(1, 31, dtype=np.int32), n),
        np.arange(0, 30 * n + 1, 30),
        np.arange(n),
        np.frombuffer(b"".join(names), np.uint8),
        np.cumsum([0, *map(len, names)]),
    )


def speed(dataset: ClipDataset, workers: int) -> float:
    """Return seconds of audio a second, once the workers are there."""
    plan = Plan(dataset.clips.lengths_s, dataset.clips.n_labels, 60.0)
    batches = iter(loader(dataset, StepSampler(plan, 3 * plan.n_per_pass), workers))
    next(batches)
    since, heard = time.perf_counter(), 0.0
    for batch in batches:
        heard += batch.seconds
    return heard / (time.perf_counter() - since)


def write_manifest(path: Path, wav: list[Path], lengths: list[float], which: slice) -> Path:
    rows = [
        {"id": file.stem, "audio": str(file), "duration": seconds, "transcript": "la la mala", "language": "en",
         "speaker_id": file.stem, "words": [{"text": w, "start": k + 0.1, "end": k + 0.5} for k, w in
                                            enumerate(("la", "la", "mala"))]}
        for file, seconds in list(zip(wav, lengths, strict=True))[which]
    ]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def waiting(folder: Path, wav: list[Path], lengths: list[float], config: CtcTrainingConfig, workers: int) -> str:
    """Train some steps and return audio a second and the share that was waited, of the steps after the first ten."""
    request = Request(
        write_manifest(folder / "train.jsonl", wav, lengths, slice(2, None)),
        write_manifest(folder / "valid.jsonl", wav, lengths, slice(0, 2)),
        folder / f"{config.model.replace(':', '-')}-{workers}",
        config,
        device="cpu",
        workers=workers,
    )
    run = train(request, tell=lambda stage, share: None, say=lambda text: None)
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()][1:]
    rate = np.mean([line["audio_s_per_s"] for line in lines])
    return f"{rate:.0f} | {100 * np.mean([line['wait_share'] for line in lines]):.1f} %"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--steps", type=int, default=40)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        mp3, wav, lengths = write_clips(folder, asked.minutes)
        from_mp3, from_wav = clips_of(mp3, lengths), clips_of(wav, lengths)
        recipe = Recipe.read(RECIPE)
        kinds = {
            "samples from MP3, decoded in the loop": Decoding(from_mp3, SAMPLES),
            "samples from prepared WAV": ClipDataset(from_wav, SAMPLES),
            "log-mels from prepared WAV": ClipDataset(from_wav, MELS),
            "samples from prepared WAV, augmented": ClipDataset(from_wav, SAMPLES, 1, recipe),
        }
        print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
        print("| seconds of audio a second | 0 workers | 1 worker | 2 workers |\n|---|---|---|---|")
        for name, dataset in kinds.items():
            print(f"| {name} | {' | '.join(f'{speed(dataset, workers):,.0f}' for workers in (0, 1, 2))} |", flush=True)
        config = CtcTrainingConfig(steps=asked.steps, validate_steps=10**6, checkpoint_steps=10**6, batch_s=40.0)
        phones = replace_config(config, model="phone-net", units=Units.PHONES, phone_net=PhoneNetShape())
        print("\n| training on prepared WAV | workers | seconds of audio a second | waited |\n|---|---|---|---|")
        for made in (replace_config(config, model="random:tiny"), phones):
            for workers in (0, 1, 2):
                print(f"| {made.model} | {workers} | {waiting(folder, wav, lengths, made, workers)} |", flush=True)


def replace_config(config: CtcTrainingConfig, **changes: object) -> CtcTrainingConfig:
    return config.model_copy(update=changes)


if __name__ == "__main__":
    main()
