"""Calls that Schemathesis makes up from the description of the API: no faults, no answers that are not described."""

from __future__ import annotations

import uuid

import pytest
import tiny_demucs
from hypothesis import HealthCheck, Phase, given, settings
from made_songs import LYRICS, make, upload, wav

from melisma.audio.separation import choose
from melisma.store.service import exports

pytest.importorskip("fastapi")
schemathesis = pytest.importorskip("schemathesis")

EXAMPLES = 6  # calls of each operation that fit the description, and as many that do not
HOST = "http://127.0.0.1:8765"


@pytest.fixture(scope="module")
def separator(tmp_path_factory):
    """Let songs be separated, by a network with random weights: without any, that call is answered 501."""
    pytest.importorskip("demucs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MELISMA_DEMUCS_REPO", str(tiny_demucs.save(tmp_path_factory.mktemp("demucs"))))
        choose.separator.cache_clear()
        yield
    choose.separator.cache_clear()


@pytest.fixture(scope="module")
def service(tmp_path_factory, separator):
    from fastapi.testclient import TestClient

    from melisma.server.app import create_app
    from melisma.server.context import Context
    from melisma.server.settings import JobSettings, Limits, ServiceSettings

    folder = tmp_path_factory.mktemp("service")
    (folder / "library").mkdir()
    (folder / "library" / "song.wav").write_bytes(wav(0.5, seed=7))
    limits = Limits(requests_per_minute=0, upload_bytes=2_000_000)
    made = Context(ServiceSettings(data=folder, library=folder / "library", jobs=JobSettings(workers=0), limits=limits))
    with TestClient(create_app(made), base_url=HOST) as client:
        yield client


class Known:
    """Things that are there, made anew where a call has removed them."""

    def __init__(self, service) -> None:
        self._service = service

    def ids(self) -> dict[str, str]:
        song = upload(self._service, title="Habanera", lyrics=LYRICS)["id"]
        job = self._service.post("/v1/alignments", json={"song_id": song}).json()
        alignment = job["alignment_id"]
        if self._service.get(f"/v1/alignments/{alignment}/info").json()["version"] == 0:
            make(self._service.app.state.context, alignment)
        self._service.post(f"/v1/jobs/{job['id']}/cancel")  # so that who watches it comes to an end
        return {
            "song_id": song,
            "alignment_id": alignment,
            "job_id": job["id"],
            "video_id": self._video(song, alignment),
        }

    def _video(self, song: str, alignment: str) -> str:
        context, id = self._service.app.state.context, uuid.uuid4().hex
        with context.files.incoming() as coming:
            coming.write(b"a film")
            stored = coming.keep(".mp4")
        with context.database.begin() as session:
            exports.add(session, id, exports.Made(song, "video", stored, "video/mp4", ".mp4", alignment, 1))
        return id


@pytest.fixture(scope="module")
def api(service):
    description = service.get("/v1/openapi.json").json()
    schema = schemathesis.openapi.from_dict(description)
    schema.app = service.app
    return schema


def operations(api, mode):
    found = [result.ok() for result in api.get_all_operations()]
    assert len(found) > 35
    # What takes nothing cannot be called wrongly.
    return [each for each in found if mode == "POSITIVE" or each.body or list(each.iter_parameters())]


def checks():
    """What every answer is held to. Whether a call is one that can be done is more than a schema can say."""
    from schemathesis import checks
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_headers_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    return [
        checks.not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        response_headers_conformance,
        response_schema_conformance,
    ]


def calls_of(operation, mode, known, statuses):
    """Make a function that makes the calls of an operation, and remembers how they were answered."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def call(case):
        spelt = str(sorted(case.path_parameters.items()))
        if uuid.uuid5(uuid.NAMESPACE_OID, spelt).int % 2:  # every other call is of something that is there
            ids = known.ids()
            for name in case.path_parameters:
                case.path_parameters[name] = ids.get(name, case.path_parameters[name])
        if operation.label == "POST /process/whisper/{song_id}":  # nobody works here: it would wait in vain
            case.query = {"wait": 0, **(case.query or {})}
            case.query["wait"] = 0 if isinstance(case.query["wait"], (int, float)) else case.query["wait"]
        answer = case.call(base_url=HOST)
        case.validate_response(answer, checks=checks())
        statuses.add(answer.status_code)

    return call


@pytest.mark.parametrize("mode", ["POSITIVE", "NEGATIVE"])
def test_no_call_is_a_fault_and_every_answer_is_described(api, service, mode):
    known, statuses, faults = Known(service), set(), []
    for operation in operations(api, mode):
        try:
            calls_of(operation, schemathesis.GenerationMode[mode], known, statuses)()
        except (Exception, BaseExceptionGroup) as error:  # of every operation, not of the first alone
            faults.append(f"{operation.label}: {error}")
    assert not faults, "\n\n".join(faults)
    assert max(statuses) < 500
    # Calls that get through, and calls of things that are not there: else all of it was about one refusal. Few calls
    # that are wrong on purpose name a thing at all.
    assert {200, 422} <= statuses
    assert mode == "NEGATIVE" or 404 in statuses
