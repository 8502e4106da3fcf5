"""A corpus of units whose every unit is a tone of its own, and a vocoder that learns a little of it in a second."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from melisma.units.clock import STRIDE
from melisma.units.codebook import Codebook
from melisma.units.codebook_file import write
from melisma.units.encoder import EncoderFacts
from melisma.units.line import JSON, UnitLine, joined

K, RATE = 6, 16000


def spoken(frames: list[int], rng: np.random.Generator) -> np.ndarray:
    """Say units as tones, 320 samples each, and 80 more, as a recording has whose last frame is 400 samples long."""
    hz = np.repeat([200.0 * (1 + unit) for unit in frames], STRIDE)
    sound = 0.2 * np.sin(2 * np.pi * np.cumsum(hz) / RATE) + rng.normal(0, 0.002, len(hz))
    return np.pad(sound, (0, 80)).astype(np.float32)


def write_units(folder: Path, n: int = 8, n_speakers: int = 4, lengths: tuple[int, ...] = (40, 60, 30, 80)) -> Path:
    """Write recordings, their units and a codebook."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, lines = np.random.default_rng(5), []
    for number in range(n):
        frames = list(np.repeat(rng.integers(0, K, lengths[number % len(lengths)] // 5), 5))
        sound = spoken(frames, rng)
        soundfile.write(folder / f"{number}.wav", sound, RATE, subtype="PCM_16")
        about = (f"{number}.wav", *joined(frames), 0.0, len(sound) / RATE, f"s{number % n_speakers}", "pt")
        lines.append(UnitLine(f"u{number}", *about).to_json() + "\n")
    (folder / JSON).write_text("".join(lines), encoding="utf-8")
    write(Codebook(np.eye(K, 4, dtype=np.float32), EncoderFacts("mfcc", "mfcc", None, 4, "f" * 64)), folder)
    return folder


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """Two threads sum in two orders: only one gives the same bits again."""
    torch = pytest.importorskip("torch")
    from melisma.train.vocoder import loop

    before = torch.get_num_threads()
    monkeypatch.setattr(loop, "n_threads", lambda: 1)
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def corpus(tmp_path):
    """A folder of units with recordings."""
    return write_units(tmp_path / "units")


@pytest.fixture
def few(tmp_path):
    """A folder of units with three recordings of one speaker."""
    return write_units(tmp_path / "few", 3, 1)


@pytest.fixture
def quick():
    """Settings of a training that takes a second."""
    from melisma.train.vocoder.config import VocoderTrainingConfig

    return VocoderTrainingConfig(
        epochs=2,
        batch_size=2,
        lr=1e-3,
        samples_per_epoch=8,
        save_every=2,
        channels=8,
        coarse=(1,),
        fine=(1,),
        segment_s=0.4,
        warmup_epochs=1,
        discriminator_width=1,
        validation_utterances=2,
        log_steps=1,
    )


@pytest.fixture
def train(corpus, tmp_path, quick):
    """Train in a folder, with changed settings or another request; return the folder."""
    from melisma.scale.local import LocalExecutor
    from melisma.train.vocoder.loop import Request
    from melisma.train.vocoder.loop import train as run

    def go(name: str = "run", *, said: list[str] | None = None, doctor: Any = None, **changes: Any) -> Path:
        asked = {key: changes.pop(key) for key in list(changes) if key in Request.__dataclass_fields__}
        config = type(quick).model_validate(quick.model_dump() | changes)
        request = Request(corpus, config, tmp_path / name, device="cpu", executor=LocalExecutor(1))
        note = (lambda text: None) if said is None else said.append
        return run(replace(request, **asked), tell=lambda stage, share: None, say=note, doctor=doctor)

    return go
