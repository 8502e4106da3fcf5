"""The lock of what training needs: it fits pyproject.toml, all of it has hashes, and it names no place."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("lock", ROOT / "scripts" / "lock.py")
assert spec is not None
assert spec.loader is not None
lock = importlib.util.module_from_spec(spec)
spec.loader.exec_module(lock)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
HASH = r"    --hash=sha256:[0-9a-f]{64}"


def pinned(path: Path) -> dict[str, list[Requirement]]:
    """Return the requirements of a lock by name; a package may have several, for different platforms."""
    found: dict[str, list[Requirement]] = {}
    for pin in lock.pins(path.read_text(encoding="utf-8"))[1:]:
        requirement = Requirement(pin.splitlines()[0].removesuffix("\\").strip())
        found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


def faults(text: str) -> list[str]:
    """Return lines of a lock that are no requirement, hash or remark, and requirements without a hash."""
    fine = re.compile(rf"(?:{HASH}(?: \\)?|    # +[^/:]+|#.*|[a-z0-9-]+==[\w.!+]+(?: ;[^\\]+)? \\)")
    found = [line for line in text.splitlines() if not fine.fullmatch(line)]
    return found + [pin.splitlines()[0] for pin in lock.pins(text)[1:] if not re.search(HASH, pin)]


def wanted(name: str) -> list[Requirement]:
    """Return what the package asks for, by itself or with one of its extras."""
    given = PROJECT["optional-dependencies"][name] if name else PROJECT["dependencies"]
    return [Requirement(line) for line in given]


@pytest.mark.parametrize("path", [lock.WHOLE, lock.CPU], ids=lambda path: path.name)
def test_every_line_is_a_pin_or_a_hash(path):
    assert faults(path.read_text(encoding="utf-8")) == []


def test_lines_that_name_places_are_found():
    good = "a==1.0 ; python_full_version < '3.12' \\\n    --hash=sha256:" + 64 * "0" + "\n    # via b\n"
    bad = "--index-url https://example.org/simple\nb @ file:///home/x/b.whl\nc==1.0\n"
    assert faults(good) == []
    assert len(faults(good + bad)) == 5  # the URL, the file, the pin without a hash, and both that have none


@pytest.mark.parametrize("extra", ["", *lock.EXTRAS])
def test_what_the_package_asks_for_is_pinned_to_what_fits(extra):
    there = pinned(lock.WHOLE)
    for requirement in wanted(extra):
        pins = there[canonicalize_name(requirement.name)]
        for pin in pins:
            (version,) = [each.version for each in pin.specifier]
            assert requirement.specifier.contains(version), f"{pin} is not {requirement}: make lock"


def test_without_cuda_is_the_same_but_for_torch_and_its_libraries():
    whole, rest = pinned(lock.WHOLE), pinned(lock.CPU)
    gone = set(whole) - set(rest)
    assert {"torch", "triton", "nvidia-cublas"} <= gone
    assert all(name in ("torch", "triton") or name.startswith(("nvidia-", "cuda-")) for name in gone)
    assert {name: list(map(str, pins)) for name, pins in rest.items()} == {
        name: list(map(str, pins)) for name, pins in whole.items() if name not in gone
    }


def test_packages_whose_names_begin_like_those_of_cuda_stay():
    text = "# head\ntorch==1 \\\n    --hash=sha256:0\n"
    kept = "torchmetrics==2 \\\n    --hash=sha256:1\nnvidia-ml-py==4 \\\n    --hash=b\n"
    text += kept + "nvidia-x==3 \\\n    --hash=a\n"
    assert lock.without_cuda(text) == "# head\n" + kept
