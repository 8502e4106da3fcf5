"""Songs whose lyrics are not what is sung, one fault each, with the exact time of every word that is.

A song has blocks of two lines each, verses and a chorus. What is sung and what is written are two lists of blocks; a
fault makes them differ in one way, or adds sound that no lyrics mention.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from melisma.core.errors import UnknownName
from melisma.core.records import Float32
from melisma.synth.accompaniment import PROGRESSIONS, Key
from melisma.synth.instruments import panned
from melisma.synth.melody import bars_needed, compose
from melisma.synth.score import CLOCK, PlacedLine, Score, SongConfig, write_score
from melisma.synth.singing import lay_out, sing, syllables
from melisma.synth.songs import render
from melisma.synth.speech import SAMPLE_RATE, utter
from melisma.synth.voice import singer_named, speak
from melisma.synth.words import PHRASES
from melisma.text import espeak

LANGUAGES = ("en", "fr", "hr")  # with words enough for a song and for another one
_LINES_PER_BLOCK = 2
_BLOCKS = ("V1", "C", "V2", "X", "Y", "Z")  # the last three are for what is never sung
_SUNG = ("V1", "C", "V2", "C")
_GAP_S, _FADE_S = 60.0, 14.0
_FADE_DB = 40.0
_OVER_DB = -3.0  # backing voices against the lead
_SPEECH_RMS = 0.08  # of full scale
_SPEAKER, _SPEECH_PITCH, _SPEECH_WPM = "edward2", 40, 165


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a fault decides."""

    sung: tuple[str, ...] = _SUNG
    written: tuple[str, ...] = _SUNG
    unwritten: tuple[str, ...] = ()  # blocks whose first line is sung, but not written wherever the block is
    strange: bool = False  # whether a line that nobody sings stands inside a verse
    adlibs: bool = False  # whether the singer sings a few more words after each block
    intro: bool = False  # whether somebody else speaks first
    gap: bool = False  # whether the band plays alone for a minute
    fade: bool = False
    backing: bool = False  # whether others sing words in parentheses over the second line of each block


FAULTS: dict[str, _Plan] = {
    "none": _Plan(),
    "lines never sung": _Plan(written=("V1", "X", "C", "V2", "C"), strange=True),
    "lines missing": _Plan(written=("V1", "C", "C"), unwritten=("V1",)),
    "verses in another order": _Plan(written=("V2", "C", "V1", "C")),
    "chorus sung more often": _Plan(sung=("V1", "C", "V2", "C", "C")),
    "chorus sung less often": _Plan(sung=("V1", "C", "V2")),
    "chorus written once": _Plan(written=("V1", "C", "V2")),
    "another song": _Plan(written=("X", "Y", "Z")),
    "ad-libs": _Plan(adlibs=True),
    "spoken intro": _Plan(intro=True),
    "gap of a minute": _Plan(gap=True),
    "fade-out": _Plan(fade=True),
    "backing in parentheses": _Plan(backing=True),
}


@dataclass(frozen=True, slots=True)
class GivenWord:
    """A word of the lyrics as they are given, and each time at which it is sung in seconds; none if it never is."""

    text: str
    starts_s: tuple[float, ...]
    backing: bool = False  # whether it is sung by others, over the lead


@dataclass(frozen=True, slots=True)
class FaultySong:
    """A recording, float32 [n_samples, 2] within ±1, and the lyrics given with it, a tuple of words for each line."""

    fault: str
    language: str
    stereo: Float32
    sample_rate: int
    lines: tuple[tuple[GivenWord, ...], ...]

    @property
    def lyrics(self) -> str:
        """The lyrics as a text, a line each."""
        return "".join(" ".join(word.text for word in line) + "\n" for line in self.lines)

    @property
    def words(self) -> tuple[GivenWord, ...]:
        """All words of the lyrics."""
        return tuple(word for line in self.lines for word in line)


