"""What README and docs promise to hold is there: links lead somewhere, and no placeholder is left."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("**/*.md"))]


def placeholders(text: str) -> list[str]:
    return re.findall(r"@[A-Z_]+@", text)


def lost_links(text: str, folder: Path) -> list[str]:
    """Return the relative links of a page that lead to no file, or to no heading of a Markdown file."""
    text = re.sub(r"^```.*?^```|`[^`\n]*`", "", text, flags=re.DOTALL | re.MULTILINE)
    lost = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = folder / name if name else None
        if target is not None and not target.exists():
            lost.append(link)
            continue
        page = target.read_text(encoding="utf-8") if target and target.suffix == ".md" else text
        if anchor and anchor not in {_anchor(title) for title in re.findall(r"^#+ (.*)$", page, re.MULTILINE)}:
            lost.append(link)
    return lost


def _anchor(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_placeholder_is_left(page: Path):
    assert placeholders(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path):
    assert lost_links(page.read_text(encoding="utf-8"), page.parent) == []


def test_what_is_planted_is_found(tmp_path: Path):
    (tmp_path / "there.md").write_text("# A Title, here\n", encoding="utf-8")
    text = "[a](there.md) [b](there.md#a-title-here) [c](https://x.org/y) [d](gone.md) [e](there.md#gone) `[f](g.md)`"
    assert lost_links(text, tmp_path) == ["gone.md", "there.md#gone"]
    assert placeholders("@TABLE@ me@HOST.org @x@") == ["@TABLE@"]


VARIABLE = r"MELISMA_[A-Z0-9_]*[A-Z0-9]"
# What names of variables are put together from, and the rest of those names.
PUT_TOGETHER = {
    "MELISMA_GATE_": r"[A-Z_]+",
    "MELISMA_BREAKER_": r"[A-Z_]+",
    "MELISMA_CACHE_DAYS_": r"[A-Z]+",
    "MELISMA_OPENAI": r"_(TIMEOUT|MAX_MB)",
    "MELISMA_GROQ": r"_(TIMEOUT|MAX_MB)",
}


@cache
def variables_read() -> set[str]:
    """Return the environment variables that stand in the package's code as a whole."""
    found: set[str] = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and re.fullmatch(VARIABLE, str(node.value)):
                found.add(str(node.value))
    return found - set(PUT_TOGETHER)


def variables_told() -> set[str]:
    return {name for page in PAGES for name in re.findall(VARIABLE, page.read_text(encoding="utf-8"))}


def test_every_environment_variable_is_in_the_docs():
    assert variables_read() - variables_told() == set()


def test_every_environment_variable_of_the_docs_is_read():
    made = re.compile("|".join(f"{start}{rest}" for start, rest in PUT_TOGETHER.items()))
    strange = {name for name in variables_told() - variables_read() if not made.fullmatch(name)}
    assert strange - {start.rstrip("_") for start in PUT_TOGETHER} - {"MELISMA_SHARED"} == set()
