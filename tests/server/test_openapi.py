"""The description of the API says everything: what a call does, what it takes, and what it may be answered."""

from __future__ import annotations

import re
from importlib import import_module

import pytest

pytest.importorskip("fastapi")

from melisma.server.app import ROUTES

GUARDED = {"401", "403", "429", "431", "500", "503"}  # what may be said of any call below /v1


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    from melisma.server.app import create_app
    from melisma.server.context import Context
    from melisma.server.settings import JobSettings, ServiceSettings

    context = Context(ServiceSettings(data=tmp_path_factory.mktemp("data"), jobs=JobSettings(workers=0)))
    app = create_app(context)
    yield app.openapi()
    context.close()


def faults_of_operation(path: str, method: str, operation: dict) -> list[str]:
    """Say what the description of one call leaves out."""
    found = [f"no {name}" for name in ("summary", "description", "operationId", "tags") if not operation.get(name)]
    answers = operation["responses"]
    if not any(status[0] in "23" for status in answers):
        found.append("no success")
    found += [f"{status} is not described" for status, answer in answers.items() if not answer.get("description")]
    found += [
        f"{status} is no problem"
        for status, answer in answers.items()
        if int(status) >= 400 and path.startswith("/v1") and list(answer["content"]) != ["application/problem+json"]
    ]
    wanted = set(GUARDED) if path.startswith("/v1") else set()
    if "requestBody" in operation:
        wanted |= {"400", "408", "413", "422"}
    if "{" in path:
        wanted |= {"404", "422"}
    if method not in ("get", "head"):
        wanted |= {"507"}
    found += [f"{status} is not named" for status in sorted(wanted - set(answers))]
    found += [
        f"parameter {parameter['name']} is not described"
        for parameter in operation.get("parameters", [])
        if not (parameter.get("description") or parameter["schema"].get("description"))
    ]
    named = {each["name"] for each in operation.get("parameters", []) if each["in"] == "path"}
    if named != set(re.findall(r"{(\w+)}", path)):
        found.append("path parameters are missing")
    found += [f"{kind} has no schema" for kind, body in bodies(operation) if not body.get("schema")]
    return found


def bodies(operation: dict):
    yield from operation.get("requestBody", {}).get("content", {}).items()
    for status, answer in operation["responses"].items():
        for kind, body in answer.get("content", {}).items():
            yield f"{status} {kind}", body


def faults(described: dict) -> list[str]:
    return [
        f"{method.upper()} {path}: {fault}"
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
        for fault in faults_of_operation(path, method, operation)
    ]


def refs(part: object):
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for each in part.values():
            yield from refs(each)
    elif isinstance(part, list):
        for each in part:
            yield from refs(each)


def test_nothing_is_left_out(described):
    assert faults(described) == []


def test_what_is_planted_is_found(described):
    bare = {"responses": {"200": {"description": ""}, "422": {"description": "x", "content": {"application/json": {}}}}}
    found = faults({"paths": {"/v1/things/{id}": {"post": bare}}})
    assert {fault.partition(": ")[2] for fault in found} == {
        *("no summary", "no description", "no operationId", "no tags", "200 is not described", "422 is no problem"),
        *(f"{status} is not named" for status in (401, 403, 404, 429, 431, 500, 503, 507)),
        *("path parameters are missing", "422 application/json has no schema"),
    }


def test_every_reference_leads_somewhere(described):
    parts = {f"#/components/schemas/{name}" for name in described["components"]["schemas"]}
    named = set(refs(described))
    assert len(named) > 30
    assert named <= parts


def test_operations_have_names_of_their_own(described):
    named = [each["operationId"] for path in described["paths"].values() for each in path.values()]
    assert len(named) == len(set(named)) > 35


def test_the_routes_that_are_there_are_described(described):
    there = {
        (route.path, method.lower())
        for name in ROUTES
        for route in import_module(f"melisma.server.routes.{name}").router.routes
        if getattr(route, "include_in_schema", False)
        for method in route.methods
    }
    assert len(there) > 35
    assert there == {(path, method) for path, operations in described["paths"].items() for method in operations}


@pytest.mark.parametrize("path", ["/v1/songs", "/v1/alignments", "/v1/transcriptions"])
def test_bodies_that_are_streamed_are_described(described, path):
    content = described["paths"][path]["post"]["requestBody"]["content"]
    assert set(content) == {"application/json", "multipart/form-data"}
    form = content["multipart/form-data"]["schema"]["properties"]
    assert form["audio"]["format"] == "binary"
    assert "$defs" not in content["application/json"]["schema"]


def test_bodies_have_examples(described):
    parts = described["components"]["schemas"]
    without = []
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            for kind, body in operation.get("requestBody", {}).get("content", {}).items():
                schema = body["schema"]
                schema = schema.get("anyOf", [schema])[0]  # of a body that may be left out
                schema = parts[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
                if kind == "application/json" and not (schema.get("examples") or body.get("example")):
                    without.append(f"{method.upper()} {path}")
    assert without == []
