"""Pin what training needs, with hashes: `make lock`, or `python scripts/lock.py [--upgrade]`; needs uv and PyPI.

Two files are written beside pyproject.toml, each for every platform and Python from 3.11 on:

requirements-train.txt
    Everything. On Linux, PyPI's torch is the one for CUDA, and brings its libraries (3 GB).
requirements-train-cpu.txt
    The same without torch and what only CUDA needs. PyTorch's own index has builds of torch for CPUs alone, of the same
    version but other bytes: no hash of PyPI's fits them. Install one of those first, then the rest from this file.

What is pinned stays so until it no longer fits pyproject.toml; --upgrade takes the newest.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WHOLE, CPU = ROOT / "requirements-train.txt", ROOT / "requirements-train-cpu.txt"
EXTRAS = ("train", "tensorboard", "sweep", "data", "whisper", "postgres")
# nvidia-ml-py tells how busy a GPU is, whichever torch works on it.
ONLY_CUDA = re.compile(r"(torch|triton|nvidia-(?!ml-py)[\w-]+|cuda-[\w-]+)==")


def pins(text: str) -> list[str]:
    """Return the requirements of a lock, each with its hashes and what wants it; what stands before them is first."""
    return re.split(r"^(?=\w)", text, flags=re.MULTILINE)


def without_cuda(text: str) -> str:
    """Return a lock without torch and what only torch for CUDA needs."""
    return "".join(pin for pin in pins(text) if not ONLY_CUDA.match(pin))


def main(given: list[str]) -> None:
    """Write both files."""
    extras = [part for extra in EXTRAS for part in ("--extra", extra)]
    command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", *extras, *given]
    # No configuration of this machine is read, and none of its places is written down.
    command += ["--universal", "--python-version=3.11", "--generate-hashes", "--no-config", "--quiet"]
    command += ["--custom-compile-command=make lock", f"--output-file={WHOLE.name}"]
    done = subprocess.run(command, cwd=ROOT, check=False)
    if done.returncode:
        sys.exit("uv could not lock: is it installed (pip install uv), and is PyPI in reach?")
    CPU.write_text(without_cuda(WHOLE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
