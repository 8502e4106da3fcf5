"""Choose utterances of a manifest: by conditions, then by lot."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from melisma.core import licences
from melisma.core.errors import InputError
from melisma.data import manifest
from melisma.data.conditions import All, Compared, Condition, Named, Not, compared_fields, value_of
from melisma.data.dealing import mixed
from melisma.data.index import Index
from melisma.data.manifest import Utterance
from melisma.data.split_certificate import lengths

Mask = NDArray[np.bool_]

_TOLD = 20_000  # lines from one word of progress to the next


@dataclass(frozen=True, slots=True)
class Lot:
    """How many of the chosen are drawn; at most one of the first three is given.

    Parameters
    ----------
    sample : int, optional
        So many utterances.
    share : float, optional
        This share of them.
    hours : float, optional
        As many as last no longer than this together.
    seed : int
        Another one draws others. Who is drawn depends on ids alone, so that a manifest that grows keeps its sample.
    """

    sample: int | None = None
    share: float | None = None
    hours: float | None = None
    seed: int = 1

    def check(self) -> None:
        """Refuse, with InputError, what makes no sense."""
        if sum(each is not None for each in (self.sample, self.share, self.hours)) > 1:
            raise InputError("a sample is so many, a share, or so many hours: give one of them")
        if self.share is not None and not 0 < self.share <= 1:
            raise InputError(f"the share must be above 0 and at most 1, not {self.share:g}")
        if self.hours is not None and not 0 < self.hours < float("inf"):
            raise InputError(f"the hours must be above 0, not {self.hours:g}")


def of_language(codes: Sequence[str]) -> Named:
    """Return the condition that a language is one of these, or a variety of it: "sr" takes sr-Latn and sr-RS too."""
    wanted = tuple(code.casefold() for code in codes)
    return Named("language", lambda name: any(f"{name.casefold()}-".startswith(f"{code}-") for code in wanted))


def of_licence(names: Sequence[str]) -> Named:
    """Return the condition that a licence is one of these, under whichever of its names."""
    wanted = {licences.label(name) for name in names}
    return Named("license", lambda name: licences.label(name) in wanted)


def commercial() -> Named:
    """Return the condition that the licence allows commercial use."""
    return Named("license", licences.commercial)


def one_of(field: str, names: Sequence[str]) -> Named:
    """Return the condition that a speaker or a source is one of these."""
    return Named(field, frozenset(names).__contains__)


def lasting(min_s: float | None, max_s: float | None) -> list[Condition]:
    """Return the conditions that an utterance lasts at least and at most so many seconds.

    Raises
    ------
    InputError
        If nothing can last so long.
    """
    least, most = 0.0 if min_s is None else min_s, math.inf if max_s is None else max_s
    if not least <= most:
        raise InputError(f"nothing lasts at least {least:g} s and at most {most:g} s")
    found: list[Condition] = []
    if min_s is not None:
        found.append(Compared("duration", ">=", f"{min_s:g}", min_s))
    if max_s is not None:
        found.append(Compared("duration", "<=", f"{max_s:g}", max_s))
    return found


def without(condition: Condition) -> Condition:
    """Return the opposite."""
    return Not(condition)


def choose(
    index: Index, conditions: Sequence[Condition], lot: Lot, progress: Callable[[str, float], None] | None = None
) -> Mask:
    """Tell which utterances are chosen, bool [n].

    Conditions on duration, start, language, speaker, licence and source are answered by the index; others read the
    manifest through, a line at a time.

    Raises
    ------
    InputError
        If none is chosen and a condition names a field that no utterance has: it is misspelt, or of another manifest.
    """
    lot.check()
    wanted = All(tuple(conditions))
    found = wanted.mask(index)
    if found is None:
        found = np.fromiter(_read(index, wanted, progress), np.bool_, len(index))
    if not found.any():
        _refuse_absent_fields(index, wanted)
    return _drawn(index, found, lot)


def _read(index: Index, wanted: Condition, progress: Callable[[str, float], None] | None) -> Iterator[bool]:
    for n, utterance in enumerate(index):
        if progress is not None and n % _TOLD == 0:
            progress("filter", n / len(index))
        yield wanted.holds(utterance)


def _refuse_absent_fields(index: Index, condition: Condition) -> None:
    absent = compared_fields(condition) - {*Utterance.model_fields, "characters"}
    for utterance in index if absent else ():
        absent = frozenset(name for name in absent if value_of(utterance, name) is None)
        if not absent:
            return
    if absent:
        raise InputError(f"no utterance of {index.path} has the field {min(absent)!r}")


def _drawn(index: Index, found: Mask, lot: Lot) -> Mask:
    if lot.sample is None and lot.share is None and lot.hours is None:
        return found
    which = np.flatnonzero(found)
    which = which[np.argsort(mixed(np.asarray(index.column("id"))[which], lot.seed), kind="stable")]
    if lot.hours is not None:
        which = which[np.cumsum(lengths(index)[which]) <= lot.hours * 3_600_000]
    else:
        which = which[: lot.sample if lot.sample is not None else round((lot.share or 0) * len(which))]
    drawn = np.zeros(len(index), np.bool_)
    drawn[which] = True
    return drawn


def chosen_lines(index: Index, chosen: Mask, target: Path | None) -> Iterator[bytes]:
    """Yield the lines of those chosen as they stand, audio renamed where `target` lies in another folder."""
    which = np.flatnonzero(chosen)
    way = "." if target is None else manifest.way_between(index.path.parent, target.parent)
    if way == ".":
        yield from index.raws(which)
        return
    numbers = np.asarray(index.column("line"))[which].tolist()
    for number, line in zip(numbers, index.raws(which), strict=True):
        utterance = manifest.parse(line, index.path, number)
        moved = manifest.by_way(utterance, way)
        yield line if moved is utterance else moved.line().encode("utf-8")
