"""How far a job is, from how far its stages are."""

from __future__ import annotations

from collections.abc import Mapping

from melisma.server.jobs.records import Report

# Where each stage begins and ends in the whole; measured on a song of three minutes, with an engine that emits.
ALIGNING: Mapping[str, tuple[float, float]] = {
    "find lyrics": (0.0, 0.05),
    "decode": (0.05, 0.2),
    "separate": (0.05, 0.5),
    "listen": (0.2, 0.9),
    "align": (0.9, 0.97),
    "save": (0.97, 1.0),
}
# Hearing words takes much longer than aligning them, which comes behind it with stages of the same names.
HEARING: Mapping[str, tuple[float, float]] = {
    "decode": (0.0, 0.05),
    "separate": (0.0, 0.3),
    "listen": (0.05, 0.9),
    "align": (0.9, 0.97),
    "save": (0.97, 1.0),
}


class Stages:
    """Reports a job's stages as shares of the whole, which never goes back: a second engine begins where it stands.

    Parameters
    ----------
    report : Report
        Of the job; raises Cancelled where it is to end.
    spans : mapping
        Where each stage lies; one that is not there moves nothing.
    """

    def __init__(self, report: Report, spans: Mapping[str, tuple[float, float]] = ALIGNING) -> None:
        self._report, self._spans, self._reached = report, spans, 0.0

    def __call__(self, stage: str, share: float) -> None:
        """Say how much of a stage is done, from 0 to 1."""
        begin, end = self._spans.get(stage, (self._reached, self._reached))
        self._reached = max(self._reached, begin + (end - begin) * min(1.0, max(0.0, share)))
        self._report(stage, self._reached)
