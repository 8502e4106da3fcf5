"""A classical baseline: forced alignment of English by PocketSphinx's hidden Markov models.

The lyrics become a grammar of one sentence, word after word, with an optional silence or noise between any two and with
every pronunciation that CMU's dictionary knows; words that it does not know are pronounced by espeak-ng. One Viterbi
search runs over the whole recording, with wide beams and, where no path survives these, with none. Of the two passes
that PocketSphinx makes the second is left out: its best path through a lattice of words knows nothing of the grammar,
and breaks off words before the last.

Models and dictionary are those inside the package `pocketsphinx`; nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from melisma.core.errors import EngineFailed, EngineUnavailable, ModelError, TooFewFrames, UnknownName
from melisma.core.records import Float32, Heard, HeardWord, Lyrics, Waveform
from melisma.core.timebase import Timebase
from melisma.engines.protocol import EngineFacts, Licence, Progress, Task
from melisma.text import arpabet
from melisma.text.g2p import EspeakG2P, speakable

_MODEL = "en-us"
_MISSING = "the engine 'hmm' needs PocketSphinx: pip install 'melisma[baselines]'"
_CLOCK = Timebase(16000, 160)
_WINDOW = 410  # samples that a frame of the model hears, from its own first sample on
# A word that begins with frame n begins half way between the middles of frames n − 1 and n, in frames after n.
_LATE = (_WINDOW - _CLOCK.stride) / 2 / _CLOCK.stride
_STATES = 3  # of a phone; each takes a frame at least
# What a path, and the end of a word, may score below the best, as probabilities; 1e-300 is as wide as a double can say
# it, 0 is no beam at all. The beams that PocketSphinx comes with lose the way in the first instrumental gap.
_BEAMS = ((1e-300, 1e-100), (0.0, 1e-300), (0.0, 0.0))
# Without a beam every word ends in every frame, and each of these ends is kept: 200 bytes, measured.
_MOST_ENDS = 10_000_000
# Probabilities of a silence and of a noise between words. Chosen on synthetic songs (docs/baselines.md).
_SILENCE, _NOISE = 0.1, 1e-3
_MOST_WAYS = 8  # of saying a word that is put together from several
# Measured on a song of four minutes, with the interpreter: 1,160 MB where no beam lets a path through, else 180 MB.
_MEMORY_MB = 1200
# Within beams 20 minutes take 700 MB; an hour would take two gigabytes.
_LONGEST_S = 1800

Pronunciations = tuple[str, ...]  # phones with a space between two


class HmmEngine:
    """PocketSphinx's US English models, on the words as they are written."""

    sample_rate = _CLOCK.sample_rate

    def __init__(self) -> None:
        self._g2p = EspeakG2P()

    @property
    def facts(self) -> EngineFacts:
        """What it says of itself."""
        return EngineFacts(
            name="hmm",
            version="1",
            model_id=f"pocketsphinx/{_MODEL}",
            model_revision=_revision(),
            licence=Licence("BSD-2-Clause", commercial=True),
            task=Task.PLACE,
            sample_rate=self.sample_rate,
            languages=frozenset({"en"}),
            memory_mb=_MEMORY_MB,
            baseline=True,
        )

    def missing(self) -> str | None:
        """Say that the package is not installed, or that its models are not in it."""
        folder = _folder()
        if folder is None:
            return _MISSING
        if not (folder / _MODEL / "mdef").is_file() or not (folder / f"cmudict-{_MODEL}.dict").is_file():
            return f"the package pocketsphinx lacks its models of {_MODEL}: pip install --force-reinstall pocketsphinx"
        return None

    def load(self) -> None:
        """Read the dictionary, once; EngineUnavailable if the package is not there."""
        said = self.missing()
        if said:
            raise EngineUnavailable(said)
        _dictionary()

    def unload(self) -> None:
        """Forget the dictionary; the models live only while a recording is searched."""
        _dictionary.cache_clear()

    def place(self, waveform: Waveform, lyrics: Lyrics, language: str, progress: Progress | None = None) -> Heard:
        """Time every word that has a sound.

        Raises
        ------
        UnknownName
            If the language is not English.
        TooFewFrames
            If the words cannot be said in so short a time.
        EngineFailed
            If no path through the grammar survives to the end of the recording, or that is too long.
        """
        if waveform.sample_rate != self.sample_rate:
            raise ValueError(f"the hmm engine takes {self.sample_rate} Hz, not {waveform.sample_rate} Hz")
        if language.lower().replace("_", "-").split("-")[0] not in ("en", "eng"):
            raise UnknownName("language of the engine 'hmm'", language, ("en",))
        if waveform.duration_s > _LONGEST_S:
            raise EngineFailed(f"PocketSphinx takes recordings of up to {_LONGEST_S // 60} minutes, for want of memory")
        self.load()
        spoken = [(i, ways) for i, word in enumerate(lyrics.words) if (ways := self.pronunciations(word))]
        tell = progress or (lambda share: None)
        if not spoken:
            tell(1.0)
            return Heard((), _CLOCK, "en")
        n_frames = max(0, (len(waveform.samples) - _WINDOW) // _CLOCK.stride + 1)
        needed = sum(min(_STATES * len(way.split()) for way in ways) for _, ways in spoken)
        if n_frames < needed:
            raise TooFewFrames(n_frames, needed)
        spans = _search(waveform.samples, [ways for _, ways in spoken])
        tell(1.0)
        end = waveform.duration_s * self.sample_rate / _CLOCK.stride
        timed = (
            HeardWord(lyrics.words[i], first + _LATE if first else 0.0, min(last + 1 + _LATE, end), index=i)
            for (i, _), (first, last) in zip(spoken, spans, strict=True)
        )
        return Heard(tuple(timed), _CLOCK, "en")

    def pronunciations(self, word: str) -> Pronunciations:
        """Return the ways to say a word, in ARPAbet, the likeliest first; none if it has no sound of its own.

        What the dictionary does not know as it stands is looked up without its apostrophes, as two words where a
        hyphen joins them, with "-ing" for "-in'"; what it does not know then is read out by espeak-ng.
        """
        text = speakable(word).lower().replace("_", " ")
        if not text:
            return ()
        parts = text.replace("-", " ").split()
        ways = [_looked_up(part) or self._read_out(part) for part in parts]
        return tuple(" ".join(filter(None, way)) for way, _ in zip(product(*ways), range(_MOST_WAYS), strict=False))

    def _read_out(self, word: str) -> Pronunciations:
        return (" ".join(arpabet.from_labels(self._g2p.phones(word, "en"))),)


@cache
def _revision() -> str:
    try:
        return version("pocketsphinx")
    except PackageNotFoundError:
        return ""


def _folder() -> Path | None:
    """Return where the package keeps its models, without importing it."""
    found = find_spec("pocketsphinx")
    return None if found is None or found.origin is None else Path(found.origin).parent / "model" / _MODEL


@cache
def _dictionary() -> dict[str, Pronunciations]:
    """Read CMU's dictionary: `word PHONES`, other ways of saying it as `word(2) PHONES`."""
    folder = _folder()
    path = (folder or Path()) / f"cmudict-{_MODEL}.dict"
    found: dict[str, list[str]] = {}
    try:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                word, _, phones = line.strip().partition(" ")
                found.setdefault(word.partition("(")[0], []).append(phones)
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"the dictionary of PocketSphinx cannot be read: {error}") from error
    return {word: tuple(ways) for word, ways in found.items()}


