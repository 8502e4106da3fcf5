"""Real speech made to sing: its own sounds, at the times and on the tones of a made-up song."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from melisma.audio import codecs
from melisma.audio.codecs import Codec
from melisma.core.errors import InputError
from melisma.core.records import Float32
from melisma.text.phones import INVENTORY, VOWELS
from melisma.train import effects, sung_pitch, sung_time, world
from melisma.train.effects import EffectsConfig
from melisma.train.sung_pitch import Manner, Tone
from melisma.train.sung_time import Phone, TimePlan
from melisma.train.world import FRAME_S, SAMPLE_RATE, WorldVoice

Float64 = npt.NDArray[np.float64]

# Where less of the vowels has a pitch, the tracker failed, someone whispers, or the phone times are wrong.
_LEAST_VOICED = 0.6
# Vowels that stand out less from the rest of their clip have wrong times, or lie under noise (dB).
_LEAST_ABOVE = 3.0
# The song is lengthened or shortened by this much at a time, until it fits.
_FIT_STEP, _FIT_TRIES = 1.3, 8


class CannotSing(InputError):
    """The clip cannot be made to sing; its message says why."""


@dataclass(frozen=True, slots=True)
class SingConfig:
    """What is drawn for each clip; lengths in seconds, shifts in semitones, `warp` and `breath` as shares."""

    shortest_s: float = 3.0
    longest_s: float = 16.0
    shift: tuple[float, float] = (0.0, 12.0)
    range_hz: tuple[float, float] = (85.0, 520.0)  # the middle of a melody lies in it
    reach: tuple[float, float] = (3.0, 9.0)  # how far the melody goes from its middle
    beats_per_minute: tuple[float, float] = (65.0, 165.0)
    warp: float = 0.15  # of the spectral envelope: how much longer or shorter the singer's throat is
    tilt_db: tuple[float, float] = (-1.0, 3.0)  # per octave over 1 kHz: louder singing is brighter
    breath: float = 0.35
    double: float = 0.15  # share of clips
    effects: EffectsConfig = field(default_factory=EffectsConfig)
    codec: float = 0.0  # share of clips that are coded and decoded when all else is done


@dataclass(frozen=True, slots=True)
class Sung:
    """Sung sound, float32 [n_samples] within ±1 at 16 kHz, its phones in seconds, the tones meant, how it is coded."""

    samples: Float32
    phones: tuple[Phone, ...]
    tones: tuple[Tone, ...]
    midi: Float64  # [n_frames], the pitch meant, every FRAME_S
    codec: Codec | None = None

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLE_RATE


def sing(samples: Float32, phones: Sequence[Phone], config: SingConfig, rng: np.random.Generator) -> Sung:
    """Make a clip of speech sing.

    Parameters
    ----------
    samples : float32 [n_samples]
        Mono speech at 16 kHz.
    phones : sequence of (str, float, float)
        Label of the inventory, start and end in seconds: in order, apart or touching.
    config : SingConfig
    rng : numpy.random.Generator
        Every draw is made from it: the same state gives the same song.

    Raises
    ------
    InputError
        If the phones are out of order, beyond the sound, or not of the inventory.
    CannotSing
        If no vowel is to be found where the phones say, or the song has no fitting length.
    MissingDependency
        If pyworld is not installed, or a codec is wanted and there is no ffmpeg.
    """
    check_phones(phones, len(samples) / SAMPLE_RATE)
    spoken_f0 = _spoken_pitch(samples, phones)
    timing = _timing(phones, len(samples) / SAMPLE_RATE, config, rng)
    manner = Manner.drawn(rng)
    tones = tuple(_melody(timing, spoken_f0, manner, config, rng))
    times: Float64 = np.arange(int(timing.duration_s / FRAME_S), dtype=np.float64) * FRAME_S
    midi = sung_pitch.contour(tones, times, manner, rng)
    voice = _throat(world.analyse(samples, spoken_f0), config, rng)
    line = _moved(voice, timing.to_speech(times))
    ends = {note.end for note in timing.notes if note.last}
    level = sung_pitch.loudness(tones, [tone.end in ends for tone in tones], times, rng)
    sung_phones = timing.to_song(phones)
    out = _sounded(line, midi, level)
    _check_vowels(out, sung_phones)
    if rng.random() < config.double:
        detuned = midi + rng.choice((-1, 1)) * rng.uniform(0.05, 0.25) + np.interp(times, *_drift(times, rng))
        delay = int(rng.uniform(0.01, 0.03) * SAMPLE_RATE)
        out = effects.doubled(out, _sounded(line, detuned, level), delay, rng.uniform(2, 10))
    out = effects.studio(out, SAMPLE_RATE, config.effects, rng)
    end_s = len(out) / SAMPLE_RATE  # whole frames: up to one less than planned
    within = tuple((label, min(start, end_s), min(end, end_s)) for label, start, end in sung_phones)
    out = _levelled(out, rng)
    # Drawn last, so that a clip is otherwise the same with and without.
    codec = codecs.draw(config.codec, 1, rng)
    if codec:
        out = np.clip(codecs.through(out, SAMPLE_RATE, codec), -1, 1)
    return Sung(out, within, tones, midi, codec)


def check_phones(phones: Sequence[Phone], duration_s: float) -> None:
    """Refuse phones that are none, out of order, or later than the sound: InputError."""
    at = 0.0
    for i, (label, start, end) in enumerate(phones):
        if label not in INVENTORY:
            raise InputError(f"phone {i} is {label!r}, which the inventory does not have")
        if not at <= start <= end:
            raise InputError(
                f"phone {i} ({label}) is from {start} to {end} s, out of order: the one before ends at {at} s"
            )
        at = end
    if at > duration_s + 1e-6:
        raise InputError(f"the last phone ends at {at:.3f} s, the sound at {duration_s:.3f} s")


def _spoken_pitch(samples: Float32, phones: Sequence[Phone]) -> Float64:
    """Track the pitch, free of octave slips, and bridge its gaps within vowels."""
    f0 = world.pitch(samples)
    times = np.arange(len(f0)) * FRAME_S
    vowel = np.zeros(len(f0), bool)
    for label, start, end in phones:
        if label in VOWELS:
            vowel |= (times >= start) & (times < end)
    voiced = f0 > 0
    if not vowel.any() or voiced[vowel].mean() < _LEAST_VOICED:
        share = voiced[vowel].mean() if vowel.any() else 0.0
        raise CannotSing(f"only {100 * share:.0f} % of the vowels have a pitch")
    middle = np.median(f0[voiced & vowel])
    octaves = np.round(np.log2(np.where(voiced, f0, middle) / middle))
    f0 = f0 / 2**octaves
    missing = vowel & ~voiced
    f0[missing] = np.interp(times[missing], times[voiced], f0[voiced])
    return f0


def _timing(phones: Sequence[Phone], duration_s: float, config: SingConfig, rng: np.random.Generator) -> TimePlan:
    """Draw a rhythm, slower or faster until the song has a fitting length."""
    held = float(rng.beta(1.6, 1.4))
    beat_s = 60 / rng.uniform(*config.beats_per_minute)
    for _ in range(_FIT_TRIES):
        timing = sung_time.plan(phones, duration_s, held, beat_s, rng)
        if timing.duration_s > config.longest_s:
            held, beat_s = held / _FIT_STEP, beat_s / _FIT_STEP
        elif timing.duration_s < config.shortest_s:
            held, beat_s = min(held * _FIT_STEP + 0.05, 1.0), beat_s * _FIT_STEP
        else:
            return timing
    raise CannotSing(f"{duration_s:.1f} s of speech make no song of {config.shortest_s:g} to {config.longest_s:g} s")


def _melody(timing: TimePlan, f0: Float64, manner: Manner, config: SingConfig, rng: np.random.Generator) -> list[Tone]:
    spoken = float(np.median(f0[f0 > 0]))
    centre_hz = float(np.clip(spoken * 2 ** (rng.uniform(*config.shift) / 12), *config.range_hz))
    centre = 69 + 12 * np.log2(centre_hz / 440)
    return sung_pitch.melody(timing.notes, float(centre), rng.uniform(*config.reach), manner, rng)


def _throat(voice: WorldVoice, config: SingConfig, rng: np.random.Generator) -> WorldVoice:
    """Change who sings: formants up or down, brightness, a singer's formant, breath."""
    n_bins = voice.log_envelope.shape[1]
    factor = np.exp(rng.uniform(-config.warp, config.warp))
    bins = np.minimum(np.arange(n_bins) / factor, n_bins - 1.001)
    low = bins.astype(np.int64)
    share = bins - low
    octaves = np.log2(np.maximum(np.arange(n_bins) * SAMPLE_RATE / 2 / (n_bins - 1), 1000) / 1000)
    colour_db = rng.uniform(*config.tilt_db) * octaves
    if rng.random() < 0.4:  # the cluster of formants near 3 kHz by which singers are heard over an orchestra
        colour_db = colour_db + rng.uniform(2, 8) * np.exp(-0.5 * ((octaves - np.log2(2.9)) / 0.25) ** 2)
    breath = rng.uniform(-config.breath, config.breath)
    ap = voice.aperiodicity
    ap = ap + breath * (1 - ap) if breath > 0 else ap ** (1 - 2 * breath)
    voiced = (voice.f0 > 0)[:, None]
    # A consonant's noise does not get brighter as the voice does.
    envelope = voice.log_envelope[:, low] * (1 - share) + voice.log_envelope[:, low + 1] * share
    envelope += np.where(voiced, colour_db * np.log(10) / 10, 0.0)
    return WorldVoice(voice.f0, envelope, np.where(voiced, ap, voice.aperiodicity))


