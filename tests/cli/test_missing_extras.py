"""What the base install answers where an extra is needed: which one, and exit code 3."""

from __future__ import annotations

import sys

import pytest
from typer.testing import CliRunner

from melisma.cli.main import app


@pytest.mark.parametrize(
    ("module", "command", "extras"),
    [
        ("torch", "train whisper-processor a.jsonl --name a", "train"),
        ("torch", "train whisper a.jsonl --valid b.jsonl", "train"),
        ("torch", "train plan --hours 10", "train"),
        ("transformers", "train plan --hours 10", "train"),
        ("torch", "sweep a.toml a.jsonl --valid b.jsonl", "train,sweep"),
        ("matplotlib", "sweep a.toml a.jsonl --valid b.jsonl", "train,sweep"),
        ("ray", "sweep a.toml a.jsonl --valid b.jsonl --backend ray", "train,sweep,ray"),
        ("torch", "models package a -o b", "train"),
        ("torch", "models export a -o b", "train"),
    ],
)
def test_the_extra_that_is_missing_is_named(module, command, extras, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    result = CliRunner().invoke(app, command.split())
    assert result.exit_code == 3, result.output
    assert f"{module}: pip install 'melisma[{extras}]'" in result.stderr
