"""`melisma units segment` as a user calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from melisma.cli.main import app
from melisma.data import manifest


def tape(path: Path, seconds: float = 2.0, n: int = 2) -> None:
    """Write tones of some seconds with pauses of one second between them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    loud, rest = 0.3 * np.sin(np.arange(round(22050 * seconds)) / 9), np.zeros(22050)
    soundfile.write(path, np.concatenate([part for _ in range(n) for part in (loud, rest)]), 22050)


def run(*args) -> object:
    return CliRunner().invoke(app, ["units", "segment", *map(str, args)])


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "segment_report.json" and not path.name.startswith(".")
    }


def test_mp3_becomes_segments_of_16_khz_between_pauses(tmp_path):
    tape(tmp_path / "in" / "ana" / "one.mp3")
    tape(tmp_path / "in" / "boro" / "two.mp3", 3.0, 3)
    got = run(tmp_path / "in", "-o", tmp_path / "out", "--language", "pt", "--speaker-by-folder", "--workers", 1)
    assert got.exit_code == 0, got.output
    lines = list(manifest.read(tmp_path / "out" / "manifest.jsonl"))
    assert [(each.id, each.speaker_id, each.language) for each in lines] == [
        *((f"ana/one/000{i}", "ana", "pt") for i in (1, 2)),
        *((f"boro/two/000{i}", "boro", "pt") for i in (1, 2, 3)),
    ]
    for line in lines:
        about = soundfile.info(tmp_path / "out" / line.audio)
        assert (about.samplerate, about.channels, about.subtype) == (16000, 1, "PCM_16")
        assert about.frames / 16000 == pytest.approx(line.duration)
    report = json.loads((tmp_path / "out" / "segment_report.json").read_text(encoding="utf-8"))
    assert report["command"] == "units segment"
    assert report["counts"]["segments"] == sum(report["details"]["lengths"]["histogram"].values()) == 5


def test_the_same_files_by_two_processes_and_after_a_kill(tmp_path):
    for i in range(6):
        tape(tmp_path / "in" / f"{i}.mp3", 1.0 + i / 4)
    assert run(tmp_path / "in", "-o", tmp_path / "one", "-q", "--workers", 1).exit_code == 0
    assert run(tmp_path / "in", "-o", tmp_path / "two", "-q", "--workers", 2).exit_code == 0
    assert tree(tmp_path / "two") == tree(tmp_path / "one")
    program = (
        "import os\nfrom melisma.data import folder, recordings, segment\nfrom pathlib import Path\n"
        "from melisma.scale.local import LocalExecutor\n"
        f"source, out = Path({str(tmp_path / 'in')!r}), Path({str(tmp_path / 'three')!r})\n"
        "found = recordings.read(folder.listed(source, out))\n"
        "lines, _ = segment.run(found, out, segment.Settings(), executor=LocalExecutor(1))\n"
        "next(lines)\nos.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    assert not (tmp_path / "three" / "manifest.jsonl").exists()
    assert run(tmp_path / "in", "-o", tmp_path / "three", "-q", "--workers", 1).exit_code == 0
    assert tree(tmp_path / "three") == tree(tmp_path / "one")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--language", "nobody speaks it"], "nobody speaks it"),
        (["--pause", "0"], "a pause 0.01 to 60 s"),
        (["--format", "mp3"], "not as 'mp3'"),
        (["--executor", "cloud"], "'cloud' is no executor"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_written(tmp_path, args, said):
    tape(tmp_path / "in" / "a.wav")
    got = run(tmp_path / "in", "-o", tmp_path / "out", *args)
    assert (got.exit_code, said in got.stderr) == (2, True), got.output
    assert not (tmp_path / "out").exists()


def test_what_is_known_of_a_folder_is_not_said_of_a_manifest(tmp_path):
    tape(tmp_path / "a.wav")
    manifest.write(tmp_path / "m.jsonl", [manifest.Utterance(id="a", audio="a.wav", duration=6)])
    got = run(tmp_path / "m.jsonl", "-o", tmp_path / "out", "--speaker-by-folder")
    assert (got.exit_code, "each line of a manifest says its own" in got.stderr) == (2, True)
