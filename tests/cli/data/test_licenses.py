from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from melisma.cli.main import app
from melisma.data.licences import Taint
from melisma.data.manifest import Utterance, write


def run(*words: object):
    return CliRunner().invoke(app, ["data", "licenses", *map(str, words)])


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "m.jsonl"
    write(
        path,
        [
            Utterance(id="a", audio="a.wav", duration=3600, license="CC0-1.0", source="choir"),
            Utterance(id="b", audio="b.wav", duration=3600, license="CC-BY-NC-SA-4.0", source="dali"),
            Utterance(id="c", audio="c.wav", duration=3600, license="ours", source="studio"),
        ],
    )
    return path


def test_the_page_and_a_report_that_a_checkpoint_can_carry(tmp_path, manifest):
    done = run(manifest, "-o", tmp_path / "docs" / "DATA_LICENSES.md")
    assert done.exit_code == 0, done.output
    assert "DATA_LICENSES.md\n" in done.stderr
    assert "## CC-BY-NC-SA-4.0" in (tmp_path / "docs" / "DATA_LICENSES.md").read_text(encoding="utf-8")
    report = json.loads((tmp_path / "docs" / "data_licenses_report.json").read_text(encoding="utf-8"))
    assert report["counts"]["hours"] == 3.0
    assert Taint.from_dict(report["details"]).total.clips == 3


def test_a_check_names_what_offends_and_writes_nothing(tmp_path, manifest):
    done = run(manifest, "--check", "commercial", "-o", tmp_path / "x.md")
    assert done.exit_code == 1
    assert "dali (CC-BY-NC-SA-4.0, 1.00 h)" in done.output
    assert "studio (ours, 1.00 h)" in done.output
    assert "choir" not in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["m.jsonl"]


def test_a_check_of_what_is_free_or_vouched_for_passes(tmp_path, manifest):
    lines = manifest.read_text(encoding="utf-8").splitlines()
    manifest.write_text(f"{lines[0]}\n{lines[2]}\n", encoding="utf-8")
    assert run(manifest, "--check", "commercial").exit_code == 1
    assert run(manifest, "--check", "commercial", "--vouch", "ours").exit_code == 0


def test_how_far_it_is_can_be_seen(tmp_path, manifest):
    assert "licenses: " in run(manifest, "-o", tmp_path / "x.md", "-v").stderr


def test_bad_input_is_one_sentence(tmp_path, manifest):
    assert run(manifest, "--check", "theft").exit_code == 2
    manifest.write_text("{}\n")
    done = run(manifest, "-o", tmp_path / "x.md")
    assert done.exit_code == 2
    assert not (tmp_path / "x.md").exists()
