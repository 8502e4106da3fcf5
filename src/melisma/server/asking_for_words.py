"""From a wish for a transcription to its job: by which model, and what is to become of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from melisma.core.errors import InputError
from melisma.engines.protocol import Task
from melisma.pipeline import packages, tiers
from melisma.pipeline.settings import AUTO
from melisma.server import asking
from melisma.server.asking import Who
from melisma.server.context import Context
from melisma.store.service.jobs import NewJob

KIND = "transcribe"


@dataclass(frozen=True, slots=True)
class Words:
    """What a job of this kind is told.

    Parameters
    ----------
    song_id : str
        Of the recording.
    engine : str
        That hears, by the name that `model_of` gives.
    language : str or None
        ISO 639 code; heard if not given.
    align : bool
        Whether an aligner times the words again.
    adopt : bool
        Whether it becomes an alignment of the song as well.
    """

    song_id: str
    engine: str
    language: str | None = None
    align: bool = True
    adopt: bool = False


def model_of(context: Context, wanted: str | None, language: str | None) -> str:
    """Return which model hears: the one that is wanted, the default of the language, or what can be used.

    Raises
    ------
    InputError
        If there is none of this name that a caller may choose, or it hears no words.
    LicenceError
        If it may not be used under the licence mode.
    """
    engine = wanted or packages.default_for(language) or AUTO
    asking.check_engine(context, engine)
    if engine != AUTO and tiers.engine_named(engine).facts.task is not Task.TRANSCRIBE:
        raise InputError(f"the engine {engine!r} hears no words: name one whose task in /v1/engines is transcribe")
    return engine


def told(words: Words) -> dict[str, Any]:
    """Return what the job is told, as JSON has it."""
    return asdict(words)


def new_job(words: Words, who: Who, priority: int = 0) -> NewJob:
    """Make the job, to be added in a transaction."""
    return NewJob(KIND, told(words), priority, who.name, who.request_id, words.song_id)
