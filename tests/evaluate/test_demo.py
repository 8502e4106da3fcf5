"""The demo for real: its songs are sung, aligned by the embedded model, measured and written, once for this module."""

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest

from melisma.core.errors import InputError, OutputError
from melisma.evaluate import demo
from melisma.synth.words import DEMO


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What `make` returned and what it told on the way."""
    told = []
    folder = tmp_path_factory.mktemp("demo") / "out"
    result = demo.make(folder, progress=lambda stage, share: told.append((stage, share)))
    return SimpleNamespace(result=result, told=told, folder=folder)


def test_each_song_is_written_with_all_its_files(made):
    assert [song.title for song in made.result.songs] == [text.title for text in DEMO]
    for song in made.result.songs:
        beside = {p.name for p in song.folder.iterdir()}
        assert beside == {"audio.wav", "lyrics.txt", "gold.csv", "meta.json", "karaoke.html"} | {
            f"alignment.{suffix}" for suffix in ("json", "lrc", "ass")
        }
        assert [p.suffix for p in song.files] == [".json", ".lrc", ".ass"]
        assert all(p.stat().st_size for p in song.folder.iterdir())
        assert json.dumps(song.title)[1:-1] in song.page.read_text(encoding="utf-8")


def test_every_word_is_timed_and_most_are_on_time(made):
    for song, text in zip(made.result.songs, DEMO, strict=True):
        assert [w.text for w in song.alignment.words] == " ".join(text.lines).split()
        assert song.result.note == ""
        assert song.result.scores.coverage == 1.0
    assert made.result.report.pooled.n_words == sum(len(line.split()) for text in DEMO for line in text.lines)
    assert made.result.report.pooled.hit100 > 0.8, made.result.report.table()


@pytest.mark.slow
def test_the_figure_that_is_promised_for_the_demo(made):
    assert made.result.report.pooled.hit100 >= 0.95, made.result.report.table()


def test_errors_are_those_of_the_files_against_the_truth_beside_them(made):
    for song in made.result.songs:
        with (song.folder / "gold.csv").open(encoding="utf-8", newline="") as file:
            gold = [float(row["start_s"]) for row in csv.DictReader(file)]
        words = json.loads(song.files[0].read_text(encoding="utf-8"))["words"]
        errors = np.array([word["start_ms"] / 1000 for word in words]) - gold
        np.testing.assert_allclose(song.result.errors, errors, atol=0.001)  # the file's times are rounded to 1 ms
        assert song.result.scores.hit100 == pytest.approx(np.mean(np.abs(errors) <= 0.1), abs=1.5 / len(errors))


def test_the_folder_can_be_evaluated_like_any_folder_of_songs(made):
    from melisma.evaluate.align import find_songs

    found = find_songs(made.folder)
    assert [s.song_id for s in found] == ["en", "fr", "hr"]
    assert [s.audio for s in found] == [song.audio for song in made.result.songs]


def test_progress_rises_from_song_to_song_to_one(made):
    shares = [share for _, share in made.told]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] == 1
    assert any("Tiho pada kiša" in stage for stage, _ in made.told)


def test_what_the_pipeline_refuses_reaches_the_caller(tmp_path):
    with pytest.raises(InputError, match="no engine is called 'none'"):
        demo.make(tmp_path, engine="none", texts=DEMO[:1])


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot make the folder"):
        demo.make(tmp_path / "file")
