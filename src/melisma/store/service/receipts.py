"""Receipts: the same call with the same key is answered the same, and its work is done once.

A receipt is written in the transaction that does the work: who comes with the same key meanwhile waits for that
transaction, and then finds the answer. Nothing is left of a call that failed, so that it may be tried again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from melisma.core.errors import Conflict
from melisma.store.service.songs import insert_new, now

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

KEPT = timedelta(days=1)  # after which a key may be used anew


class KeyUsed(Conflict):
    """The key was used for another call."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a call was answered: a status of HTTP and a body as JSON has it."""

    status: int
    body: Mapping[str, Any]


def claim(session: Session, owner: str, key: str, fingerprint: str) -> Receipt | None:
    """Claim a key for a call, or return what the same call was answered.

    Parameters
    ----------
    owner, key : str
        Who calls, and the key: other callers' keys are other keys.
    fingerprint : str
        SHA-256 of everything that the call asks for.

    Returns
    -------
    Receipt or None
        None where the caller is to do the work and `fill` the receipt in this transaction.

    Raises
    ------
    KeyUsed
        If the key was used for another call.
    """
    from sqlalchemy import delete, select

    from melisma.store.service.tables import ReceiptRow

    moment = now()
    session.execute(delete(ReceiptRow).where(ReceiptRow.created_at < moment - KEPT))
    row = {
        "owner": owner,
        "key": key,
        "fingerprint": fingerprint,
        "status": 0,
        "body": "",
        "created_at": moment,
    }
    if insert_new(session, ReceiptRow, row):
        return None
    found = session.execute(select(ReceiptRow).where(ReceiptRow.owner == owner, ReceiptRow.key == key)).scalar_one()
    if found.fingerprint != fingerprint:
        raise KeyUsed(f"the idempotency key {key[:60]!r} was used for another call: take a new one for each call")
    return Receipt(found.status, json.loads(found.body))


def fill(session: Session, owner: str, key: str, receipt: Receipt) -> None:
    """Write down what the call is answered."""
    from sqlalchemy import update

    from melisma.store.service.tables import ReceiptRow

    same = (ReceiptRow.owner == owner) & (ReceiptRow.key == key)
    values = {"status": receipt.status, "body": json.dumps(receipt.body)}
    session.execute(update(ReceiptRow).where(same).values(values))