def _moved(voice: WorldVoice, at: Float64) -> WorldVoice:
    """Read a voice at other times (seconds), between its frames too; voicing is that of the nearer frame."""
    index = np.clip(at / FRAME_S, 0, len(voice.f0) - 1.001)
    low = index.astype(np.int64)
    share = (index - low)[:, None]
    nearest = np.minimum(np.round(index).astype(np.int64), len(voice.f0) - 1)
    envelope = voice.log_envelope[low] * (1 - share) + voice.log_envelope[low + 1] * share
    return WorldVoice(voice.f0[nearest], envelope, voice.aperiodicity[nearest])


def _sounded(line: WorldVoice, midi: Float64, level_db: Float64) -> Float32:
    f0 = np.where(line.f0 > 0, 440 * 2 ** ((midi - 69) / 12), 0.0)
    smooth = np.convolve(np.pad(level_db, 2, mode="edge"), np.full(5, 0.2), mode="valid")
    envelope = line.log_envelope + (smooth * np.log(10) / 10)[:, None]
    return world.resynthesise(WorldVoice(f0, envelope, line.aperiodicity))


def _drift(times: Float64, rng: np.random.Generator) -> tuple[Float64, Float64]:
    """Return how far a second singing strays from the first: knots in seconds, and semitones."""
    knots = np.arange(0.0, times[-1] + 1.0, 0.3)
    return knots, rng.normal(0, 0.06, len(knots))


def _check_vowels(samples: Float32, phones: Sequence[Phone]) -> None:
    """Refuse a song whose vowels are no louder than what lies between the phones."""
    power = np.square(samples, dtype=np.float64)
    heard = np.zeros(len(power), bool)
    vowels = np.zeros(len(power), bool)
    for label, start, end in phones:
        span = slice(round(start * SAMPLE_RATE), round(end * SAMPLE_RATE))
        heard[span] = True
        vowels[span] |= label in VOWELS
    if heard.all():
        return
    above = 10 * np.log10((power[vowels].mean() + 1e-12) / (power[~heard].mean() + 1e-12))
    if above < _LEAST_ABOVE:
        raise CannotSing(f"the vowels are {above:.1f} dB above the pauses")


def _levelled(samples: Float32, rng: np.random.Generator) -> Float32:
    peak = float(np.abs(samples).max(initial=0.0))
    if not np.isfinite(peak) or peak < 1e-6:
        raise CannotSing("the song is silent")
    return np.asarray(samples * (rng.uniform(0.3, 0.95) / peak), np.float32)
