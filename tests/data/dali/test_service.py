"""DALI's folder becomes JSON and an index, once; songs are chosen by what is known of them."""

from __future__ import annotations

import gzip
import json
import pickle

import numpy as np
import pytest

import dali_files
from melisma.core.errors import FormatError, InputError, NotFound
from melisma.data.dali.service import DaliService, Selection, convert, read_ground_truth
from melisma.data.dali.statistics import count
from melisma.scale.local import LocalExecutor
from melisma.synth.score import write_score

SONGS = (
    {"artist": "Ana", "language": "english", "ncc": 0.95, "genres": ["Pop", "Rock"], "version": 1.0},
    {"artist": "Ana", "language": "german", "ncc": 0.81, "genres": ["Schlager"], "version": 1},
    {"artist": "Ben", "language": "english", "ncc": 0.72, "genres": [], "version": 2.0, "ground_truth": True},
)


@pytest.fixture(scope="module")
def levels():
    return dali_files.levels_of(write_score(dali_files.config()))


@pytest.fixture
def folder(tmp_path, levels):
    for number, fields in enumerate(SONGS):
        dali_files.write_song(tmp_path / "DALI", dali_files.song_id(number), levels, **fields)
    return tmp_path / "DALI"


@pytest.fixture
def dali(folder, tmp_path):
    convert(folder, tmp_path / "songs", executor=LocalExecutor(1))
    return DaliService(tmp_path / "songs", tmp_path / "audio")


def numbers(dali, **fields):
    return [int(song.id, 16) for song in dali.headers(Selection(**fields))]


def test_songs_are_converted_once(folder, tmp_path):
    out = tmp_path / "songs"
    first = convert(folder, out, executor=LocalExecutor(1))
    assert first.counts == {"files": 3, "songs": 3, "reused": 0, "refused": 0}
    made = (out / f"{dali_files.song_id(0)}.json").read_bytes()
    assert json.loads(made)["origin"]["file"] == f"{dali_files.song_id(0)}.gz"
    (out / f"{dali_files.song_id(1)}.json").unlink()
    again = convert(folder, out, executor=LocalExecutor(2))
    assert again.counts == {"files": 3, "songs": 3, "reused": 2, "refused": 0}
    assert (out / f"{dali_files.song_id(0)}.json").read_bytes() == made
    assert (out / f"{dali_files.song_id(1)}.json").is_file()


def test_a_file_that_cannot_be_read_is_reported_and_the_others_are_converted(folder, tmp_path, levels):
    (folder / "broken.gz").write_bytes(b"no gzip")
    dali_files.write_gz(folder / "other.gz", pickle.dumps({"a": 1}))
    dali_files.write_song(folder, "named", levels).rename(folder / "otherwise.gz")
    report = convert(folder, tmp_path / "songs", executor=LocalExecutor(1))
    assert report.counts["songs"] == 3
    assert {problem.item: problem.message for problem in report.problems} == {
        "broken.gz": "DALI: broken.gz is no whole gzip file: Not a gzipped file (b'no')",
        "other.gz": "DALI: other.gz holds no song: attributes info and annotations are missing",
        "otherwise.gz": "DALI: otherwise.gz holds the song named: a file is named by its song",
    }
    assert not list((tmp_path / "songs").glob("named*"))


def test_ground_truth_moves_the_songs_it_names(folder, tmp_path, levels):
    truth = {dali_files.song_id(1): {"fr": np.float64(1212.0), "offset": np.float64(2.0)}}
    path = dali_files.write_gz(tmp_path / "gt.gz", pickle.dumps(truth, 2))
    convert(folder, tmp_path / "songs", ground_truth=path, executor=LocalExecutor(1))
    dali = DaliService(tmp_path / "songs")
    assert numbers(dali, ground_truth=True) == [1, 2]
    moved = dali.song(dali_files.song_id(1)).levels().words[0].time[0]
    assert moved == pytest.approx(2.0 + (levels["words"][0]["time"][0] - 0.5) * 1200 / 1212)


@pytest.mark.parametrize("values", [[1], {"a": {"fr": 1.0}}])
def test_what_is_no_ground_truth_is_refused(tmp_path, values):
    with pytest.raises(FormatError, match="gt"):
        read_ground_truth(dali_files.write_gz(tmp_path / "gt.gz", pickle.dumps(values)))


