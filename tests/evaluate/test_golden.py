from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from melisma.core.errors import InputError
from melisma.evaluate import golden
from melisma.evaluate.golden import GoldenMismatch, build, check, describe, read, save
from melisma.synth.score import SongConfig, write_score

SET = Path(__file__).parents[2] / "benchmarks" / "karaoke_alignment_v2"
SMALL = SongConfig("fr", ("l'amour d'hier",), tempo_bpm=120.0, intro_bars=1, melisma=1.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A golden set of one short song."""
    song = describe("01-small", ("solo",), SMALL, tmp_path / "scratch")
    home = tmp_path / "set"
    home.mkdir()
    save(home, 3, [song])
    return home


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_set_of_the_repository_is_what_its_readme_says():
    found = read(SET)
    assert found.version == 1
    assert len(found.songs) == len({song.song_id for song in found.songs}) == 20
    assert all(30 <= song.duration_s <= 60 for song in found.songs)
    assert all(song.config.language == "fr" for song in found.songs)
    assert {song.config.singer for song in found.songs} == {"alto", "baritone", "tenor"}
    counts = {trait: sum(trait in song.traits for song in found.songs) for song in found.songs for trait in song.traits}
    assert counts == {"solo": 10, "choir": 10, "slow": 7, "medium": 7, "fast": 6, "elisions": 13, "melismas": 10}
    for song in found.songs:
        assert (song.config.choir > 0) == ("choir" in song.traits)
        assert (song.config.melisma > 0) == ("melismas" in song.traits)
        assert (sum(" ".join(song.config.lines).count(mark) for mark in ("l'", "d'", "u'")) >= 5) == (
            "elisions" in song.traits
        )


@pytest.mark.parametrize("number", [0, 10, 19])
def test_the_truth_comes_out_bit_for_bit(number: int):
    found = read(SET)
    check(found.songs[number], write_score(found.songs[number].config), found.speaker)


@pytest.mark.slow
def test_the_whole_set_comes_out_bit_for_bit(tmp_path: Path):
    (tmp_path / "manifest.json").write_bytes((SET / "manifest.json").read_bytes())
    assert build(tmp_path).n_songs == 20


def test_songs_are_made_and_those_that_are_there_are_left_alone(folder: Path):
    seen: list[str] = []
    built = build(folder, lambda stage, share: seen.append(stage))
    assert (built.n_songs, built.other_audio, seen) == (1, (), ["01-small"])
    song = folder / "songs" / "01-small"
    assert {path.name for path in song.iterdir()} == {"audio.wav", "lyrics.txt", "gold.csv", "meta.json"}
    before = {path.name: path.stat().st_mtime_ns for path in song.iterdir()}
    build(folder)
    assert {path.name: path.stat().st_mtime_ns for path in song.iterdir()} == before
    (song / "gold.csv").write_text("word,start_s\n", encoding="utf-8")
    build(folder)
    assert sha256(song / "gold.csv") == read(folder).songs[0].gold_sha256


def test_a_recording_that_differs_is_told_of(folder: Path):
    found = read(folder)
    save(folder, 3, [replace(found.songs[0], audio_sha256="0" * 64)])
    assert build(folder).other_audio == ("01-small",)


@pytest.mark.parametrize("field", ["lyrics_sha256", "gold_sha256"])
def test_another_truth_is_refused_and_nothing_of_it_written(folder: Path, field: str):
    found = read(folder)
    save(folder, 3, [replace(found.songs[0], **{field: "0" * 64})])
    with pytest.raises(GoldenMismatch, match=r"'01-small' are not those of the manifest, .* espeakng-loader"):
        build(folder)
    assert list((folder / "songs").iterdir()) == []


def test_what_is_written_is_read(folder: Path):
    assert read(folder).songs[0].config == SMALL


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"schema": "melisma.golden/2"}, "schema"),
        ({"songs": []}, "songs: List should have at least 1 item"),
        ({"songs": [{}]}, r"songs\.0\.id: Field required"),
        ({"more": 1}, "more: Extra inputs"),
    ],
)
def test_a_broken_manifest_is_refused_with_the_place(folder: Path, change: dict[str, object], sentence: str):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    with pytest.raises(InputError, match=sentence):
        read(folder)


@pytest.mark.parametrize("song_id", ["../../etc", "a/b", "", "A", "a\n"])
def test_a_song_is_named_so_that_it_stays_in_its_folder(folder: Path, song_id: str):
    path = folder / "manifest.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    found["songs"][0]["id"] = song_id
    path.write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(InputError, match=r"songs\.0\.id"):
        read(folder)


def test_no_manifest_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"cannot read .*manifest\.json"):
        golden.read(tmp_path)
    (tmp_path / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="is no JSON"):
        golden.read(tmp_path)
