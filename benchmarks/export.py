"""What the width of the weights costs: size, speed and output of an exported model in float32, float16 and int8.

"int8 weights" are stored in 8 bits and computed in float32; plain "int8" is computed in 8 bits.

    python benchmarks/export.py MODEL.onnx --corpus DIR [--checkpoint checkpoint.pt] [--songs DIR]

Milliseconds are of the network alone, per minute of audio, the best of five runs of a 60 s window. Differences are to
torch where a checkpoint is given, to float32 otherwise, on clips that the calibration has not seen. With songs, the
yardstick of `melisma eval align` is run with each.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from melisma.train.export import load_average, to_onnx
from melisma.train.quantise import (
    QuantiseConfig,
    calibration_features,
    compare,
    open_session,
    quantise,
    read_model,
    to_float,
)

LENGTHS = (2, 17, 101, 333, 1000, 2000)  # frames of the trunk, 30 ms each


class ByTorch:
    """A checkpoint behind the one method of a session that is used here."""

    def __init__(self, checkpoint: Path) -> None:
        self.net = load_average(checkpoint)

    def run(self, names: list[str], inputs: dict[str, Any]) -> list[Any]:
        """Return the log-probabilities, as a session would."""
        x = torch.from_numpy(inputs["features"])
        with torch.no_grad():
            logits, _ = self.net(x, torch.full((len(x),), x.shape[2] // self.net.config.stride))
        return [logits.log_softmax(1).transpose(1, 2).numpy()]


def milliseconds(model: Any, threads: int) -> float:
    """Return the best of five runs of a minute."""
    session = open_session(model, threads)
    x = np.random.default_rng(1).normal(0, 1, (1, 64, 6000)).astype(np.float32)
    spent = []
    for _ in range(6):  # the first one warms up
        begin = time.perf_counter()
        session.run(None, {"features": x})
        spent.append(time.perf_counter() - begin)
    return 1000 * min(spent[1:])


def yardstick(model: Any, facts: dict[str, Any], songs: Path) -> str:
    """Run `melisma eval align` with a model and return the cells of its row."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(model.SerializeToString())
        path.with_suffix(".json").write_text(json.dumps(facts), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "melisma.cli.main", "eval", "align", str(songs), "--json", "-q"],
            env=os.environ | {"MELISMA_PHONE_MODEL": str(path)},
            stdout=subprocess.PIPE,
            text=True,
        )
        found = json.loads(done.stdout)
    pooled = found["pooled"]
    return f" {pooled['p50']:.4f} | {pooled['hit100']:.3f} | {pooled['pco300']:.3f} | {pooled['derail']:.3f} |"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--songs", type=Path)
    parser.add_argument("--clips", type=int, default=48)
    wanted = parser.parse_args()
    shipped = read_model(wanted.model)
    drawn = calibration_features(wanted.corpus, QuantiseConfig(2 * wanted.clips))
    seen, unseen = drawn[: wanted.clips], drawn[wanted.clips :]
    if wanted.checkpoint:
        net = load_average(wanted.checkpoint)
        stored = {"float32": "float32", "float16 weights": "float16", "int8 weights": "int8"}
        kinds = {name: to_onnx(net, storage) for name, storage in stored.items()}
    else:
        kinds = {"float32": to_float(shipped), "as stored": shipped}
    whole = kinds["float32"]
    kinds |= {
        "int8, stem and head float": quantise(whole, seen),
        "int8, head float": quantise(whole, seen, QuantiseConfig(keep=("head",))),
        "int8, all": quantise(whole, seen, QuantiseConfig(keep=())),
    }
    reference = ByTorch(wanted.checkpoint) if wanted.checkpoint else open_session(whole)
    facts = json.loads(wanted.model.with_name(f"{wanted.model.stem}.json").read_text(encoding="utf-8"))
    figures = " p50 s | hit100 | pco300 | derail |" if wanted.songs else ""
    print(f"| weights | MB | ms/min, 1 thread | 2 threads | mean diff | most | other best |{figures}")
    print("|---|---|---|---|---|---|---|" + "---|" * (4 if wanted.songs else 0))
    for name, model in kinds.items():
        apart = compare(reference, open_session(model), unseen)
        row = f"| {name} | {len(model.SerializeToString()) / 1e6:.1f} | {milliseconds(model, 1):.0f} "
        row += f"| {milliseconds(model, 2):.0f} | {apart.mean:.4f} | {apart.most:.2f} | {apart.other_best:.2%} |"
        print(row + (yardstick(model, facts, wanted.songs) if wanted.songs else ""), flush=True)
    joined = np.concatenate(unseen, axis=2)
    joined = np.tile(joined, (1, 1, -(-3 * max(LENGTHS) // joined.shape[2])))
    print("\n| frames of the trunk | " + " | ".join(kinds) + " |\n|---|" + "---|" * len(kinds))
    for n in LENGTHS:
        piece = [np.ascontiguousarray(joined[:, :, : 3 * n])]
        found = [compare(reference, open_session(model), piece) for model in kinds.values()]
        print(f"| {n} | " + " | ".join(f"{d.mean:.4f}, {d.most:.2f}, {d.other_best:.2%}" for d in found) + " |")


if __name__ == "__main__":
    main()