def faulty_song(fault: str, language: str = "en", seed: int = 0) -> FaultySong:
    """Make a song with a fault: the same for the same three every time.

    Raises
    ------
    UnknownName
        If there is no such fault, or there are not words enough in the language.
    """
    if fault not in FAULTS:
        raise UnknownName("fault", fault, FAULTS)
    if language not in LANGUAGES:
        raise UnknownName("language of faulty songs", language, LANGUAGES)
    plan, rng = FAULTS[fault], np.random.default_rng([seed, 7])
    blocks = _blocks(language, rng)
    keys = tuple(_keys(plan))
    score = write_score(_config(plan, [_text(key, blocks) for key in keys], language, seed, rng))
    stereo = render(score).stereo
    times: dict[str, list[tuple[float, ...]]] = {}  # of each line: when its words were sung, each time that it was
    for key, placed in zip([key for key in keys if key], score.lines, strict=True):
        starts = (CLOCK.seconds(placed.at + start) for start, _ in placed.sung.spans)
        times.setdefault(key, []).append(tuple(starts))
    groups = dict(_backing(plan, keys, blocks, score)) if plan.backing else {}
    for group in groups.values():
        _over(stereo, group)
    if plan.fade:
        n = round(_FADE_S * SAMPLE_RATE)
        stereo[-n:] *= 10 ** (-_FADE_DB / 20 * np.linspace(0, 1, n, dtype=np.float32)[:, None])
    intro = _talk(blocks, language) if plan.intro else np.zeros((0, 2), np.float32)
    lines = _written(plan, blocks, times, groups)
    moved = tuple(tuple(_later(word, len(intro) / SAMPLE_RATE) for word in line) for line in lines)
    return FaultySong(fault, language, np.clip(np.concatenate([intro, stereo]), -1, 1), SAMPLE_RATE, moved)


def _blocks(language: str, rng: np.random.Generator) -> dict[str, tuple[str, ...]]:
    """Draw the lines of every block; no opening and no ending comes twice."""
    openings, endings = (rng.permutation(np.array(part)).tolist() for part in PHRASES[language])
    lines = [f"{a} {b}" for a, b in zip(openings, endings, strict=False)]
    at = range(0, _LINES_PER_BLOCK * len(_BLOCKS), _LINES_PER_BLOCK)
    return {name: tuple(lines[i : i + _LINES_PER_BLOCK]) for name, i in zip(_BLOCKS, at, strict=True)}


def _keys(plan: _Plan) -> Iterator[str]:
    """Name the lines that are sung, in order, an empty name between blocks."""
    for number, name in enumerate(plan.sung):
        yield from ("",) if number else ()
        yield from (f"{name} {i}" for i in range(_LINES_PER_BLOCK))
        if plan.adlibs:
            yield f"Y {number % _LINES_PER_BLOCK} ad-lib"


def _text(key: str, blocks: dict[str, tuple[str, ...]]) -> str:
    if not key:
        return ""
    name, number, *adlib = key.split()
    text = blocks[name][int(number)]
    return " ".join(text.split()[:3]) if adlib else text


def _config(plan: _Plan, lines: list[str], language: str, seed: int, rng: np.random.Generator) -> SongConfig:
    made = SongConfig(
        language,
        tuple(lines),
        singer=str(rng.choice(["low", "middle", "high"])),
        tempo_bpm=float(rng.integers(88, 116)),
        key=str(rng.choice(["C", "G", "D", "F", "Am", "Em"])),
        seed=seed,
        break_bars=1,
    )
    if not plan.gap:
        return made
    # One long break in the middle: the breaks in front of and behind it are none.
    half = len(lines) // 2
    kept = (*(line for line in lines[:half] if line), "", *(line for line in lines[half:] if line))
    return replace(made, lines=kept, break_bars=int(np.ceil(_GAP_S * made.tempo_bpm / 240)))


@dataclass(frozen=True, slots=True)
class _Group:
    """Words that others sing: the first sample of each in the song, and their sound, float32 [n_samples], from `at`."""

    words: tuple[str, ...]
    starts: tuple[int, ...]
    at: int
    samples: Float32


def _backing(
    plan: _Plan, keys: tuple[str, ...], blocks: dict[str, tuple[str, ...]], score: Score
) -> Iterator[tuple[str, _Group]]:
    """Let another singer begin a few words in the second half of the last line of each block; by line and turn."""
    rng = np.random.default_rng([score.config.seed, 11])
    turns: dict[str, int] = {}
    spare = [line for name in ("X", "Y", "Z") for line in blocks[name]]
    for key, placed in zip([key for key in keys if key], score.lines, strict=True):
        name, number, *_ = key.split()
        if int(number) == _LINES_PER_BLOCK - 1:
            turn = turns[name] = turns.get(name, -1) + 1
            yield f"{key} {turn}", _sung_over(spare.pop(0).split()[:3], placed, score.config, rng)


