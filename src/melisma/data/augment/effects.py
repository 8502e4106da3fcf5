"""The effects that a recipe may name, their ranges as they are read, and how each is drawn and applied."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from melisma.audio import codecs, effects, lossy, stretch
from melisma.audio.codecs import Codec as RealCodec
from melisma.core.records import Float32
from melisma.data.augment.sounds import Sound, Sounds, beginning, excerpt

_SILENT = 1e-10  # mean power, -100 dB: nothing to measure a distance from
_ROOM_S = 5.0  # of an impulse response; cathedrals fade in eight, and lie 40 dB down by then
_TRIES = 4  # excerpts that are drawn until one of them is not silent
_MOST_KBPS = {"mp3": 320, "aac": 320, "opus": 256}  # of one channel; ffmpeg refuses more
_COLOURS = {"white": 0.0, "pink": 1.0, "brown": 2.0}


@dataclass(frozen=True, slots=True)
class Heard:
    """What an effect made: samples, how much longer they are, and what it drew; empty facts say that it did nothing."""

    samples: Float32
    facts: Mapping[str, Any]
    time_scale: float = 1.0


def _pair(said: Any) -> Any:
    """Read one number as a range that holds only it."""
    return (said, said) if isinstance(said, (int, float)) and not isinstance(said, bool) else said


def _within(low: float, high: float) -> AfterValidator:
    """Hold a range to limits."""

    def check(pair: tuple[float, float]) -> tuple[float, float]:
        if not low <= pair[0] <= pair[1] <= high:
            raise ValueError(f"a range rises and lies within {low:g} and {high:g}, unlike {pair[0]:g} to {pair[1]:g}")
        return pair

    return AfterValidator(check)


Pair = tuple[float, float]
Range = Annotated[Pair, BeforeValidator(_pair)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Effect(BaseModel, ABC):
    """What all effects have: a name, and how often they are heard."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    effect: str
    probability: Share = 1.0

    @abstractmethod
    def apply(self, samples: Float32, rate: int, rng: np.random.Generator, sounds: Sounds | None) -> Heard:
        """Draw the settings and apply them to samples float32 [n] that are not empty."""


def _draw(span: Pair, rng: np.random.Generator) -> float:
    return float(rng.uniform(*span))


def _draw_octaves(span: Pair, rng: np.random.Generator) -> float:
    """Draw evenly over ratios, as frequencies and speeds are heard."""
    return float(math.exp(rng.uniform(math.log(span[0]), math.log(span[1]))))


class Noise(Effect):
    """Sound under the voice: from the folder of sounds, or coloured noise where there is none of these kinds."""

    effect: Literal["noise"]
    snr_db: Annotated[Range, _within(-20, 60)] = (5.0, 25.0)
    kinds: list[str] = []
    colours: Annotated[list[Literal["white", "pink", "brown"]], Field(min_length=1)] = ["white", "pink", "brown"]

    def apply(self, samples: Float32, rate: int, rng: np.random.Generator, sounds: Sounds | None) -> Heard:
        """Mix it in at a distance from the voice, which is measured where there is voice."""
        voice = effects.speech_power(samples, rate)
        if voice < _SILENT:
            return Heard(samples, {})
        snr_db = _draw(self.snr_db, rng)
        noise, facts = self._noise(len(samples), rng, sounds)
        gain = math.sqrt(voice / float(np.mean(np.square(noise, dtype=np.float64))) * 10 ** (-snr_db / 10))
        return Heard(samples + np.float32(gain) * noise, {"snr_db": round(snr_db, 2)} | facts)

    def _noise(self, n: int, rng: np.random.Generator, sounds: Sounds | None) -> tuple[Float32, dict[str, Any]]:
        offered = sounds.of(self.kinds) if sounds is not None else ()
        for _ in range(_TRIES if offered else 0):
            sound = offered[int(rng.integers(len(offered)))]
            found = excerpt(sound, n, rng)
            if float(np.mean(np.square(found, dtype=np.float64))) > _SILENT:
                return found, _origin(sound)
        colour = self.colours[int(rng.integers(len(self.colours)))]
        return effects.coloured_noise(n, _COLOURS[colour], rng), {"sound": f"{colour} noise"}


