"""The sweep that docs/whisper.md tells of is whole: space and best settings are read, and the table is of them."""

from __future__ import annotations

from pathlib import Path

from melisma.train.sweep.space import Space
from melisma.train.whisper.config import WhisperTrainingConfig

FOLDER = Path(__file__).parents[3] / "docs" / "sweeps" / "slavic"


def test_the_best_settings_are_those_of_the_first_row_and_lie_in_the_space():
    space = Space.read(FOLDER / "space.toml")
    best = WhisperTrainingConfig.read(FOLDER / "best.toml", {})
    head, _, first, *others = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (FOLDER / "trials.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("|")
    ]
    assert 1 + len(others) >= 12
    row = dict(zip(head, first, strict=True))
    assert f"{best.lr:.3g}" == row["lr"]
    assert (str(best.batch_size), str(best.accumulate)) == (row["batch_size"], row["accumulate"])
    assert space.dimensions["lr"].low <= best.lr <= space.dimensions["lr"].high
    assert best.shape == space.config({}).shape
    assert (FOLDER / "trials.png").read_bytes().startswith(b"\x89PNG")
