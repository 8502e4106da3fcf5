"""A Standard MIDI File through fluidsynth's command line: real instruments from a sound font, stereo."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from melisma.core.errors import InputError, MissingDependency, TrainingError
from melisma.core.records import Float32

# Twice the highest frequency of the sounds' 44.1 kHz folds to 10 kHz at this rate, above what 16 kHz keeps.
SAMPLE_RATE = 32000
TIMEOUT_S = 300.0  # a piece takes seconds

# Where Debian and others put the sound font of the package fluid-soundfont-gm.
_USUAL_PLACES = (
    Path("/usr/share/sounds/sf2/FluidR3_GM.sf2"),
    Path("/usr/share/soundfonts/FluidR3_GM.sf2"),
    Path("/usr/share/sounds/sf2/default-GM.sf2"),
)


def program() -> str:
    """Return the path of fluidsynth.

    Raises
    ------
    MissingDependency
        If it is not on the path.
    """
    found = shutil.which("fluidsynth")
    if found is None:
        raise MissingDependency("rendering accompaniments needs the program fluidsynth (Debian package fluidsynth)")
    return found


def find_soundfont(given: Path | None) -> Path:
    """Return the sound font that was given, or the one that is installed.

    Raises
    ------
    InputError
        If the given file is not there or is no sound font.
    MissingDependency
        If none was given and none is installed.
    """
    if given is None:
        for place in _USUAL_PLACES:
            if place.is_file():
                return place
        raise MissingDependency(
            "no General MIDI sound font is installed (Debian package fluid-soundfont-gm); or name one"
        )
    try:
        with given.open("rb") as file:
            head = file.read(12)
    except OSError as error:
        raise InputError(f"cannot read the sound font {given}: {error.strerror or error}") from error
    if head[:4] != b"RIFF" or head[8:] != b"sfbk":
        raise InputError(f"{given} is no sound font (SF2)")
    return given


def render(midi: bytes, soundfont: Path) -> Float32:
    """Play a Standard MIDI File, float32 [n_samples, 2] at `SAMPLE_RATE`; the same bytes give the same samples.

    Raises
    ------
    MissingDependency
        If fluidsynth is not on the path.
    TrainingError
        If it fails or takes longer than `TIMEOUT_S`.
    """
    executable = program()
    with tempfile.TemporaryDirectory(prefix="melisma-") as folder:
        score, wav = Path(folder, "piece.mid"), Path(folder, "piece.wav")
        score.write_bytes(midi)
        options = ["-n", "-i", "-q", "-r", str(SAMPLE_RATE), "-g", "0.4", "-O", "float", "-T", "wav"]
        # Loading only the instruments that are played saves most of the 150 MB.
        options += ["-o", "synth.dynamic-sample-loading=1", "-F", str(wav)]
        try:
            done = subprocess.run(
                [executable, *options, str(soundfont.absolute()), str(score)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise TrainingError(f"fluidsynth did not finish a piece within {TIMEOUT_S:g} s") from error
        except OSError as error:
            raise TrainingError(f"fluidsynth cannot be run: {error.strerror or error}") from error
        # It ends with 0 even when it could not load the sound font: what counts is whether there is sound.
        try:
            samples, _ = soundfile.read(wav, dtype="float32", always_2d=True)
        except (OSError, soundfile.SoundFileError) as error:
            raise TrainingError(f"fluidsynth wrote no sound: {_reason(done.stderr)}") from error
    if done.returncode or not len(samples):
        raise TrainingError(f"fluidsynth failed with status {done.returncode}: {_reason(done.stderr)}")
    return np.asarray(samples, np.float32)


def _reason(stderr: bytes) -> str:
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:200] if lines else "no reason given"
