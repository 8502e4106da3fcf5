"""Songs whose lyrics are not what is sung, one fault each, with the truth about every word; for `faults.py`.

As in `doubtful_songs.py`, none is a real song: clips of speakers that the trainer holds out, as recorded or made to
sing by WORLD, are strung together to verses and choruses as mel powers, among music. What is sung and what is written
are two scripts of the same blocks; each fault makes them differ in one way, or adds a sound that no lyrics mention.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from doubtful_songs import (
    NEVER_SUNG,
    Composer,
    Sentence,
    TrueLine,
    TrueWord,
    heard,
    lines_of,
    misheard,
    reverberant,
    silence,
)

from melisma.core.records import Emission, Float32, LyricLine, Lyrics, Tokens
from melisma.models import features
from melisma.train import augment
from melisma.train.corpus import Int16
from melisma.train.rows import bend

_PER_S = 100  # feature frames
_SUNG = ("V1", "C", "V2", "C", "V3", "C")
_BLOCKS = ("V1", "C", "V2", "V3", "X", "Y", "X2", "Y2")  # the last four are for what is never sung
_FEWEST = 30  # sentences to choose from for a song
_IN_A_GROUP = 4  # words at most
ORDER, LESS_OFTEN = "verses in another order", "chorus sung less often"
# Of a chorus that is written four times and sung twice, the times that each copy may stand at: the one in the middle
# of the song at none, either of the two at its end at the last.
_LESS_OFTEN_AT = (slice(0, 1), slice(0, 0), slice(1, None), slice(1, None))


@dataclass(frozen=True, slots=True)
class FaultySong:
    """What an engine hears and what it is given; `starts_s` holds per word every time at which it is sung."""

    fault: str
    kind: str
    emission: Emission
    tokens: Tokens
    lyrics: Lyrics
    starts_s: tuple[tuple[float, ...], ...]
    backing: np.ndarray  # bool [n_words]
    spare: np.ndarray  # bool [n_words], of a copy that may be left out for another one


@dataclass(slots=True)
class Plan:
    """What a fault decides: blocks sung and written, in order, and what sounds beside the singer."""

    sung: list[str] = field(default_factory=lambda: list(_SUNG))
    written: list[str] = field(default_factory=lambda: list(_SUNG))
    drop_lines: float = 0.0  # share of written lines that are left out
    strange_lines: float = 0.0  # chance of a line that nobody sings after each line
    intro_s: float = 0.0  # of speech by somebody else
    gap_s: float = 0.0  # before the second half
    adlibs: float = 0.0  # chance of a shout in the gap after a line
    fade_s: float = 0.0
    backing: float = 0.0  # chance of a group in parentheses, sung over the line


def _none(plan: Plan, rng: np.random.Generator) -> None:
    """Change nothing."""


def _unsung(plan: Plan, rng: np.random.Generator) -> None:
    plan.written.insert(int(rng.integers(1, 6)), "X")
    plan.strange_lines = 0.06


def _missing(plan: Plan, rng: np.random.Generator) -> None:
    plan.written.remove(str(rng.choice(["V2", "V3"])))
    plan.drop_lines = 0.06


def _order(plan: Plan, rng: np.random.Generator) -> None:
    a, b = rng.choice([0, 2, 4], 2, replace=False)
    plan.written[a], plan.written[b] = plan.written[b], plan.written[a]


def _more(plan: Plan, rng: np.random.Generator) -> None:
    plan.sung = ["V1", "C", "V2", "C", "C", "V3", "C", "C"]
    plan.written = list(_SUNG)


def _fewer(plan: Plan, rng: np.random.Generator) -> None:
    plan.sung = ["V1", "C", "V2", "V3", "C"]
    plan.written = ["V1", "C", "V2", "C", "V3", "C", "C"]


def _once(plan: Plan, rng: np.random.Generator) -> None:
    plan.written = ["V1", "C", "V2", "V3"]


def _wrong(plan: Plan, rng: np.random.Generator) -> None:
    plan.written = ["X", "Y", "X2", "Y2"]


def _adlibs(plan: Plan, rng: np.random.Generator) -> None:
    plan.adlibs = 0.6


def _intro(plan: Plan, rng: np.random.Generator) -> None:
    plan.intro_s = float(rng.uniform(15, 45))


def _gap(plan: Plan, rng: np.random.Generator) -> None:
    plan.gap_s = float(rng.uniform(60, 90))


def _fade(plan: Plan, rng: np.random.Generator) -> None:
    plan.sung = [*_SUNG, "C", "C"]
    plan.written = [*_SUNG, "C", "C"]
    plan.fade_s = 25.0


def _backing(plan: Plan, rng: np.random.Generator) -> None:
    plan.backing = 0.35


FAULTS: dict[str, Callable[[Plan, np.random.Generator], None]] = {
    "none": _none,
    "lines never sung": _unsung,
    "lines missing": _missing,
    ORDER: _order,
    "chorus sung more often": _more,
    LESS_OFTEN: _fewer,
    "chorus written once": _once,
    "another song": _wrong,
    "ad-libs": _adlibs,
    "spoken intro": _intro,
    "gap of a minute": _gap,
    "fade-out": _fade,
    "backing in parentheses": _backing,
}


@dataclass(slots=True)
class _Block:
    """The sentences of a block, and its lines each time that it was sung."""

    sentences: list[int]
    times: list[list[TrueLine]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Written:
    """A word of the lyrics: how it is written and spelt, when it is sung, by whom, and whether a copy may do for it."""

    text: str
    spelt: tuple[int, ...]
    starts_s: tuple[float, ...]
    backing: bool = False
    spare: bool = False


@dataclass(slots=True)
class _Recording:
    """What sounds, part after part, and over them; frames are `_PER_S` a second."""

    parts: list[Float32]
    over: list[tuple[int, Float32]] = field(default_factory=list)  # from a frame on
    groups: dict[tuple[str, int, int], TrueLine] = field(default_factory=dict)  # of (block, turn, line)

    @property
    def now(self) -> int:
        """The frame at which the next part begins."""
        return sum(map(len, self.parts))

    def power(self) -> Float32:
        """Everything together, float32 [n_frames, n_mels]."""
        whole = np.concatenate(self.parts)
        for begin, sound in self.over:
            whole[begin : begin + len(sound)] += sound[: max(0, len(whole) - begin)]
        return whole


class FaultComposer(Composer):
    """Strings sentences together to songs with a fault."""

    def faulty(self, number: int, fault: str, kind: str) -> FaultySong:
        """Make a song: the same for the same pool, seed, number and fault."""
        rng = np.random.default_rng([self._seed, 31, number])
        some = self._beside[str(rng.choice(self._languages))]
        if len(some) < _FEWEST:  # then languages follow each other
            some = [*some, *(self._pool[int(i)] for i in rng.integers(len(self._pool), size=_FEWEST - len(some)))]
        plan = Plan()
        FAULTS[fault](plan, rng)
        blocks = _blocks(len(some), rng)
        recording = self._perform(plan, blocks, some, rng)
        emission = heard(self._mixed(plan, recording.power(), rng), self._engine)
        lines = list(_lyrics(fault, plan, blocks, some, recording, rng))
        return _given(fault, kind, emission, lines, rng)

    def _mixed(self, plan: Plan, power: Float32, rng: np.random.Generator) -> Float32:
        """Put the voices among music, in a hall or not, and let all of it fade."""
        active = (power.sum(axis=1) > 0).astype(np.float32)
        if rng.random() < 0.5:
            power = reverberant(power, rng)
        mixed = self._mixer.among_music(power, active, 1.0, rng)
        if plan.fade_s:
            n = int(plan.fade_s * _PER_S)
            mixed[-n:] *= 10 ** (-4 * np.linspace(0, 1, n, dtype=np.float32)[:, None])
        return mixed

    def _voice(
        self, sentence: Sentence, colour: Float32, warp: float, rng: np.random.Generator
    ) -> tuple[Float32, Int16]:
        """Sing a sentence at a level of 1: mel powers, and which of its phones each frame belongs to."""
        log_power, owners = bend(sentence.clip, self._config, 1.0, rng)
        power = augment.power_of(augment.warp_bands(log_power, warp)) * np.exp(colour)
        return power / (power.sum(axis=1).mean() + features.FLOOR), owners

    def _stranger(self, sentence: Sentence, rng: np.random.Generator) -> tuple[Float32, Int16]:
        """Let somebody with a voice of their own sing or speak a sentence."""
        return self._voice(sentence, augment.random_colour(6.0, rng), 1 + rng.uniform(-0.12, 0.12), rng)

    def _perform(
        self, plan: Plan, blocks: dict[str, _Block], some: list[Sentence], rng: np.random.Generator
    ) -> _Recording:
        """Sing all blocks in order; note when each line was sung."""
        out = _Recording([silence(rng.uniform(1, 12))])
        warp, colour = 1 + rng.uniform(-0.12, 0.12), augment.random_colour(6.0, rng)
        if plan.intro_s:
            talk: list[Float32] = []
            while sum(map(len, talk)) < plan.intro_s * _PER_S:
                talk.append(self._stranger(some[int(rng.integers(len(some)))], rng)[0])
            out.parts += [*talk, silence(2)]
        for k, name in enumerate(plan.sung):
            if k == len(plan.sung) // 2 and plan.gap_s:
                out.parts.append(silence(plan.gap_s))
            sung: list[TrueLine] = []
            for which in blocks[name].sentences:
                at = out.now
                power, owners = self._voice(some[which], colour, warp, rng)
                out.parts.append(power * np.float32(10 ** (rng.uniform(-4, 4) / 10)))
                sung += lines_of(some[which], owners, at, 0, _breaks(which))
                if plan.backing and rng.random() < plan.backing:
                    key = name, len(blocks[name].times), len(sung) - 1
                    out.groups[key] = self._sing_over(out, at + len(power) // 3, some, rng)
                if rng.random() < plan.adlibs:
                    shout = self._voice(some[int(rng.integers(len(some)))], colour, warp, rng)[0]
                    out.parts += [silence(0.3), shout[: int(rng.uniform(1, 4) * _PER_S)]]
                out.parts.append(silence(rng.uniform(4, 20) if rng.random() < 0.08 else rng.exponential(0.7)))
            blocks[name].times.append(sung)
            out.parts.append(silence(rng.uniform(0.5, 6)))
        return out

    def _sing_over(self, out: _Recording, at: int, some: list[Sentence], rng: np.random.Generator) -> TrueLine:
        """Let somebody else sing a few words over what sounds from frame `at` on; return them."""
        other = some[int(rng.integers(len(some)))]
        sound, owners = self._stranger(other, rng)
        words = lines_of(other, owners, at, 0, np.random.default_rng(0))[0].words[:_IN_A_GROUP]
        stop = len(owners)
        if len(words) < len(other.words):
            after = np.flatnonzero(owners == other.words[len(words)][0])
            stop = int(after[0]) if len(after) and after[0] else stop
        out.over.append((at, sound[:stop] * np.float32(10 ** (rng.uniform(-6, 0) / 10))))
        return TrueLine(words)


def _blocks(n_sentences: int, rng: np.random.Generator) -> dict[str, _Block]:
    """Draw two to four sentences for each block."""
    order = rng.permutation(n_sentences).tolist()
    out: dict[str, _Block] = {}
    for name in _BLOCKS:
        n = int(rng.integers(2, 5))
        out[name], order = _Block(order[:n]), order[n:] or rng.permutation(n_sentences).tolist()
    return out


def _breaks(which: int) -> np.random.Generator:
    """Return the dice that break a sentence into lines: into the same ones every time."""
    return np.random.default_rng([which, 5])


def _lyrics(
    fault: str,
    plan: Plan,
    blocks: dict[str, _Block],
    some: list[Sentence],
    recording: _Recording,
    rng: np.random.Generator,
) -> Iterator[tuple[int, list[_Written]]]:
    """Write the lyrics down, a stanza and its words for each line."""
    for stanza, name in enumerate(plan.written):
        block, turn = blocks[name], plan.written[:stanza].count(name)
        times, spare = _times(fault, block, turn, plan.written.count(name))
        lines = block.times[0] if block.times else _never_sung(block, some)
        for number, line in enumerate(lines):
            if rng.random() < plan.drop_lines:
                continue
            group = recording.groups.get((name, turn, number))
            own = [
                _Written("w", word.spelt, tuple(time[number].words[i].start_s for time in times), spare=spare)
                for i, word in enumerate(line.words)
            ]
            yield stanza, [*own, *_in_parentheses(group)]
            if rng.random() < plan.strange_lines:
                yield stanza, _strange(some, rng)


def _times(fault: str, block: _Block, turn: int, n_written: int) -> tuple[list[list[TrueLine]], bool]:
    """Return the times at which a copy of a block may stand, and whether another copy may do for it.

    Written as often as sung, each copy has its own time; otherwise, or where verses have changed places around them,
    copies cannot be told apart, and any time is right.
    """
    if not block.times:
        return [], False
    if fault == LESS_OFTEN and n_written > len(block.times):
        return block.times[_LESS_OFTEN_AT[turn]], turn > 1
    return block.times[turn : turn + 1] if n_written == len(block.times) and fault != ORDER else block.times, False


def _never_sung(block: _Block, some: list[Sentence]) -> list[TrueLine]:
    """Break the sentences of a block that nobody sings into lines."""
    out: list[TrueLine] = []
    for which in block.sentences:
        owners = np.repeat(np.arange(len(some[which].clip.labels)), 8).astype(np.int16)
        out += lines_of(some[which], owners, 0, 0, _breaks(which))
    return out


def _strange(some: list[Sentence], rng: np.random.Generator) -> list[_Written]:
    """Write a line of phones that nobody sings here, four to a word."""
    labels = some[int(rng.integers(len(some)))].clip.labels.tolist()[: int(rng.integers(8, 25))]
    return [_Written("w", tuple(labels[i : i + 4]), ()) for i in range(0, len(labels), 4)]


def _in_parentheses(group: TrueLine | None) -> list[_Written]:
    if group is None:
        return []
    last = len(group.words) - 1
    return [
        _Written("(" * (i == 0) + "w" + ")" * (i == last), word.spelt, (word.start_s,), backing=True)
        for i, word in enumerate(group.words)
    ]


def _given(
    fault: str, kind: str, emission: Emission, lines: list[tuple[int, list[_Written]]], rng: np.random.Generator
) -> FaultySong:
    """Put together what the aligner is given; some phones are not as spelt."""
    words = [word for _, line in lines for word in line]
    true = [TrueLine(tuple(TrueWord(word.spelt, NEVER_SUNG) for word in words))]
    spelt = [word.spelt for word in misheard(true, rng.uniform(0, 0.1), len(emission.labels), rng)[0].words]
    tokens = Tokens(
        np.array([label for word in spelt for label in word], np.int64),
        np.array([i for i, word in enumerate(spelt) for _ in word], np.int64),
        np.array([k for k, (_, line) in enumerate(lines) for _ in line], np.int64),
    )
    return FaultySong(
        fault=fault,
        kind=kind,
        emission=emission,
        tokens=tokens,
        lyrics=Lyrics(tuple(LyricLine(tuple(word.text for word in line), stanza) for stanza, line in lines)),
        starts_s=tuple(word.starts_s for word in words),
        backing=np.array([word.backing for word in words]),
        spare=np.array([word.spare for word in words]),
    )
