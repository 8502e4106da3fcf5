"""A root with two trainings and their evaluations, in which everything that a stranger may write is hostile."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from melisma.cli.main import app

HOSTILE = '</script><script>window.broken=1</script><img src=x onerror="window.broken=1">\'"&amp;'
RATE = 16000
# id, language, speaker, what was said, what one model heard, what another one heard
ROWS = (
    ("a-1", "hr", "ana", "Dobar dan, kako ste?", "dobar dan kako ste", "dobar dan kako ste"),
    ("a-2", "hr", "ana", "Lijepo vrijeme traje već tri dana.", "lepo vrijeme traje več dana", "lepo vreme traje ve"),
    ("a-3", "hr", "boris", "Čaša vode i komad kruha.", "čaša vode i kruha", "časa vode"),
    ("b-1", "sr", "boris", "Добар дан, како сте?", "dobar dan kako ste", "добар дан"),
    ("b-2", "sr", "ceca", "Ко пева, зло не мисли.", "ко пева зло мисли", "ко пева зло мисли"),
    ("b-3", "sr", "ceca", "", "hvala na gledanju " * 20, ""),
    (HOSTILE, "bs", HOSTILE, f"Rijeka {HOSTILE} teče.", f"Rijeka {HOSTILE}\x00\x1b[31m teko", "rijeka"),
    ("c-2", "bs", "dejan", "Sutra idemo na more.", "sutra idemo na more", "sutra idemo more"),
)
ONE, OTHER = "run-1", "run-0"


@dataclass(frozen=True, slots=True)
class Root:
    """Where everything lies."""

    path: Path

    def run(self, *given: str) -> Any:
        """Run the program on it."""
        done = CliRunner().invoke(app, list(given), env={"MELISMA_ROOT": str(self.path)})
        return done

    def page(self, name: str = ONE) -> Path:
        """Return where a report lies."""
        return self.path / "reports" / name / "index.html"


def dump(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return path


def train(root: Path, name: str, worse: float) -> None:
    """Write what a training leaves."""
    folder = root / "models" / "whisper" / name
    steps = range(10, 1001, 10)
    loss = {step: worse * (3 * math.exp(-step / 300) + 0.2) for step in steps}
    same = {"stage": "train", "grad_norm": 2.0, "audio_s_per_s": 90.0}
    log = [{**same, "step": s, "loss": loss[s], "lr": 1e-5 * (1 - s / 1100)} for s in steps]
    dump(root / "logs" / "training" / f"{name}.log", [*log, {"step": 1000, "stage": "end", "loss": None}])
    judged = [
        {
            "step": s, "stage": "validate", "epoch": s / 100, "train_loss": loss[s], "loss": loss[s] + 0.1,
            "wer": abs(s - 800) / 1000 + 0.1 * worse, "cer": 0.05, "best": s == 800,
            "by_language": {code: {"wer": 0.2 * worse, "cer": 0.1} for code in ("hr", "sr", HOSTILE)},
        }
        for s in range(200, 1001, 200)
    ]  # fmt: skip
    dump(folder / "training_history.jsonl", judged)
    config = {"model": "openai/whisper-small", "lr": 1e-5 * worse, "lora": {"rank": 8}, HOSTILE: HOSTILE}
    (folder / "training_config.json").write_text(json.dumps(config), encoding="utf-8")
    facts = {"schema": "melisma.whisper-run/1", "run": name, "data": {"languages": ["hr", HOSTILE]}}
    (folder / "run_manifest.json").write_text(json.dumps(facts), encoding="utf-8")


def fill(root: Path) -> Root:
    """Make the manifest, its sound, what two models heard, and two trainings; evaluate both."""
    found = Root(root)
    rows, heard = [], {ONE: [], OTHER: []}
    for k, (name, language, speaker, said, *models) in enumerate(ROWS):
        time = np.arange(RATE * 2) / RATE
        path = root / "manifests" / "clips" / f"{k}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, (0.2 * np.sin(2 * np.pi * (200 + 40 * k) * time)).astype(np.float32), RATE)
        row = {"id": name, "audio": f"clips/{k}.wav", "start": 0.5, "duration": 1.5, "transcript": said}
        rows.append({**row, "language": language, "speaker_id": speaker})
        for run, text in zip((ONE, OTHER), models, strict=True):
            heard[run].append({"id": name, "text": text, "language": language})
    manifest = dump(root / "manifests" / "test.jsonl", rows)
    for run, worse in ((ONE, 1.0), (OTHER, 1.5)):
        train(root, run, worse)
        file = dump(root / f"{run}.jsonl", heard[run])
        done = found.run("eval", "asr", str(manifest), "--hypotheses", str(file), "--run", run, "--variants", "-q")
        assert done.exit_code == 0, done.output
    return found


@pytest.fixture(scope="session")
def root(tmp_path_factory) -> Root:
    """One root for all tests that only read it."""
    return fill(tmp_path_factory.mktemp("root"))


@pytest.fixture(scope="session")
def page(root) -> Path:
    """The report on one run beside the other, with sound."""
    done = root.run("report", ONE, "--compare", OTHER)
    assert done.exit_code == 0, done.output
    return root.page()
