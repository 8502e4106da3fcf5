"""What a set of utterances is made of, and what its licences forbid: the taint that a model trained on it carries."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from melisma.core.errors import InputError
from melisma.core.licences import UNKNOWN, all_of, commercial, label, normalise, terms
from melisma.data.manifest import Utterance

__all__ = ["NO_SOURCE", "UNKNOWN", "Amount", "Taint", "commercial", "label", "normalise", "taint", "terms"]

NO_SOURCE = "(no source)"  # under this name stands what no utterance says the origin of


@dataclass(frozen=True, slots=True)
class Amount:
    """How much there is: of clips, and of hours that they last together."""

    clips: int = 0
    hours: float = 0.0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.clips + other.clips, self.hours + other.hours)


@dataclass(frozen=True, slots=True)
class Taint:
    """The sources and licences of a set of utterances.

    Parameters
    ----------
    parts : mapping of (str, str) to Amount
        How much there is, by source and licence. What was made of several sources counts for each of them.
    total : Amount
        Of all utterances, each counted once.
    by_licence : mapping of str to Amount
        How much is under each licence, each utterance counted once; licences as `melisma.core.licences.label` gives
        them, `UNKNOWN` for those that name none.
    vouched : frozenset of str
        Licences that the user answers for: they count as allowing commercial use unless they are known to forbid it.
    """

    parts: Mapping[tuple[str, str], Amount]
    total: Amount
    by_licence: Mapping[str, Amount]
    vouched: frozenset[str] = frozenset()

    @property
    def sources(self) -> dict[str, Amount]:
        """How much of each source there is."""
        found: dict[str, Amount] = {}
        for (source, _), amount in self.parts.items():
            found[source] = found.get(source, Amount()) + amount
        return found

    @property
    def licences(self) -> tuple[str, ...]:
        """The licences, in alphabetic order."""
        return tuple(sorted(self.by_licence))

    @property
    def hours(self) -> dict[str, float]:
        """Hours by licence."""
        return {licence: self.by_licence[licence].hours for licence in self.licences}

    @property
    def commercial(self) -> bool:
        """Whether all of it is known to allow commercial use; False of nothing at all."""
        named = {*self.by_licence, *(name for _, name in self.parts)}
        return bool(self.by_licence) and all(self.allows(name) for name in named)

    @property
    def expression(self) -> str:
        """All licences as one SPDX expression, for the head of a card; `UNKNOWN` where one of them is."""
        return all_of([terms(licence) for licence in self.licences]).spdx

    @property
    def offending(self) -> tuple[tuple[str, str, Amount], ...]:
        """Source, licence and amount of what does not allow commercial use, the largest first."""
        found = [(source, name, amount) for (source, name), amount in self.parts.items() if not self.allows(name)]
        return tuple(sorted(found, key=lambda each: (-each[2].hours, each[0], each[1])))

    def allows(self, licence: str) -> bool:
        """Tell whether a licence, by its label, allows commercial use, or is unknown to us and vouched for."""
        found = terms(licence)
        return found.commercial or (licence in self.vouched and not found.known and licence != UNKNOWN)

    def why_not(self, at_most: int = 3) -> str:
        """Say in one sentence what forbids commercial use; empty where nothing does."""
        found = self.offending
        if self.commercial:
            return ""
        if not found:
            return "there is no licence, because there is no utterance"
        named = [
            f"{source} ({'no licence is known' if name == UNKNOWN else name}, {amount.hours:.2f} h)"
            for source, name, amount in found[:at_most]
        ]
        more = f" and {len(found) - at_most} more" if len(found) > at_most else ""
        return f"not for commercial use: {', '.join(named)}{more}"

    def merged(self, other: Taint) -> Taint:
        """Return the taint of both sets together."""
        parts, by_licence = dict(self.parts), dict(self.by_licence)
        for key, amount in other.parts.items():
            parts[key] = parts.get(key, Amount()) + amount
        for name, amount in other.by_licence.items():
            by_licence[name] = by_licence.get(name, Amount()) + amount
        return Taint(parts, self.total + other.total, by_licence, self.vouched | other.vouched)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for checkpoints, certificates and cards; `Taint.from_dict` reads them back."""
        return {
            "commercial": self.commercial,
            "expression": self.expression,
            "clips": self.total.clips,
            "hours": round(self.total.hours, 6),
            "licences": {name: _plain(self.by_licence[name]) for name in self.licences},
            "sources": [
                {"source": source, "licence": name, **_plain(amount)}
                for (source, name), amount in sorted(self.parts.items())
            ],
            "vouched": sorted(self.vouched),
        }

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Taint:
        """Read what `as_dict` wrote; whether it is commercial is worked out anew, not believed.

        Raises
        ------
        InputError
            If it is something else.
        """
        try:
            parts: dict[tuple[str, str], Amount] = {}
            for each in said["sources"]:
                key = (str(each["source"]), label(str(each["licence"])))
                parts[key] = parts.get(key, Amount()) + _amount(each)
            by_licence = {label(str(name)): _amount(each) for name, each in said["licences"].items()}
            return cls(parts, _amount(said), by_licence, frozenset(map(str, said.get("vouched", ()))))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"the record of licences and sources is damaged: {error!r}") from error


def _plain(amount: Amount) -> dict[str, Any]:
    return {"clips": amount.clips, "hours": round(amount.hours, 6)}


def _amount(said: Mapping[str, Any]) -> Amount:
    return Amount(int(said["clips"]), float(said["hours"]))


def taint(utterances: Iterable[Utterance], *, vouched: Collection[str] = ()) -> Taint:
    """Add up the sources and licences of utterances, read one at a time.

    An utterance that was made of several sources (`derived_from`) counts for each of them under its own licence.

    Parameters
    ----------
    utterances : iterable of Utterance
        Such as `manifest.read(path)`.
    vouched : collection of str
        Names of licences that are not known here and that the user answers for.
    """
    parts: dict[tuple[str, str], list[float]] = {}
    by_licence: dict[str, list[float]] = {}
    labels: dict[str, str] = {}
    n_clips, seconds = 0, 0.0
    for utterance in utterances:
        if utterance.license not in labels:
            labels[utterance.license] = label(utterance.license)
        name = labels[utterance.license]
        n_clips, seconds = n_clips + 1, seconds + utterance.duration
        _count(by_licence, name, utterance.duration)
        for source in dict.fromkeys((utterance.source or NO_SOURCE, *utterance.derived_from)):
            _count(parts, (source, name), utterance.duration)
    return Taint(
        {key: Amount(int(n), seconds / 3600) for key, (n, seconds) in parts.items()},
        Amount(n_clips, seconds / 3600),
        {name: Amount(int(n), seconds / 3600) for name, (n, seconds) in by_licence.items()},
        frozenset(vouched),
    )


def _count(amounts: dict[Any, list[float]], key: Any, seconds: float) -> None:
    found = amounts.setdefault(key, [0, 0.0])
    found[0] += 1
    found[1] += seconds
