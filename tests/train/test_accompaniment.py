from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from melisma.audio import codecs, ffmpeg
from melisma.core.errors import InputError, MissingDependency, OutputError, TrainingError
from melisma.train import accompaniment as module
from melisma.train import fluidsynth
from melisma.train.accompaniment import SAMPLE_RATE, plan, render_accompaniments, render_piece
from melisma.train.corpus import NoiseRow, read_manifest
from melisma.train.sound_effects import LOUDNESS_DB


@pytest.fixture
def rendered(monkeypatch, tmp_path) -> list[bytes]:
    """Stand in for fluidsynth: noise that depends on the notes; the list holds what was rendered. Pieces are short."""
    scores: list[bytes] = []

    def render(midi: bytes, soundfont: Path) -> np.ndarray:
        scores.append(midi)
        rng = np.random.default_rng(list(midi[-64:]))
        return rng.normal(0, 0.1, (4 * fluidsynth.SAMPLE_RATE, 2)).astype(np.float32)

    monkeypatch.setattr(fluidsynth, "render", render)
    monkeypatch.setattr(fluidsynth, "program", lambda: "fluidsynth")
    monkeypatch.setattr(module, "DURATION_S", (2.0, 4.0))
    monkeypatch.setattr(module, "_FADE_S", (0.2, 1.0))
    return scores


@pytest.fixture
def font(tmp_path) -> Path:
    path = tmp_path / "Tiny_GM.sf2"
    path.write_bytes(b"RIFF\0\0\0\0sfbk")
    return path


