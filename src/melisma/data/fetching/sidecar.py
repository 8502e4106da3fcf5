"""What lies beside a fetched recording, read back: another program may have written it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from melisma.core.errors import InputError
from melisma.core.files import write_atomically
from melisma.core.licences import label
from melisma.data.fetching.protocol import Facts, Fate, Fetched, Wanted, plain
from melisma.data.manifest import Utterance, read, write

SIDECAR = ".source.json"
_SCHEMA = "melisma.source/1"
Length = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Said(BaseModel):
    """What the site said."""

    model_config = ConfigDict(frozen=True)

    site: str = ""
    site_id: str = ""
    url: str = ""
    title: str = ""
    uploader: str = ""
    licence: str = ""
    language: str = ""
    date: str = ""
    duration_s: float | None = None
    age_limit: int | None = None


class Sidecar(BaseModel):
    """`NAME.source.json`."""

    model_config = ConfigDict(frozen=True)

    id: Annotated[str, Field(min_length=1)]
    audio: Annotated[str, Field(min_length=1)]
    key: str
    wanted: str
    license: str = ""
    language: str = ""
    speaker_id: str = ""
    duration_s: Length
    sha256: str = ""
    fetched_at: str = ""
    site_says: Said = Said()

    def fetched(self, audio: Path, wanted: Wanted | None) -> Fetched:
        """Return it as the fetcher would; where this run says no licence, the word of the run that fetched it holds."""
        asked = Wanted(self.wanted, self.id, self.license, self.language, self.speaker_id)
        if wanted is not None:
            asked = replace(wanted, licence=wanted.licence or self.license)
        return Fetched(
            asked,
            Fate.PRESENT,
            self.site_says.url or self.wanted,
            id=self.id,
            path=audio,
            duration_s=self.duration_s,
            sha256=self.sha256,
            facts=Facts(**self.site_says.model_dump()),
            key=self.key,
        )

    def utterance(self) -> Utterance:
        """Return its line of a manifest in the same folder: a recording that nobody has written down yet."""
        said = self.site_says
        extras = {
            "title": said.title,
            "artist": said.uploader,
            "source_url": said.url or self.wanted,
            "date": said.date,
            "fetched_at": self.fetched_at,
            "sha256": self.sha256,
        }
        return Utterance(
            id=self.id,
            audio=self.audio,
            duration=self.duration_s,
            language=self.language or "und",
            speaker_id=self.speaker_id,
            license=label(self.license) if self.license else "",
            source=said.url or self.wanted,
            recording_id=self.id,
            **{name: value for name, value in extras.items() if value},  # type: ignore[arg-type]
        )


def key_beside(folder: Path, name: str) -> str | None:
    """Return which recording has a name in a folder, by its key; None if none has."""
    try:
        said = json.loads((folder / f"{name}{SIDECAR}").read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return str(said.get("key")) if isinstance(said, dict) else None


def write_sidecar(done: Fetched) -> None:
    """Write down beside a fetched recording where it comes from.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    if done.path is None or done.facts is None:
        raise ValueError("only what was fetched has a sidecar")
    said = {
        "schema": _SCHEMA,
        "id": done.id,
        "audio": done.path.name,
        "key": done.key,
        "wanted": done.wanted.url,
        "license": done.licence,
        "language": done.wanted.language or done.facts.language,
        "speaker_id": done.wanted.speaker_id,
        "duration_s": done.duration_s,
        "sha256": done.sha256,
        "fetched_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "site_says": dict(plain(done.facts)),
    }
    text = json.dumps(said, ensure_ascii=False, indent=1) + "\n"
    write_atomically(done.path.parent / f"{done.id}{SIDECAR}", text.encode("utf-8", "backslashreplace"))


def read_sidecar(audio: Path, wanted: Wanted | None = None) -> Fetched | None:
    """Return what is known of a fetched recording, by the file of its audio; None where nothing is."""
    try:
        said = Sidecar.model_validate_json(audio.with_name(f"{audio.stem}{SIDECAR}").read_bytes())
    except (OSError, ValidationError):
        return None
    return said.fetched(audio, wanted)


def sidecars(folder: Path) -> Iterator[Sidecar]:
    """Yield what lies beside the recordings of a folder, by name; a damaged one is an error.

    Raises
    ------
    InputError
        If one cannot be read.
    """
    for path in sorted(folder.glob(f"*{SIDECAR}")):
        try:
            found = Sidecar.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise InputError(f"{path} is no record of a fetched recording: {type(error).__name__}") from error
        if Path(found.audio).name == found.audio and (folder / found.audio).is_file():
            yield found


def write_manifest(path: Path, found: Iterable[Sidecar]) -> int:
    """Add a line to a manifest for each recording that it lacks; what is in it stays as it is. Return how many came.

    The memory is that of the ids.
    """
    kept = path.exists()
    known = {each.id for each in read(path)} if kept else set()
    fresh = [each.utterance() for each in found if each.id not in known]
    if fresh or not kept:
        write(path, _both(path, kept, fresh))
    return len(fresh)


def _both(path: Path, kept: bool, fresh: list[Utterance]) -> Iterator[Utterance]:
    if kept:
        yield from read(path)
    yield from fresh
