import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from melisma.core import settings
from melisma.core.errors import InputError
from melisma.core.records import BACKING, Alignment, Line, Word
from melisma.evaluate import align as evaluation

SHARED = Path(os.environ.get("MELISMA_SHARED", Path(__file__).parents[3] / "shared")).resolve()
YARDSTICK = SHARED / "tools" / "score_alignment.py"
needs_yardstick = pytest.mark.skipif(not YARDSTICK.is_file(), reason="no yardstick: set MELISMA_SHARED")


@pytest.fixture
def folder(tmp_path):
    """Two songs of three words each; no recording in them is ever decoded here."""
    for song_id, language in (("b-song", "fr"), ("a-song", "en")):
        song = tmp_path / "songs" / song_id
        song.mkdir(parents=True)
        (song / "audio.mp3").write_bytes(b"")
        (song / "lyrics.txt").write_text("un deux\ntrois\n", encoding="utf-8")
        gold = "line,word,start_s,end_s\n0,un,1.000,1.2\n0,deux,2.000,2.2\n1,trois,3.000,3.2\n"
        (song / "gold.csv").write_text(gold, encoding="utf-8")
        (song / "meta.json").write_text(json.dumps({"language": language}), encoding="utf-8")
    return tmp_path / "songs"


def aligned(song, errors_ms):
    """Make an alignment that is off by the errors, in ms; None for an unsung word. Starts never go back."""
    words, last = [], 0
    for text, onset, error in zip(song.words, song.onsets_s, errors_ms, strict=True):
        if error is None:
            words.append(Word(text, 0, None, None))
            continue
        last = max(last, round(onset * 1000) + error)
        words.append(Word(text, 0, last, last))
    return Alignment(tuple(words), (Line(0, len(words)),), last + 1)


def write(alignment, path):
    """Write only what the yardstick reads."""
    words = [{"text": w.text, "start_ms": w.start_ms} for w in alignment.words]
    path.write_text(json.dumps({"words": words}), encoding="utf-8")


def test_songs_are_read_in_the_order_of_their_ids(folder):
    songs = evaluation.find_songs(folder)
    assert [(s.song_id, s.language) for s in songs] == [("a-song", "en"), ("b-song", "fr")]
    assert songs[0].words == ("un", "deux", "trois")
    assert songs[0].onsets_s == (1.0, 2.0, 3.0)


def test_scores_of_one_song(folder):
    song = evaluation.find_songs(folder)[0]
    result = evaluation.score(song, aligned(song, [100, None, -50]))
    np.testing.assert_allclose(result.errors, [0.1, np.nan, -0.05])
    assert result.note == ""
    assert result.scores.coverage == pytest.approx(2 / 3)


def test_other_words_lose_the_song(folder):
    song = evaluation.find_songs(folder)[0]
    other = Alignment((Word("un", 0, 1000, 1100),), (Line(0, 1),), 2000)
    result = evaluation.score(song, other)
    assert result.note == "lost: 1 words for 3, or other spellings"
    assert result.scores.coverage == 0
    assert evaluation.report([result]).failed == ("a-song",)


def test_lines_out_of_order_backing_words_and_unsung_words_are_scored(folder):
    gold = "word,start_s\nun,5.0\ndeux,6.0\ntrois,1.0\n"
    (folder / "a-song" / "gold.csv").write_text(gold, encoding="utf-8")
    song = evaluation.find_songs(folder)[0]
    words = (
        Word("un", 0, 5100, 5900),
        Word("deux", 0, None, None),
        Word("trois", 1, 900, 5200, voice=BACKING),
    )
    made = Alignment(words, (Line(0, 2), Line(2, 3)), 9000)
    made.check()
    result = evaluation.score(song, made)
    np.testing.assert_allclose(result.errors, [0.1, np.nan, -0.1], atol=1e-12)
    assert (result.scores.coverage, result.scores.hit150, result.note) == (2 / 3, 2 / 3, "")
    assert result.scores.aae == pytest.approx(0.1)


def test_a_score_over_nothing_is_null_in_json(folder):
    song = evaluation.find_songs(folder)[0]
    report = evaluation.report([evaluation.lost(song, "no reason")]).as_dict()
    assert report["songs"]["a-song"]["aae"] is None
    assert report["lost"] == ["a-song"]
    json.dumps(report, allow_nan=False)


