from __future__ import annotations

import sys

import pytest
from typer.testing import CliRunner

from melisma.cli.main import app


def run(*words: object):
    return CliRunner().invoke(app, ["units", "vocoder", "train", *map(str, words)])


def test_without_torch_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch", None)
    result = run(tmp_path)
    assert result.exit_code == 3
    assert "torch: pip install 'melisma[train,units]'" in result.stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--epochs", "0"], "epochs: "),
        (["--lr", "-1"], "lr: "),
        (["--generator", "wavenet"], "generator: "),
        (["--precision", "fp16", "--device", "cpu"], "a CPU does not train in fp16"),
        (["--device", "tpu"], "no device to train on"),
        ([], "there is no codebook "),
    ],
)
def test_what_cannot_be_is_one_sentence_and_writes_nothing(tmp_path, options, sentence):
    pytest.importorskip("torch")
    result = run(tmp_path, *options)
    assert result.exit_code == 2, result.output
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())
