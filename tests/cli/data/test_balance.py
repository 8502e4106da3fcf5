from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from melisma.cli.main import app
from melisma.data.manifest import Utterance, read, write


def run(*words: object):
    return CliRunner().invoke(app, ["data", "balance", *map(str, words)])


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "m.jsonl"
    lines = [
        Utterance(id=f"u{n}", audio="x.wav", duration=4.0, language="hr" if n else "bs", snr_db=20.0) for n in range(9)
    ]
    write(path, lines)
    return path


def test_report_picture_weights_and_manifest(tmp_path, manifest):
    out = tmp_path / "made" / "balance.json"
    more = ["--weights", tmp_path / "w.jsonl", "--temperature", 0, "--keep", tmp_path / "kept.jsonl", "-j", 1]
    done = run(manifest, "-o", out, *more)
    assert done.exit_code == 0, done.output
    assert "- bs has 4 s, 11 % of all: collect 7 s more, or draw its clips 2.7 times as often" in done.output
    details = json.loads(out.read_text(encoding="utf-8"))["details"]
    assert details["languages"][0]["hours"] == pytest.approx(8 * 4 / 3600, abs=1e-4)
    assert details["weights"]["of_groups"] == {"bs": 4.5, "hr": 0.5625}
    assert (tmp_path / "made" / "balance.png").stat().st_size > 10_000
    assert len((tmp_path / "w.jsonl").read_text(encoding="utf-8").splitlines()) == 9
    assert [line.id for line in read(tmp_path / "kept.jsonl")] == [line.id for line in read(manifest)]


@pytest.mark.parametrize("option", ["--keep", "--weights", "-o"])
def test_the_manifest_is_never_written_over(manifest, option):
    before = manifest.read_bytes()
    done = run(manifest, "--no-noise", option, manifest)
    assert (done.exit_code, "is what is read" in done.output) == (2, True)
    assert manifest.read_bytes() == before


def test_bad_input_is_one_sentence(tmp_path, manifest):
    assert run(manifest, "--weigh-by", ",").exit_code == 2
    manifest.write_text("{}\n")
    done = run(manifest, "-o", tmp_path / "b.json")
    assert (done.exit_code, "line 1" in done.output) == (2, True)
    assert not (tmp_path / "b.json").exists()
