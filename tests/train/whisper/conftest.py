"""A corpus of tones that a tiny Whisper learns by heart, and trainings of it that take a second or two."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

RATE = 16000
WORDS = ("dobar", "dan", "moja", "pjesma", "ide", "dalje", "kroz", "noć", "zora", "zove")
TINY = {
    "model": "random:custom",
    "shape": {"width": 16, "heads": 2, "encoder_layers": 1, "decoder_layers": 1},
    "steps": 6,
    "batch_size": 2,
    "accumulate": 1,
    "lr": 3e-3,
    "warmup_steps": 2,
    "validate_steps": 3,
    "validation_clips": 4,
    "max_new_tokens": 8,
    "checkpoint_steps": 2,
    "log_steps": 1,
}


def sung(words: list[str]) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Return a clip in which every word is a tone of its own, and when each is heard."""
    samples = np.random.default_rng(len(words)).normal(0, 0.003, int((0.6 + 0.4 * len(words)) * RATE))
    timed = []
    for n, word in enumerate(words):
        first = round((0.3 + 0.4 * n) * RATE)
        tone = np.sin(2 * np.pi * (200 + 150 * WORDS.index(word)) * np.arange(round(0.35 * RATE)) / RATE)
        samples[first : first + len(tone)] += 0.3 * tone
        timed.append({"text": word, "start": 0.3 + 0.4 * n, "end": 0.65 + 0.4 * n})
    return samples.astype(np.float32), timed


def write_manifest(path: Path, n: int, who: str, **more: Any) -> Path:
    """Write a manifest of clips in three languages, by two speakers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng, lines = np.random.default_rng(n), []
    for i in range(n):
        words = [WORDS[k] for k in rng.integers(0, len(WORDS), 3 + i % 3)]
        samples, timed = sung(words)
        soundfile.write(path.parent / f"{who}{i}.wav", samples, RATE)
        row = {"id": f"{who}{i}", "audio": f"{who}{i}.wav", "duration": len(samples) / RATE}
        row |= {"transcript": " ".join(words), "language": ("hr", "bs", "sr")[i % 3], "speaker_id": f"{who}-{i % 2}"}
        row |= {"license": "CC0-1.0", "source": "tones", "words": timed if i % 2 else None}
        lines.append(json.dumps(row | more, ensure_ascii=False) + "\n")
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Two threads sum in two orders: only one gives the same bits again."""
    try:
        import torch

        from melisma.train.whisper import loop
    except ImportError:  # the tests that need them are skipped
        yield
        return
    before = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "n_threads", lambda: 1)
        torch.set_num_threads(1)
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def _tones(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tones")
    return write_manifest(folder / "train.jsonl", 10, "a"), write_manifest(folder / "valid.jsonl", 4, "b")


@pytest.fixture
def tones(_tones, tmp_path):
    """Manifests to learn from and to judge by, which a test may change."""
    folder = shutil.copytree(_tones[0].parent, tmp_path / "tones")
    return folder / "train.jsonl", folder / "valid.jsonl"


@pytest.fixture
def train_whisper(tones, tmp_path):
    """Train into a folder of `tmp_path` by its name; settings go before those of `TINY`."""
    pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    from melisma.train.whisper.config import WhisperTrainingConfig
    from melisma.train.whisper.loop import Request, train

    def run(name="run", *, said=None, callbacks=None, request=None, **settings):
        config = WhisperTrainingConfig.read(None, TINY | settings)
        asked = {"device": "cpu", "workers": 0} | (request or {})
        made = Request(*tones, tmp_path / name, config, **asked)
        say = said.append if said is not None else lambda sentence: None
        return train(made, tell=lambda stage, share: None, say=say, callbacks=callbacks)

    return run
