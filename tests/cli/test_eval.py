import json
import os
import shutil

import pytest

from melisma.cli.main import app
from melisma.metrics.alignment import COLUMNS


@pytest.fixture
def songs(song, tmp_path):
    """One song laid out for evaluation, whose gold words are those of its lyrics."""
    folder = tmp_path / "songs" / "habanera"
    folder.mkdir(parents=True)
    shutil.copy(song.audio, folder / "audio.wav")
    shutil.copy(song.lyrics, folder / "lyrics.txt")
    rows = [
        f"{i // 2},{word},{i * 0.5},{i * 0.5 + 0.4}" for i, word in enumerate(("l'amour", "est", "enfant", "bohème"))
    ]
    (folder / "gold.csv").write_text("\n".join(["line,word,start_s,end_s", *rows, ""]), encoding="utf-8")
    (folder / "meta.json").write_text('{"language": "fr"}', encoding="utf-8")
    return tmp_path / "songs"


def test_the_table(runner, engines, songs, here):
    result = runner.invoke(app, ["eval", "align", str(songs), "--engine", "steady", "-o", "out"])
    assert result.exit_code == 0, result.output
    rows = result.stdout.splitlines()
    assert rows[0].split() == ["song", "lang", "words", *COLUMNS]
    assert rows[1].split()[:3] == ["habanera", "fr", "4"]
    assert [row.split()[0] for row in rows[2:]] == ["mean", "pooled", "lost"]
    assert os.listdir(here / "out") == ["habanera.json"]
    assert result.stderr == ""


def test_for_programs(runner, engines, songs):
    result = runner.invoke(app, ["eval", "align", str(songs), "--engine", "steady", "--json"])
    report = json.loads(result.stdout)
    assert set(report) == {"songs", "mean", "pooled", "lost"}
    assert (report["pooled"]["n_words"], report["pooled"]["coverage"]) == (4, 1.0)


def test_without_a_folder_for_them_no_alignments_are_kept(runner, engines, songs, here):
    runner.invoke(app, ["eval", "align", str(songs), "--engine", "steady"])
    assert os.listdir(here) == []


def test_a_song_that_cannot_be_aligned_exits_with_1_and_the_table(runner, engines, songs):
    shutil.copytree(songs / "habanera", songs / "silent")
    (songs / "silent" / "audio.wav").write_bytes(b"no audio")
    result = runner.invoke(app, ["eval", "align", str(songs), "--engine", "steady"])
    assert result.exit_code == 1
    assert "lost songs (no timing, or over half of the words off by more than 1 s): 1 of 2 silent" in result.stdout
    assert result.stderr.startswith("error: silent: lost: ")
    assert "audio.wav" in result.stderr


def test_a_folder_without_songs(runner, here):
    result = runner.invoke(app, ["eval", "align", "none"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "error: no song with a gold.csv under none\n"


def test_an_output_that_is_a_file(runner, songs, here):
    (here / "file").write_text("")
    result = runner.invoke(app, ["eval", "align", str(songs), "-o", "file"])
    assert result.exit_code == 2
    assert result.stderr.startswith("error: file: ")
