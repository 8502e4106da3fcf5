"""Songs whose lyrics are not what is sung, one fault each, with the truth about every word; for `faults.py`.

As in `doubtful_songs.py`, none is a real song: clips of speakers that the trainer holds out, as recorded or made to sing by
WORLD, are strung together to verses and choruses as mel powers, among music. What is sung and what is written are two
scripts of the same blocks; each fault makes them differ in one way, or adds a sound that no lyrics mention.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from doubtful_songs import Composer, Sentence, TrueLine, heard, misheard
from doubtful_songs import _lines as lines_of
from doubtful_songs import _reverberant as reverberant
from doubtful_songs import _silence as silence

from melisma.core.records import Emission, Float32, LyricLine, Lyrics, Tokens
from melisma.models import features
from melisma.train import augment
from melisma.train.rows import bend

_PER_S = 100  # feature frames
_SUNG = ("V1", "C", "V2", "C", "V3", "C")


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
    "verses in another order": _order,
    "chorus sung more often": _more,
    "chorus sung less often": _fewer,
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
    """Lines of a block, each with its sentence, and the times at which they were sung, filled while singing."""

    sentences: list[int]
    times: list[list[TrueLine]] = field(default_factory=list)  # one entry per time sung


class FaultComposer(Composer):
    """Strings sentences together to songs with a fault."""

    def faulty(self, number: int, fault: str, kind: str) -> FaultySong:
        """Make a song: the same for the same pool, seed, number and fault."""
        rng = np.random.default_rng([self._seed, 31, number])
        some = self._beside[str(rng.choice(self._languages))]
        if len(some) < 30:
            some = [*some, *(self._pool[int(i)] for i in rng.integers(len(self._pool), size=30 - len(some)))]
        plan = Plan()
        FAULTS[fault](plan, rng)
        order = rng.permutation(len(some)).tolist()
        names = ["V1", "C", "V2", "V3", "X", "Y", "X2", "Y2"]
        blocks = {}
        for name in names:
            n = int(rng.integers(2, 5))
            blocks[name], order = _Block(order[:n]), order[n:] or rng.permutation(len(some)).tolist()
        power, groups = self._perform(plan, blocks, some, rng)
        active = (power.sum(axis=1) > 0).astype(np.float32)
        if rng.random() < 0.5:
            power = reverberant(power, rng)
        mixed = self._mixer.among_music(power, active, 1.0, rng)
        if plan.fade_s:
            n = int(plan.fade_s * _PER_S)
            mixed[-n:] *= 10 ** (-4 * np.linspace(0, 1, n, dtype=np.float32)[:, None])
        return self._given(fault, kind, heard(mixed, self._engine), plan, blocks, some, groups, rng)

    def _voice(self, sentence: Sentence, colour: np.ndarray, warp: float, rng: np.random.Generator):
        log_power, owners = bend(sentence.clip, self._config, 1.0, rng)
        power = augment.power_of(augment.warp_bands(log_power, warp)) * np.exp(colour)
        return power / (power.sum(axis=1).mean() + features.FLOOR), owners

    def _perform(self, plan: Plan, blocks: dict[str, _Block], some: list[Sentence], rng: np.random.Generator):
        parts, at = [silence(rng.uniform(1, 12))], 0
        warp, colour = 1 + rng.uniform(-0.12, 0.12), augment.random_colour(6.0, rng)
        if plan.intro_s:
            talk: list[Float32] = []
            while sum(map(len, talk)) < plan.intro_s * _PER_S:
                sentence = some[int(rng.integers(len(some)))]
                talk += [self._voice(sentence, augment.random_colour(6.0, rng), 1 + rng.uniform(-0.12, 0.12), rng)[0]]
            parts += [*talk, silence(2)]
        over: list[tuple[int, Float32]] = []
        groups: dict[tuple[str, int, int], TrueLine] = {}
        for k, name in enumerate(plan.sung):
            block = blocks[name]
            if k == len(plan.sung) // 2 and plan.gap_s:
                parts.append(silence(plan.gap_s))
            sung: list[TrueLine] = []
            for which in block.sentences:
                at = sum(map(len, parts))
                power, owners = self._voice(some[which], colour, warp, rng)
                parts.append(power * np.float32(10 ** (rng.uniform(-4, 4) / 10)))
                rng_lines = np.random.default_rng([which, 5])  # a sentence breaks into the same lines every time
                lines = lines_of(some[which], owners, at, 0, rng_lines)
                if plan.backing and rng.random() < plan.backing:
                    other = some[int(rng.integers(len(some)))]
                    sound, own = self._voice(other, augment.random_colour(6.0, rng), 1 + rng.uniform(-0.12, 0.12), rng)
                    words = lines_of(other, own, at + len(power) // 3, 0, np.random.default_rng(0))[0].words[:4]
                    stop = len(own) if len(words) == len(other.words) else int(
                        np.flatnonzero(own == other.words[len(words)][0])[:1].sum() or len(own)
                    )
                    over.append((at + len(power) // 3, sound[:stop] * np.float32(10 ** (rng.uniform(-6, 0) / 10))))
                    groups[name, len(block.times), len(sung) + len(lines) - 1] = TrueLine(words)
                sung += lines
                if rng.random() < plan.adlibs:
                    shout = self._voice(some[int(rng.integers(len(some)))], colour, warp, rng)[0]
                    parts += [silence(0.3), shout[: int(rng.uniform(1, 4) * _PER_S)]]
                parts.append(silence(rng.uniform(4, 20) if rng.random() < 0.08 else rng.exponential(0.7)))
            block.times.append(sung)
            parts.append(silence(rng.uniform(0.5, 6)))
        whole = np.concatenate(parts)
        for begin, sound in over:
            whole[begin : begin + len(sound)] += sound[: max(0, len(whole) - begin)]
        return whole, groups

    def _given(self, fault, kind, emission, plan, blocks, some, groups, rng) -> FaultySong:
        """Write the lyrics down."""
        texts: list[LyricLine] = []
        spelt: list[tuple[int, ...]] = []
        starts: list[tuple[float, ...]] = []
        backing: list[bool] = []
        spare: list[bool] = []
        used: dict[str, int] = {}
        n_written = {name: plan.written.count(name) for name in blocks}
        for stanza, name in enumerate(plan.written):
            block = blocks[name]
            turn = used.get(name, 0)
            used[name] = turn + 1
            if block.times:
                # Written as often as sung: each has its own time. Otherwise any of the times is right.
                same = n_written[name] == len(block.times)
                times = [block.times[turn]] if same else block.times
                lines = block.times[0]
                if fault == "chorus sung less often" and name == "C":
                    # The second of four is not sung; of the last two, one is.
                    times = [block.times[:1], [], block.times[1:], block.times[1:]][turn]
            else:
                rng_lines = [np.random.default_rng([which, 5]) for which in block.sentences]
                lines = [
                    one
                    for which, r in zip(block.sentences, rng_lines, strict=True)
                    for one in lines_of(some[which], np.repeat(np.arange(len(some[which].clip.labels)), 8), 0, 0, r)
                ]
                times = []
            for number, line in enumerate(lines):
                if rng.random() < plan.drop_lines:
                    continue
                words = [(w.spelt, tuple(t[number].words[i].start_s for t in times)) for i, w in enumerate(line.words)]
                group = groups.get((name, turn, number))
                texts.append(LyricLine(("w",) * len(words) + _parentheses(group), stanza))
                spelt += [w for w, _ in words]
                starts += [t for _, t in words]
                backing += [False] * len(words)
                spare += [fault == "chorus sung less often" and name == "C" and turn > 1] * len(words)
                if group:
                    spelt += [w.spelt for w in group.words]
                    starts += [(w.start_s,) for w in group.words]
                    backing += [True] * len(group.words)
                    spare += [False] * len(group.words)
                if rng.random() < plan.strange_lines:
                    strange = [some[int(rng.integers(len(some)))].clip.labels for _ in range(1)][0]
                    strange = tuple(int(x) for x in strange[: int(rng.integers(8, 25))])
                    cut = [strange[i : i + 4] for i in range(0, len(strange), 4)]
                    texts.append(LyricLine(("w",) * len(cut), stanza))
                    spelt += cut
                    starts += [()] * len(cut)
                    backing += [False] * len(cut)
                    spare += [False] * len(cut)
        true = [TrueLine(tuple(_W(s) for s in spelt))]
        mis = misheard(true, rng.uniform(0, 0.1), len(emission.labels), rng)[0].words
        tokens = Tokens(
            np.array([x for w in mis for x in w.spelt], np.int64),
            np.array([i for i, w in enumerate(mis) for _ in w.spelt], np.int64),
            np.array([k for k, line in enumerate(texts) for _ in line.words], np.int64),
        )
        return FaultySong(
            fault, kind, emission, tokens, Lyrics(tuple(texts)), tuple(starts), np.array(backing), np.array(spare)
        )


def _W(spelt):
    from doubtful_songs import TrueWord

    return TrueWord(tuple(spelt), float("nan"))


def _parentheses(group: TrueLine | None) -> tuple[str, ...]:
    if group is None:
        return ()
    words = ["w"] * len(group.words)
    words[0] = "(" + words[0]
    words[-1] += ")"
    return tuple(words)