class Music(Noise):
    """Noise under another name, of the kinds that are music."""

    effect: Literal["music"]  # type: ignore[assignment]
    snr_db: Annotated[Range, _within(-20, 60)] = (0.0, 20.0)
    kinds: list[str] = ["music"]
    colours: Annotated[list[Literal["white", "pink", "brown"]], Field(min_length=1)] = ["pink", "brown"]


def _origin(sound: Sound) -> dict[str, Any]:
    return {"sound": sound.id, "license": sound.license, "source": sound.source}


class Speed(Effect):
    """Faster or slower, with the pitch."""

    effect: Literal["speed"]
    factor: Annotated[Range, _within(0.5, 2)] = (0.9, 1.1)

    def apply(self, samples: Float32, rate: int, rng: np.random.Generator, sounds: Sounds | None) -> Heard:
        """Resample."""
        factor = round(_draw_octaves(self.factor, rng), 4)
        return Heard(stretch.speed(samples, rate, factor), {"factor": factor}, 1 / factor)


class Tempo(Effect):
    """Faster or slower at the same pitch."""

    effect: Literal["tempo"]
    factor: Annotated[Range, _within(0.5, 2)] = (0.85, 1.15)

    def apply(self, samples: Float32, rate: int, rng: np.random.Generator, sounds: Sounds | None) -> Heard:
        """Overlap and add what is alike."""
        factor = round(_draw_octaves(self.factor, rng), 4)
        return Heard(stretch.tempo(samples, rate, factor), {"factor": factor}, 1 / factor)


class Pitch(Effect):
    """Higher or lower, in the same time."""

    effect: Literal["pitch"]
    cents: Annotated[Range, _within(-1200, 1200)] = (-200.0, 200.0)

    def apply(self, samples: Float32, rate: int, rng: np.random.Generator, sounds: Sounds | None) -> Heard:
        """Stretch and resample."""
        cents = round(_draw(self.cents, rng), 1)
        return Heard(stretch.pitch(samples, rate, cents), {"cents": cents})


class Reverb(Effect):
    """A room: drawn, or the sounds of these kinds as impulse responses."""

    effect: Literal["reverb"]
    rt60_s: Annotated[Range, _within(0.05, 2.5)] = (0.2, 0.8)
    below_db: Annotated[Range, _within(-10, 40)] = (3.0, 15.0)
    kinds: list[str] = []

    def apply(self, samples: Float32, rate: int, rng: np.random.Generator, sounds: Sounds | None) -> Heard:
        """Convolve."""
        rooms = sounds.of(self.kinds) if sounds is not None and self.kinds else ()
        if rooms:
            room = rooms[int(rng.integers(len(rooms)))]
            return Heard(effects.respond(samples, beginning(room, _ROOM_S)), _origin(room))
        rt60_s, below_db = round(_draw(self.rt60_s, rng), 3), round(_draw(self.below_db, rng), 1)
        heard = effects.reverberate(samples, rate, rt60_s, below_db, rng)
        return Heard(heard, {"rt60_s": rt60_s, "below_db": below_db})


class Gain(Effect):
    """Louder or softer."""

    effect: Literal["gain"]
    db: Annotated[Range, _within(-60, 40)] = (-12.0, 6.0)

    def apply(self, samples: Float32, rate: int, rng: np.random.Generator, sounds: Sounds | None) -> Heard:
        """Multiply."""
        db = round(_draw(self.db, rng), 2)
        return Heard(samples * np.float32(10 ** (db / 20)), {"db": db})


class Clipping(Effect):
    """A recorder that is set too high: all above a level is cut off."""

    effect: Literal["clipping"]
    below_peak_db: Annotated[Range, _within(0, 40)] = (2.0, 12.0)

    def apply(self, samples: Float32, rate: int, rng: np.random.Generator, sounds: Sounds | None) -> Heard:
        """Cut."""
        below_db = round(_draw(self.below_peak_db, rng), 2)
        return Heard(effects.clip(samples, below_db), {"below_peak_db": below_db})


class Drive(Effect):
    """Saturation, 0 none and 3 a hot tube."""

    effect: Literal["drive"]
    amount: Annotated[Range, _within(0, 10)] = (0.5, 2.0)

    def apply(self, samples: Float32, rate: int, rng: np.random.Generator, sounds: Sounds | None) -> Heard:
        """Bend."""
        amount = round(_draw(self.amount, rng), 3)
        return Heard(effects.drive(samples, amount), {"amount": amount})


