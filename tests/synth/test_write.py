import csv
import json

import numpy as np
import pytest
import soundfile

from melisma.core.errors import OutputError
from melisma.synth import songs, write
from melisma.synth.score import SongConfig, write_score

SCORE = write_score(SongConfig("fr", ("Donne-moi la main", "", "l'océan, le vent"), tempo_bpm=120))


def test_a_folder_holds_recording_lyrics_gold_and_meta(tmp_path):
    audio = write.save(SCORE, tmp_path / "a" / "fr", title="Essai")
    folder = audio.parent
    assert sorted(p.name for p in folder.iterdir()) == ["audio.wav", "gold.csv", "lyrics.txt", "meta.json"]
    samples, rate = soundfile.read(audio)
    song = songs.render(SCORE)
    assert rate == song.sample_rate
    np.testing.assert_allclose(samples, song.stereo, atol=2 / 32768)
    assert (folder / "lyrics.txt").read_text(encoding="utf-8") == song.lyrics
    with open(folder / "gold.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["word"] for r in rows] == song.lyrics.split() == ["Donne-moi", "la", "main", "l'océan,", "le", "vent"]
    assert [int(r["line"]) for r in rows] == [0, 0, 0, 1, 1, 1]
    assert [float(r["start_s"]) for r in rows] == pytest.approx([w.start_s for w in song.words], abs=1e-6)
    assert [float(r["end_s"]) for r in rows] == pytest.approx([w.end_s for w in song.words], abs=1e-6)
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    assert (meta["language"], meta["title"]) == ("fr", "Essai")


def test_a_minute_of_recording_stays_under_six_megabytes(tmp_path):
    audio = write.save(SCORE, tmp_path)
    assert audio.stat().st_size / (SCORE.n_samples / 22050) * 60 < 6e6


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot make the folder"):
        write.save(SCORE, tmp_path / "file" / "song")


def test_a_recording_that_breaks_off_leaves_nothing(tmp_path, monkeypatch):
    def broken(score):
        yield next(songs.blocks(score))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(write, "blocks", broken)
    with pytest.raises(OutputError, match=r"cannot write .*audio\.wav: No space left on device"):
        write.save(SCORE, tmp_path)
    assert list(tmp_path.iterdir()) == []
