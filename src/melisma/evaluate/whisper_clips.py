"""The clips of a manifest that several ways of running one Whisper model are compared on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from melisma.audio import decode
from melisma.core.errors import InputError
from melisma.core.records import Float32
from melisma.data import manifest as manifests
from melisma.data.manifest import Utterance
from melisma.evaluate.asr import chosen
from melisma.models.whisper_features import SAMPLE_RATE, WINDOW_S

SHORTEST_S = 0.1


@dataclass(frozen=True, slots=True)
class Clip:
    """An utterance that fits into a window of Whisper's, and its sound: float32 [n_samples], mono, 16 kHz."""

    utterance: Utterance
    samples: Float32


@dataclass(frozen=True, slots=True)
class Clips:
    """What is compared on.

    Parameters
    ----------
    manifest : str
        Name of its file.
    clips : tuple of Clip
        In the order of the manifest.
    too_long, too_short : int
        Utterances that no window holds, or that nobody says a word in.
    """

    manifest: str
    clips: tuple[Clip, ...]
    too_long: int = 0
    too_short: int = 0

    @property
    def seconds(self) -> float:
        """Of audio."""
        return sum(len(clip.samples) for clip in self.clips) / SAMPLE_RATE


def read_clips(manifest: Path, limit: int = 50, seed: int = 0) -> Clips:
    """Read clips of a manifest and their audio: 2 MB each at most, a hundred for `limit` 50.

    Parameters
    ----------
    manifest : Path
        JSONL of utterances with transcripts.
    limit : int
        Clips at most, drawn by the seed.

    Raises
    ------
    InputError
        If the manifest cannot be read, or no utterance fits into a window.
    AudioError
        If a recording cannot be read.
    """
    known = chosen(manifest)
    fitting = [each for each in known if SHORTEST_S <= each.duration <= WINDOW_S and each.transcript.strip()]
    if not fitting:
        raise InputError(f"{manifest} has no utterance of {WINDOW_S:g} s or less with a transcript: nothing to compare")
    kept = {each.id for each in chosen(manifest, limit, seed)} if limit < len(known) else {each.id for each in known}
    drawn = [each for each in fitting if each.id in kept] or fitting[:limit]
    clips = _loaded(manifest, drawn)
    too_long = sum(each.duration > WINDOW_S for each in known)
    return Clips(manifest.name, clips, too_long, len(known) - len(fitting) - too_long)


def _loaded(manifest: Path, utterances: list[Utterance]) -> tuple[Clip, ...]:
    found, path, whole = [], None, None
    for each in utterances:
        here = manifests.audio_path(manifest, each)
        if whole is None or here != path:
            path, whole = here, decode.load(here, sample_rate=SAMPLE_RATE, downmix="mean").samples
        first = round(each.start * SAMPLE_RATE)
        samples = whole[first : first + round(each.duration * SAMPLE_RATE)]
        if len(samples) < SHORTEST_S * SAMPLE_RATE:
            raise InputError(f"{each.audio} ends before the utterance {each.id[:80]} begins: {manifest}")
        found.append(Clip(each, samples.copy()))
    return tuple(found)
