"""The list of attacks: every test that it names is there, and every attack that is tried stands in it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "security.md"


def written(pattern: str) -> set[str]:
    found = [node for path in HERE.glob(pattern) for node in ast.parse(path.read_text(encoding="utf-8")).body]
    return {node.name for node in found if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def named() -> list[str]:
    return re.findall(r"`(test_\w+)`", PAGE.read_text(encoding="utf-8"))


def test_every_test_that_is_named_is_there():
    assert len(named()) > 60
    assert set(named()) - written("**/*.py") == set()


def test_every_attack_that_is_tried_stands_in_the_list():
    assert written("test_attacks_*.py") - set(named()) == set()


def test_the_bounds_are_those_of_the_code():
    from melisma.server.guard import door, wire
    from melisma.server.guard.sessions import LASTS_S
    from melisma.server.settings import Limits

    text, limits = PAGE.read_text(encoding="utf-8"), Limits()
    for said in (
        f"`MELISMA_REQUESTS_PER_MINUTE`, {limits.requests_per_minute}",
        f"`MELISMA_FAILURES_PER_MINUTE`, {limits.failures_per_minute};",
        f"`MELISMA_MAX_BODY_MB`, {limits.body_bytes // 1_000_000};",
        f"`MELISMA_MAX_UPLOAD_MB`, {limits.upload_bytes // 1_000_000},",
        f"`MELISMA_BODY_TIMEOUT_S`, {limits.body_s:g};",
        f"`MELISMA_MAX_QUEUED_JOBS`, {limits.queued_jobs}",
        f"| {wire.FROM_ONE}; {wire.MOST} |",
        f"| {door.STREAMS} at a time |",
        f"| {door.HEAD_BYTES // 1000} kB |",
    ):
        assert said in text, said
    assert (LASTS_S, limits.duration_s) == (7 * 24 * 3600, 3 * 3600)
