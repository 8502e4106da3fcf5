"""Keys and passwords are found wherever git would take them, and what is found is not said."""

from __future__ import annotations

import random
import string
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from melisma.core.artifacts import Artifacts

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "scan_secrets.py"
ALNUM = string.ascii_letters + string.digits

needs_scanner = pytest.mark.skipif(find_spec("kingfisher") is None, reason="kingfisher-bin is not installed")


def drawn(seed: int, n: int, signs: str = ALNUM) -> str:
    """What no word list holds. It is made here, so that this file itself holds no secret."""
    return "".join(random.Random(seed).choices(signs, k=n))


# One line of a file each, put together so that no scanner finds it here.
PLANTED = {
    "hub token": f'token = "{"hf" + "_"}{drawn(1, 34, string.ascii_letters)}"',
    "code host token": f'token = "{"gh" + "p_"}{drawn(2, 36)}"',
    "cloud key": f"aws_access_key_id={'AK' + 'IA'}{drawn(3, 16, string.ascii_uppercase + '234567')}"
    f" aws_secret_access_key={drawn(13, 40)}",
    "groq key": f"GROQ_API_KEY={'gs' + 'k_'}{drawn(4, 52)}",
    "chat token": f"slack: {'xo' + 'xb-'}{drawn(5, 12, string.digits)}-{drawn(6, 12, string.digits)}-{drawn(7, 24)}",
    "our tokens": f"MELISMA_API_TOKENS=ann:{drawn(8, 32)}",
    "our lyrics token": f'{{"MELISMA_GENIUS_TOKEN": "{drawn(9, 64)}"}}',
    "database password": f"postgresql+psycopg://melisma:{drawn(10, 16)}@db.example.org/melisma",
    "queue password": f"redis://:{drawn(11, 20)}@queue.example.org:6379/1",
    "settings": f"POSTGRES_PASSWORD={drawn(12, 24)}",
}
HARMLESS = (
    "postgresql://user:password@host/base",
    'SECRET = "this stands in no answer"',
    "MELISMA_API_TOKENS=",
    'TOKEN = "ann:a-token-that-is-long"',
    "redis://127.0.0.1:6379/0",
    "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "postgresql://melisma:${POSTGRES_PASSWORD}@postgres/melisma",
)


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


def scanned(folder: Path, *options: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, str(SCRIPT), str(folder), *options], capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, done.stdout


@pytest.fixture
def repository(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / ".gitignore").write_bytes((ROOT / ".gitignore").read_bytes())
    return tmp_path


@needs_scanner
def test_each_planted_secret_is_found_at_its_line_and_not_repeated(repository):
    lines = [line for pair in zip(PLANTED.values(), [*HARMLESS, "", "", ""], strict=True) for line in pair]
    (repository / "settings.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    code, said = scanned(repository)
    found = {int(line.split(":")[1]) for line in said.splitlines()}
    names = list(PLANTED)
    assert {names[(n - 1) // 2] for n in found if n % 2} == set(names)
    assert {n for n in found if not n % 2} == set()
    assert code == 1
    assert not any(line.split("=")[-1].strip(' "}') in said for line in PLANTED.values())


@needs_scanner
def test_what_git_ignores_is_no_finding_and_what_was_once_committed_is(repository):
    for name in (".env", *(f".env.{n}" for n in range(6)), "deploy.txt"):  # the same in all: none hides another
        (repository / name).write_text(PLANTED["settings"] + "\n", encoding="utf-8")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "with a password")
    git(repository, "rm", "-q", "deploy.txt")
    git(repository, "commit", "-qm", "without")
    assert scanned(repository) == (0, "")
    code, said = scanned(repository, "--history")
    assert code == 1
    assert [line.split(":")[0] for line in said.splitlines()] == ["deploy.txt"]
    assert "(in commit " in said


@needs_scanner
def test_a_line_that_is_marked_as_harmless_is_passed_over(repository):
    line = PLANTED["database password"]
    (repository / "a.py").write_text(f"{line}  # of nobody, kingfisher:ignore\n", encoding="utf-8")
    assert scanned(repository) == (0, "")


@needs_scanner
def test_there_is_no_secret_in_this_project():
    code, said = scanned(ROOT)
    assert (code, said) == (0, "")


def test_settings_with_secrets_stay_out_of_git_and_of_images(tmp_path):
    kept = subprocess.run(
        ["git", "check-ignore", "--no-index", ".env", "deploy/.env", ".env.production", ".env.example"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if kept.returncode > 1:
        pytest.skip("this is no work tree of git")
    assert kept.stdout.split() == [".env", "deploy/.env", ".env.production"]
    for path in ROOT.glob("*.dockerignore"):
        rules = path.read_text(encoding="utf-8").splitlines()
        # The last rule that fits decides: these have to stand after all that let something in again.
        last_in = max(i for i, rule in enumerate(rules) if rule.startswith("!"))
        assert {"**/.env", "**/.env.*"} <= set(rules[last_in + 1 :]), path.name


def test_recordings_and_what_is_made_of_them_stay_out_of_git():
    at = Artifacts()
    places = (at.uploads, at.manifests, at.processed, at.outputs, at.processor("a"), at.whisper("a"), at.log("a"))
    names = [f"{place.as_posix()}/x" for place in (*places, at.report("a"), at.sweep("a"))]
    asked = ["git", "check-ignore", "--no-index", *names, "src/melisma/models/package.py"]
    ignored = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    if ignored.returncode > 1:
        pytest.skip("this is no work tree of git")
    assert ignored.stdout.split() == names
