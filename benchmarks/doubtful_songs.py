"""Songs in which words go wrong as they do in life, with the truth about every word; for `confidence.py`.

Three kinds, none of them a real song: *spoken* and *sung* ones are strung together, as mel powers, of the clips of
speakers that the trainer holds out (as recorded, and made to sing by WORLD), among music, with other voices behind and
between; *synthetic* ones are `melisma.synth.heldout` under louder bands. Half of all keep their lyrics; in those of the
others, lines are missing or too many, a chorus is written once, words are wrong; one song in thirteen comes with the
lyrics of another. In all, some phones are not as spelt.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import synthetic as synthetic_songs
from scipy.signal import lfilter

from melisma.aligner.viterbi import frames_needed
from melisma.audio import decode
from melisma.core.errors import TooFewFrames
from melisma.core.files import write_atomically
from melisma.core.records import Emission, Float32, LyricLine, Lyrics, Tokens
from melisma.core.timebase import Timebase
from melisma.engines.phone import PhoneEngine
from melisma.models import features
from melisma.synth import heldout
from melisma.text.phones import INVENTORY, VOWELS
from melisma.train import augment
from melisma.train.corpus import (
    Clip,
    Int16,
    Noise,
    UtteranceRow,
    load_noise,
    load_speech,
    normalised,
    read_manifest,
    split_speakers,
)
from melisma.train.onsets import BEAT
from melisma.train.phone_times import align_phones
from melisma.train.rows import RowConfig, RowSampler, bend
from melisma.train.sing import read_aligned, sing_folder

NEVER_SUNG = float("nan")
AS_SUNG, DAMAGED, ANOTHERS = "as sung", "damaged", "of another song"
_SKIP = frozenset({"ja", "th", "zh-CN", "zh-HK", "zh-TW"})  # as the trainer does
_LONGEST_S = 0.25  # from the first consonant of a word to its beat
_PER_S = 100  # feature frames
_SNR_DB = (-6.0, 16.0)  # of the voice against the music
_FEWEST = 14  # sentences to choose from for a song


@dataclass(frozen=True, slots=True)
class TrueWord:
    """A word of the lyrics: its labels, and where it is heard to begin in seconds, NaN if it is not sung."""

    spelt: tuple[int, ...]
    start_s: float


@dataclass(frozen=True, slots=True)
class TrueLine:
    """A line as it is sung, and how often its chorus was sung before; 0 for a verse."""

    words: tuple[TrueWord, ...]
    repeats: int = 0


@dataclass(frozen=True, slots=True)
class Song:
    """What a model hears in a song, the lyrics it is given, and the truth, float64 [n_words]."""

    kind: str
    text: str  # AS_SUNG, DAMAGED or ANOTHERS
    emission: Emission
    tokens: Tokens
    lyrics: Lyrics
    starts_s: np.ndarray


@dataclass(frozen=True, slots=True)
class _Speaker:
    language: str
    speaker: str
    row: UtteranceRow


@dataclass(frozen=True, slots=True)
class Sentence:
    """A clip and the range of its labels that each word owns."""

    clip: Clip
    words: tuple[tuple[int, int], ...]


def held_out(corpus: Path, cache: Path, engine: PhoneEngine) -> Path:
    """Write a manifest of the clips of the speakers that the trainer holds out, with the times of their phones."""
    out = cache / "held-out.jsonl"
    if out.is_file():
        return out
    rows = [r for r in read_manifest(corpus / "manifest.jsonl", UtteranceRow) if r.language not in _SKIP]
    _, held = split_speakers([_Speaker(r.language, r.speaker_id, r) for r in rows], 0.04, 1)  # the trainer's own split
    index = {label: i for i, label in enumerate(engine.labels)}
    lines: list[str] = []
    for row in (one.row for one in held):
        labels = np.array([index[p] for w in row.transcript.split() for p in engine.spell(w, row.language)], np.int64)
        log_power = features.log_mel(decode.load(corpus / row.audio, downmix="mean").samples)
        try:
            times = align_phones(log_power, labels, lambda normal: engine.hear(normal)[0], engine.card.hops)
        except TooFewFrames:
            continue
        spans = zip(labels.tolist(), times.start.tolist(), times.stop.tolist(), strict=True)
        phones = [(engine.labels[label], start / _PER_S, stop / _PER_S) for label, start, stop in spans]
        made = row.model_copy(update={"phones": phones, "audio": str((corpus / row.audio).resolve())})
        lines.append(made.model_dump_json(exclude_defaults=True) + "\n")
    cache.mkdir(parents=True, exist_ok=True)
    write_atomically(out, "".join(lines).encode("utf-8"))
    return out


def sung(manifest: Path, cache: Path, hours: float) -> Path:
    """Make those clips sing, once; return the manifest of what they sang."""
    out = cache / "sung" / "manifest.jsonl"
    if not out.is_file():
        sing_folder(read_aligned(manifest), out.parent, hours=hours, seed=1)
    return out


def sentences(manifest: Path, cache: Path, engine: PhoneEngine) -> list[Sentence]:
    """Load clips and say which phones each of their words owns."""
    clips = {clip.id: clip for clip in load_speech(manifest.parent, cache, frozenset(), 1, manifest.name)}
    out: list[Sentence] = []
    for row in read_manifest(manifest, UtteranceRow):
        sizes = [n for word in row.transcript.split() if (n := len(engine.spell(word, row.language)))]
        ends = np.cumsum(sizes)
        if row.id in clips and len(sizes) >= 2 and ends[-1] == len(clips[row.id].labels):
            words = zip((ends - sizes).tolist(), ends.tolist(), strict=True)
            out.append(Sentence(clips[row.id], tuple(words)))
    return out


class Composer:
    """Strings sentences together to songs."""

    def __init__(self, pool: list[Sentence], music: list[Noise], engine: PhoneEngine, seed: int) -> None:
        self._engine, self._seed = engine, seed
        self._beside: dict[str, list[Sentence]] = {}
        for one in pool:
            self._beside.setdefault(one.clip.language, []).append(one)
        self._pool, self._languages = pool, sorted(self._beside)
        self._config = RowConfig(music=1.0, snr_db=_SNR_DB, stretch=0.7)
        self._mixer = RowSampler([([one.clip for one in pool], 1.0)], [(music, 1.0)], self._config, seed)

    def song(self, number: int, kind: str) -> Song:
        """Make a song: the same for the same pool, seed and number."""
        rng = np.random.default_rng([self._seed, 23, number])
        some = self._beside[str(rng.choice(self._languages))]
        if len(some) < _FEWEST:  # then languages follow each other
            some = [*some, *(self._pool[int(i)] for i in rng.integers(len(self._pool), size=_FEWEST - len(some)))]
        power, lines = self._sing(some, rng)
        active = (power.sum(axis=1) > 0).astype(np.float32)
        if rng.random() < 0.5:
            power = reverberant(power, rng)
        if rng.random() < 0.5:
            power = power + self._others(power, active, some, rng)
        mixed = self._mixer.among_music(power, active, 1.0, rng)
        return given(kind, heard(mixed, self._engine), lines, rng)

    def _sing(self, some: list[Sentence], rng: np.random.Generator) -> tuple[Float32, list[TrueLine]]:
        """Sing sentences one after the other, from the gap before the first to the gap after the last."""
        parts, lines, at = [silence(rng.uniform(1, 20))], [], 0
        warp, colour = 1 + rng.uniform(-0.12, 0.12), augment.random_colour(6.0, rng)
        for which, repeats in _script(len(some), rng):
            at = sum(map(len, parts))
            log_power, owners = bend(some[which].clip, self._config, 1.0, rng)
            power = augment.power_of(augment.warp_bands(log_power, warp)) * np.exp(colour)
            louder = 10 ** (rng.uniform(-4, 4) / 10) / (power.sum(axis=1).mean() + features.FLOOR)
            parts.append(power * np.float32(louder))
            lines += lines_of(some[which], owners, at, repeats, rng)
            long = rng.random() < 0.12
            parts.append(silence(rng.uniform(4, 30) if long else rng.exponential(0.7)))
        return np.concatenate(parts), lines

    def _others(self, power: Float32, active: Float32, some: list[Sentence], rng: np.random.Generator) -> Float32:
        """Let others sing something else, behind the voice and in its gaps."""
        out, at = np.zeros_like(power), 0
        level = power[active > 0].mean()
        loud = rng.uniform(-18, -2)
        while at < len(out):
            at += int(rng.exponential(rng.choice([1, 8])) * _PER_S)
            log_power, _ = bend(some[int(rng.integers(len(some)))].clip, self._config, 1.0, rng)
            sound = augment.power_of(augment.warp_bands(log_power, 1 + rng.uniform(-0.12, 0.12)))
            sound = sound[: int(rng.uniform(0.5, 4) * _PER_S)][: max(len(out) - at, 0)]
            gain = level / (sound.mean() + features.FLOOR) * 10 ** (loud / 10) if len(sound) else 0
            out[at : at + len(sound)] += sound * np.float32(gain)
            at += len(sound)
        return out


def _script(n: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Return sentences, and how often each was sung before: in half of the songs a chorus stands between verses."""
    order = rng.permutation(n)[: int(rng.integers(10, 22))].tolist()
    k = min(3, len(order) // 3)
    if rng.random() < 0.5:
        return [(i, 0) for i in order]
    verses = np.array_split(np.array(order[k:], np.int64), min(3, len(order) - k))
    out: list[tuple[int, int]] = []
    for sung_before, verse in enumerate(verses):
        out += [(int(i), 0) for i in verse]
        out += [(i, sung_before) for i in order[:k]]
    return out


def silence(seconds: float) -> Float32:
    return np.zeros((int(seconds * _PER_S), features.N_MELS), np.float32)


def reverberant(power: Float32, rng: np.random.Generator) -> Float32:
    decay = 10 ** (-6 / (rng.uniform(0.2, 2) * _PER_S))
    wet = 10 ** (-rng.uniform(3, 15) / 10) * (1 - decay)
    return np.asarray(power + lfilter([0, wet], [1, -decay], power, axis=0), np.float32)


def lines_of(sentence: Sentence, owners: Int16, at: int, repeats: int, rng: np.random.Generator) -> list[TrueLine]:
    """Say where the words of a bent sentence are heard to begin, and break it into lines of three to eight words."""
    labels = sentence.clip.labels
    begins = np.full(len(labels), np.nan)
    sounding = np.flatnonzero(owners >= 0)
    phones, first = np.unique(owners[sounding], return_index=True)
    begins[phones] = (at + sounding[first]) / _PER_S
    words: list[TrueWord] = []
    for low, high in sentence.words:
        vowels = [k for k in range(low, high) if INVENTORY[labels[k] - 1] in VOWELS]
        to_beat = BEAT * (begins[vowels[0]] - begins[low]) if vowels else 0.0
        words.append(TrueWord(tuple(labels[low:high].tolist()), float(begins[low] + min(to_beat, _LONGEST_S))))
    out: list[TrueLine] = []
    while words:
        n = int(rng.integers(3, 9))
        n = len(words) if len(words) - n < 2 else n
        out.append(TrueLine(tuple(words[:n]), repeats))
        words = words[n:]
    return out


def synthetic(number: int, music: list[Noise], engine: PhoneEngine) -> Song:
    """Take one of the songs that `synthetic.py` makes, and let more music play over it."""
    rng = np.random.default_rng([29, number])
    which, language = divmod(number, len(heldout.LANGUAGES))
    code = heldout.LANGUAGES[language]
    folder = synthetic_songs.song(code, which, synthetic_songs.CACHE)
    index = {label: i for i, label in enumerate(engine.labels)}
    by_line: dict[int, list[TrueWord]] = {}
    with (folder / "gold.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            spelt = tuple(index[p] for p in engine.spell(row["word"], code))
            by_line.setdefault(int(row["line"]), []).extend([TrueWord(spelt, float(row["start_s"]))] if spelt else [])
    power = features.mel_power(decode.load(folder / "audio.wav").samples)
    more = augment.excerpt(music[int(rng.integers(len(music)))], len(power), rng)
    power += more * np.float32(power.mean() / more.mean() * 10 ** (-rng.uniform(-8, 8) / 10))
    return given(
        "synthetic", heard(power, engine), [TrueLine(tuple(words)) for words in by_line.values() if words], rng
    )


def heard(power: Float32, engine: PhoneEngine) -> Emission:
    """Return what an engine hears in mel powers [n_frames, N_MELS], normalised over where it hears a voice."""
    normal = normalised(power)
    near = features.near_voice(engine.hear(normal)[1], engine.card.hops)[: len(normal)]
    log_probs, vocal = engine.hear(features.normalise(normal, near))
    shifts = np.array([engine.card.onset_shifts_s.get(label, 0.0) for label in engine.labels], np.float32)
    clock = Timebase(features.SAMPLE_RATE, engine.card.hops * features.HOP)
    return Emission(log_probs, engine.labels, engine.blank, clock, len(power) * features.HOP, vocal, shifts)


def given(kind: str, emission: Emission, lines: list[TrueLine], rng: np.random.Generator) -> Song:
    """Put together what the aligner is given: lyrics, damaged or not."""
    damaged = bool(rng.random() < 0.5)
    if damaged:
        lines = damage(lines, rng)
    lines = misheard(lines, rng.uniform(0, 0.12), len(emission.labels), rng)
    words = [word for line in lines for word in line.words]
    tokens = Tokens(
        np.array([label for word in words for label in word.spelt], np.int64),
        np.array([i for i, word in enumerate(words) for _ in word.spelt], np.int64),
        np.array([k for k, line in enumerate(lines) for _ in line.words], np.int64),
    )
    sung = Lyrics(tuple(LyricLine(tuple("w" for _ in line.words)) for line in lines))
    return Song(
        kind, DAMAGED if damaged else AS_SUNG, emission, tokens, sung, np.array([word.start_s for word in words])
    )


def damage(lines: list[TrueLine], rng: np.random.Generator) -> list[TrueLine]:
    """Do to lyrics what people do to them: one or two of four things."""
    words = [word.spelt for line in lines for word in line.words]
    for how in rng.choice(["missing", "extra", "once", "words"], int(rng.integers(1, 3)), replace=False):
        if how == "missing":
            lines = [line for line in lines if rng.random() > 0.12]
        elif how == "once":
            lines = [line for line in lines if not line.repeats]
        elif how == "words":
            lines = [_reworded(line, words, rng) for line in lines]
        else:
            lines = [one for line in lines for one in (line, *_unsung(lines, words, rng))]
    return [line for line in lines if line.words] or lines[:1]


def _unsung(lines: list[TrueLine], words: list[tuple[int, ...]], rng: np.random.Generator) -> list[TrueLine]:
    """Return a line that nobody sings here, of any words or from elsewhere in the song; in most cases none."""
    if rng.random() > 0.12:
        return []
    spelt = [words[int(rng.integers(len(words)))] for _ in range(int(rng.integers(3, 9)))]
    if rng.random() < 0.5:
        spelt = [word.spelt for word in lines[int(rng.integers(len(lines)))].words]
    return [TrueLine(tuple(TrueWord(one, NEVER_SUNG) for one in spelt))]


def _reworded(line: TrueLine, words: list[tuple[int, ...]], rng: np.random.Generator) -> TrueLine:
    """Swap, drop and add a word here and there."""
    out: list[TrueWord] = []
    for word in line.words:
        other = words[int(rng.integers(len(words)))]
        what = rng.random()
        if what < 0.06:
            out.append(TrueWord(other, word.start_s))
        elif what > 0.09:
            out.append(word)
        if what > 0.97:
            out.append(TrueWord(other, NEVER_SUNG))
    return replace(line, words=tuple(out))


def misheard(lines: list[TrueLine], share: float, n_labels: int, rng: np.random.Generator) -> list[TrueLine]:
    """Put another phone in the place of a share of them: singers do not say what a dictionary does."""

    def spoken(word: TrueWord) -> TrueWord:
        swap = rng.random(len(word.spelt)) < share
        others = rng.integers(1, n_labels, len(word.spelt))
        return replace(word, spelt=tuple(int(o) if s else p for p, s, o in zip(word.spelt, swap, others, strict=True)))

    return [replace(line, words=tuple(map(spoken, line.words))) for line in lines]


def songs(n: int, shared: Path, cache: Path, engine: PhoneEngine) -> Iterator[Song]:
    """Make `n` songs of each kind; clips, their phone times and sung clips stay in the cache, whatever the model."""
    manifest = held_out(shared / "corpus", cache, engine)
    pools = {"spoken": manifest, "sung": sung(manifest, cache, hours=0.3)}
    music = [piece for piece in load_noise(shared / "noise", cache, 1) if piece.kind == "music"]
    for seed, (kind, path) in enumerate(pools.items()):
        composer = Composer(sentences(path, cache, engine), music, engine, seed)
        yield from _with_strangers(composer.song(number, kind) for number in range(n))
    yield from _with_strangers(synthetic(number, music, engine) for number in range(n))


def _with_strangers(some: Iterable[Song]) -> Iterator[Song]:
    """Give every twelfth song once more, with the lyrics of the one before it, if those fit into it."""
    before: Song | None = None
    for number, song in enumerate(some):
        yield song
        if before and number % 12 == 6 and frames_needed(before.tokens.ids) <= len(song.emission.log_probs):
            never = np.full(len(before.starts_s), NEVER_SUNG)
            yield replace(song, text=ANOTHERS, tokens=before.tokens, lyrics=before.lyrics, starts_s=never)
        before = song