def test_songs_are_chosen_by_what_is_known_of_them(dali):
    assert numbers(dali) == [0, 1, 2]
    assert numbers(dali, languages=("en",)) == numbers(dali, languages=("English",)) == [0, 2]
    assert numbers(dali, languages=("de", "en")) == [0, 1, 2]
    assert numbers(dali, min_ncc=0.81) == [0, 1]
    assert numbers(dali, max_ncc=0.81) == [1, 2]
    assert numbers(dali, genres=("rock", "SCHLAGER")) == [0, 1]
    assert numbers(dali, artists=("ana",)) == [0, 1]
    assert numbers(dali, ground_truth=True) == [2]
    assert numbers(dali, ground_truth=False) == [0, 1]
    assert numbers(dali, versions=("1",)) == [0, 1]
    assert numbers(dali, versions=("2.0",), languages=("de",)) == []
    assert numbers(dali, ids=(dali_files.song_id(1),)) == [1]


def test_a_song_without_a_score_has_none_that_passes(folder, tmp_path, levels):
    song = dali_files.attributes("bare", levels)
    song["info"] = {"id": "bare"}
    dali_files.write_gz(folder / "bare.gz", dali_files.pickled(song))
    convert(folder, tmp_path / "songs", executor=LocalExecutor(1))
    dali = DaliService(tmp_path / "songs")
    assert "bare" not in [song.id for song in dali.headers(Selection(min_ncc=0.0))]
    header = dali.header("bare")
    assert (header.ncc, header.language, header.artist, header.genres, header.url) == (None, "und", "", (), "")


def test_faults_are_counted_and_summed(folder, tmp_path, levels):
    words = [each | {"index": 0} for each in levels["words"]]
    dali_files.write_song(folder, "wrong", levels | {"words": words})
    report = convert(folder, tmp_path / "songs", executor=LocalExecutor(1))
    assert report.details["faults"]["words: outside"] > 0
    assert DaliService(tmp_path / "songs").header("wrong").faults == report.details["faults"]


def test_recordings_are_found_by_the_name_of_their_song(dali):
    assert dali.audio_of(dali_files.song_id(0)) is None
    dali.audio.mkdir()
    for suffix in (".mp3", ".flac"):
        (dali.audio / f"{dali_files.song_id(0)}{suffix}").touch()
    assert dali.audio_of(dali_files.song_id(0)).suffix == ".flac"


def test_the_folder_of_recordings_comes_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("MELISMA_DALI_AUDIO", str(tmp_path))
    assert DaliService(tmp_path).audio == tmp_path
    monkeypatch.delenv("MELISMA_DALI_AUDIO")
    assert str(DaliService(tmp_path).audio) == "data/dali_audio"


def test_songs_are_counted_by_what_is_known_of_them(dali):
    dali.audio.mkdir()
    (dali.audio / f"{dali_files.song_id(2)}.mp3").touch()
    found = count(dali)
    assert found["total"] == {"all songs": {"songs": 3, "recordings": 1, "ground truth": 1, "words": 102, "minutes": 2}}
    assert [(name, row["songs"]) for name, row in found["language"].items()] == [("en", 2), ("de", 1)]
    assert list(found["NCC"]) == ["0.70 to 0.75", "0.80 to 0.85", "0.95 to 1.00"]
    assert list(found["genre"]) == ["Pop", "Rock", "Schlager", "none"]


def test_what_is_not_there_is_said(tmp_path, dali):
    with pytest.raises(InputError, match="convert DALI's files first"):
        list(DaliService(tmp_path).headers())
    with pytest.raises(InputError, match=r"holds no \.gz file"):
        convert(tmp_path, tmp_path / "out")
    with pytest.raises(InputError, match="cannot be read"):
        convert(tmp_path / "gone", tmp_path / "out")
    with pytest.raises(NotFound, match=r"no song of DALI '\.\./x'"):
        dali.song("../x")
    assert not (tmp_path / "out").exists()


def test_a_damaged_index_is_named_by_its_line(dali):
    path = dali.annotations / "index.jsonl"
    path.write_text(path.read_text(encoding="utf-8") + '{"id": 1}\n', encoding="utf-8")
    with pytest.raises(FormatError, match=r"line 4: .*index\.jsonl is damaged"):
        list(dali.headers())


def test_a_gzip_file_of_another_time_is_the_same_song(folder, tmp_path):
    path = folder / f"{dali_files.song_id(0)}.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), mtime=5))
    assert convert(folder, tmp_path / "songs", executor=LocalExecutor(1)).counts["songs"] == 3
