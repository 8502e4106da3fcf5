from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from melisma.cli.main import app

RATE = 16000


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """A root with an evaluation of two clips; the sound of one of them is there."""
    monkeypatch.setenv("MELISMA_ROOT", str(tmp_path))
    folder = tmp_path / "manifests"
    folder.mkdir()
    soundfile.write(folder / "a.wav", np.zeros(RATE, np.float32), RATE)
    rows = [
        {"id": "a", "audio": "a.wav", "duration": 1.0, "transcript": "dobar dan", "language": "hr"},
        {"id": "b", "audio": "gone/b.wav", "duration": 1.0, "transcript": "laku noć", "language": "hr"},
    ]
    heard = [{"id": "a", "text": "dobar dan dan"}, {"id": "b", "text": "laku noc"}]
    for name, lines in (("test.jsonl", rows), ("heard.jsonl", heard)):
        (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    done = run("eval", "asr", folder / "test.jsonl", "--hypotheses", folder / "heard.jsonl", "--run", "first", "-q")
    assert done.exit_code == 0, done.output
    return tmp_path


def run(*given: object):
    return CliRunner().invoke(app, [str(each) for each in given])


def test_an_evaluation_without_a_training_has_a_page(root):
    done = run("report", "first")
    assert (done.exit_code, done.stderr) == (0, f"wrote {root / 'reports' / 'first' / 'index.html'}\n")
    page = (root / "reports" / "first" / "index.html").read_text(encoding="ascii")
    assert "There is no training_history.jsonl and no log of this run" in page
    assert page.count("<audio ") == 1
    assert "No sound: b.wav: there is no such file" in page
    assert str(root) not in page


def test_the_policy_allows_this_very_script_and_style_alone(root):
    assert run("report", "first", "-q").exit_code == 0
    page = (root / "reports" / "first" / "index.html").read_text(encoding="ascii")
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1])
    for name in ("script", "style"):
        (part,) = re.findall(rf"<{name}>(.*?)</{name}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(part.encode("ascii")).digest()).decode("ascii")
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', page) == []


def test_no_sound_and_few_clips_where_so_asked(root, tmp_path):
    out = tmp_path / "page"
    assert run("report", "first", "--no-audio", "--clips", "1", "-o", out).exit_code == 0
    page = (out / "index.html").read_text(encoding="ascii")
    assert "<audio" not in page
    assert page.count("<article") == 1


def test_a_training_without_an_evaluation_has_its_curves_and_says_how_to_evaluate(root):
    folder = root / "models" / "whisper" / "second"
    folder.mkdir(parents=True)
    line = {"step": 100, "stage": "validate", "train_loss": 1.0, "wer": 0.4, "cer": 0.1}
    (folder / "training_history.jsonl").write_text(json.dumps(line) + "\nbroken\n", encoding="utf-8")
    assert run("report", folder).exit_code == 0
    page = (root / "reports" / "second" / "index.html").read_text(encoding="ascii")
    assert "Nothing is evaluated yet: melisma eval asr MANIFEST --model RUN" in page
    assert "1 line of training_history.jsonl could not be read." in page
    assert 'data-points="[[100.0,0.4]]"' in page


@pytest.mark.parametrize(("given", "said"), [
    (("third",), "there is no training third"),
    (("no name",), "is no name for a folder"),
    (("first", "--compare", "third"), "there is no training third"),
    (("first", "--eval", "manifests/test.jsonl"), "is not what melisma eval asr writes"),
    (("first", "--eval", "manifests/none.json"), "cannot read"),
])  # fmt: skip
def test_what_is_not_there_is_refused_and_nothing_written(root, monkeypatch, given, said):
    monkeypatch.chdir(root)
    done = run("report", *given)
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (root / "reports").exists()


def test_the_same_run_twice_is_shown_once(root):
    assert run("report", "first", "--compare", "first").exit_code == 0
    page = (root / "reports" / "first" / "index.html").read_text(encoding="ascii")
    assert "Differences" not in page
    assert '<section id="compared">' not in page
