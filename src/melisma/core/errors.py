"""Every error that Melisma raises on purpose, drawn in one place.

A message is one sentence that says what is wrong and where, and what to do where we know it. The command line maps
`exit_code`, the service maps `http_status`; both are set here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class MelismaError(Exception):
    """Root of the tree: something went wrong that the caller may want to catch."""

    exit_code = 1
    http_status = 500
    lasting = False  # whether the same would be met again at once: another try is of no use

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are pickled as a call with their message, which the classes that carry facts cannot take back.
        return _restore, (type(self), self.args, self.__dict__)


def _restore(kind: type[MelismaError], args: tuple[Any, ...], facts: dict[str, Any]) -> MelismaError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(facts)
    return error


class MissingDependency(MelismaError):
    """An optional part is not installed; the sentence names the command that adds it."""

    exit_code = 3
    http_status = 501
    lasting = True


class OutputError(MelismaError):
    """A result could not be written."""

    exit_code = 2
    http_status = 500


class InputError(MelismaError):
    """What the caller gave cannot be used."""

    exit_code = 2
    http_status = 422
    lasting = True


class AudioError(InputError):
    """The recording cannot be used."""


class NotAudio(AudioError):
    """The file holds nothing that libsndfile or ffmpeg can decode."""


class EmptyAudio(AudioError):
    """The file is empty or holds no sample."""


class DamagedAudio(AudioError):
    """The file breaks off, or holds values that are no numbers."""


class AudioTooLong(AudioError):
    """The recording is longer than the limit."""


class NeedsFfmpeg(AudioError, MissingDependency):
    """The container needs an ffmpeg that is not on the path."""

    exit_code = 2
    http_status = 422


class LyricsError(InputError):
    """The lyrics cannot be used."""


class FormatError(InputError):
    """A file does not hold what its format promises; the message carries file format and line."""

    def __init__(self, format_name: str, message: str, line: int | None = None) -> None:
        where = f", line {line}" if line is not None else ""
        super().__init__(f"{format_name}{where}: {message}")
        self.format_name, self.line = format_name, line


class UnknownName(InputError):
    """No engine, format or language has this name; the sentence lists those that exist."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        listed = ", ".join(sorted(known))
        super().__init__(f"no {kind} is called {name!r}; {f'there are: {listed}' if listed else 'there are none'}")
        self.kind, self.name = kind, name


class ManifestError(InputError):
    """A line of a manifest cannot be used; the sentence names the file, the line and the field."""

    def __init__(self, manifest: object, line: int | None, why: str) -> None:
        super().__init__(f"{manifest}{'' if line is None else f', line {line}'}: {why}")
        self.manifest, self.line = str(manifest), line


class TooFewFrames(InputError):
    """The audio is too short for the text: no path can spell it."""

    def __init__(self, n_frames: int, n_needed: int) -> None:
        super().__init__(f"the audio has {n_frames} frames, these lyrics need {n_needed}: is this the right song?")
        self.n_frames, self.n_needed = n_frames, n_needed


class WrongLyrics(InputError):
    """The lyrics are not what is sung in the recording."""


class LicenceError(InputError):
    """Something may not be used under the licence mode that is set; the sentence names both."""


class EngineError(MelismaError):
    """An engine could not do what it was asked; the router goes on to the next tier."""

    http_status = 502


class EngineUnavailable(EngineError, MissingDependency):
    """An engine cannot run here: a package, a model, a key or a server is missing; the sentence says which.

    A model that could not be fetched may be there the next time, a package will not: `lasting` says which it is.
    """

    exit_code = 3
    http_status = 501

    def __init__(self, *said: object, lasting: bool = False) -> None:
        super().__init__(*said)
        self.lasting = lasting


class EngineFailed(EngineError):
    """An engine broke off, or a server gave no usable answer."""


class EngineTimeout(EngineError):
    """An engine took longer than it was given."""

    http_status = 504


class EngineOutOfMemory(EngineError):
    """An engine found too little memory, at its smallest batch too."""

    http_status = 503


class UnitsError(EngineError):
    """An engine returned times that cannot be what it says they are, or that run backwards or out of the recording."""


class NoEngine(MelismaError):
    """No tier gave a result; the sentence says of each why. It is `lasting` where all that they lack is."""

    exit_code = 3
    http_status = 503

    def __init__(self, *said: object, lasting: bool = False) -> None:
        super().__init__(*said)
        self.lasting = lasting


class CacheError(MelismaError):
    """The cache cannot be used: it is out of reach, of another version, or holds what cannot be read."""

    http_status = 503


class StoreError(MelismaError):
    """What the service keeps cannot be reached or written now; nothing of it is lost, another try may work."""

    http_status = 503


class NoRoom(StoreError):
    """The disk is full, or a quota is used up."""

    http_status = 507


class NotFound(InputError):
    """There is no song, alignment, version or job of this name."""

    http_status = 404

    def __init__(self, kind: str, name: str, why: str = "") -> None:
        super().__init__(f"there is no {kind} {name!r}" if not why else f"there is no {kind}: {why}")
        self.kind, self.name = kind, name


class Conflict(InputError):
    """What the caller wants does not fit what is there now."""

    http_status = 409


class VersionConflict(Conflict):
    """Somebody else saved meanwhile."""

    def __init__(self, kind: str, based_on: int, current: int) -> None:
        super().__init__(
            f"this {kind} is at version {current} by now, the change was made on version {based_on}: "
            f"load it anew and make the change there"
        )
        self.based_on, self.current = based_on, current


class RefusedEdit(InputError):
    """A correction cannot be made; `edit` counts from 0, `word` is None where no word is meant."""

    def __init__(self, edit: int, op: str, word: int | None, text: str | None, why: str) -> None:
        of = "" if word is None else f" of word {word}" + ("" if text is None else f" ({text!r})")
        super().__init__(f"edit {edit} ({op}{of}) cannot be made: {why}")
        self.edit, self.op, self.word = edit, op, word


class TooLarge(InputError):
    """What was sent is larger than the service takes."""

    http_status = 413


class HeadersTooLarge(TooLarge):
    """The headers of a call are larger than the service reads."""

    http_status = 431


class TooSlow(InputError):
    """What was to be sent did not come in time."""

    http_status = 408


class UnsupportedMedia(InputError):
    """What was sent is of a kind that is not taken here."""

    http_status = 415


class NotAcceptable(InputError):
    """There is no answer of the kind that was asked for; the sentence lists those there are."""

    http_status = 406


class Unauthorized(InputError):
    """No token, or one that is not known."""

    http_status = 401


class Forbidden(InputError):
    """The caller may not do this."""

    http_status = 403


class TooManyRequests(InputError):
    """The caller asks more often than the service lets it; `retry_s` says when to come again."""

    http_status = 429

    def __init__(self, message: str, retry_s: float) -> None:
        super().__init__(message)
        self.retry_s = retry_s


class TrainingError(MelismaError):
    """A training has come to nothing."""


class ModelError(MelismaError):
    """A model file is missing, damaged or not the one that its card promises."""
