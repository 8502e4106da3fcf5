"""`melisma lyrics`, as a user runs it, against a real server on loopback."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "lyrics"))

from lyrics_server import PLAIN, SYNCED, Reply, as_json, track

from melisma.cli.main import app
from melisma.core.records import Alignment, Line, Word
from melisma.formats.load import load


def find(runner, *arguments):
    return runner.invoke(app, ["lyrics", "find", "Ana Lund", "The River", *arguments])


def test_lyrics_go_to_standard_output_and_where_from_to_standard_error(runner, here, server):
    server.routes["/api/get"] = as_json(track())
    done = find(runner, "--duration", "203", "--album", "Water")
    assert done.exit_code == 0
    assert done.stdout == SYNCED + "\n"
    assert "synced lyrics of 'The River' by 'Ana Lund' from http://127.0.0.1" in done.stderr
    assert server.asked[0].params["album_name"] == "Water"
    assert list(here.iterdir()) == []


def test_an_answer_is_kept_for_the_next_time(runner, here, server):
    server.routes["/api/get"] = as_json(track())
    first, second = find(runner), find(runner)
    assert first.stdout == second.stdout
    assert len(server.asked) == 1
    find(runner, "--no-cache")
    assert len(server.asked) == 2


def test_files_by_their_names(runner, here, server):
    server.routes["/api/get"] = as_json(track())
    assert find(runner, "-o", "song.lrc").exit_code == 0
    assert find(runner, "-o", "song.txt", "-q").stderr == ""
    assert Path("song.lrc").read_text(encoding="utf-8") == SYNCED + "\n"
    assert Path("song.txt").read_text(encoding="utf-8") == PLAIN


def test_an_lrc_file_is_not_made_of_plain_text(runner, here, server):
    server.routes["/api/get"] = as_json(track(syncedLyrics=None))
    done = find(runner, "-o", "song.lrc")
    assert done.exit_code == 2
    assert "lrclib has the words without times" in done.stderr
    assert list(here.iterdir()) == []
    assert "would be LRC" in find(runner, "-o", "song.lrc", "--plain").stderr


def test_json(runner, here, server):
    server.routes["/api/get"] = as_json(track(duration=240))
    server.routes["/api/search"] = as_json([])
    done = find(runner, "--json", "--duration", "203", "-o", "song.txt")
    said = json.loads(done.stdout)
    assert said["provider"] == "lrclib"
    assert said["synced"] is False
    assert said["text"] == PLAIN
    assert said["output"] == "song.txt"
    assert "another" not in said["warnings"][0]
    assert "a version of 240 s" in said["warnings"][0]


def test_not_found_is_one_sentence_and_exit_code_two(runner, here, server):
    done = find(runner)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: no lyrics of 'The River' by 'Ana Lund' were found: folder was not asked")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--provider", "nobody"], "no lyrics provider is called 'nobody'; there are: folder, genius, lrclib"),
        (["-o", "nowhere/song.txt"], "there is no folder nowhere"),
        (["-o", "."], "it is a folder"),
        (["-o", "-", "--json"], "choose one"),
        (["--duration", "1e9"], "a song lasts"),
    ],
)
def test_what_cannot_be_done_is_said_before_anybody_is_asked(runner, here, server, arguments, said):
    done = find(runner, *arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert server.asked == []


def test_retries_say_nothing_on_standard_output(server, tmp_path):
    """In a process of its own: another test may have told stamina to be silent."""
    server.routes["/api/get"] = [Reply(503, headers={"Retry-After": "0"}), as_json(track())]
    command = [sys.executable, "-m", "melisma.cli.main", "lyrics", "find", "Ana Lund", "The River"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, SYNCED + "\n")
    assert len(server.asked) == 2
    assert done.stderr.count("\n") == 1


def test_providers_are_listed_with_what_they_lack(runner, here, server, monkeypatch):
    done = runner.invoke(app, ["lyrics", "providers"])
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["folder", "lrclib", "genius"]
    monkeypatch.setenv("MELISMA_LYRICS_PROVIDERS", "genius")
    (listed,) = json.loads(runner.invoke(app, ["lyrics", "providers", "--json"]).stdout)
    assert listed["name"] == "genius"
    assert not listed["ready"]
    assert "GENIUS_ACCESS_TOKEN" in listed["missing"]


@pytest.fixture
def heard(tmp_path):
    """Six words as another program writes them, and an LRC that is two seconds late."""
    words = [("over", 10.0), ("the", 10.5), ("river", 11.0), ("under", 14.0), ("the", 14.5), ("moon", 15.0)]
    rows = [{"text": text, "start": at, "end": at + 0.4} for text, at in words]
    made = Alignment(
        tuple(Word(row["text"], 0, round(row["start"] * 1000), round(row["end"] * 1000), 0.9) for row in rows),
        (Line(0, 6),),
        30_000,
        language="en",
    )
    lrc = tmp_path / "song.lrc"
    lrc.write_text("[00:12.00]Over the river\n[00:16.00]under the moon\n", encoding="utf-8")
    return made.save(tmp_path / "heard.json"), lrc


def test_words_are_put_into_lines(runner, here, heard):
    done = runner.invoke(app, ["lyrics", "regroup", *map(str, heard), "-o", "out.json", "--json"])
    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["regroup_mode_used"], said["skipped_words"], said["skipped_words_ratio"]) == ("hybrid", 0, 0.0)
    assert said["offset_s"] == pytest.approx(-2.0, abs=0.1)
    made = load("out.json")
    assert [made.line_text(i) for i in range(2)] == ["over the river", "under the moon"]
    assert "6 words in 2 lines (hybrid), 0 of them in no line" in done.stderr


def test_how_far_off_a_word_may_be_and_how_many_can_be_set(runner, here, tmp_path):
    words = [
        ("over", 10.0),
        ("the", 10.5),
        ("river", 11.0),
        ("ooh", 12.4),
        ("under", 16.0),
        ("the", 16.5),
        ("moon", 17.0),
    ]
    placed = tuple(Word(text, 0, round(1000 * at), round(1000 * at) + 400, 0.9) for text, at in words)
    heard = Alignment(placed, (Line(0, 7),), 30_000, language="en").save(tmp_path / "heard.json")
    lrc = tmp_path / "song.lrc"
    lrc.write_text("[00:10.00]Over the river\n[00:12.00]\n[00:16.00]under the moon\n", encoding="utf-8")

    def said(*options):
        done = runner.invoke(app, ["lyrics", "regroup", str(heard), str(lrc), "-o", "out.json", "--json", *options])
        assert done.exit_code == 0, done.stderr
        found = json.loads(done.stdout)
        return found["regroup_mode_used"], found["skipped_words"]

    assert said() == ("hybrid", 0)
    assert said("--tolerance", "0.2") == ("hybrid", 1)
    assert said("--tolerance", "0.2", "--max-skipped", "0.1") == ("gaps", 1)


def test_lyrics_without_times_make_no_lines(runner, here, heard, tmp_path):
    (tmp_path / "plain.txt").write_text("Over the river", encoding="utf-8")
    done = runner.invoke(app, ["lyrics", "regroup", str(heard[0]), str(tmp_path / "plain.txt")])
    assert done.exit_code == 2
    assert "time no line" in done.stderr
    assert list(here.iterdir()) == []


def test_what_is_read_is_not_written_over(runner, here, heard):
    before = heard[0].read_bytes()
    done = runner.invoke(app, ["lyrics", "regroup", *map(str, heard), "-o", str(heard[0])])
    assert done.exit_code == 2
    assert heard[0].read_bytes() == before
