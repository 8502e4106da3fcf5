"""`melisma dali convert|list|info|show|stats` as a user meets them."""

from __future__ import annotations

import json

import pytest

import dali_files
from melisma.cli.main import app
from melisma.synth.score import write_score

FIRST, SECOND = dali_files.song_id(0), dali_files.song_id(1)


@pytest.fixture(scope="module")
def levels():
    return dali_files.levels_of(write_score(dali_files.config()))


@pytest.fixture
def converted(runner, here, levels):
    dali_files.write_song(here / "DALI_v1.0", FIRST, levels, artist="Ana", title="One", ncc=0.9)
    dali_files.write_song(here / "DALI_v1.0", SECOND, levels, artist="Ben", title="Two", ncc=0.7, language="german")
    result = runner.invoke(app, ["dali", "convert", "-j", "1"])
    assert result.exit_code == 0, result.output
    return here


def test_convert_writes_songs_an_index_and_a_report(converted):
    names = sorted(path.name for path in (converted / "data" / "dali").iterdir() if path.suffix.startswith(".json"))
    assert names == [f"{FIRST}.json", f"{SECOND}.json", "conversion_report.json", "index.jsonl"]
    report = json.loads((converted / "data/dali/conversion_report.json").read_text(encoding="utf-8"))
    assert (report["command"], report["counts"]["songs"]) == ("dali convert", 2)


def test_convert_takes_its_folder_from_the_environment(runner, here, levels, monkeypatch):
    dali_files.write_song(here / "elsewhere", FIRST, levels)
    monkeypatch.setenv("MELISMA_DALI", str(here / "elsewhere"))
    result = runner.invoke(app, ["dali", "convert", "-j", "1", "--json"])
    assert json.loads(result.stdout)["counts"]["songs"] == 1


def test_convert_without_files_writes_nothing(runner, here):
    (here / "empty").mkdir()
    result = runner.invoke(app, ["dali", "convert", "empty"])
    assert (result.exit_code, result.stderr) == (
        2,
        "error: empty holds no .gz file: give the folder of DALI's annotations\n",
    )
    assert [path.name for path in here.iterdir()] == ["empty"]


def test_list_prints_a_line_a_song(runner, converted):
    result = runner.invoke(app, ["dali", "list"])
    assert result.stdout == f"{FIRST}  en  0.900  Ana - One\n{SECOND}  de  0.700  Ben - Two\n"
    result = runner.invoke(app, ["dali", "list", "--min-ncc", "0.8", "--json"])
    assert [song["id"] for song in json.loads(result.stdout)] == [FIRST]
    result = runner.invoke(app, ["dali", "list", "--with-audio"])
    assert (result.stdout, result.stderr) == ("", "0 songs\n")


def test_info_says_all_that_is_known(runner, converted):
    found = json.loads(runner.invoke(app, ["dali", "info", FIRST, "--json"]).stdout)
    assert (found["artist"], found["words"], found["notes"], found["frame_rate"], found["recording"]) == (
        "Ana",
        34,
        45,
        1200.0,
        "",
    )
    result = runner.invoke(app, ["dali", "info", "nobody"])
    assert (result.exit_code, result.stderr) == (2, "error: there is no song of DALI 'nobody'\n")


def test_show_prints_a_level_or_the_tree(runner, converted):
    lines = runner.invoke(app, ["dali", "show", FIRST]).stdout.splitlines()
    assert lines[0] == "5.128   9.783   Morning opens like a window"
    tree = json.loads(runner.invoke(app, ["dali", "show", FIRST, "--vertical", "--repaired"]).stdout)
    assert tree["hierarchical"][0]["text"][0]["text"][0]["text"][1]["text"] == "ing"
    words = json.loads(runner.invoke(app, ["dali", "show", FIRST, "--level", "words", "--json"]).stdout)
    assert words[0]["text"] == "Morning"
    result = runner.invoke(app, ["dali", "show", FIRST, "--level", "bars"])
    assert result.exit_code == 2
    assert "no level is called 'bars'" in result.stderr


def test_stats_counts(runner, converted):
    found = json.loads(runner.invoke(app, ["dali", "stats", "--json"]).stdout)
    assert found["total"]["all songs"]["songs"] == 2
    assert "german" not in runner.invoke(app, ["dali", "stats"]).stdout


def test_nothing_converted_is_one_sentence(runner, here):
    result = runner.invoke(app, ["dali", "list"])
    assert result.exit_code == 2
    assert result.stderr.startswith("error: data/dali holds no index.jsonl: convert DALI's files first")


def test_nothing_to_match_or_to_cut_is_one_sentence(runner, converted):
    result = runner.invoke(app, ["dali", "match"])
    assert result.exit_code == 2
    assert "none of 2 songs has a recording in data/dali_audio: get them with download" in result.stderr
    result = runner.invoke(app, ["dali", "segment"])
    assert result.exit_code == 2
    assert "match.jsonl cannot be read: No such file or directory: run melisma dali match first" in result.stderr
    result = runner.invoke(app, ["dali", "segment", "--valid", "0.9", "--test", "0.9"])
    assert result.exit_code == 2
    assert "valid and test must be more than nothing and leave something to train on" in result.stderr
    result = runner.invoke(app, ["dali", "match", "--id", "@nowhere.txt"])
    assert (result.exit_code, "nowhere.txt is no list of songs" in result.stderr) == (2, True)
    assert not (converted / "data" / "dali_segments").exists()


def test_vanished_videos_are_in_the_report(runner, here, levels):
    pytest.importorskip("yt_dlp")
    dali_files.write_song(here / "DALI_v1.0", FIRST, levels, url="None")
    assert runner.invoke(app, ["dali", "convert", "-j", "1"]).exit_code == 0
    result = runner.invoke(app, ["dali", "download", "--pause", "0"])
    assert result.exit_code == 0, result.stderr
    report = json.loads((here / "data/dali_audio/download_report.json").read_text(encoding="utf-8"))
    assert report["details"] == {"vanished": [FIRST], "to_be_tried_again": []}
    assert report["counts"]["refused"] == 1


def test_a_refused_file_is_told_by_the_exit_code_and_the_others_are_converted(runner, here, levels):
    dali_files.write_song(here / "DALI_v1.0", FIRST, levels)
    (here / "DALI_v1.0" / f"{'f' * 32}.gz").write_bytes(b"no gzip")
    result = runner.invoke(app, ["dali", "convert", "-j", "1"])
    assert result.exit_code == 1
    report = json.loads((here / "data/dali/conversion_report.json").read_text(encoding="utf-8"))
    assert (report["counts"]["songs"], report["counts"]["refused"]) == (1, 1)
