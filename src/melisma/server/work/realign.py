"""Fix the neighbours: words placed anew between those that a person has set, as a new version or as a preview."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from melisma.aligner import edits
from melisma.aligner.edits import Edited
from melisma.core.errors import InputError
from melisma.formats import json as alignment_json
from melisma.pipeline.align import AlignConfig
from melisma.pipeline.realign import realign
from melisma.server import saving
from melisma.server.context import Context
from melisma.server.edits import EditObject
from melisma.server.jobs.records import Job, Report
from melisma.server.recordings import called, recording
from melisma.server.saving import Change
from melisma.server.work.align import already
from melisma.server.work.stages import Stages
from melisma.store.entries import Source
from melisma.store.service import alignments

_EDITS: TypeAdapter[list[EditObject]] = TypeAdapter(list[EditObject])
_SUMMARY = "neighbours placed anew"


def run(context: Context, job: Job, report: Report) -> dict[str, Any]:
    """Place the neighbours of corrected words anew; return the alignment, and its version unless it is a preview.

    Raises
    ------
    InputError
        If an edit cannot be done, a number is none of a word, nothing has been corrected, or somebody has saved
        another version meanwhile.
    NoEngine
        If no engine can be used.
    """
    told, tell = job.request, Stages(report)
    with context.database.begin(write=False) as session:
        record = alignments.get(session, told["alignment_id"])
    if not told.get("preview"):
        done = already(context, job, record, _SUMMARY)
        if done is not None:
            with context.database.begin(write=False) as session:
                before, version = alignments.version(session, record.id, done)
            return _result(record.id, Edited(before, frozenset(version.corrected)), done)
    edited = _edited(context, told)
    stay = edited.corrected if told.get("corrected") is None else frozenset(told["corrected"])
    span = told.get("words")
    found = recording(context, record.song_id)
    config = AlignConfig(language=record.request.get("language"), separate=record.request.get("separate", "auto"))
    with called(found.path, found.name):
        made = realign(
            found.path,
            edited.alignment,
            stay,
            words=None if span is None else (span[0], span[1]),
            config=config,
            progress=tell,
        )
    # What has moved after all, because the caller let it, is not where a person has set it any more.
    held = (i for i in edited.corrected if made.words[i] == edited.alignment.words[i])
    edited = Edited(made, frozenset(held))
    if told.get("preview"):
        return _result(record.id, edited)
    tell("save", 0.0)
    change = Change(record.id, told["based_on"], told.get("author", ""), _SUMMARY)
    number = saving.keep(context, change, made, Source.USER_CORRECTED, tuple(sorted(edited.corrected)))
    return _result(record.id, edited, number)


def _edited(context: Context, told: Mapping[str, Any]) -> Edited:
    """Return the version that the job is based on, with its edits done."""
    with context.database.begin(write=False) as session:
        before, version = alignments.version(session, told["alignment_id"], told["based_on"])
    try:
        wanted = _EDITS.validate_python(told.get("edits") or [])
    except ValidationError as error:
        raise InputError(f"the edits of this job cannot be read: {error.errors()[0]['msg']}") from error
    return edits.apply(before, [each.edit() for each in wanted], version.corrected)


def _result(alignment_id: str, edited: Edited, version: int | None = None) -> dict[str, Any]:
    kept = {} if version is None else {"version": version}
    shown = json.loads(alignment_json.write(edited.alignment))
    return {"alignment_id": alignment_id, **kept, "alignment": shown, "corrected": sorted(edited.corrected)}
