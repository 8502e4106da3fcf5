"""Which module does which kind of job; each is imported when the first job of its kind is run."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import cast

from melisma.core.errors import UnknownName
from melisma.server.jobs.records import Handler

# Each module has `run(context, job, report)`.
KINDS: Mapping[str, str] = {
    "align": "melisma.server.work.align",
    "realign": "melisma.server.work.realign",
    "transcribe": "melisma.server.work.transcribe",
    "video": "melisma.server.work.video",
    "stems": "melisma.server.work.stems",
}


def check(kind: str, kinds: Mapping[str, str] = KINDS) -> None:
    """Raise UnknownName unless there is such a kind."""
    if kind not in kinds:
        raise UnknownName("kind of job", kind, kinds)


def handler(kind: str, kinds: Mapping[str, str] = KINDS) -> Handler:
    """Return what does the jobs of a kind; UnknownName if there is no such kind."""
    check(kind, kinds)
    return cast(Handler, import_module(kinds[kind]).run)
