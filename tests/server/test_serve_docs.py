"""The examples of docs/serve.md are run as they stand, in their order, against a service that listens and works."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
from live import listening

PAGE = Path(__file__).parents[2] / "docs" / "serve.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PATIENCE_S = 300  # on a machine that has much else to do
NEEDED = pytest.mark.skipif(
    any(shutil.which(name) is None for name in ("bash", "curl", "jq", "ffmpeg")), reason="bash, curl, jq or ffmpeg"
)


def examples() -> str:
    return "\n".join(BLOCK.findall(PAGE.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    """A song that is really sung, as the page wants it: song.mp3 and lyrics.txt."""
    from melisma.synth import write
    from melisma.synth.score import score_of_length

    folder = tmp_path_factory.mktemp("song")
    write.save(score_of_length(12, "en", seed=21), folder, title="Test")
    command = ["ffmpeg", "-v", "error", "-i", "audio.wav", "song.mp3"]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, cwd=folder)
    return folder


@NEEDED
def test_every_example_works(settings, song, tmp_path):
    work, choir = tmp_path / "work", settings.library / "choir"
    work.mkdir()
    choir.mkdir()
    for name in ("song.mp3", "lyrics.txt"):
        shutil.copy(song / name, work)
    shutil.copy(song / "song.mp3", choir / "evening.mp3")
    with (choir / "evening.mp3").open("ab") as file:  # another recording by its bytes
        file.write(bytes(500))
    with listening(replace(settings, jobs=replace(settings.jobs, workers=1))) as port:
        there = f"MELISMA=http://127.0.0.1:{port}"
        script = examples().replace("MELISMA=http://127.0.0.1:8765", there)
        assert there in script
        # Every command is shown, and the first that fails ends the script; curl tells what it was answered.
        script = "set -euxo pipefail\n" + script.replace("curl -fsS", "curl --fail-with-body -sS")
        done = subprocess.run(
            ["bash", "-c", script], cwd=work, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        assert done.returncode == 0, f"{done.stderr[-3000:]}\n{done.stdout[-3000:]}"
    assert "event: end" in done.stdout
    assert '"state":"done"' in done.stdout
    assert "WEBVTT" in done.stdout
    assert re.search(r"^\[00:\d\d\.\d\d\]", done.stdout, re.MULTILINE)  # the LRC
    assert (work / "karaoke.html").read_text().startswith("<!DOCTYPE html>")
    assert json.loads((work / "first.json").read_text()) == json.loads((work / "engines.json").read_text())
    assert [path.suffix for path in work.glob("*.ass")] == [".ass"]
    assert (work / "beginning.bin").stat().st_size == 1000


def test_every_call_is_on_the_page(context):
    """What is named in tables or examples is what there is."""
    from melisma.server.app import create_app

    page = PAGE.read_text(encoding="utf-8")
    spelt = page.replace("$MELISMA", "").replace("$SONG", "{id}").replace("$ALIGNMENT", "{id}").replace("$JOB", "{id}")
    spelt = spelt.replace("{vocals,instrumental}", "{stem}")
    missing = []
    for path in create_app(context).openapi()["paths"]:
        known = re.sub(r"{\w+_id}", "{id}", path).replace("{number}", "{n}")
        shortened = "…" + known.partition("{id}")[2]
        on_another_page = "/videos" in known  # docs/video.md
        if known not in spelt and (shortened == "…" or shortened not in spelt) and not on_another_page:
            missing.append(path)
    assert missing == []
