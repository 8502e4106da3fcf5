from __future__ import annotations

import shutil
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from melisma.core.errors import InputError, MissingDependency, TrainingError
from melisma.train import fluidsynth
from melisma.train.midi_score import MidiScore, Note, Track, smf


def tone(pan: int = 64, key: int = 69) -> bytes:
    return smf(MidiScore(((0.0, 120.0),), (Track(0, 73, (Note(0.0, 2.0, key, 100),), pan=pan, reverb=0),)))


def pretend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """Put a program called fluidsynth on the path that does what `body` says."""
    program = tmp_path / "bin" / "fluidsynth"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable} -S\nimport sys, time\n{body}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(program.parent))


@pytest.fixture
def soundfont() -> Path:
    try:
        fluidsynth.program()
        return fluidsynth.find_soundfont(None)
    except MissingDependency as error:
        pytest.skip(str(error))


def test_a_missing_program_names_its_package(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependency, match="Debian package fluidsynth"):
        fluidsynth.program()


def test_a_missing_sound_font_names_its_package(monkeypatch):
    monkeypatch.setattr(fluidsynth, "_USUAL_PLACES", ())
    with pytest.raises(MissingDependency, match="fluid-soundfont-gm"):
        fluidsynth.find_soundfont(None)


def test_a_sound_font_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"cannot read the sound font .*none\.sf2: No such file"):
        fluidsynth.find_soundfont(tmp_path / "none.sf2")


def test_a_file_that_is_no_sound_font_is_refused(tmp_path):
    (tmp_path / "song.sf2").write_bytes(b"RIFF\0\0\0\0WAVEfmt ")
    with pytest.raises(InputError, match=r"song\.sf2 is no sound font"):
        fluidsynth.find_soundfont(tmp_path / "song.sf2")


def test_a_sound_font_is_known_by_its_head(tmp_path):
    (tmp_path / "mine.sf2").write_bytes(b"RIFF\0\0\0\0sfbkLIST")
    assert fluidsynth.find_soundfont(tmp_path / "mine.sf2") == tmp_path / "mine.sf2"


def test_no_sound_is_an_error_though_the_program_was_content(tmp_path, monkeypatch):
    pretend(tmp_path, monkeypatch, "sys.stderr.write('fluidsynth: error: Failed to load SoundFont')")
    with pytest.raises(TrainingError, match="wrote no sound: fluidsynth: error: Failed to load SoundFont"):
        fluidsynth.render(tone(), tmp_path / "a.sf2")


def test_a_program_that_hangs_is_stopped(tmp_path, monkeypatch):
    pretend(tmp_path, monkeypatch, "time.sleep(60)")
    monkeypatch.setattr(fluidsynth, "TIMEOUT_S", 0.2)
    with pytest.raises(TrainingError, match=r"did not finish a piece within 0\.2 s"):
        fluidsynth.render(tone(), tmp_path / "a.sf2")


def test_a_program_that_cannot_be_run_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "fluidsynth").write_bytes(b"\x7fELF no program")
    (tmp_path / "fluidsynth").chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(tmp_path / name))
    with pytest.raises(TrainingError, match="cannot be run"):
        fluidsynth.render(tone(), tmp_path / "a.sf2")


def test_a_note_sounds_at_its_pitch_and_time_and_side(soundfont):
    sound = fluidsynth.render(tone(pan=0), soundfont)
    second = sound[: fluidsynth.SAMPLE_RATE, 0]
    spectrum = np.abs(np.fft.rfft(second * np.hanning(len(second))))
    strongest = np.argmax(spectrum[50:4000]) + 50  # Hz, as it is one second
    assert min(abs(strongest - harmonic * 440) for harmonic in (1, 2)) <= 6
    left, right = (sound**2).sum(axis=0)
    assert left > 2 * right  # the room gives some of it to the other side
    left, right = (fluidsynth.render(tone(pan=127), soundfont) ** 2).sum(axis=0)
    assert right > 2 * left


def test_the_same_notes_sound_the_same(soundfont):
    assert np.array_equal(fluidsynth.render(tone(), soundfont), fluidsynth.render(tone(), soundfont))
