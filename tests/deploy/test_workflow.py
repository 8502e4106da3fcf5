"""The workflow for GitHub is valid, safe, and runs what .ci/run runs. No runner is here: it is read and linted."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "ci-train-smoke.yml"
OURS = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def workflow() -> dict:
    return yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))


def commands(job: str) -> list[str]:
    return [step["run"] for step in workflow()["jobs"][job]["steps"] if "run" in step]


def linted(path: Path, *command: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-m", *command, str(path)], capture_output=True, text=True, cwd=ROOT)
    return done.returncode, done.stdout


def schema_of(path: Path) -> tuple[int, str]:
    """Held against the schema that check-jsonschema brings with it: nothing is fetched."""
    return linted(path, "check_jsonschema", "--builtin-schema", "vendor.github-workflows", "-o", "json")


def test_it_fits_the_schema_of_workflows(tmp_path):
    assert schema_of(WORKFLOW)[0] == 0
    broken = tmp_path / "broken.yml"
    broken.write_text(WORKFLOW.read_text(encoding="utf-8").replace("runs-on:", "runs_on:"), encoding="utf-8")
    code, said = schema_of(broken)
    assert code == 1
    assert json.loads(said)["errors"]


def test_it_is_tidy_yaml(tmp_path):
    assert linted(WORKFLOW, "yamllint", "-s") == (0, "")
    twice = tmp_path / "twice.yml"
    twice.write_text("name: a\nname: b\n", encoding="utf-8")
    assert linted(twice, "yamllint", "-s", "-c", str(ROOT / ".yamllint.yaml"))[0] == 1


def audited(path: Path) -> int:
    program = shutil.which("zizmor", path=str(Path(sys.executable).parent)) or shutil.which("zizmor")
    if program is None:
        pytest.skip("zizmor is not installed")
    command = [program, "--offline", "--no-progress", "--persona=pedantic", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False).returncode


def test_an_audit_for_weaknesses_finds_nothing(tmp_path):
    assert audited(WORKFLOW) == 0
    weak = tmp_path / ".github" / "workflows" / "weak.yml"
    weak.parent.mkdir(parents=True)
    text = WORKFLOW.read_text(encoding="utf-8")
    weak.write_text(re.sub(r"@[0-9a-f]{40}.*", "@v6", text, count=1), encoding="utf-8")
    assert audited(weak) != 0


def test_all_that_ci_holds_is_run_by_its_own_script():
    assert commands("everything") == ["bash .ci/run"]


def test_the_smoke_job_runs_commands_of_ci():
    ran = "\n".join(commands("smoke"))
    assert "pip install -e '.[dev]'" in ran
    assert "pip install -e '.[dev]'" in OURS
    targets = {target for line in re.findall(r"^make (.*)$", ran, re.MULTILINE) for target in line.split()}
    targets = {target for target in targets if "=" not in target}
    assert {"lint", "types", "train-smoke"} <= targets
    assert targets <= set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    in_ours = {word for line in re.findall(r"^make (.*)$", OURS, re.MULTILINE) for word in line.split()}
    assert targets - {"test"} <= in_ours  # which runs pytest in a pipe of its own


def test_secrets_are_looked_for_wherever_a_change_is_checked():
    assert re.search(r"^check:.*\bsecrets\b", MAKEFILE, re.MULTILINE)
    assert re.search(r"^make .*\bsecrets\b", OURS, re.MULTILINE)
    assert any("scan_secrets.py --history" in command for command in commands("smoke"))


def test_it_may_write_nothing_and_knows_no_secret():
    found = workflow()
    assert found["permissions"] == {"contents": "read"}
    assert "{{ secrets" not in re.sub(r"#.*", "", WORKFLOW.read_text(encoding="utf-8"))
    for job in found["jobs"].values():
        assert "permissions" not in job
        assert "timeout-minutes" in job
        for step in job["steps"]:
            if "checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False
