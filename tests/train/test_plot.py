from __future__ import annotations

import json
import re
import sys

import pytest
from typer.testing import CliRunner

from melisma.cli.main import app
from melisma.core.errors import InputError, MissingDependency
from melisma.train.plot import plot, read_log

pytest.importorskip("matplotlib")

REPORTS = [
    {"step": 100 * n, "pass": n / 5, "seconds": 60.0 * n, "loss": 3 / n, "ctc": 2.8 / n, "blanks": 0.8, "lr": 1e-3 / n}
    | ({"held_out_per": 0.9 / n} if n % 2 == 0 else {})
    for n in range(1, 7)
]


def write(run, lines):
    run.mkdir()
    (run / "log.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return run


@pytest.fixture
def run(tmp_path):
    return write(tmp_path / "my-run", [json.dumps(line) for line in REPORTS])


def test_the_picture_has_a_panel_for_each_kind_of_figure(run, tmp_path):
    plot(run, tmp_path / "x.svg")
    text = (tmp_path / "x.svg").read_text(encoding="utf-8")
    drawn = re.findall(r"<!-- (.*?) -->", text)
    for name in (
        "loss",
        "held-out speakers",
        "frames",
        "learning rate",
        "phone error rate",
        "my-run: 600 steps, 0.1 h",
    ):
        assert name in drawn


def test_the_command_draws_a_png(run, tmp_path):
    done = CliRunner().invoke(app, ["train", "plot", str(run), "-o", str(tmp_path / "x.png")])
    assert (done.exit_code, done.stderr) == (0, f"wrote {tmp_path / 'x.png'}\n")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("end", ['{"step": 700, "lo', '{"step"', "\x00\x00", "7", '{"loss": 1}'])
def test_a_last_line_that_broke_off_is_left_out(tmp_path, end):
    run = write(tmp_path / "run", [*(json.dumps(line) for line in REPORTS), end])
    assert read_log(run / "log.jsonl") == REPORTS


def test_a_damaged_line_in_the_midst_is_named(tmp_path):
    run = write(tmp_path / "run", [json.dumps(REPORTS[0]), "{", json.dumps(REPORTS[1])])
    with pytest.raises(InputError, match=r"log\.jsonl, line 2: this is no report of a training$"):
        read_log(run / "log.jsonl")


@pytest.mark.parametrize(
    ("lines", "output", "sentence"),
    [
        (None, "x.png", "cannot read the log {run}/log.jsonl: No such file or directory"),
        ([""], "x.png", "the log {run}/log.jsonl holds no report yet"),
        (['{"step": 1}'], "x.png", "the log of run holds no figure to draw"),
        (['{"step": 1, "loss": 1}'], "x.gif", "no kind of picture is called '.gif'; there are: .png, .svg"),
        (['{"step": 1, "loss": 1}'], "none/x.png", "cannot write {out}: No such file or directory"),
    ],
)
def test_the_command_refuses_with_one_sentence(tmp_path, lines, output, sentence):
    run = tmp_path / "run"
    if lines is None:
        run.mkdir()
    else:
        write(run, lines)
    out = tmp_path / output
    done = CliRunner().invoke(app, ["train", "plot", str(run), "-o", str(out)])
    assert (done.exit_code, done.stderr) == (2, f"error: {sentence.format(run=run, out=out)}\n")
    assert not out.exists()


def test_without_matplotlib_the_extra_is_named(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependency, match=r"plots need matplotlib: pip install 'melisma\[train\]'"):
        plot(run, tmp_path / "x.png")
