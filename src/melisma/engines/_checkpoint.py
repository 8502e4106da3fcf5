"""Under which licence a checkpoint is, and for which languages: what the head of its card says, taken for no more."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from melisma.core import licences
from melisma.engines.protocol import REMOVED_DATA, Licence
from melisma.models.card_head import read_head
from melisma.models.package import REMOVED, PackageFacts

UNKNOWN_LICENCE = Licence(licences.UNKNOWN, commercial=False)


def licence_of(name: str) -> Licence:
    """Return a licence by the name that a card or a user gives; one that is not known is no commercial one.

    >>> [(each.spdx, each.commercial) for each in map(licence_of, ("apache-2.0", "cc-by-nc-4.0", "other"))]
    [('Apache-2.0', True), ('CC-BY-NC-4.0', False), ('LicenseRef-unknown', False)]
    """
    found = licences.terms(name)
    return Licence(found.spdx, found.commercial) if found.known else UNKNOWN_LICENCE


def said_licence(name: str) -> Licence:
    """Return the licence that a user vouches for: theirs to say, unless its name forbids commercial use itself."""
    name = name.strip()[:60]
    known = licence_of(name)
    return known if known is not UNKNOWN_LICENCE else Licence(name, commercial=True)


def licence_of_package(facts: PackageFacts, folder: Path) -> Licence:
    """Return the licence of a package: the terms that it names, and what of its data forbids commercial use."""
    found = facts.terms
    return after_removals(Licence(found.spdx, found.commercial, facts.tainted_by), folder)


def after_removals(licence: Licence, folder: Path) -> Licence:
    """Return a licence as it stands: none for commercial use where data of the model in a folder was removed."""
    if not (folder / REMOVED).is_file():
        return licence
    return replace(licence, commercial=False, tainted_by=(*licence.tainted_by, REMOVED_DATA))


@dataclass(frozen=True, slots=True)
class Card:
    """What the head of a README says."""

    licence: Licence | None = None
    languages: frozenset[str] | None = None


def read_card(folder: Path) -> Card:
    """Read licence and languages from the head of README.md, between its two lines of hyphens."""
    head = read_head(folder)
    return Card(licence_of(head.licences[0]) if len(head.licences) == 1 else None, head.languages or None)
