"""A benchmark of two short songs, run once for all tests: phone twice, an engine without its key, and auto."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from melisma.core.errors import InputError, UnknownName
from melisma.evaluate import align as evaluation
from melisma.evaluate import bench as benchmark
from melisma.evaluate import bench_files, bench_run
from melisma.evaluate.bench import THIS_RUN, Bench, BenchConfig, bench, summarise
from melisma.evaluate.bench_figures import NAMES
from melisma.evaluate.bench_run import EngineRuns, Facts, Run, Samples, Worker, read, run_engine
from melisma.pipeline.settings import RouterSettings
from melisma.synth import write
from melisma.synth.score import SongConfig, write_score

TEXTS = {"plage": ("Le soleil descend sur la plage",), "nuit": ("Donne-moi la main", "dans la nuit")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("songs")
    for name, lines in TEXTS.items():
        write.save(write_score(SongConfig("fr", lines, tempo_bpm=100.0, seed=5, intro_bars=1)), root / name)
    return root


@pytest.fixture(scope="module")
def result(folder: Path) -> Bench:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MELISMA_GROQ_API_KEY", "GROQ_API_KEY"):
            patch.delenv(name, raising=False)
        return bench(folder, BenchConfig(("phone", "groq"), repeats=2, baseline_engine="phone"))


def test_every_song_is_measured_by_the_engine_that_can_run(result: Bench):
    phone = result.engines[0]
    assert [song.song_id for song in phone.songs] == ["nuit", "plage"]
    assert phone.pooled.mean.coverage == 1.0
    assert phone.pooled.mean.hit150 > 0.8
    assert phone.pooled.spread.aae == 0.0  # the engine gives the same twice
    assert phone.lost == ()
    assert phone.peak_mb is None or phone.peak_mb > 50
    assert phone.facts.model_id
    assert all(song.figures.mean.seconds > 0 for song in phone.songs)


def test_what_it_measures_is_what_eval_align_measures(result: Bench, folder: Path):
    by_eval = evaluation.evaluate_songs(folder, engine="phone").pooled
    words = result.engines[0].pooled.mean
    assert words.aae == pytest.approx(by_eval.aae)
    assert (words.hit100, words.p95) == (by_eval.hit100, pytest.approx(by_eval.p95))


def test_an_engine_that_lacks_something_is_a_row_that_says_what(result: Bench):
    groq = result.engines[1]
    assert "GROQ_API_KEY" in groq.facts.missing
    assert (groq.songs, groq.pooled, groq.verdict, groq.go) == ((), None, None, False)
    assert not result.go
    table = bench_files.table(result)
    assert "groq             not run: " in table
    assert "groq: no-go (it did not run)" in table


def test_the_songs_are_told_by_length_and_hash(result: Bench, folder: Path):
    song = result.songs[0]
    assert (song.song_id, song.language, song.n_words, song.n_lines) == ("nuit", "fr", 6, 2)
    assert song.duration_s > 3
    assert song.gold_sha256 == benchmark.sha256(folder / "nuit" / "gold.csv")


def test_json_gives_the_baseline_of_a_later_run(result: Bench, folder: Path, tmp_path: Path):
    found = bench_files.as_dict(result)
    path = tmp_path / "bench.json"
    path.write_text(json.dumps(found, allow_nan=False), encoding="utf-8")
    words = found["engines"][0]["songs"]["nuit"]["errors_ms"]
    assert len(words) == 6
    assert all(isinstance(error, int) for error in words)
    base = bench_files.read_baseline(path)
    assert (base.engine, base.aae) == ("phone", round(result.engines[0].pooled.mean.aae, 6))
    base.check(result.songs)
    judged = benchmark.with_verdict(result.engines[0], replace(base, aae=2 * base.aae))
    assert judged.gain == pytest.approx(0.5, abs=1e-4)
    assert judged.go
    with pytest.raises(InputError, match="is a run on other songs"):
        base.check(result.songs[:1])


def test_an_engine_is_not_held_against_itself(result: Bench):
    assert result.baseline.source == THIS_RUN
    assert result.engines[0].gain is None
    assert result.engines[0].go


def test_csv_has_a_row_for_each_song_and_two_for_each_engine(result: Bench):
    rows = list(csv.DictReader(io.StringIO(bench_files.as_csv(result))))
    assert [(row["engine"], row["song"]) for row in rows] == [
        ("phone", "nuit"), ("phone", "plage"), ("phone", "mean of songs"), ("phone", "pooled words"), ("groq", ""),
    ]  # fmt: skip
    assert float(rows[3]["aae"]) == pytest.approx(result.engines[0].pooled.mean.aae, abs=1e-6)
    assert rows[0].keys() >= {*NAMES, *(f"{name}_spread" for name in NAMES), "note"}
    assert (rows[4]["aae"], "GROQ_API_KEY" in rows[4]["note"]) == ("", True)


# ---- songs that fail ----


@pytest.fixture
def broken(folder: Path, tmp_path: Path) -> Path:
    """A song whose recording is none, beside one that is sound."""
    for name in TEXTS:
        (tmp_path / name).mkdir()
        for file in (folder / name).iterdir():
            (tmp_path / name / file.name).write_bytes(file.read_bytes())
    (tmp_path / "nuit" / "audio.wav").write_bytes(b"<html>")
    return tmp_path


def test_a_recording_that_cannot_be_read_is_lost_and_says_so(broken: Path, tmp_path: Path):
    songs = [read(song) for song in evaluation.find_songs(broken)]
    samples = Samples(tmp_path)
    facts = bench_run.facts_of("phone", RouterSettings.from_env())
    runs = run_engine(facts, songs, 1, samples, tmp_path, lambda stage, share: None)
    found = summarise(runs, songs, [0.0, 10.0])
    assert found.lost == ("nuit",)
    assert "audio.wav" in found.songs[0].note
    assert math.isnan(found.songs[0].figures.mean.aae)
    assert found.pooled.mean.coverage == pytest.approx(6 / 12)
    judged = benchmark.with_verdict(found, None)
    assert "lost songs" in [check.name for check in judged.verdict.failed]
    made = Bench((), (judged,), 1, "a machine")
    assert "phone: nuit: lost: " in bench_files.table(made)


def test_an_engine_that_cannot_take_the_language_loses_the_song(folder: Path, tmp_path: Path):
    song = read(evaluation.find_songs(folder)[0])
    song = replace(song, song=replace(song.song, language="xx"))
    path = Samples(tmp_path).of(song.song, 16_000)
    run = bench_run.run("phone", song, path, RouterSettings(state=tmp_path))
    assert run.note.startswith("lost: ")
    assert "xx" in run.note
    assert np.isnan(run.errors).all()


def test_a_process_that_dies_costs_the_song_and_the_next_one_is_measured(folder: Path, tmp_path: Path):
    import os

    song = read(evaluation.find_songs(folder)[0])
    path = Samples(tmp_path).of(song.song, 16_000)
    settings = RouterSettings(state=tmp_path)
    with Worker() as worker:
        worker.load("phone")
        worker._pool.submit(os._exit, 7)
        died = worker.run("phone", song, path, settings)
        assert "process died" in died.note
        assert worker.run("phone", song, path, settings).note == ""


def test_samples_are_decoded_once_for_each_rate(folder: Path, tmp_path: Path):
    song = evaluation.find_songs(folder)[0]
    samples = Samples(tmp_path)
    first, again, other = samples.of(song, 16_000), samples.of(song, 16_000), samples.of(song, 8_000)
    assert first == again != other
    assert len(np.load(first)) == pytest.approx(2 * len(np.load(other)), abs=2)
    assert np.load(first).dtype == np.float32


def test_one_lost_repeat_loses_the_song(folder: Path):
    song = read(evaluation.find_songs(folder)[0])
    good = Run(np.zeros(6), 1.0)
    runs = EngineRuns(Facts("phone"), ((good, bench_run.lost(song, "no memory")),))
    found = summarise(runs, [song], [10.0])
    assert (found.lost, found.songs[0].note) == (("nuit",), "lost: no memory")
    assert found.pooled.mean.hit150 == 0.5
    assert found.pooled.spread.hit150 == pytest.approx(math.sqrt(0.5))


# ---- what is refused ----


def test_other_lyrics_than_the_gold_words_are_refused(broken: Path):
    (broken / "nuit" / "lyrics.txt").write_text("autre chose", encoding="utf-8")
    with pytest.raises(InputError, match=r"its 2 words are not the 6 of gold\.csv"):
        read(evaluation.find_songs(broken)[0])


@pytest.mark.parametrize(
    ("config", "error", "sentence"),
    [
        (BenchConfig(()), InputError, "needs the name of an engine"),
        (BenchConfig(("nobody",)), UnknownName, "no engine is called 'nobody'; there are: auto"),
        (BenchConfig(("phone", "phone")), InputError, "named twice"),
        (BenchConfig(("phone",), repeats=0), InputError, "repeats is a positive number"),
        (BenchConfig(("phone",), baseline_engine="auto"), InputError, "'auto' is none of the engines"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_any_song(config, error, sentence, tmp_path):
    with pytest.raises(error, match=sentence):
        bench(tmp_path / "nothing", config)


def test_a_baseline_that_cannot_run_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("MELISMA_GROQ_API_KEY", "GROQ_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match="the baseline 'groq' cannot run here"):
        bench(folder, BenchConfig(("groq",), repeats=1, baseline_engine="groq"))


RUN = {
    "schema": "melisma.bench/1",
    "songs": [{"gold_sha256": "a", "audio_sha256": "b"}],
    "engines": [
        {"name": "v1", "pooled": {"mean": {"aae": 0.25}}},
        {"name": "v2", "pooled": {"mean": {"aae": 0.1}}},
        {"name": "none", "pooled": None},
        {"name": "silent", "pooled": {"mean": {"aae": None}}},
    ],
}


def test_a_baseline_of_several_engines_is_named(tmp_path: Path):
    path = tmp_path / "run.json"
    path.write_text(json.dumps(RUN), encoding="utf-8")
    assert bench_files.read_baseline(path, "v1").aae == 0.25
    with pytest.raises(InputError, match="has the engines silent, v1, v2: name one"):
        bench_files.read_baseline(path)
    for name in ("none", "silent", "v3"):
        with pytest.raises(InputError, match=f"has no AAE of the engine '{name}'"):
            bench_files.read_baseline(path, name)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"schema": "melisma.alignment/1"}', '{"schema": "melisma.bench/1", "songs": 1}', "[" * 9999],
)
def test_what_is_no_earlier_run_is_refused(text: str, tmp_path: Path):
    path = tmp_path / "run.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"is no melisma\.bench/1"):
        bench_files.read_baseline(path)


def test_an_earlier_run_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"cannot read .*gone"):
        bench_files.read_baseline(tmp_path / "gone.json")
