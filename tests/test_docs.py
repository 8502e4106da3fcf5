"""What README and docs promise to hold is there: links lead somewhere, and no placeholder is left."""

from __future__ import annotations

import re
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
