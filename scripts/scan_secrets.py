"""Look for keys, tokens and passwords in what git would take, or has ever taken, and say where, never what.

    python scripts/scan_secrets.py            what is in the tree: tracked files, and new ones that git does not ignore
    python scripts/scan_secrets.py --history  every commit of the branches too

Kingfisher knows the forms of providers' credentials, configs/secrets.yaml adds those of this project's settings.
Nothing is sent anywhere: no finding is tried out at its provider. A line that only looks like a secret gets the comment
`kingfisher:ignore`, and the reason beside it. Exit codes: 0 nothing found, 1 something, 3 the scanner is missing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RULES = ROOT / "configs" / "secrets.yaml"
FOUND, MISSING = 1, 3
_FINDINGS = frozenset({0, 200, 205})  # the scanner's exit codes: none, some, some that work
_AT_ONCE = 2000  # files a call: a command line holds only so much


@dataclass(frozen=True, slots=True)
class Finding:
    """A place that holds a secret; not the secret."""

    path: str
    line: int
    rule: str
    commit: str = ""

    def __str__(self) -> str:
        """Return one line for people."""
        return f"{self.path}:{self.line}: {self.rule}{f' (in commit {self.commit[:12]})' if self.commit else ''}"


def files_of(root: Path) -> list[Path]:
    """Return what git tracks in a folder and what it would; all files where it is no work tree of git."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        done = None
    if done is None or done.returncode:
        return sorted(path for path in root.rglob("*") if path.is_file())
    names = sorted({name.decode("utf-8", "surrogateescape") for name in done.stdout.split(b"\0") if name})
    return [root / name for name in names if (root / name).is_file()]


def scan(root: Path, *, history: bool = False) -> list[Finding]:
    """Return what the scanner finds, each place once.

    Raises
    ------
    RuntimeError
        If the scanner did not do its work; the message is its own.
    """
    files = files_of(root)
    targets = [files[i : i + _AT_ONCE] for i in range(0, len(files), _AT_ONCE)]
    found = [each for some in targets for each in _scan(some, "none", root)]
    if history:
        # What lies in the folder is known by now; of a whole folder the scanner reads ignored files too.
        found += [each for each in _scan([root], "full", root) if each.commit]
    return sorted(dict.fromkeys(found), key=lambda each: (each.path, each.line, each.rule, each.commit))


def _scan(targets: list[Path], history: str, root: Path) -> list[Finding]:
    with tempfile.TemporaryDirectory(prefix="secrets-") as folder:
        report = Path(folder) / "report.jsonl"
        command = [sys.executable, "-m", "kingfisher", "scan", *map(str, targets), f"--git-history={history}"]
        # Offline: no finding is tried out, no news of the program is asked for.
        command += ["--no-validate", "--no-update-check", "--no-rule-cache", "--quiet", "--redact"]
        command += ["--no-timeouts"]  # a busy machine must not pass for a clean history
        command += ["--no-dedup"]  # else a file that git ignores may hide the same secret in a commit
        command += ["--rules-path", str(RULES), "--format", "jsonl", "--output", str(report)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode not in _FINDINGS or not report.exists():
            raise RuntimeError(f"the scanner ended with {done.returncode}: {done.stderr.strip()[:500]}")
        return list(_read(report, root))


def _read(report: Path, root: Path) -> Iterator[Finding]:
    for line in report.read_text(encoding="utf-8", errors="replace").splitlines():
        said = json.loads(line)
        if "finding" not in said:  # the last line sums up
            continue
        place, commit = said["finding"], (said["finding"].get("git_metadata") or {}).get("commit") or {}
        path = Path(place["path"])
        shown = path.relative_to(root) if path.is_absolute() and path.is_relative_to(root) else path
        yield Finding(shown.as_posix(), int(place["line"]), str(said["rule"]["name"]), str(commit.get("id", "")))


def main(arguments: list[str] | None = None) -> int:
    """Run the scan and return the exit code."""
    parser = argparse.ArgumentParser(description="Look for secrets in what git would take.")
    parser.add_argument("root", nargs="?", type=Path, default=ROOT, help="folder to look into")
    parser.add_argument("--history", action="store_true", help="look into every commit too")
    asked = parser.parse_args(arguments)
    if find_spec("kingfisher") is None:
        print("the secret scan needs kingfisher-bin: pip install 'melisma[dev]'", file=sys.stderr)
        return MISSING
    root = asked.root.resolve()
    found = scan(root, history=asked.history)
    for each in found:
        print(each)
    print(f"{len(found)} secrets in {len(files_of(root))} files", file=sys.stderr)
    return FOUND if found else 0


if __name__ == "__main__":
    sys.exit(main())
