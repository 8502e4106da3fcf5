"""Licences by the many names that people give them: what each is called in SPDX, what it asks and what it forbids.

What is not known here forbids commercial use: nobody has said that it allows it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

UNKNOWN = "LicenseRef-unknown"
PUBLIC_DOMAIN = "LicenseRef-Public-Domain"
RESERVED = "LicenseRef-All-Rights-Reserved"

# SPDX identifiers (spdx.org/licenses) that allow commercial use, by what they ask of it.
_ASK_NOTHING = "CC0-1.0 Unlicense 0BSD PDDL-1.0 WTFPL MIT-0"
_ASK_CREDIT = """
Apache-2.0 MIT BSD-2-Clause BSD-3-Clause ISC BSL-1.0 Zlib ODC-By-1.0 OGL-UK-3.0 CDLA-Permissive-1.0 CDLA-Permissive-2.0
Artistic-2.0
"""
_ASK_THE_SAME = """
MPL-2.0 EPL-2.0 ODbL-1.0 CDLA-Sharing-1.0 OFL-1.1 GPL-2.0-only GPL-2.0-or-later GPL-3.0-only GPL-3.0-or-later
LGPL-2.1-only LGPL-2.1-or-later LGPL-3.0-only LGPL-3.0-or-later AGPL-3.0-only AGPL-3.0-or-later
"""
_ALIASES = {
    "apache": "Apache-2.0",
    "apache2": "Apache-2.0",
    "apache-2": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "odbl": "ODbL-1.0",
    "gpl-2.0": "GPL-2.0-only",
    "gpl-3.0": "GPL-3.0-only",
    "lgpl-2.1": "LGPL-2.1-only",
    "lgpl-3.0": "LGPL-3.0-only",
    "agpl-3.0": "AGPL-3.0-only",
    "cc0": "CC0-1.0",
    "cc-0": "CC0-1.0",
    "cc-zero": "CC0-1.0",
    "cc-0-1.0": "CC0-1.0",
    "cc-zero-1.0": "CC0-1.0",
    "cc0-1.0-universal": "CC0-1.0",
}
_PUBLIC_DOMAIN = re.compile(
    r"(?:licenseref-)?(?:the-)?(?:in-the-)?(?:cc-)?public-?domain(?:-mark)?(?:-1\.0)?|pd|pdm|cc-pdm(?:-1\.0)?"
)
_RESERVED = re.compile(
    r"(?:licenseref-)?(?:all-rights-reserved|proprietary|copyrighted|copyright|standard-youtube|youtube(?:-standard)?)"
)
# Of what creativecommons.org, cards, and sites with recordings write: "Attribution-NonCommercial-ShareAlike 4.0 …".
_LONG_NAMES = (
    (r"creative-?commons", "cc"),
    (r"attribution", "by"),
    (r"non-?commercial(?:-only)?", "nc"),
    (r"share-?alike", "sa"),
    (r"no-?deriv(?:ative|ativework|ative-work)?s?(?:-works?)?", "nd"),
    (r"united-states", "us"),
)
_NOISE = re.compile(
    r"-?\b(?:international|unported|generic|universal|public-licen[cs]e|licen[cs]e[sd]?|deed|reuse-allowed)\b"
)
_CC = re.compile(r"(?:cc-?)?(by(?:-nc)?(?:-(?:sa|nd))?)(?:-v?(\d(?:\.\d)?))?(?:-([a-z]{2}|igo))?")
_CC_ADDRESS = re.compile(
    r"(?:https?://)?(?:www\.)?creativecommons\.org/(?:licenses/([a-z-]+)/(\d\.\d)(?:/([a-z]{2}|igo)(?=/|$))?"
    r"|publicdomain/(zero|mark)/)"
)
_NOT_FREE = re.compile(r"(?:^|[-_ ])(?:nc|non-?commercial|research)(?:$|[-_ ])", re.IGNORECASE)
_PLAIN = re.compile(r"[\w.+-]{1,60}")
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Terms:
    """What a licence asks and allows.

    Parameters
    ----------
    spdx : str
        Its SPDX identifier or expression, `LicenseRef-…` where SPDX has none; `UNKNOWN` for one that is not known.
    commercial : bool
        Whether it allows commercial use; False where that is not known.
    attribution : bool
        Whether it asks that whoever made the work is named.
    share_alike : bool
        Whether what is made of the work has to be under the same licence.
    derivatives : bool
        Whether changed copies (cut, cleaned, augmented) may be handed on.
    """

    spdx: str
    commercial: bool
    attribution: bool = True
    share_alike: bool = False
    derivatives: bool = True

    @property
    def known(self) -> bool:
        """Whether anything is known of it."""
        return self.spdx != UNKNOWN

    @property
    def url(self) -> str:
        """Where its text is; empty where we know no place."""
        found = re.fullmatch(r"CC-(BY[A-Z-]*)-(\d\.\d)(?:-([A-Z]{2,3}))?", self.spdx)
        if found:
            port = f"{found[3].lower()}/" if found[3] else ""
            return f"https://creativecommons.org/licenses/{found[1].lower()}/{found[2]}/{port}"
        if self.spdx == "CC0-1.0":
            return "https://creativecommons.org/publicdomain/zero/1.0/"
        return f"https://spdx.org/licenses/{self.spdx}.html" if self.spdx in _TABLE_NAMES else ""


_TABLE = {
    name.lower(): Terms(name, commercial=True, attribution=asks_credit, share_alike=asks_the_same)
    for names, asks_credit, asks_the_same in (
        (_ASK_NOTHING, False, False),
        (_ASK_CREDIT, True, False),
        (_ASK_THE_SAME, True, True),
    )
    for name in names.split()
}
_TABLE_NAMES = frozenset(each.spdx for each in _TABLE.values())


@lru_cache(maxsize=4096)
def terms(name: str) -> Terms:
    """Return what is known of a licence, by its SPDX identifier or expression, its address, or a name in use.

    Parameters
    ----------
    name : str
        As a manifest, a card or a site says it. Parts joined by AND all hold; of parts joined by OR any may be chosen.

    Examples
    --------
    >>> terms("Creative Commons Attribution-NonCommercial-ShareAlike 4.0 International").spdx
    'CC-BY-NC-SA-4.0'
    >>> terms("https://creativecommons.org/licenses/by/3.0/de/").spdx
    'CC-BY-3.0-DE'
    >>> terms("CC0-1.0 AND CC-BY-NC-4.0").commercial, terms("mit OR CC-BY-NC-4.0").commercial
    (False, True)
    """
    name = name.strip()
    if not name or len(name) > _LONGEST or not name.isprintable():
        return Terms(UNKNOWN, commercial=False)
    choices = re.split(r"\s+OR\s+", name)
    if len(choices) > 1:
        return _any_of([terms(choice) for choice in choices])
    parts = re.split(r"\s+AND\s+", name)
    return all_of([terms(part) for part in parts]) if len(parts) > 1 else _one(name)


def all_of(parts: list[Terms]) -> Terms:
    """Return the terms of what is under several licences at once, each named once."""
    names = dict.fromkeys(name for part in parts for name in part.spdx.split(" AND "))
    return Terms(
        UNKNOWN if UNKNOWN in names or not names else " AND ".join(names),
        commercial=bool(parts) and all(part.commercial for part in parts),
        attribution=any(part.attribution for part in parts),
        share_alike=any(part.share_alike for part in parts),
        derivatives=all(part.derivatives for part in parts),
    )


def _any_of(parts: list[Terms]) -> Terms:
    known = [part for part in parts if part.known]
    return Terms(
        " OR ".join(part.spdx for part in known) or UNKNOWN,
        commercial=any(part.commercial for part in known),
        attribution=all(part.attribution for part in known),
        share_alike=all(part.share_alike for part in known),
        derivatives=any(part.derivatives for part in known) or not known,
    )


def _one(name: str) -> Terms:
    address = _CC_ADDRESS.match(name.lower())
    if address:
        if address[4]:
            return _TABLE["cc0-1.0"] if address[4] == "zero" else _public_domain()
        return _creative_commons(address[1], address[2], address[3]) or Terms(UNKNOWN, commercial=False)
    key = re.sub(r"[\s_/(),]+", "-", name.lower()).strip("-.")
    key = _NOISE.sub("", key).strip("-").removeprefix("the-")
    found = _TABLE.get(_ALIASES.get(key, key).lower())
    if found:
        return found
    if _PUBLIC_DOMAIN.fullmatch(key):
        return _public_domain()
    if _RESERVED.fullmatch(key):
        return Terms(RESERVED, commercial=False, derivatives=False)
    for pattern, short in _LONG_NAMES:
        key = re.sub(pattern, short, key)
    spelt = _CC.fullmatch(key.removeprefix("licenseref-"))
    if spelt and re.search(r"cc|creative|attribution", name.lower()):
        return _creative_commons(spelt[1], spelt[2], spelt[3]) or Terms(UNKNOWN, commercial=False)
    if _NOT_FREE.search(name) and _PLAIN.fullmatch(name):
        return Terms(name, commercial=False)
    return Terms(UNKNOWN, commercial=False)


def _public_domain() -> Terms:
    return Terms(PUBLIC_DOMAIN, commercial=True, attribution=False)


def _creative_commons(kind: str, version: str | None, port: str | None) -> Terms | None:
    """Return the terms of a Creative Commons licence; one whose version nobody told is no SPDX identifier."""
    if not re.fullmatch(r"by(?:-nc)?(?:-(?:sa|nd))?", kind):
        return None
    parts = [f"CC-{kind.upper()}", *([version if "." in version else f"{version}.0"] if version else [])]
    spdx = "-".join([*parts, *([port.upper()] if port and version else [])])
    return Terms(
        spdx if version else f"LicenseRef-{spdx}",
        commercial="-nc" not in kind,
        share_alike="-sa" in kind,
        derivatives="-nd" not in kind,
    )


def normalise(name: str) -> str:
    """Return a licence's SPDX identifier or expression, or `UNKNOWN`.

    >>> normalise("cc by 4.0"), normalise("Public Domain"), normalise("")
    ('CC-BY-4.0', 'LicenseRef-Public-Domain', 'LicenseRef-unknown')
    """
    return terms(name).spdx


def label(name: str) -> str:
    """Return its SPDX identifier, or else the name as it was given, on one line; `UNKNOWN` where there is none.

    >>> label("MIT licence"), label("ask the choir"), label(" ")
    ('MIT', 'ask the choir', 'LicenseRef-unknown')
    """
    found = terms(name)
    said = "".join(c if c.isprintable() else " " for c in name[:_LONGEST])
    return found.spdx if found.known else " ".join(said.split()) or UNKNOWN


def commercial(name: str) -> bool:
    """Tell whether a licence is known to allow commercial use."""
    return terms(name).commercial
