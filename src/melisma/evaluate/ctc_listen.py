"""The utterances of a recording through one aligner: when each word begins, and what is heard without being told."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from melisma.aligner.decoder import DecoderConfig
from melisma.audio import decode
from melisma.core.errors import AudioError, MelismaError
from melisma.core.records import Emission, Float32, LyricLine, Lyrics, Waveform
from melisma.data import manifest
from melisma.data.manifest import Utterance
from melisma.engines.protocol import Engine
from melisma.metrics.edit import edit_distance
from melisma.pipeline import tiers
from melisma.pipeline.listen import Placed, Task, listen
from melisma.pipeline.settings import RouterSettings
from melisma.pipeline.song import Listening, Song, emits

UNIFORM = "uniform"  # words spread evenly over what is not silent; needs no engine
_RATE = 16000
_FRAME = 320  # samples that are silent or not
_SILENT_DB = 40.0  # below the loudest twentieth


@dataclass(frozen=True, slots=True)
class Listen:
    """A stage of `melisma.scale`: a recording's utterances through an engine, one result each.

    Parameters
    ----------
    engine : str
        By any of its names, or `UNIFORM`.
    revision : str
        Of its model, so that a journal of another one is not gone on with.
    """

    engine: str
    revision: str = ""

    @property
    def name(self) -> str:
        """What progress calls it."""
        return Path(self.engine).name if "/" in self.engine else self.engine

    def configuration(self) -> str:
        """Return what decides the outcome."""
        return f"{self.engine}\n{self.revision}"

    def __call__(self, item: tuple[str, Sequence[str]]) -> list[dict[str, Any]]:
        """Take the path of a recording and the lines of its utterances.

        Returns
        -------
        list of dict
            For each utterance `starts`, seconds or None by word, with `edits` and `n_reference` where characters or
            phones could be compared; or `error`, one sentence.
        """
        path, lines = Path(item[0]), item[1]
        utterances = [manifest.parse(line, path, None) for line in lines]
        try:
            engine = None if self.engine == UNIFORM else _usable(self.engine)
            rate = engine.facts.sample_rate if engine else _RATE
            whole = decode.load(path, sample_rate=rate, downmix="mean").samples
        except (MelismaError, OSError) as error:
            return [{"error": _sentence(error)} for _ in utterances]
        return [_one(engine, _part(whole, rate, utterance), utterance) for utterance in utterances]


def words_of(utterance: Utterance) -> tuple[str, ...]:
    """Return what is to be placed: a word that is timed is one word, whatever spaces stand in it."""
    if utterance.words:
        return tuple("".join(word.text.split()) or word.text for word in utterance.words)
    return tuple(normalised(utterance).split())


def normalised(utterance: Utterance) -> str:
    """Return the normalised transcript, or the transcript where nobody has made one."""
    said = (utterance.model_extra or {}).get("norm")
    return said if isinstance(said, str) and said.strip() else utterance.transcript


def characters(text: str) -> list[int]:
    """Return the letters, digits and marks of a text, folded in case: what a network of letters can be asked for.

    >>> "".join(map(chr, characters("Don’t go, Élan!")))
    'dontgoélan'
    """
    folded = unicodedata.normalize("NFC", text).casefold()
    return [ord(char) for char in folded if unicodedata.category(char)[0] in "LNM"]


def greedy(emission: Emission) -> list[str]:
    """Return what a network hears without being told: its best labels, repeats and blanks taken out."""
    best = emission.log_probs.argmax(axis=1)
    kept = best[np.append(True, best[1:] != best[:-1])] if len(best) else best
    return [emission.labels[label] for label in kept if label != emission.blank]


def uniform(samples: Float32, sample_rate: int, n_words: int) -> list[float]:
    """Spread words evenly over what is not silent, and return when each begins, in seconds."""
    frames = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME)
    if not len(frames):
        return [0.0] * n_words
    power = 10 * np.log10(np.mean(frames.astype(np.float64) ** 2, axis=1) + 1e-12)
    loud = np.flatnonzero(power > np.quantile(power, 0.95) - _SILENT_DB)
    loud = loud if len(loud) else np.arange(len(frames))
    places = np.arange(n_words) * len(loud) / max(1, n_words)
    whole = places.astype(np.int64)
    return [float(s) for s in (loud[whole] + (places - whole)) * _FRAME / sample_rate]


def _one(engine: Engine | None, samples: Float32, utterance: Utterance) -> dict[str, Any]:
    """Place the words of an utterance; what cannot be done is a sentence, and costs the others nothing."""
    try:
        if not len(samples):
            raise AudioError("the utterance lies outside its recording")
        words = words_of(utterance)
        if engine is None:
            return {"starts": uniform(samples, _RATE, len(words))}
        if not words:
            raise AudioError("the utterance has no words")
        lyrics = Lyrics((LyricLine(words),))
        waveform = Waveform(samples, engine.facts.sample_rate)
        code = None if utterance.language in ("", "und") else utterance.language
        song = Song(waveform, lyrics, language=code, listening=Listening("none"))
        ready, language = song.prepare(engine)
        task = Task(ready, lyrics, language.code, DecoderConfig(refuse=False))
        placed = listen(engine, task, lambda stage, share: None)
    except (MelismaError, OSError) as error:
        return {"error": _sentence(error)}
    starts = [None if w.start is None else placed.clock.seconds(w.start) for w in placed.words]
    return {"starts": starts, **_heard(engine, placed, utterance, words)}


def _heard(engine: Engine, placed: Placed, utterance: Utterance, words: Sequence[str]) -> dict[str, Any]:
    """Count the edits between what a network hears and what is said: of characters, or of phones."""
    if placed.emission is None or not emits(engine):
        return {}
    labels = greedy(placed.emission)
    if getattr(engine, "units", "characters") == "phones":
        reference = [label for word in words for label in engine.spell(word, placed.language)]
        index = {label: number for number, label in enumerate(engine.labels)}
        wanted, got, units = [index[x] for x in reference], [index[x] for x in labels], "phones"
    else:
        said = "".join(label for label in labels if not (label[:1] in "<[" and label[-1:] in ">]" and len(label) > 2))
        wanted, got, units = characters(normalised(utterance)), characters(said), "characters"
    return {"edits": edit_distance(wanted, got), "n_reference": len(wanted), "units": units}


def _usable(name: str) -> Engine:
    return tiers.usable(name, RouterSettings.from_env(), chosen=True)


def _part(whole: Float32, rate: int, utterance: Utterance) -> Float32:
    first = round(utterance.start * rate)
    return np.asarray(whole[first : first + round(utterance.duration * rate)], np.float32)


def _sentence(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def signature(lines: Sequence[str], path: Path) -> str:
    """Return what decides the outcome of a recording beside the engine: its file, and what is said of it."""
    digest = hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    try:
        found = path.stat()
    except OSError:
        return digest
    return f"{found.st_size}:{found.st_mtime_ns}:{digest}"
