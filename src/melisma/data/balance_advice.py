"""What to do about a corpus that leans to one side, in sentences with numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from melisma.data.balance import UNKNOWN, Amounts, Tally, bucket, spread, temperature_weights
from melisma.text import yat

# A language below half of an even share is drowned by the others; above two thirds it drowns them.
_LEAST_OF_EVEN, _MOST_SHARE = 0.5, 2 / 3
_MOST_REPEATS = 5.0  # a clip that is drawn more often is learnt by heart
_FEWEST_SPEAKERS = 10  # so that validation and test can have voices of their own, a few each
_MOST_OF_A_LANGUAGE, _TOO_MUCH = 0.25, 0.3  # of one speaker: what to bring it to, and from where on
_LEAST_DIALECT = 0.2  # of the two standard pronunciations
_LEAST_NOISY, _NOISY_DB, _HOPELESS_DB = 0.1, 15.0, 5.0
_LONGEST_S, _SHORTEST_S = 30.0, 1.0  # what Whisper takes at once, and what tells a network anything
_MOST_NAMED = 12  # of one kind; the figures hold all


@dataclass(frozen=True, slots=True)
class Advice:
    """One recommendation: what it is about, a sentence, and its numbers."""

    kind: str
    about: str
    sentence: str
    numbers: dict[str, Any] = field(default_factory=dict)


def advise(tally: Tally) -> list[Advice]:
    """Return recommendations, the weightiest kind first."""
    every = (_languages, _speakers, _voices, _dialects, _noise, _lengths, _scripts, _gaps)
    return [advice for each in every for advice in each(tally)]


def hours_to_share(have: float, total: float, share: float) -> float:
    """Return how many more hours of one kind make it a share of the whole, which grows with them.

    >>> hours_to_share(1.0, 10.0, 0.25)
    2.0
    """
    return max(0.0, (share * total - have) / (1 - share))


def repeats_to_share(have: float, total: float, share: float) -> float:
    """Return how many times as often clips of one kind are to be drawn to make it a share of what is drawn.

    >>> repeats_to_share(1.0, 10.0, 0.5)
    9.0
    """
    own = have / total
    return share * (1 - own) / (own * (1 - share))


def _languages(tally: Tally) -> Iterator[Advice]:
    hours = {name: amount.hours for name, amount in tally.languages.items() if name != UNKNOWN}
    total, n = sum(hours.values()), len(hours)
    if n < 2 or not total:
        return
    wanted = _LEAST_OF_EVEN / n
    low = sorted((name for name in hours if hours[name] / total < wanted), key=lambda name: hours[name])
    for name in low[:_MOST_NAMED]:
        more, often = hours_to_share(hours[name], total, wanted), repeats_to_share(hours[name], total, wanted)
        how = f"collect {_h(more)} more"
        if often <= _MOST_REPEATS:
            how += f", or draw its clips {often:.1f} times as often"
        else:
            how += f" (drawing its clips {often:.0f} times as often would have them learnt by heart)"
        said = (
            f"{name} has {_h(hours[name])}, {_p(hours[name] / total)} of all: {how} to reach {_p(wanted)}, half of an "
            "even share"
        )
        yield Advice("language", name, said, {"hours_more": round(more, 3), "draw_times": round(often, 2)})
    if len(low) > _MOST_NAMED:
        yield Advice(
            "language", "others", f"{len(low) - _MOST_NAMED} more languages are below {_p(wanted)} of all hours"
        )
    top = max(hours, key=lambda name: hours[name])
    if hours[top] / total > _MOST_SHARE:
        less = temperature_weights(hours, 0.5)[top]
        said = (
            f"{top} has {_p(hours[top] / total)} of all hours: --weights with --temperature 0.5 brings it to "
            f"{_p(less * hours[top] / total)} of what is drawn"
        )
        yield Advice("language", top, said, {"share": round(hours[top] / total, 4), "draw_times": round(less, 3)})


def _by_language(tally: Tally) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for (language, speaker), amount in tally.speakers.items():
        if speaker:
            found.setdefault(language, {})[speaker] = amount.hours
    return found


def _speakers(tally: Tally) -> Iterator[Advice]:
    few = {name: len(own) for name, own in _by_language(tally).items() if len(own) < _FEWEST_SPEAKERS}
    for name, n in sorted(few.items(), key=lambda each: (each[1], each[0]))[:_MOST_NAMED]:
        said = (
            f"{name} has {n} known {'speaker' if n == 1 else 'speakers'}: record {_FEWEST_SPEAKERS - n} more, so that "
            f"validation and test can have voices that training never hears"
        )
        yield Advice("speakers", name, said, {"speakers": n, "speakers_more": _FEWEST_SPEAKERS - n})
    if len(few) > _MOST_NAMED:
        said = f"{len(few) - _MOST_NAMED} more languages have fewer than {_FEWEST_SPEAKERS} known speakers"
        yield Advice("speakers", "others", said)


def _voices(tally: Tally) -> Iterator[Advice]:
    found = []
    for language, own in _by_language(tally).items():
        if len(own) < 2:
            continue
        total = sum(own.values())
        top = max(own, key=lambda name: own[name])
        if own[top] / total <= max(_TOO_MUCH, 1.5 / len(own)):
            continue
        found.append((own[top], language, top, own, total))
    for hours, language, top, own, total in sorted(found, reverse=True)[:_MOST_NAMED]:
        kept = min(hours, (total - hours) * _MOST_OF_A_LANGUAGE / (1 - _MOST_OF_A_LANGUAGE))
        if len(own) < 1 / _MOST_OF_A_LANGUAGE:
            kept = min(hours, (total - hours) / (len(own) - 1))
        before, after = spread(list(own.values())), spread([*(own | {top: kept}).values()])
        said = (
            f"{top} is {_p(hours / total)} of {language} ({_h(hours)} of {_h(total)}): draw one of {hours / kept:.1f} "
            f"of its clips an epoch, and {language} sounds like {after.effective:.1f} even voices in place of "
            f"{before.effective:.1f}, or record {_h(_others(hours, kept, total))} more of other voices"
        )
        yield Advice("speaker", top, said, {"draw_one_of": round(hours / kept, 2), "share": round(hours / total, 4)})


def _others(hours: float, kept: float, total: float) -> float:
    """Return how much more of other voices brings one to the share that keeping only a part of it would."""
    return (total - hours) * (hours / kept - 1)


def _dialects(tally: Tally) -> Iterator[Advice]:
    hours: dict[str, float] = {}
    for name, amount in tally.dialects().items():
        language, _, dialect = name.partition(" ")
        if language.split("-")[0] in yat.LANGUAGES:
            hours[dialect] = hours.get(dialect, 0.0) + amount.hours
    total = sum(hours.get(kind, 0.0) for kind in (yat.IJEKAVIAN, yat.EKAVIAN, yat.IKAVIAN))
    if not total:
        return
    for kind in (yat.IJEKAVIAN, yat.EKAVIAN):
        have = hours.get(kind, 0.0)
        if have / total < _LEAST_DIALECT:
            more = hours_to_share(have, total, _LEAST_DIALECT)
            said = (
                f"of what tells its pronunciation in Bosnian, Croatian and Serbian, {_p(have / total)} is {kind} "
                f"({_h(have)}): {_h(more)} more make it {_p(_LEAST_DIALECT)}"
            )
            yield Advice("dialect", kind, said, {"hours_more": round(more, 3)})


def _noise(tally: Tally) -> Iterator[Advice]:
    known = {name: amount for name, amount in tally.noise.items() if name != UNKNOWN}
    total = sum(amount.seconds for amount in known.values())
    if not total:
        return
    noisy = sum(known[name].seconds for name in known if _below(name, _NOISY_DB)) / total
    if noisy < _LEAST_NOISY:
        share = 0.2 - noisy
        said = (
            f"{_p(noisy)} of the sound is noisier than {_NOISY_DB:g} dB: a model that never heard noise fails in it; "
            f"add some at 5 to 15 dB to {_p(share)} of the clips (`data augment`)"
        )
        yield Advice("noise", "clean", said, {"augment_share": round(share, 3)})
    worst = known.get(bucket(0.0, (_HOPELESS_DB,), "dB"))
    if worst is not None and worst.seconds / total > 0.01:
        said = (
            f"{worst.clips:,} clips ({_h(worst.hours)}) have less than {_HOPELESS_DB:g} dB between sound and noise: "
            "listen to some, and leave out what you cannot understand yourself"
        )
        yield Advice("noise", "noisy", said, {"clips": worst.clips, "hours": round(worst.hours, 3)})


def _below(name: str, limit_db: float) -> bool:
    low = name.removesuffix(" dB").partition("–")
    return name.startswith("<") or (bool(low[1]) and float(low[2]) <= limit_db)


def _lengths(tally: Tally) -> Iterator[Advice]:
    long = tally.lengths.get(f"≥ {_LONGEST_S:g} s")
    if long is not None:
        said = f"{long.clips:,} clips ({_h(long.hours)}) last {_LONGEST_S:g} s or longer: cut them with `data segment`"
        yield Advice("length", "long", said, {"clips": long.clips, "hours": round(long.hours, 3)})
    short = tally.lengths.get(f"< {_SHORTEST_S:g} s")
    if short is not None and short.clips > 0.01 * tally.total.clips:
        said = f"{short.clips:,} clips are shorter than {_SHORTEST_S:g} s: too short to learn from"
        yield Advice("length", "short", said, {"clips": short.clips})


def _scripts(tally: Tally) -> Iterator[Advice]:
    by_language: dict[str, Amounts] = {}
    for name, amount in tally.scripts.items():
        language, _, script = name.rpartition(" ")
        if script != UNKNOWN:
            by_language.setdefault(language, {})[script] = amount
    for language, found in sorted(by_language.items()):
        if set(found) <= {"han", "kana"}:  # one way of writing
            continue
        total = sum(amount.seconds for amount in found.values())
        used = sorted((s for s in found if found[s].seconds > 0.01 * total), key=lambda s: -found[s].seconds)
        if len(used) > 1:
            parts = ", ".join(f"{script} {_h(found[script].hours)}" for script in used)
            said = (
                f"{language} is written in {len(used)} scripts ({parts}): bring it to one with `data normalize`, or "
                "the same sounds get two spellings"
            )
            yield Advice("script", language, said, {script: round(found[script].hours, 3) for script in used})


def _gaps(tally: Tally) -> Iterator[Advice]:
    if tally.n_without_text:
        said = (
            f"{tally.n_without_text:,} of {tally.total.clips:,} clips have no transcript: a supervised training leaves "
            "them out"
        )
        yield Advice("transcript", "none", said, {"clips": tally.n_without_text})
    nameless = sum(amount.seconds for (_, speaker), amount in tally.speakers.items() if not speaker)
    if nameless:
        said = (
            f"{_h(nameless / 3600)} ({_p(nameless / tally.total.seconds)}) name no speaker: splits can keep only "
            "recordings apart there"
        )
        yield Advice("speakers", UNKNOWN, said, {"hours": round(nameless / 3600, 3)})
    undefined = tally.languages.get(UNKNOWN)
    if undefined is not None:
        said = f"{undefined.clips:,} clips ({_h(undefined.hours)}) name no language"
        yield Advice("language", UNKNOWN, said, {"clips": undefined.clips})


def _h(hours: float) -> str:
    return f"{hours:,.1f} h" if hours >= 1 else f"{60 * hours:.0f} min" if hours >= 1 / 60 else f"{3600 * hours:.0f} s"


def _p(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.1f} %"
