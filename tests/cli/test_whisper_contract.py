"""What docs/whisper-contract.md names is there: commands with their options, tests, configurations."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from melisma.cli.main import app

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "whisper-contract.md"


def commands(text: str) -> list[str]:
    """Return the commands of a page: in code between signs, and the lines of its blocks."""
    found = re.findall(r"`(melisma [^`\n]+)`", text)
    return found + re.findall(r"^ *(melisma .+)$", text, re.MULTILINE)


def unknown(command: str) -> Iterator[str]:
    """Yield what the program does not know of a command line."""
    at: Any = typer.main.get_command(app)
    for word in shlex.split(command.replace("\\", "/"))[1:]:
        if word.startswith("-"):
            if word not in {name for each in at.params for name in (*each.opts, *each.secondary_opts)}:
                yield word
        elif hasattr(at, "commands"):
            inner = at.commands.get(word) or at.commands.get("run")  # which `sweep` does where it is given a file
            if inner is None:
                yield word
                return
            at = inner


def test_the_program_knows_every_command_and_option():
    found = commands(PAGE.read_text(encoding="utf-8"))
    assert {command: [*unknown(command)] for command in found if [*unknown(command)]} == {}
    assert len(found) > 40


@pytest.mark.parametrize(
    ("command", "lost"), [("melisma data invent x", ["invent"]), ("melisma train whisper --epochs 3", ["--epochs"])]
)
def test_what_there_is_not_is_noticed(command, lost):
    assert [*unknown(command)] == lost


def test_every_file_is_there():
    names = re.findall(r"`((?:tests|configs|\.github|\.vscode)/[^`\s]+)`", PAGE.read_text(encoding="utf-8"))
    assert [name for name in names if not (ROOT / name).exists()] == []
    assert len(names) > 40


def test_each_of_the_thirty_points_has_its_line():
    part = re.search(r"^## The thirty points.*?(?=^## )", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert part
    assert [int(number) for number in re.findall(r"^\| (\d+) \|", part[0], re.MULTILINE)] == [*range(1, 31)]
