"""Training vocoders: what blocks, steps and segments cost, and what an 84-hour corpus takes in memory.

    MELISMA_THREADS=1 OMP_NUM_THREADS=1 python benchmarks/vocoder_training.py [--batch 16] [--hours 84]

Times are those of a core, so that others on the machine do not count: with one thread, what a quiet machine takes.

Units and sounds are drawn at random: what is in them changes no speed. The arrays of the corpus are files with holes,
so that 84 hours of them need no room on the disk.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from melisma.core.settings import n_threads
from melisma.models.vocoder.file import make
from melisma.models.vocoder.shape import Shape
from melisma.models.vocoder.vocos import _Block
from melisma.train.vocoder.config import VocoderTrainingConfig
from melisma.train.vocoder.material import Batch, Material, Row, Segments
from melisma.train.vocoder.trainer import Trainer

PART = 30_000  # frames: ten minutes


class ConvNeXt(nn.Module):
    """The block of Vocos as it was published: a depthwise convolution and two dense layers, three times as wide."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.wide, self.narrow = nn.Linear(channels, 3 * channels), nn.Linear(3 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Run [batch, channels, n]."""
        inner = self.norm(self.depthwise(x).transpose(1, 2))
        return x + self.narrow(nn.functional.gelu(self.wide(inner))).transpose(1, 2)


def fastest(work: Callable[[], object], times: int) -> float:
    """Seconds of a core that the fastest of some runs took, after one that warms up, whatever else the machine does."""
    work()
    found = []
    for _ in range(times):
        begin = time.process_time()
        work()
        found.append(time.process_time() - begin)
    return min(found)


def blocks(batch: int, times: int) -> None:
    print("| six blocks, 256 channels, 100 frames a second | precision | forward and back, ms | forward, ms |")
    print("|---|---|---|---|")
    sound = torch.randn(batch, 256, 100)
    for name, kind in (("dense", lambda: _Block(256, 1)), ("ConvNeXt", lambda: ConvNeXt(256))):
        net = nn.Sequential(*(kind() for _ in range(6)))
        for precision in ("fp32", "bf16"):

            def forward(net: nn.Module = net, low: bool = precision == "bf16") -> Tensor:
                with torch.autocast("cpu", torch.bfloat16, enabled=low):
                    found: Tensor = net(sound)
                return found

            both = fastest(lambda forward=forward: forward().float().square().mean().backward(), times)
            with torch.no_grad():
                alone = fastest(forward, times)
            print(f"| {name} | {precision} | {both * 1e3:.0f} | {alone * 1e3:.0f} |", flush=True)


def steps(batch: int, times: int) -> None:
    print(f"\n| a step of {batch} segments of 1 s | weights | learns by | precision | s |")
    print("|---|---|---|---|---|")
    rng = np.random.default_rng(1)
    drawn = Batch(
        rng.integers(0, 100, (batch, 50)),
        rng.normal(0, 0.1, (batch, 16000)).astype(np.float32),
        np.zeros(batch, np.int64),
        np.full((batch, 50), -1, np.float32),
    )
    cases = [("vocos", 256, None), ("vocos", 256, 4), ("vocos", 256, 8), ("hifigan", 128, None)]
    for kind, channels, width in cases:
        for precision in ("fp32", "bf16"):
            config = VocoderTrainingConfig(
                generator=kind,
                batch_size=batch,
                warmup_epochs=0 if width else 1,
                discriminator_width=width,
                precision=precision,
            )
            trainer = Trainer(config, Shape(kind, 100, channels=channels), {}, torch.device("cpu"))
            took = fastest(lambda trainer=trainer: trainer.step(drawn, lambda number: drawn), times)
            weights = sum(each.numel() for each in trainer.generator.parameters()) / 1e6
            how = f"mel and discriminators {width} wide" if width else "mel"
            print(f"| {kind}, {channels} channels | {weights:.2f} M | {how} | {precision} | {took:.2f} |", flush=True)


def speaking(times: int) -> None:
    print("\n| says 10 s | weights | context, frames | times real time |")
    print("|---|---|---|---|")
    units = torch.randint(0, 100, (1, 500))
    for kind, channels in (("vocos", 256), ("hifigan", 128), ("hifigan", 512)):
        net = make(Shape(kind, 100, channels=channels)).eval()
        with torch.no_grad():
            took = fastest(lambda net=net: net(units), times)
        weights = sum(each.numel() for each in net.parameters()) / 1e6
        print(f"| {kind}, {channels} channels | {weights:.2f} M | {net.context} | {10 / took:.0f} |", flush=True)


def anonymous_mb() -> float:
    """Memory of this process that is no mapped file: what is mapped goes when somebody else needs it."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def corpus(folder: Path, hours: float) -> Material:
    rows = []
    for number in range(round(hours * 6)):
        name = f"part-{number:05}"
        for kind, dtype, size in (("audio", np.int16, PART * 320), ("units", np.int32, PART)):
            np.lib.format.open_memmap(folder / f"{name}.{kind}.npy", "w+", dtype, (size,)).flush()
        rows += [Row(f"{name}-{i}", name, 500 * i, 500, f"s{i % 9}") for i in range(PART // 500)]
    return Material(folder, tuple(rows[1:]), (rows[0],), (), False, False)


def segments(hours: float, n_batches: int) -> None:
    print("\n| hours | recordings | before, MB | after, MB | a batch of 16, ms |")
    print("|---|---|---|---|---|")
    for size in (hours / 84, hours):
        with tempfile.TemporaryDirectory() as folder:
            material = corpus(Path(folder), size)
            drawn = Segments(material, VocoderTrainingConfig())
            drawn.batch(0)
            before, begin = anonymous_mb(), time.process_time()
            for step in range(n_batches):
                drawn.batch(step)
            took = (time.process_time() - begin) / n_batches
            n = len(material.learnt)
            print(f"| {size:.0f} | {n} | {before:.0f} | {anonymous_mb():.0f} | {took * 1e3:.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=16, help="segments a step")
    parser.add_argument("--times", type=int, default=4, help="the fastest of so many counts")
    parser.add_argument("--hours", type=float, default=84.0, help="of the corpus")
    asked = parser.parse_args()
    torch.set_num_threads(n_threads())
    blocks(asked.batch, asked.times)
    steps(asked.batch, asked.times)
    speaking(asked.times)
    segments(asked.hours, 500)


if __name__ == "__main__":
    main()
