import json
import os
import subprocess
import sys

import pytest

from melisma.cli.main import app


@pytest.mark.slow
def test_the_demo_sings_aligns_and_measures(here):
    command = [sys.executable, "-m", "melisma.cli.main", "demo", "-o", "out", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=here)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert {"en", "fr", "hr"} <= {row["language"] for row in said["report"]["songs"].values()}
    assert said["report"]["pooled"]["coverage"] == 1.0
    for song in said["songs"]:
        for path in (song["audio"], song["lyrics"], song["page"], *song["files"]):
            assert (here / path).stat().st_size > 0


def test_a_folder_that_cannot_be_made(runner, here):
    (here / "file").write_text("")
    result = runner.invoke(app, ["demo", "-o", "file/out", "-q"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert os.listdir(here) == ["file"]
