"""An alignment as bytes, for a version of the service and for what a model heard; what was written comes back equal."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from melisma.core.errors import InputError, StoreError
from melisma.core.records import Alignment
from melisma.store import exact
from melisma.store.exact import Damaged, Exact, Strict

SCHEMA = "melisma.version/1"


class _Document(Strict):
    schema_name: Annotated[Literal["melisma.version/1"], Field(alias="schema")]
    alignment: str  # text of the JSON format
    exact: Exact


class DamagedVersion(StoreError):
    """A row does not hold what it should."""

    http_status = 500


def write(alignment: Alignment) -> bytes:
    """Spell an alignment as compressed JSON.

    Raises
    ------
    InputError
        If it would not come back as it is: a word with half a character, a confidence that is no number.
    """
    data = exact.pack({"schema": SCHEMA, **exact.spelt(alignment)})
    try:
        if read(data) == alignment:
            return data
        said = "it would come back changed"
    except DamagedVersion as error:
        said = str(error)
    raise InputError(f"this alignment cannot be kept: {said}")


def read(data: bytes) -> Alignment:
    """Read what `write` wrote.

    Raises
    ------
    DamagedVersion
        If the bytes hold no alignment that keeps its promises; the sentence says what is wrong.
    """
    try:
        found = exact.unpack("version", data, _Document)
        return exact.restored(found.alignment, found.exact)
    except Damaged as error:
        raise DamagedVersion(f"a version of an alignment is damaged: {error}") from error
