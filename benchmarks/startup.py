"""How fast the program answers and how much an install weighs: `python benchmarks/startup.py [--install]`.

`--install` makes a new virtual environment, installs the base package into it and measures that one.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
N_RUNS = 7


def median_s(command: list[str]) -> float:
    """Return the median wall clock of some runs after a first one."""
    times = []
    for _ in range(N_RUNS + 1):
        begin = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - begin)
    return statistics.median(times[1:])


def size_mb(folder: Path) -> float:
    """Return what the files of a folder take, in MB."""
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file() and not f.is_symlink()) / 1e6


def rows(python: Path) -> list[tuple[str, str]]:
    """Measure the program of one environment."""
    program = str(python.with_name("melisma"))
    return [
        ("melisma --help", f"{median_s([program, '--help']):.2f} s"),
        ("python -c pass", f"{median_s([str(python), '-c', 'pass']):.2f} s"),
        ("python -c 'import melisma'", f"{median_s([str(python), '-c', 'import melisma']):.2f} s"),
        (
            "python -c 'import melisma; melisma.align'",
            f"{median_s([str(python), '-c', 'import melisma; melisma.align']):.2f} s",
        ),
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--install", action="store_true")
    print("| what | figure |\n|---|---|")
    if not parser.parse_args().install:
        for name, figure in rows(Path(sys.executable)):
            print(f"| `{name}` | {figure} |")
        return
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = Path(folder) / "bin" / "python"
        before = size_mb(Path(folder))
        begin = time.perf_counter()
        subprocess.run([str(python), "-m", "pip", "install", "-q", str(ROOT)], check=True)
        print(f"| `pip install .` | {time.perf_counter() - begin:.0f} s |")
        print(f"| base install, without pip and Python | {size_mb(Path(folder)) - before:.0f} MB |")
        begin = time.perf_counter()
        program = str(python.with_name("melisma"))
        subprocess.run([program, "demo", "-q", "-o", f"{folder}/demo"], check=True, capture_output=True)
        print(f"| `melisma demo` | {time.perf_counter() - begin:.0f} s |")
        for name, figure in rows(python):
            print(f"| `{name}` | {figure} |")


if __name__ == "__main__":
    main()