def yardstick(songs, alignments, out):
    command = [sys.executable, str(YARDSTICK), str(songs), str(alignments), "--json", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout, json.loads(out.read_text(encoding="utf-8"))


def same(ours, theirs):
    """Compare with the yardstick's JSON, which says NaN where we say null."""
    plain = json.loads(json.dumps(theirs).replace("NaN", "null"))
    assert ours["lost"] == plain["lost"]
    assert list(ours["songs"]) == list(plain["songs"])
    for name, row in [*ours["songs"].items(), ("mean", ours["mean"]), ("pooled", ours["pooled"])]:
        other = plain["songs"].get(name) or plain[name]
        for key in other.keys() - {"note", "language"}:
            assert row[key] == (None if other[key] is None else pytest.approx(other[key], abs=1e-9)), (name, key)


@needs_yardstick
@pytest.mark.parametrize("seed", [1, 2])
def test_table_and_numbers_are_the_yardsticks(tmp_path, seed):
    """On the real songs, with alignments that hit, miss, derail and leave words out, and one song without any."""
    rng = np.random.default_rng(seed)
    results = []
    for k, song in enumerate(evaluation.find_songs(SHARED / "songs")):
        if k == 3:
            results.append(evaluation.SongResult(**fields_of(evaluation.lost(song, "FileNotFoundError"))))
            continue
        sizes = rng.choice([20, 120, 280, 400, 3000], p=[0.6, 0.2, 0.1, 0.07, 0.03])
        errors = [None if rng.random() < 0.05 else int(e) for e in rng.normal(0, sizes, len(song.words))]
        alignment = aligned(song, errors)
        write(alignment, tmp_path / f"{song.song_id}.json")
        results.append(evaluation.score(song, alignment))
    report = evaluation.report(results)
    text, numbers = yardstick(SHARED / "songs", tmp_path, tmp_path / "out.json")
    assert report.table().splitlines() == [line.rstrip() for line in text.splitlines()]
    same(report.as_dict(), numbers)


def fields_of(result):
    return {name: getattr(result, name) for name in result.__slots__}


def test_a_song_that_fails_is_lost_with_its_reason_and_the_others_go_on(folder, tmp_path):
    seen = []
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a-song.json").write_text("left by an earlier run")
    report = evaluation.evaluate_songs(
        folder, tmp_path / "out", progress=lambda name, share: seen.append((name, share))
    )
    assert seen == [("a-song", 0.5), ("b-song", 1.0)]
    assert report.failed == ("a-song", "b-song")
    assert all(song.note.startswith("lost: ") and "audio.mp3" in song.note for song in report.songs)
    assert os.listdir(tmp_path / "out") == []


def test_songs_in_processes_of_their_own(folder):
    report = evaluation.evaluate_songs(folder, jobs=2)
    assert report.failed == ("a-song", "b-song")
    assert report.as_dict() == evaluation.evaluate_songs(folder).as_dict()


@pytest.mark.parametrize(("jobs", "share"), [(2, 3), (8, 1)])
def test_processes_share_the_threads(monkeypatch, jobs, share):
    monkeypatch.setenv("MELISMA_THREADS", "6")
    settings.n_threads.cache_clear()
    try:
        with evaluation._pool(jobs) as pool:
            assert pool.submit(settings.n_threads).result() == share
        assert settings.n_threads() == 6
    finally:
        settings.n_threads.cache_clear()


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no song with a gold\.csv under"):
        evaluation.find_songs(tmp_path)


def test_a_song_without_its_recording_is_refused(folder):
    (folder / "a-song" / "audio.mp3").unlink()
    with pytest.raises(InputError, match=r"a-song holds 0 files audio"):
        evaluation.find_songs(folder)


def test_a_song_with_two_recordings_is_refused(folder):
    (folder / "a-song" / "audio.ogg").write_bytes(b"")
    with pytest.raises(InputError, match=r"a-song holds 2 files audio"):
        evaluation.find_songs(folder)


@pytest.mark.parametrize("name", ["lyrics.txt", "meta.json"])
def test_a_song_without_a_file_is_refused(folder, name):
    (folder / "b-song" / name).unlink()
    with pytest.raises(InputError, match=rf"b-song holds no {name}"):
        evaluation.find_songs(folder)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("gold.csv", "a,b\n1,2\n", r"gold\.csv is not a table with the columns word and start_s"),
        ("gold.csv", "word,start_s\nun,soon\n", r"gold\.csv is not a table"),
        ("gold.csv", "word,start_s\n", r"gold\.csv holds no word"),
        ("gold.csv", "word,start_s\nun,1\ndeux,nan\n", r"gold\.csv, row 2 \(deux\): start_s is no time"),
        ("gold.csv", "word,start_s\nun,inf\n", r"gold\.csv, row 1 \(un\): start_s is no time"),
        ("gold.csv", "word,start_s\nun,1\ndeux,2\ntrois,-0.1\n", r"row 3 \(trois\): start_s is no time .*: -0\.1"),
        ("meta.json", "{", r"meta\.json does not say the language"),
        ("meta.json", "[]", r"meta\.json does not say the language"),
    ],
)
def test_a_broken_file_is_named(folder, name, text, sentence):
    (folder / "a-song" / name).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=sentence):
        evaluation.find_songs(folder)


@pytest.mark.parametrize("name", ["gold.csv", "meta.json"])
def test_a_file_that_cannot_be_opened_is_named(folder, name):
    (folder / "a-song" / name).unlink()
    (folder / "a-song" / name).mkdir()
    with pytest.raises(InputError, match=rf"cannot read .*{name}: Is a directory"):
        evaluation.find_songs(folder)


def test_an_unknown_engine_is_refused_before_any_song(folder, tmp_path):
    with pytest.raises(InputError, match=r"no engine is called 'ears'; there are: auto, .*phone"):
        evaluation.evaluate_songs(folder, tmp_path / "out", engine="ears")
    assert not (tmp_path / "out").exists()


def test_no_job_is_refused(folder):
    with pytest.raises(InputError, match="jobs is a positive number, not 0"):
        evaluation.evaluate_songs(folder, jobs=0)


@pytest.mark.slow
@needs_yardstick
def test_the_pipeline_and_the_yardstick_agree_on_a_real_song(tmp_path):
    songs = tmp_path / "songs"
    songs.mkdir()
    real = min((SHARED / "songs").glob("*/gold.csv"), key=lambda gold: gold.stat().st_size).parent
    (songs / real.name).symlink_to(real)
    report = evaluation.evaluate_songs(songs, tmp_path / "out")
    assert report.failed == ()
    text, numbers = yardstick(songs, tmp_path / "out", tmp_path / "numbers.json")
    assert report.table().splitlines() == [line.rstrip() for line in text.splitlines()]
    same(report.as_dict(), numbers)


@pytest.mark.slow
@needs_yardstick
def test_the_figures_that_are_promised_for_the_twelve_songs():
    report = evaluation.evaluate_songs(SHARED / "songs")
    assert len(report.songs) == 12
    assert report.failed == ()
    assert len(report.lost) <= 1, report.table()
    assert report.pooled.p50 < 0.05, report.table()
    assert report.pooled.pco300 > 0.87, report.table()
