"""Real codecs through ffmpeg: a sound is coded and decoded, and comes back at the same length and in the same place.

Encoders add silence in front. The files that ffmpeg writes say how much (LAME's header in MP3, the edit list in MP4,
the pre-skip of Opus), and ffmpeg takes it off again when it decodes. An ffmpeg that does not would shift every phone
of a training set by up to 50 ms, so `check` sends a burst of noise through all of them before any work begins.
"""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from melisma.audio import ffmpeg
from melisma.core.errors import InputError, MissingDependency, TrainingError
from melisma.core.records import Float32

TIMEOUT_S = 300.0  # a song takes seconds
LATE_S = 0.001  # a sound that comes back further off than this is in the wrong place
_ENCODERS = {"mp3": "libmp3lame", "aac": "aac", "opus": "libopus"}
_PAD_S = 0.05  # of silence behind a sound, as there are encoders that write nothing for less than a frame
_SUFFIXES = {"mp3": "mp3", "aac": "m4a", "opus": "opus"}  # of containers that say how long the encoder's silence is


@dataclass(frozen=True, slots=True)
class Codec:
    """A way of coding: `name` is mp3, aac or opus; None takes the channels of the sound."""

    name: str
    kbps: int  # kilobits per second, of all channels together
    sample_rate: int = 44100  # Hz, at which it is coded
    channels: int | None = None

    def __str__(self) -> str:
        mono = ", mono" if self.channels == 1 else ""
        return f"{self.name} at {self.kbps} kb/s and {self.sample_rate / 1000:g} kHz{mono}"


# What is drawn for training, in kb/s per channel: from hardly heard to clearly damaged. Training audio ends at 8 kHz,
# and half a band needs half the bits, so these are lower than what songs are sold in. The frames, and with them the
# echoes before a consonant, are as long as in songs because the coding happens at the sample rates of songs.
_DRAWN = {
    ("mp3", 22050): (16, 24, 32),
    ("mp3", 44100): (32, 48),
    ("aac", 44100): (16, 24, 32, 48),
    ("opus", 48000): (8, 12, 16, 24),
}


def draw(share: float, n_channels: int, rng: np.random.Generator) -> Codec | None:
    """Draw a codec for a sound of so many channels with the probability `share`, otherwise None.

    Raises
    ------
    InputError
        If the share is not in [0, 1].
    """
    check_share(share)
    if rng.random() >= share:
        return None
    name, sample_rate = list(_DRAWN)[int(rng.integers(len(_DRAWN)))]
    return Codec(name, n_channels * int(rng.choice(_DRAWN[name, sample_rate])), sample_rate)


def check_share(share: float) -> None:
    """Refuse a share that is none.

    Raises
    ------
    InputError
        If it is not in [0, 1].
    """
    if not 0 <= share <= 1:
        raise InputError(f"the share of pieces that go through a codec lies between 0 and 1, not at {share:g}")


def check() -> None:
    """Make sure that ffmpeg is there, has every encoder that `draw` names, and gives sounds back where they were.

    Raises
    ------
    MissingDependency
        If there is no ffmpeg, or it lacks an encoder.
    TrainingError
        If it fails, or a sound comes back more than a millisecond off.
    """
    rate = 16000
    burst = np.zeros(rate, np.float32)
    burst[rate // 4 : rate // 2] = 0.2 * np.random.default_rng(0).standard_normal(rate // 4, np.float32)
    for (name, coded_rate), kbps in _DRAWN.items():
        codec = Codec(name, kbps[-1], coded_rate)
        off = lag(burst, through(burst, rate, codec)) / rate
        if abs(off) > LATE_S:
            raise TrainingError(f"this ffmpeg gives {codec} back {1000 * off:.0f} ms late: take another version of it")


def through(sound: Float32, sample_rate: int, codec: Codec) -> Float32:
    """Code a sound and decode it.

    Parameters
    ----------
    sound : float32 [n_samples] or [n_samples, n_channels]
        Within ±1.
    sample_rate : int
        Hz.
    codec : Codec
        With fewer channels than the sound (only 1 is), the mean is coded and given back in all of them.

    Returns
    -------
    float32
        Of the same shape, in the same place in time. The same sound gives the same with the same ffmpeg.

    Raises
    ------
    MissingDependency
        If there is no ffmpeg, or it lacks the encoder.
    TrainingError
        If ffmpeg fails.
    """
    if not len(sound):
        return sound
    flat = sound.reshape(len(sound), -1)
    kept = flat.mean(axis=1, keepdims=True) if codec.channels == 1 else flat
    kept = np.pad(kept, ((0, round(_PAD_S * sample_rate)), (0, 0)))
    pcm = ["-f", "f32le", "-ar", str(sample_rate), "-ac", str(kept.shape[1])]
    with tempfile.TemporaryDirectory(prefix="melisma-") as folder:
        coded = Path(folder, f"coded.{_SUFFIXES[codec.name]}")
        encoder = ["-ar", str(codec.sample_rate), "-c:a", _ENCODERS[codec.name], "-b:a", f"{codec.kbps}k"]
        _ffmpeg([*pcm, "-i", "pipe:0", *encoder, str(coded)], np.ascontiguousarray(kept, "<f4").tobytes(), codec)
        decoded = _ffmpeg(["-i", str(coded), *pcm, "pipe:1"], b"", codec)
    samples = np.frombuffer(decoded, "<f4").astype(np.float32).reshape(-1, kept.shape[1])[: len(flat)]
    out = np.zeros_like(flat, np.float32)
    out[: len(samples)] = samples  # fewer channels are spread over all
    return out.reshape(sound.shape)


def lag(before: Float32, after: Float32) -> int:
    """Return how many samples later a sound is, by the maximum of the cross-correlation.

    Parameters
    ----------
    before, after : float32 [n_samples]
    """
    size = 1 << (len(before) + len(after)).bit_length()
    alike = np.fft.irfft(np.conj(np.fft.rfft(before, size)) * np.fft.rfft(after, size), size)
    at = int(np.argmax(alike))
    return at - size if at > size // 2 else at


def _ffmpeg(arguments: list[str], sent: bytes, codec: Codec) -> bytes:
    """Run ffmpeg; return what it writes to its output."""
    executable = ffmpeg.program()
    if executable is None:
        raise MissingDependency(f"coding sounds needs ffmpeg: {ffmpeg.INSTALL}")
    # One thread: with more, the bits may depend on the machine.
    command = [executable, "-hide_banner", "-loglevel", "error", "-y", "-threads", "1", *arguments]
    try:
        done = subprocess.run(command, input=sent, capture_output=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise TrainingError(f"ffmpeg did not finish {codec} within {TIMEOUT_S:g} s") from error
    except OSError as error:
        raise TrainingError(f"ffmpeg cannot be run: {error.strerror or error}") from error
    said = done.stderr.decode("utf-8", "replace").strip()
    if "Unknown encoder" in said:
        raise MissingDependency(f"this ffmpeg cannot write {codec.name}: it was built without {_ENCODERS[codec.name]}")
    if done.returncode:
        raise TrainingError(f"ffmpeg failed at {codec}: {said.splitlines()[-1][:200] if said else 'no reason given'}")
    return done.stdout