class Equaliser(Effect):
    """Another microphone: a smooth random curve over octaves."""

    effect: Literal["equaliser"]
    depth_db: Annotated[Range, _within(0, 24)] = (1.0, 6.0)

    def apply(self, samples: Float32, rate: int, rng: np.random.Generator, sounds: Sounds | None) -> Heard:
        """Filter."""
        depth_db = round(_draw(self.depth_db, rng), 2)
        return Heard(effects.equalise(samples, rate, depth_db, rng), {"depth_db": depth_db})


class Lowpass(Effect):
    """Nothing above an edge."""

    effect: Literal["lowpass"]
    edge_hz: Annotated[Range, _within(200, 24000)] = (3000.0, 7500.0)

    def apply(self, samples: Float32, rate: int, rng: np.random.Generator, sounds: Sounds | None) -> Heard:
        """Filter."""
        edge_hz = round(_draw_octaves(self.edge_hz, rng))
        return Heard(effects.lowpass(samples, rate, edge_hz), {"edge_hz": edge_hz})


class Band(Effect):
    """A telephone's or a small loudspeaker's band."""

    effect: Literal["band"]
    low_hz: Annotated[Range, _within(20, 2000)] = (100.0, 400.0)
    high_hz: Annotated[Range, _within(2000, 24000)] = (3000.0, 7000.0)

    def apply(self, samples: Float32, rate: int, rng: np.random.Generator, sounds: Sounds | None) -> Heard:
        """Filter."""
        low_hz, high_hz = round(_draw_octaves(self.low_hz, rng)), round(_draw_octaves(self.high_hz, rng))
        return Heard(effects.band(samples, rate, low_hz, high_hz), {"low_hz": low_hz, "high_hz": high_hz})


class Codec(Effect):
    """What a lossy codec leaves: imitated in milliseconds, or the real one through ffmpeg where `real` is true."""

    effect: Literal["codec"]
    names: Annotated[list[Literal["mp3", "aac", "opus", "telephone"]], Field(min_length=1)] = ["mp3", "aac", "opus"]
    kbps: Annotated[Range, _within(4, 320)] = (16.0, 64.0)
    real: bool = False

    def apply(self, samples: Float32, rate: int, rng: np.random.Generator, sounds: Sounds | None) -> Heard:
        """Code and decode."""
        name = self.names[int(rng.integers(len(self.names)))]
        kbps = round(_draw_octaves(self.kbps, rng))
        facts = {"name": name, "kbps": kbps}
        if not self.real or name == "telephone":
            return Heard(lossy.through(samples, rate, name, kbps), facts)
        peak = max(1.0, float(np.abs(samples).max()))
        kbps = min(kbps, _MOST_KBPS[name])
        coded_rate = {"mp3": 22050 if kbps <= 24 else 44100, "aac": 44100, "opus": 48000}[name]
        heard = codecs.through(samples / np.float32(peak), rate, RealCodec(name, kbps, coded_rate))
        return Heard(heard * np.float32(peak), facts | {"kbps": kbps, "real": True})


class Dropouts(Effect):
    """Lost packets: holes, so many a second on average."""

    effect: Literal["dropouts"]
    per_s: Annotated[Range, _within(0, 10)] = (0.1, 0.5)
    length_s: Annotated[Range, _within(0.01, 2)] = (0.02, 0.15)

    def apply(self, samples: Float32, rate: int, rng: np.random.Generator, sounds: Sounds | None) -> Heard:
        """Silence."""
        count = int(rng.poisson(_draw(self.per_s, rng) * len(samples) / rate))
        if not count:
            return Heard(samples, {})
        lengths = rng.uniform(*self.length_s, count).tolist()
        heard = effects.drop_out(samples, rate, lengths, rng)
        return Heard(heard, {"holes": count, "lost_s": round(sum(lengths), 3)})


AnyEffect = Annotated[
    Noise
    | Music
    | Speed
    | Tempo
    | Pitch
    | Reverb
    | Gain
    | Clipping
    | Drive
    | Equaliser
    | Lowpass
    | Band
    | Codec
    | Dropouts,
    Field(discriminator="effect"),
]
