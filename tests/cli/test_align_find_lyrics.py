"""`melisma align song.wav --artist … --title …`: lyrics that are looked for, from a real server on loopback."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

sys.path.insert(0, str(Path(__file__).parents[1] / "lyrics"))

from lyrics_server import as_json, track

from melisma.cli.main import app

WORDS = ["Over", "the", "river", "under", "the", "moon"]


@pytest.fixture
def tagged(tmp_path):
    """Six seconds of noise whose tags say what it is."""
    path = tmp_path / "song.flac"
    with soundfile.SoundFile(path, "w", 16000, 1) as file:
        file.artist, file.title, file.album = "Ana Lund", "The River", "Water"
        file.write(np.random.default_rng(1).normal(0, 0.1, 96_000))
    return path


def align(runner, *arguments):
    return runner.invoke(app, ["align", *map(str, arguments), "--engine", "steady", "--language", "en"])


def test_lyrics_are_found_by_names_and_length(runner, here, engines, server, song):
    server.routes["/api/get"] = as_json(track(duration=3))
    done = align(runner, song.audio, "--artist", "Ana Lund", "--title", "The River")
    assert done.exit_code == 0, done.stderr
    assert server.asked[0].params == {"artist_name": "Ana Lund", "track_name": "The River", "duration": "3"}
    assert "synced lyrics of 'The River' by 'Ana Lund' from http://127.0.0.1" in done.stderr
    saved = json.loads(Path("song.json").read_text(encoding="utf-8"))
    assert [word["text"] for word in saved["words"]] == WORDS


def test_names_come_from_the_tags(runner, here, engines, server, tagged):
    server.routes["/api/get"] = as_json(track(duration=6))
    done = align(runner, tagged, "--find-lyrics", "-q")
    assert (done.exit_code, done.stderr) == (0, "")
    assert server.asked[0].params == {
        "artist_name": "Ana Lund",
        "track_name": "The River",
        "album_name": "Water",
        "duration": "6",
    }


def test_what_is_given_goes_before_the_tags(runner, here, engines, server, tagged):
    server.routes["/api/get"] = as_json(track(artistName="Bo", duration=6))
    align(runner, tagged, "--artist", "Bo")
    assert server.asked[0].params["artist_name"] == "Bo"
    assert server.asked[0].params["track_name"] == "The River"


def test_lyrics_that_are_given_are_not_looked_for(runner, here, engines, server, song):
    done = align(runner, song.audio, song.lyrics, "--artist", "Ana Lund", "--title", "The River")
    assert done.exit_code == 0
    assert server.asked == []


def test_the_version_of_another_length_gives_its_words(runner, here, engines, server, song):
    server.routes["/api/get"] = as_json(track(duration=203))
    done = align(runner, song.audio, "--artist", "Ana Lund", "--title", "The River")
    assert done.exit_code == 0
    assert "plain lyrics" in done.stderr
    assert "warning: the lyrics are of a version of 203 s, the recording lasts 3 s" in done.stderr


def test_nothing_found_says_where_and_how_to_go_on(runner, here, engines, server, song):
    done = align(runner, song.audio, "--artist", "Ana Lund", "--title", "The River")
    assert done.exit_code == 2
    assert "lrclib knows no such song" in done.stderr
    assert done.stderr.endswith("give them as LYRICS, or try other names (melisma lyrics find)\n")
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--artist", "Ana Lund"], "does not say its title in its tags: give --title"),
        (["--find-lyrics"], "does not say its artist and title in its tags: give --artist and --title"),
        (["lyrics.txt", "--find-lyrics"], "lyrics are either given or looked for"),
        (["--artist", "", "--title", "x"], "does not say its artist"),
    ],
)
def test_what_cannot_be_looked_for(runner, here, engines, server, song, arguments, said):
    done = align(runner, song.audio, *arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert server.asked == []
    assert list(here.iterdir()) == []


def test_a_recording_that_is_none_is_said_before_anybody_is_asked(runner, here, engines, server, tmp_path):
    done = align(runner, tmp_path / "nothing.mp3", "--artist", "a", "--title", "b")
    assert done.exit_code == 2
    assert "there is no such file" in done.stderr
    assert server.asked == []
