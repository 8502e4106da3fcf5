"""API tokens: known by their SHA-256 only."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

LONGEST = 1024  # characters of a token that is looked at


def digest(token: str) -> str:
    """Return the SHA-256 of a token, hexadecimal."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class Tokens:
    """The tokens that are let in.

    Parameters
    ----------
    owners : mapping of str to str
        SHA-256 of each token, hexadecimal, to the name of its owner; empty where none is needed.
    """

    def __init__(self, owners: Mapping[str, str]) -> None:
        self._owners = {known.lower(): owner for known, owner in owners.items()}

    def __bool__(self) -> bool:
        return bool(self._owners)

    @property
    def digests(self) -> tuple[str, ...]:
        """SHA-256 of every token."""
        return tuple(self._owners)

    def owner(self, token: str) -> str | None:
        """Return the name of a token's owner, None for a token that is not known.

        Every known one is compared, each in constant time, so that the time tells neither how near a guess was nor
        which owner it came near to.
        """
        known = self.known(token)
        return None if known is None else self._owners[known]

    def known(self, token: str) -> str | None:
        """Return the SHA-256 of a token that is known, else None."""
        given = digest(token[:LONGEST]) if len(token) <= LONGEST else digest("")
        found = None
        for known in self._owners:
            if hmac.compare_digest(known, given):
                found = known
        return found

    def owner_of(self, known: str) -> str:
        """Return the name of the owner of a SHA-256 that `known` has returned."""
        return self._owners[known]


def bearer(header: str) -> str | None:
    """Return the token in an Authorization header, None where it holds none.

    Examples
    --------
    >>> bearer("Bearer abc")
    'abc'
    >>> bearer("Basic abc") is None
    True
    """
    scheme, _, token = header.strip().partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