def _sung_over(texts: list[str], lead: PlacedLine, config: SongConfig, rng: np.random.Generator) -> _Group:
    name = "high" if config.singer != "high" else "low"
    singer, key = singer_named(name), Key.named(config.key)
    words = [speak(text, config.language, name) for text in texts]
    n_notes = syllables(words)
    chords = list(PROGRESSIONS[key.mode][0])[: bars_needed(n_notes)]
    notes = compose(n_notes, chords, key, (singer.lowest, singer.highest), 60 / config.tempo_bpm, rng)
    sung = lay_out(words, notes)
    samples = sing(sung)
    spans = lead.sung.spans
    over = int(rng.integers(len(spans) // 2, len(spans)))  # the word of the lead that they begin with
    begin = lead.at + spans[over][0] - sung.spans[0][0]  # of the beat that its notes count from
    loud = np.float32(0.6 * 10 ** (_OVER_DB / 20) / max(float(np.abs(samples).max()), 1e-9))
    starts = tuple(begin + start for start, _ in sung.spans)
    return _Group(tuple(texts), starts, starts[0], samples * loud)


def _over(stereo: Float32, group: _Group) -> None:
    """Add what others sing, beside the centre."""
    sound = panned(group.samples, 0.4) * np.float32(0.7)
    n = min(len(sound), len(stereo) - group.at)
    stereo[group.at : group.at + n] += sound[:n]


def _talk(blocks: dict[str, tuple[str, ...]], language: str) -> Float32:
    """Let somebody speak lines that are not in the song, and a second of silence."""
    text = ". ".join([*blocks["X"], *blocks["Y"]])
    said, _ = utter(text, espeak.voice_code(language), _SPEAKER, _SPEECH_WPM, _SPEECH_PITCH, pitch_range=50)
    loud = _SPEECH_RMS / max(float(np.sqrt(np.mean(np.square(said, dtype=np.float64)))), 1e-9)
    whole = np.concatenate([said * np.float32(loud), np.zeros(SAMPLE_RATE, np.float32)])
    return np.repeat(whole[:, None], 2, axis=1)


def _written(
    plan: _Plan,
    blocks: dict[str, tuple[str, ...]],
    times: dict[str, list[tuple[float, ...]]],
    groups: dict[str, _Group],
) -> Iterator[tuple[GivenWord, ...]]:
    """Write the lyrics down, each word with the times at which this very word is sung."""
    moved = plan.written != plan.sung and sorted(plan.written) == sorted(plan.sung)
    for number, name in enumerate(plan.written):
        turn = plan.written[:number].count(name)
        for i, text in enumerate(blocks[name]):
            if i == 0 and name in plan.unwritten:
                continue
            sung = _own(times.get(f"{name} {i}", []), turn, plan.written.count(name), moved)
            line = tuple(
                GivenWord(word, starts) for word, starts in zip(text.split(), _by_word(sung, text), strict=True)
            )
            group = groups.get(f"{name} {i} {turn}")
            yield line if group is None else (*line, *_in_parentheses(group))
            if plan.strange and number == 0 and i == 0:
                yield tuple(GivenWord(word, ()) for word in blocks["Y"][0].split())


def _own(times: list[tuple[float, ...]], turn: int, n_written: int, moved: bool) -> list[tuple[float, ...]]:
    """Of the times that a line is sung take those that a copy of it may stand at.

    Any where there are more times than copies, or where verses have changed places around copies that read the same.
    """
    return times if len(times) > n_written or moved else times[turn : turn + 1]


def _by_word(sung: list[tuple[float, ...]], text: str) -> list[tuple[float, ...]]:
    return list(zip(*sung, strict=True)) if sung else [()] * len(text.split())


def _in_parentheses(group: _Group) -> Iterator[GivenWord]:
    last = len(group.words) - 1
    for i, (word, start) in enumerate(zip(group.words, group.starts, strict=True)):
        yield GivenWord("(" * (i == 0) + word + ")" * (i == last), (CLOCK.seconds(start),), backing=True)


def _later(word: GivenWord, seconds: float) -> GivenWord:
    return replace(word, starts_s=tuple(start + seconds for start in word.starts_s))
