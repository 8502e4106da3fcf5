"""A made-up song that is really sung, in a service, and its jobs run as a worker runs them."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from melisma.synth.faults import FaultySong, faulty_song


@pytest.fixture(scope="session")
def sung() -> FaultySong:
    return faulty_song("none", "en", 3)


@pytest.fixture(scope="session")
def recording(sung) -> bytes:
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, sung.stereo, sung.sample_rate, format="FLAC")
    return file.getvalue()


@pytest.fixture
def song(client, recording, sung):
    from made_songs import upload

    return upload(client, recording, "sung.flac", title="Made up", artist="espeak", lyrics=sung.lyrics)


class Told(list):
    """What a handler reports."""

    def __call__(self, stage: str, share: float) -> None:
        self.append((stage, share))


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def run(context, told):
    """Run the handler of a job that was asked for, as its n-th try; return the result."""
    from melisma.server.jobs import kinds

    def run(job: dict, attempt: int = 1) -> dict:
        found = replace(context.queue.get(job["id"]), n_attempts=attempt)
        return kinds.handler(found.kind)(context, found, told)

    return run


@pytest.fixture
def ask(client, song):
    """Ask for an alignment of the song."""

    def ask(**wish) -> dict:
        answer = client.post("/v1/alignments", json={"song_id": song["id"], **wish})
        assert answer.status_code == 202, answer.text
        return answer.json()

    return ask


@pytest.fixture
def read(client):
    """Read an alignment, as JSON has it."""

    def read(alignment_id: str, version: int | None = None) -> dict:
        chosen = {} if version is None else {"version": version}
        answer = client.get(f"/v1/alignments/{alignment_id}", params={"format": "json", **chosen})
        assert answer.status_code == 200, answer.text
        return answer.json()

    return read