def _looked_up(word: str) -> Pronunciations:
    known = _dictionary()
    bare = word.strip("'")
    for spelt in (word, bare, bare.replace("'", "")):
        if ways := known.get(spelt):
            return ways
    if bare.endswith("in") and (ways := known.get(bare + "g")):  # singin'
        return tuple(way.removesuffix("NG") + "N" if way.endswith("NG") else way for way in ways)
    return ()


def _search(samples: Float32, ways: Sequence[Pronunciations]) -> list[tuple[int, int]]:
    """Find the best path through all words in their order; return the first and the last frame of each."""
    sound = np.clip(np.round(samples * 32767.0), -32768, 32767).astype(np.int16).tobytes()
    n_ends = len(ways) * (len(samples) // _CLOCK.stride)
    for beam, word_beam in _BEAMS:
        if not word_beam and n_ends > _MOST_ENDS:
            break
        spans = _searched(sound, _decoder(ways, beam, word_beam))
        if len(spans) == len(ways):
            return spans
    raise EngineFailed("PocketSphinx lost its way in the recording: no path through all words reached its end")


def _searched(sound: bytes, decoder: Any) -> list[tuple[int, int]]:
    try:
        decoder.start_utt()
        decoder.process_raw(sound, no_search=False, full_utt=True)
        decoder.end_utt()
        return [] if decoder.hyp() is None else list(_spans(decoder))
    except RuntimeError as error:
        raise EngineFailed(f"PocketSphinx broke off: {error}") from error


def _spans(decoder: Any) -> Iterator[tuple[int, int]]:
    for segment in decoder.seg():
        if segment.word.startswith("w"):  # a word of the grammar, no silence or noise
            yield segment.start_frame, segment.end_frame


def _decoder(ways: Sequence[Pronunciations], beam: float, word_beam: float) -> Any:
    """Make a decoder whose grammar is the words in their order."""
    import pocketsphinx

    folder = _folder()
    try:
        decoder = pocketsphinx.Decoder(
            hmm=str((folder or Path()) / _MODEL), lm=None, dict=None, loglevel="FATAL", bestpath=False,
            beam=beam, pbeam=beam, wbeam=word_beam, maxhmmpf=-1, silprob=_SILENCE, fillprob=_NOISE,
        )  # fmt: skip
        names: dict[Pronunciations, str] = {}
        for each in ways:
            if each not in names:
                names[each] = f"w{len(names)}"
                for k, way in enumerate(each):
                    decoder.add_word(names[each] + (f"({k + 1})" if k else ""), way, False)
        steps = [(i, i + 1, 1.0, names[each]) for i, each in enumerate(ways)]
        decoder.add_fsg("lyrics", decoder.create_fsg("lyrics", 0, len(ways), steps))
        decoder.activate_search("lyrics")
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"PocketSphinx cannot load its models or the words: {error}") from error
    return decoder
