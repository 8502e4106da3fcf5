"""Calls that may be sent twice: the same key and the same call are answered the same, and the work is done once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Header
from fastapi.responses import JSONResponse

from melisma.server.context import Context
from melisma.store.service import receipts
from melisma.store.service.receipts import Receipt

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from melisma.server.jobs.records import Job

REPLAYED = "Idempotency-Replayed"

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="Of one's own choice, such as a UUID. The same call with the same key within a day is answered "
        "the same and does nothing; another call with the same key is refused.",
        examples=["5f0c6f4e-6a39-4c12-9f0e-0b2a7d3c1a55"],
    ),
]


@dataclass(frozen=True, slots=True)
class Call:
    """A call that may come twice: whose it is, its key if it has one, and what it asks for."""

    owner: str
    key: str | None
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered, and the job to be announced once it is written down."""

    status: int
    body: Mapping[str, Any]
    location: str
    job: Job | None = None


def fingerprint(*parts: object) -> str:
    """Hash everything that a call asks for."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def once(context: Context, call: Call, work: Callable[[Session], Answer]) -> JSONResponse:
    """Do the work of a call in one transaction, unless the same call was answered before; return the answer.

    Raises
    ------
    KeyUsed
        If the key was used for another call. Whatever the work raises leaves nothing, the key included.
    """
    with context.database.begin() as session:
        found = None if call.key is None else receipts.claim(session, call.owner, call.key, call.fingerprint)
        if found is not None:
            kept = dict(found.body)
            return JSONResponse(kept["body"], found.status, {"Location": kept["location"], REPLAYED: "true"})
        answer = work(session)
        if call.key is not None:
            kept = {"body": answer.body, "location": answer.location}
            receipts.fill(session, call.owner, call.key, Receipt(answer.status, kept))
    if answer.job is not None:
        context.queue.announce(answer.job)
    return JSONResponse(dict(answer.body), answer.status, {"Location": answer.location})
