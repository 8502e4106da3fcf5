"""Real engines with one fault each, for the router to stumble over."""

from __future__ import annotations

from dataclasses import replace

from melisma.core.errors import EngineOutOfMemory
from melisma.core.records import Heard
from melisma.core.timebase import SECONDS
from melisma.engines.phone import PhoneEngine
from melisma.engines.protocol import Task


class OtherPhone(PhoneEngine):
    """The embedded engine under another name, so that a song may fall from one real engine to another.

    `lacking` is what `missing` says, `error` is raised when it should listen; both are set by tests, on the class.
    """

    name = "other"
    lacking: str | None = None
    error: BaseException | None = None
    changes: dict[str, object] = {}  # noqa: RUF012
    n_heard = 0

    @property
    def facts(self):
        return replace(super().facts, name=self.name, model_id=f"{self.name}-model", **self.changes)

    def missing(self):
        return self.lacking

    def emit(self, waveform, progress=None):
        type(self).n_heard += 1
        if self.error is not None:
            raise self.error
        return super().emit(waveform, progress)


class SmallDevice(OtherPhone):
    """Has too little memory for any song."""

    name = "small"
    error = EngineOutOfMemory("the model needs 800 MB, the device has 2 MB")


class Listener(OtherPhone):
    """Hears words: those of a text, at times that a test sets, whatever is sung."""

    name = "listener"
    changes = {"task": Task.TRANSCRIBE}  # noqa: RUF012
    heard = Heard((), SECONDS)

    def transcribe(self, waveform, language=None, prompt="", progress=None):
        type(self).n_heard += 1
        if self.error is not None:
            raise self.error
        return self.heard
