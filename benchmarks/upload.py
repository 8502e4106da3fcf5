"""What sending checkpoints costs a training: the time of a hand-over, steps beside it, and memory.

A step is a product of matrices on one thread. Checkpoints of so many megabytes are handed over every few steps: to
nobody, to a folder, to a server of S3 on this machine (moto, which takes a core of its own), and to that server halted.
Prints a table.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from melisma.train.whisper import checkpoints
from melisma.train.whisper.object_store import Address, Link
from melisma.train.whisper.upload import Uploader, Uploading

EVERY, STEPS = 10, 60


@contextmanager
def server() -> Iterator[subprocess.Popen[bytes]]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], **quiet)
    url = f"http://127.0.0.1:{port}"
    os.environ |= {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"}
    os.environ |= {"AWS_ENDPOINT_URL": url, "AWS_ALLOW_HTTP": "1"}
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(urllib.request.Request(f"{url}/bucket", method="PUT"), timeout=10).close()
                break
            except OSError:
                time.sleep(0.2)
        yield process
    finally:
        os.kill(process.pid, signal.SIGCONT)
        process.terminate()
        process.wait(30)


def checkpoint(run: Path, step: int, megabytes: int) -> Path:
    folder = checkpoints.begin(run, step)
    block = np.random.default_rng(step).bytes(1 << 20)
    for name, size in (("model.safetensors", megabytes // 3), ("optimizer.pt", megabytes - megabytes // 3)):
        with (folder / name).open("wb") as out:
            for _ in range(size):
                out.write(block)
    return checkpoints.finish(run, step, {})


def measure(folder: Path, url: str | None, megabytes: int) -> tuple[float, float, float, float, int]:
    """Return the median and 95th percentile of a step, of a hand-over the longest, memory, and what was sent."""
    made = [checkpoint(folder, step, megabytes) for step in range(EVERY, STEPS + 1, EVERY)]
    uploader = None
    if url is not None:
        config = Uploading(Address.of(url), "run", "id", tries=1, close_s=0.0, link=Link(5.0, 5.0, 0))
        uploader = Uploader(config, folder, lambda _: None)
        uploader.start()
    a = torch.randn(1200, 1200)
    steps, handed = [], [0.0]
    for step in range(1, STEPS + 1):
        begun = time.perf_counter()
        for _ in range(4):
            a @ a
        steps.append(time.perf_counter() - begun)
        if uploader is not None and step % EVERY == 0:
            begun = time.perf_counter()
            uploader.submit(made[step // EVERY - 1])
            handed.append(time.perf_counter() - begun)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sent = len(uploader.close().sent) if uploader is not None else 0
    return float(np.median(steps)), float(np.quantile(steps, 0.95)), max(handed), memory, sent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=200, help="of a checkpoint")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "| to | a step, ms: median | 95 % | longest hand-over, ms | most memory, MB | sent meanwhile |\n"
        "|---|---|---|---|---|---|"
    )
    with server() as process, tempfile.TemporaryDirectory() as name:
        for number, (what, url) in enumerate(
            (
                ("nobody", None),
                ("a folder", f"file://{name}/store"),
                ("S3 on this machine", "s3://bucket/a"),
                ("S3 that hangs", "s3://bucket/b"),
            )
        ):
            if what == "S3 that hangs":
                os.kill(process.pid, signal.SIGSTOP)
            run = Path(name) / f"run{number}"
            median, slow, handed, memory, sent = measure(run, url, asked.megabytes)
            print(
                f"| {what} | {1000 * median:.0f} | {1000 * slow:.0f} | {1000 * handed:.1f} | {memory:.0f} "
                f"| {sent} of 6 |"
            )


if __name__ == "__main__":
    main()
