from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from melisma.cli.main import app
from melisma.evaluate.golden import describe, save
from melisma.synth import write
from melisma.synth.score import SongConfig, write_score

runner = CliRunner()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("songs")
    lines = ("Le soleil descend sur la plage",)
    write.save(write_score(SongConfig("fr", lines, tempo_bpm=100.0, seed=5, intro_bars=1)), root / "plage")
    return root


def test_files_table_and_exit_code(folder: Path, tmp_path: Path):
    out = tmp_path / "out"
    done = runner.invoke(
        app, ["bench", "engines", str(folder), "-e", "phone", "--repeats", "1", "-o", str(out), "--require-go"]
    )
    assert done.exit_code == 0, done.output
    assert "phone: go (no gain was measured" in done.stdout
    assert sorted(path.name for path in out.iterdir()) == ["bench.csv", "bench.html", "bench.json"]
    later = ["bench", "engines", str(folder), "-e", "phone", "--repeats", "1", "--baseline", str(out / "bench.json")]
    done = runner.invoke(app, [*later, "--require-go", "--json"])
    assert done.exit_code == 1  # it is no better than itself
    found = json.loads(done.stdout)
    assert found["engines"][0]["gain"] == pytest.approx(0, abs=1e-4)
    assert [check["name"] for check in found["engines"][0]["checks"] if check["holds"] is False] == ["gain in AAE"]
    assert runner.invoke(app, later).exit_code == 0


def test_an_unknown_engine_and_an_empty_folder_are_one_sentence(tmp_path: Path):
    done = runner.invoke(app, ["bench", "engines", str(tmp_path), "-e", "nobody"])
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    done = runner.invoke(app, ["bench", "engines", str(tmp_path)])
    assert (done.exit_code, "no song with a gold.csv" in done.stderr) == (2, True)


def test_a_golden_set_is_made_once(tmp_path: Path):
    song = describe("01-small", (), SongConfig("fr", ("la mer",), tempo_bpm=120.0, intro_bars=1), tmp_path / "scratch")
    save(tmp_path, 1, [song])
    done = runner.invoke(app, ["bench", "golden", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "1 songs in " in done.stderr
    assert (tmp_path / "songs" / "01-small" / "gold.csv").is_file()


def test_a_golden_set_of_another_truth_exits_with_1(tmp_path: Path):
    song = describe("01-small", (), SongConfig("fr", ("la mer",), tempo_bpm=120.0, intro_bars=1), tmp_path / "scratch")
    save(tmp_path, 1, [replace(song, gold_sha256="0" * 64)])
    done = runner.invoke(app, ["bench", "golden", str(tmp_path)])
    assert (done.exit_code, "are not those of the manifest" in done.stderr) == (1, True)
