from __future__ import annotations

import io
import json

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

pytest.importorskip("yt_dlp")

from data.web import Page, serving
from melisma.cli.main import app
from melisma.data.manifest import read


def run(*words: object):
    return CliRunner().invoke(app, ["data", "fetch", *map(str, words)])


def sound(seconds: float = 1.0) -> bytes:
    kept = io.BytesIO()
    soundfile.write(kept, np.zeros(int(16000 * seconds), np.float32), 16000, format="OGG")
    return kept.getvalue()


@pytest.fixture
def site():
    with serving() as site:
        site.pages["/a.ogg"] = Page(sound(), "audio/ogg")
        site.pages["/b.ogg"] = Page(sound(1.5), "audio/ogg")
        yield site


def test_a_list_becomes_a_folder_with_a_manifest_and_a_report(tmp_path, site):
    listed = tmp_path / "list.txt"
    listed.write_text(
        f"# ours\n{site.url}/a.ogg id=a license=CC0 speaker=ana\n{site.url}/gone.ogg\n{site.url}/b.ogg id=b\n"
    )
    done = run(listed, "-o", tmp_path / "up", "--language", "bs", "--pause", 0, "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert (report["counts"]["fetched"], report["counts"]["gone"], report["counts"]["without_licence"]) == (2, 1, 1)
    assert report["details"]["missing"]["gone"] == [
        {"url": f"{site.url}/gone.ogg", "reason": "the server answers 404: Not Found"}
    ]
    assert report == json.loads((tmp_path / "up" / "fetch_report.json").read_text(encoding="utf-8"))
    lines = {line.id: line for line in read(tmp_path / "up" / "manifest.jsonl")}
    assert {name: (line.language, line.license, line.speaker_id) for name, line in lines.items()} == {
        "a": ("bs", "CC0-1.0", "ana"),
        "b": ("bs", "", ""),
    }
    assert all((tmp_path / "up" / line.audio).is_file() for line in lines.values())
    again = json.loads(run(listed, "-o", tmp_path / "up", "--pause", 0, "--json").stdout)
    assert (again["counts"]["fetched"], again["counts"]["present"], again["details"]["lines_added"]) == (0, 2, 0)


def test_what_another_run_may_get_makes_the_exit_code_1(tmp_path, site):
    site.pages["/a.ogg"].n_refusals = 9
    done = run(f"{site.url}/a.ogg", f"{site.url}/b.ogg", "-o", tmp_path, "--pause", 0, "--retries", 0)
    assert done.exit_code == 1
    assert "failed: 1" in done.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["file:///etc/passwd"], "only http:// and https:// are fetched"),
        (["no-such-list.txt"], "the list no-such-list.txt cannot be read"),
        (["https://a.org", "--cookies", "no-such.txt"], "the cookies in no-such.txt cannot be read"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_written(tmp_path, words, said):
    done = run(*words, "-o", tmp_path / "up")
    assert (done.exit_code, said in done.output) == (2, True)
    assert not (tmp_path / "up").exists()
