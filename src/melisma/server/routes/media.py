"""What is heard and drawn of a song: its sound, its waveform, its onsets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from anyio import to_thread
from fastapi import APIRouter, Query, Request
from fastapi import Path as InPath
from fastapi.responses import Response
from pydantic import BaseModel, Field

from melisma.audio.onset_list import VERSION as ONSETS_VERSION
from melisma.audio.onset_list import onset_times
from melisma.audio.peaks import FULL_SCALE, Peaks, peaks
from melisma.core.errors import InputError
from melisma.server.context import Context
from melisma.server.deps import Shared
from melisma.server.openapi import errors
from melisma.server.recordings import Recording, called, recording
from melisma.server.sending import Sent, send

router = APIRouter(prefix="/v1", tags=["media"])

SongId = Annotated[str, InPath(pattern="^[0-9a-f]{32}$", description="Of the song.")]
_BASE = 400  # peaks a second that are kept: more than a screen shows of any stretch that a hand can aim at
_MOST = 1_100_000  # peaks in one answer: three hours at a hundred a second, 5 MB
_BYTES = {"schema": {"type": "string", "format": "binary"}}
_BINARY: dict[str, Any] = {"content": dict.fromkeys(("audio/*", "video/*", "application/octet-stream"), _BYTES)}
_AUDIO: dict[int | str, dict[str, Any]] = {
    200: {"description": "All of it.", **_BINARY},
    206: {"description": "The range that was asked for.", **_BINARY},
    304: {"description": "Not changed."},
    **errors(404, 416),
}


class Waveform(BaseModel):
    """How loud a song is from moment to moment."""

    per_second: int = Field(description="Peaks in a second.")
    start_ms: int = Field(description="Where the first peak begins.")
    duration_ms: int = Field(description="Length of the whole recording.")
    channels: int = Field(description="Always 1: the louder channel counts.")
    peaks: list[float] = Field(description="Largest magnitude of each part, 0 to 1.")


class Onsets(BaseModel):
    """Moments at which something begins to sound."""

    onsets_ms: list[int]


@router.head(
    "/songs/{song_id}/audio",
    summary="The headers of the recording",
    response_class=Response,
    responses=_AUDIO,
    operation_id="media-audio-head",
)
@router.get(
    "/songs/{song_id}/audio",
    summary="The recording, whole or a range of its bytes",
    response_class=Response,
    responses=_AUDIO,
)
def audio(request: Request, context: Shared, song_id: SongId) -> Response:
    """Send the file as it was uploaded, with the media type of its content."""
    found = recording(context, song_id)
    return send(request, Sent(found.path, found.tag, found.media_type, found.name, what="recording"))


@router.get("/songs/{song_id}/peaks", summary="The waveform", response_model=Waveform)
async def waveform(
    context: Shared,
    song_id: SongId,
    per_second: Annotated[int, Query(ge=1, le=_BASE, description="Peaks in a second.")] = 50,
    start_ms: Annotated[int, Query(ge=0, le=10**9, description="Peaks from here on.")] = 0,
    end_ms: Annotated[int | None, Query(ge=0, le=10**9, description="Peaks up to here.")] = None,
) -> Response:
    """Return the peaks of a song, or of a part of it; the first call reads the whole recording."""

    def shown(data: bytes) -> Response:
        found = _read_peaks(data).at(per_second)
        first = start_ms * per_second // 1000
        stop = len(found.values) if end_ms is None else -(-end_ms * per_second // 1000)
        values = found.values[first:stop]
        if len(values) > _MOST:
            raise InputError(f"these are {len(values)} peaks, at most {_MOST} are sent: ask for fewer per second")
        body = {
            "per_second": per_second,
            "start_ms": first * 1000 // per_second,
            "duration_ms": found.duration_ms,
            "channels": 1,
            "peaks": (np.rint(values * (1000 / FULL_SCALE)) / 1000).tolist(),
        }
        return _json(body)

    return await _answered(context, song_id, "peaks1", _write_peaks, shown)


@router.get("/songs/{song_id}/onsets", summary="Moments to snap to", response_model=Onsets)
async def onsets(context: Shared, song_id: SongId) -> Response:
    """Return where something begins to sound; the first call listens to the whole recording."""
    name = f"onsets{ONSETS_VERSION}"
    return await _answered(context, song_id, name, _write_onsets, lambda data: _json({"onsets_ms": _read_onsets(data)}))


async def _answered(
    context: Context,
    song_id: str,
    name: str,
    make: Callable[[Path], bytes],
    shown: Callable[[bytes], Response],
) -> Response:
    """Answer with what is derived from a recording: at once where it is kept, else when a listener is free."""

    def look() -> tuple[Recording, bytes | None]:
        found = recording(context, song_id)
        return found, context.derived.find(found.content, found.stamp + name)

    def listen() -> bytes:
        with called(found.path, found.name):
            return context.derived.get(found.content, found.stamp + name, lambda: make(found.path))

    found, data = await to_thread.run_sync(look)
    if data is None:
        data = await to_thread.run_sync(listen, limiter=context.listening)
    return await to_thread.run_sync(shown, data)


def _json(body: object) -> Response:
    return Response(json.dumps(body, separators=(",", ":")), media_type="application/json")


def _write_onsets(path: Path) -> bytes:
    return onset_times(path).astype("<i4").tobytes()


def _read_onsets(data: bytes) -> list[int]:
    return [int(ms) for ms in np.frombuffer(data, "<i4")]


def _write_peaks(path: Path) -> bytes:
    """Write sample rate, number of samples and peaks a second in front, then the values."""
    made = peaks(path, _BASE)
    head = np.array([made.sample_rate, made.n_samples, made.per_second], "<i8")
    return head.tobytes() + made.values.astype("<u2").tobytes()


def _read_peaks(data: bytes) -> Peaks:
    rate, n_samples, per_second = np.frombuffer(data[:24], "<i8").tolist()
    return Peaks(np.frombuffer(data[24:], "<u2"), per_second, n_samples, rate)
