import csv
import sys
import types
from pathlib import Path

import pytest
import soundfile

from melisma.core.errors import InputError, OutputError
from melisma.core.records import Alignment, Line, Word
from melisma.evaluate import demo
from melisma.synth.words import SongText

TEXTS = (
    SongText("en", "One", ("silver rain is on the hill",)),
    SongText("hr", "Dva", ("kiša pada na grad", "", "noć")),
)


def aligner(late_ms):
    """Stand in for the pipeline: the truth itself, so many milliseconds late."""

    def align(audio, lyrics, *, language=None, engine="phone", progress=None):
        with open(Path(audio).parent / "gold.csv", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        times = [tuple(round(1000 * float(r[k])) + late_ms for k in ("start_s", "end_s")) for r in rows]
        words = tuple(Word(r["word"], int(r["line"]), *t) for r, t in zip(rows, times, strict=True))
        numbers = [w.line for w in words]
        n_lines = numbers[-1] + 1
        lines = tuple(Line(numbers.index(k), numbers.index(k) + numbers.count(k)) for k in range(n_lines))
        duration = round(1000 * soundfile.info(str(audio)).duration)
        return Alignment(words, lines, duration, language=language, engine=engine)

    return align


@pytest.fixture
def pipeline(monkeypatch):
    module = types.ModuleType("melisma.pipeline.align")
    module.align = aligner(0)
    monkeypatch.setitem(sys.modules, "melisma.pipeline.align", module)
    return module


def test_each_song_is_written_with_all_its_files(tmp_path, pipeline):
    made = demo.make(tmp_path / "out", texts=TEXTS)
    assert [song.title for song in made.songs] == ["One", "Dva"]
    for song in made.songs:
        beside = {p.name for p in song.folder.iterdir()}
        assert beside == {"audio.wav", "lyrics.txt", "gold.csv", "meta.json", "karaoke.html"} | {
            f"alignment.{suffix}" for suffix in ("json", "lrc", "ass")
        }
        assert [p.suffix for p in song.files] == [".json", ".lrc", ".ass"]
        assert song.title in song.page.read_text(encoding="utf-8")
    assert made.report.pooled.n_words == sum(len(text.split()) for t in TEXTS for text in t.lines)


@pytest.mark.parametrize(("late_ms", "hit100"), [(0, 1.0), (90, 1.0), (150, 0.0)])
def test_errors_are_measured_against_the_truth(tmp_path, pipeline, late_ms, hit100):
    pipeline.align = aligner(late_ms)
    made = demo.make(tmp_path, texts=TEXTS[:1])
    scores = made.songs[0].result.scores
    assert scores.bias == pytest.approx(late_ms / 1000, abs=0.001)
    assert scores.hit100 == made.report.pooled.hit100 == hit100


def test_the_folder_can_be_evaluated_like_any_folder_of_songs(tmp_path, pipeline):
    from melisma.evaluate.align import find_songs

    made = demo.make(tmp_path, texts=TEXTS)
    found = find_songs(tmp_path)
    assert [s.song_id for s in found] == ["en", "hr"]
    assert [s.audio for s in found] == [song.audio for song in made.songs]


def test_progress_rises_from_song_to_song_to_one(tmp_path, pipeline):
    told = []
    demo.make(tmp_path, texts=TEXTS, progress=lambda stage, share: told.append((stage, share)))
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] == 1
    assert any("Dva" in stage for stage, _ in told)


def test_what_the_pipeline_refuses_reaches_the_caller(tmp_path, pipeline):
    def refuse(*args, **options):
        raise InputError("no engine is called 'none'")

    pipeline.align = refuse
    with pytest.raises(InputError, match="no engine is called 'none'"):
        demo.make(tmp_path, texts=TEXTS)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path, pipeline):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot make the folder"):
        demo.make(tmp_path / "file", texts=TEXTS)