def rows_of(manifest: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_folder_is_one_of_noise(rendered, font, tmp_path):
    manifest = render_accompaniments(tmp_path / "out", hours=0.004, seed=1, soundfont=font)
    assert manifest == tmp_path / "out" / "manifest.jsonl"
    rows = read_manifest(manifest, NoiseRow)
    assert {r.kind for r in rows} == {"music"}
    assert sum(r.duration for r in rows) >= 0.004 * 3600
    for row in rows:
        sound, rate = soundfile.read(manifest.parent / row.audio, dtype="float32")
        assert (rate, sound.shape) == (SAMPLE_RATE, (round(row.duration * SAMPLE_RATE), 2))
        assert 10 * np.log10((sound**2).mean()) == pytest.approx(LOUDNESS_DB, abs=2.5)  # its end fades


def test_rows_name_licence_and_origin(rendered, font, tmp_path):
    rows = rows_of(render_accompaniments(tmp_path / "out", hours=0.02, seed=2, soundfont=font))
    by_source = {str(r["source"]): r["license"] for r in rows}
    assert by_source["composed and synthesised by melisma"] == "Apache-2.0"
    assert by_source["composed by melisma, played by fluidsynth with the sound font Tiny_GM"] == "Apache-2.0 AND MIT"


def test_the_same_seed_gives_the_same_files_and_another_one_others(rendered, font, tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        render_accompaniments(tmp_path / name, hours=0.003, seed=seed, soundfont=font)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert not set(contents(tmp_path / "a").values()) & set(contents(tmp_path / "c").values())


def test_two_workers_do_what_one_does(rendered, font, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_BAND_SHARE", 1.0)  # a process of its own knows nothing of the stand-in
    monkeypatch.setattr(module, "DURATION_S", (5.0, 6.0))
    monkeypatch.setattr(module, "_FADE_S", (0.3, 4.0))
    for name, workers in (("a", 1), ("b", 2)):
        render_accompaniments(tmp_path / name, hours=0.003, seed=3, soundfont=font, workers=workers)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert len(contents(tmp_path / "a")) == 4
    assert not rendered


def test_finished_pieces_are_not_made_again(rendered, font, tmp_path):
    render_accompaniments(tmp_path / "out", hours=0.003, seed=5, soundfont=font)
    n_before, before = len(rendered), contents(tmp_path / "out")
    render_accompaniments(tmp_path / "out", hours=0.003, seed=5, soundfont=font)
    assert n_before == len(rendered)
    assert contents(tmp_path / "out") == before


def test_work_that_broke_off_is_taken_up_where_it_stopped(rendered, font, tmp_path, monkeypatch):
    whole = render_accompaniments(tmp_path / "whole", hours=0.004, seed=5, soundfont=font)
    real, n_made = fluidsynth.render, 0

    def failing(midi: bytes, soundfont: Path) -> np.ndarray:
        nonlocal n_made
        n_made += 1
        if n_made == 3:
            raise TrainingError("fluidsynth failed")
        return real(midi, soundfont)

    monkeypatch.setattr(fluidsynth, "render", failing)
    with pytest.raises(TrainingError):
        render_accompaniments(tmp_path / "out", hours=0.004, seed=5, soundfont=font)
    left = contents(tmp_path / "out")
    assert set(left) == {"manifest.jsonl", *(str(r["audio"]) for r in rows_of(tmp_path / "out" / "manifest.jsonl"))}
    assert 1 < len(left) < len(contents(whole.parent))
    render_accompaniments(tmp_path / "out", hours=0.004, seed=5, soundfont=font)
    assert contents(tmp_path / "out") == contents(whole.parent)


def test_a_piece_whose_file_is_gone_is_made_again(rendered, font, tmp_path):
    render_accompaniments(tmp_path / "out", hours=0.003, seed=5, soundfont=font)
    before = contents(tmp_path / "out")
    (tmp_path / "out" / str(rows_of(tmp_path / "out" / "manifest.jsonl")[1]["audio"])).unlink()
    render_accompaniments(tmp_path / "out", hours=0.003, seed=5, soundfont=font)
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize("what", ["recipe", "font"])
def test_another_recipe_or_sound_font_makes_the_pieces_anew(rendered, font, tmp_path, monkeypatch, what):
    render_accompaniments(tmp_path / "out", hours=0.003, seed=5, soundfont=font)
    n_before = len(rendered)
    if what == "recipe":
        monkeypatch.setattr(module, "RECIPE", module.RECIPE + 1)
    else:
        font = font.rename(font.with_name("Other.sf2"))
    render_accompaniments(tmp_path / "out", hours=0.003, seed=5, soundfont=font)
    assert len(rendered) == 2 * n_before


def test_pieces_of_other_seeds_stay_in_the_folder(rendered, font, tmp_path):
    render_accompaniments(tmp_path / "out", hours=0.002, seed=1, soundfont=font)
    before = {r["id"] for r in rows_of(tmp_path / "out" / "manifest.jsonl")}
    after = {r["id"] for r in rows_of(render_accompaniments(tmp_path / "out", hours=0.002, seed=2, soundfont=font))}
    assert before < after


@pytest.mark.skipif(ffmpeg.program() is None, reason="no ffmpeg")
def test_a_share_of_pieces_is_coded_and_the_others_are_as_they_were(rendered, font, tmp_path):
    plain = render_accompaniments(tmp_path / "plain", hours=0.008, seed=5, soundfont=font)
    coded = render_accompaniments(tmp_path / "coded", hours=0.008, seed=5, soundfont=font, codec=0.5)
    kinds = set()
    for before, after in zip(rows_of(plain), rows_of(coded), strict=True):
        files = [m.parent / str(before["audio"]) for m in (plain, coded)]
        sounds = [soundfile.read(file, dtype="float32")[0] for file in files]
        if is_coded := after != before:
            assert str(after["source"]).startswith(f"{before['source']}, coded as ")
            assert sounds[0].shape == sounds[1].shape
            assert abs(codecs.lag(*(sound.mean(axis=1) for sound in sounds))) <= codecs.LATE_S * SAMPLE_RATE
        assert np.array_equal(*sounds) != is_coded
        kinds.add(is_coded)
    assert kinds == {True, False}


@pytest.mark.skipif(ffmpeg.program() is None, reason="no ffmpeg")
def test_another_share_makes_only_those_pieces_anew_that_it_changes(rendered, font, tmp_path):
    render_accompaniments(tmp_path / "out", hours=0.008, seed=5, soundfont=font, codec=0.5)
    before = rows_of(tmp_path / "out" / "manifest.jsonl")
    n_coded = sum("coded" in str(row["source"]) for row in before)
    rendered.clear()
    render_accompaniments(tmp_path / "out", hours=0.008, seed=5, soundfont=font)
    n_by_band = sum("coded" in str(r["source"]) and "synthesised" in str(r["source"]) for r in before)
    assert len(rendered) == n_coded - n_by_band
    assert not any("coded" in str(row["source"]) for row in rows_of(tmp_path / "out" / "manifest.jsonl"))


def test_codecs_that_cannot_be_had_are_told_before_anything_is_written(rendered, font, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="between 0 and 1, not at -1"):
        render_accompaniments(tmp_path / "out", hours=0.001, seed=1, soundfont=font, codec=-1)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependency, match="coding sounds needs ffmpeg"):
        render_accompaniments(tmp_path / "out", hours=0.001, seed=1, soundfont=font, codec=0.5)
    assert not (tmp_path / "out").exists()


def test_progress_counts_to_the_end(rendered, font, tmp_path):
    seen: list[tuple[int, int]] = []
    render_accompaniments(
        tmp_path / "out", hours=0.003, seed=5, soundfont=font, progress=lambda done, of: seen.append((done, of))
    )
    assert seen == [(i + 1, len(seen)) for i in range(len(seen))]


def test_more_hours_only_add_pieces():
    short, long = plan(0.5, 1), plan(1.0, 1)
    assert long[: len(short)] == short
    assert len(long) > len(short)


def test_pieces_last_from_forty_to_ninety_seconds():
    durations = [p.duration_s for p in plan(5.0, 1)]
    assert 40 <= min(durations) < 45
    assert 85 < max(durations) <= 90


@pytest.mark.parametrize(("hours", "seed"), [(0.0, 1), (-1.0, 1), (float("nan"), 1), (float("inf"), 1), (1.0, -1)])
def test_hours_and_seeds_out_of_range_are_refused(hours, seed):
    with pytest.raises(InputError, match="hours above 0 and a seed of at least 0"):
        plan(hours, seed)


def test_a_manifest_of_others_is_not_overwritten(rendered, font, tmp_path):
    line = '{"id": "a", "audio": "a.opus", "duration": 1.0, "kind": "music"}\n'
    (tmp_path / "manifest.jsonl").write_text(line)
    with pytest.raises(InputError, match=r"manifest\.jsonl, line 1, is none of ours"):
        render_accompaniments(tmp_path, hours=0.001, seed=1, soundfont=font)
    assert (tmp_path / "manifest.jsonl").read_text() == line


def test_a_folder_that_cannot_be_made_is_an_error(rendered, font, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot make the folder"):
        render_accompaniments(tmp_path / "file", hours=0.001, seed=1, soundfont=font)


def test_a_missing_program_is_told_before_anything_is_written(font, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependency, match="fluidsynth"):
        render_accompaniments(tmp_path / "out", hours=0.001, seed=1, soundfont=font)
    assert not (tmp_path / "out").exists()


def test_the_band_needs_no_program(font, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(module, "DURATION_S", (6.0, 8.0))
    by_band = next(p for p in plan(0.2, 1) if p.by_band)
    style, sound = render_piece(by_band, font)
    assert style == "band"
    assert sound.shape == (round(by_band.duration_s * SAMPLE_RATE), 2)
    level = (sound[: len(sound) // 1600 * 1600].reshape(-1, 3200) ** 2).mean(axis=1)
    assert (level[:-5] > 1e-6).all()  # no gap anywhere but at the end


def test_real_instruments_play_all_the_time(tmp_path, monkeypatch):
    try:
        fluidsynth.program()
        soundfont = fluidsynth.find_soundfont(None)
    except MissingDependency as error:
        pytest.skip(str(error))
    monkeypatch.setattr(module, "DURATION_S", (8.0, 10.0))
    pieces = [render_piece(p, soundfont)[1] for p in plan(0.006, 3) if not p.by_band]
    for sound in pieces:
        blocks = (sound[: len(sound) // SAMPLE_RATE * SAMPLE_RATE].reshape(-1, 2 * SAMPLE_RATE) ** 2).mean(axis=1)
        assert (blocks[:-4] > 1e-5).all()
    assert not np.array_equal(pieces[0][:SAMPLE_RATE], pieces[1][:SAMPLE_RATE])
