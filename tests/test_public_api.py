"""What `import melisma` promises: few names, all there, and nothing heavy before it is needed."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import melisma

HEAVY = ("torch", "onnxruntime", "soundfile", "soxr", "pydantic", "rich", "typer", "numpy")
HEAVY += ("sqlalchemy", "alembic", "redis", "psycopg")
# The base install: what these modules need must come without an extra.
NEEDS_EXTRA = (
    "melisma.train",
    "melisma.models.phone_net",
    "melisma.models.speech_encoder",
    "melisma.models.speech_encoder_export",
    "melisma.models.torch_file",
    "melisma.models.vocoder",
    "melisma.models.vocoder_torch",
    "melisma.models.whisper_plain",
    "melisma.models.whisper_torch",
)


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_all_names_are_few_and_unique():
    assert len(melisma.__all__) <= 25
    assert len(set(melisma.__all__)) == len(melisma.__all__)


def test_all_is_what_the_module_exposes():
    # In a fresh process: here, other tests have imported sub-modules, which then stand in the namespace.
    own = "{n for n, v in vars(melisma).items() if getattr(v, '__module__', '') == 'melisma' and n[0] != '_'}"
    exposed = run(f"import melisma\nprint(*sorted({own} | set(dir(melisma))))")
    assert exposed.split() == sorted(melisma.__all__)


def test_all_is_what_a_type_checker_sees():
    tree = ast.parse(Path(melisma.__file__).read_text(encoding="utf-8"))
    seen = {"__version__"}
    for node in tree.body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            seen |= {alias.asname for found in node.body if isinstance(found, ast.ImportFrom) for alias in found.names}
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            seen.add(node.name)
    assert seen == set(melisma.__all__)


@pytest.mark.parametrize("name", melisma.__all__)
def test_every_public_name_can_be_had(name):
    value = getattr(melisma, name)
    assert isinstance(value, str) if name == "__version__" else callable(value)


def test_a_name_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        melisma.nothing  # noqa: B018


def test_align_is_public():
    assert "align" in melisma.__all__


@pytest.mark.parametrize(
    "first", ["melisma", "melisma.aligner.viterbi", "melisma.aligner, melisma.pipeline.align", "melisma.core.records"]
)
def test_align_can_be_called_whatever_was_imported_before(first):
    """No folder of the package may hide the function melisma.align."""
    assert run(f"import {first}\nimport melisma\nprint(callable(melisma.align))") == "True"


def test_importing_melisma_loads_nothing_heavy():
    loaded = run("import melisma, sys\nprint(*sorted(sys.modules))").split()
    assert [name for name in HEAVY if name in loaded] == []


def test_the_program_loads_nothing_heavy_before_it_runs():
    loaded = run("import melisma.cli.main, sys\nprint(*sorted(sys.modules))").split()
    assert [name for name in HEAVY if name in loaded and name != "typer"] == []


def base_modules() -> list[str]:
    inside = tuple(f"{name}." for name in NEEDS_EXTRA)
    found = (m.name for m in pkgutil.walk_packages(melisma.__path__, "melisma."))
    wanted = (name for name in found if name not in NEEDS_EXTRA and not name.startswith(inside))
    return [name for name in wanted if not name.endswith("__main__")]


def test_base_modules_import_without_torch():
    names = base_modules()
    assert "melisma.cli.main" in names
    run(
        "import importlib, sys\n"
        "for blocked in ('torch', 'onnx', 'transformers'):\n"
        "    sys.modules[blocked] = None\n"  # makes any import of it fail
        f"for name in {names!r}:\n"
        "    importlib.import_module(name)\n"
    )


def test_blocking_torch_blocks_it():
    """The test above would prove nothing if the block leaked."""
    code = "import sys\nsys.modules['torch'] = None\nimport torch"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "torch" in done.stderr


def test_every_layer_is_a_package_with_a_docstring():
    for found in pkgutil.iter_modules(melisma.__path__, "melisma."):
        assert importlib.import_module(found.name).__doc__, found.name
