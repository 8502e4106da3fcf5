"""Imports point only to a lower layer, siblings are blind, and nothing goes round in circles."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import melisma

PACKAGE = Path(melisma.__file__).parent

# The number of each folder, from the architecture: who may import whom.
LAYERS = {
    "core": 0,
    "audio": 1,
    "text": 1,
    "formats": 1,
    "lyrics": 1,
    "metrics": 1,
    "scale": 2,
    "synth": 2,
    "models": 2,
    "engines": 3,
    "units": 3,
    "aligner": 4,
    "store": 4,
    "pipeline": 5,
    "testing": 6,
    "data": 6,
    "train": 7,
    "evaluate": 7,
    "server": 8,
    "cli": 9,
}
# `alignment.save(path)` is what users write; the record knows the file layer only inside that one method.
LAZY_WAY_BACK = ("melisma.core.records", "melisma.core.files")
# A checkpoint file is the only traffic between training and inference.
STRANGERS = {("train", "engines"), ("engines", "train")}
MAY_IMPORT_TORCH = {"models", "train"}  # at module level; elsewhere inside the function that needs it


@dataclass(frozen=True, slots=True)
class Import:
    """`module` imported by the file `source`; `lazy` inside a function, `typing` under TYPE_CHECKING."""

    source: Path
    line: int
    module: str
    lazy: bool
    typing: bool


def imported_by_call(node: ast.Call) -> str | None:
    """Return the module of `import_module("…")` or `__import__("…")` where it is written out."""
    if ast.unparse(node.func).split(".")[-1] not in {"import_module", "__import__"} or not node.args:
        return None
    first = node.args[0]
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None


def imports_of(path: Path, package: Path) -> Iterator[Import]:
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    here = ("melisma", *path.relative_to(package).with_suffix("").parts)

    def walk(node: ast.AST, lazy: bool, typing: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(path, node.lineno, alias.name, lazy, typing)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*here[: -node.level], *([base] if base else [])])
            for alias in node.names:  # `from melisma.core import files` names a module, `… import Word` does not
                yield Import(path, node.lineno, f"{base}.{alias.name}", lazy, typing)
        elif isinstance(node, ast.Call) and (named := imported_by_call(node)):
            yield Import(path, node.lineno, named, lazy, typing)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.body:
                yield from walk(child, lazy, True)
            for child in node.orelse:
                yield from walk(child, lazy, typing)
            return
        inside = lazy or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for child in ast.iter_child_nodes(node):
            yield from walk(child, inside, typing)

    yield from walk(tree, False, False)


@cache  # a tree is planted before it is looked at, and hundreds of files of ours are parsed once
def all_imports(package: Path) -> list[Import]:
    return [i for path in sorted(package.rglob("*.py")) for i in imports_of(path, package)]


def layer_faults(package: Path) -> list[str]:
    """One sentence per import that the layers forbid."""
    faults = []
    for found in all_imports(package):
        parts = found.source.relative_to(package).parts
        home = parts[0] if len(parts) > 1 else ""
        top, _, rest = found.module.partition(".")
        where = f"{'/'.join(parts)}:{found.line}"
        if top == "torch" and home not in MAY_IMPORT_TORCH and not found.lazy:
            faults.append(f"{where} imports torch at module level")
        if top != "melisma":
            continue
        target = rest.split(".")[0]
        if not home:
            if not (found.lazy or found.typing):
                faults.append(f"{where} imports {found.module} when melisma is imported")
        elif home not in LAYERS:
            faults.append(f"{where} stands in a folder without a layer")
        elif target not in LAYERS:  # `melisma` itself, or a name that lives in it
            if home != "cli":
                faults.append(f"{where} imports the root package")
        elif target != home and LAYERS[target] >= LAYERS[home]:
            faults.append(f"{where} ({home}, layer {LAYERS[home]}) imports {target} (layer {LAYERS[target]})")
        elif (home, target) in STRANGERS:
            faults.append(f"{where} ({home}) imports {target}: they never meet")
    return faults


def cycle(package: Path) -> list[str]:
    """Return the modules of one cycle of imports made at run time, at module level or inside functions, or nothing."""
    modules = {".".join(("melisma", *p.relative_to(package).with_suffix("").parts)) for p in package.rglob("*.py")}
    modules = {m.removesuffix(".__init__") for m in modules}
    edges: dict[str, set[str]] = {m: set() for m in modules}
    for found in all_imports(package):
        if found.typing:
            continue
        source = ".".join(("melisma", *found.source.relative_to(package).with_suffix("").parts)).removesuffix(
            ".__init__"
        )
        for target in (found.module, found.module.rpartition(".")[0]):
            if target in modules and target not in {source, "melisma"}:
                if not (found.lazy and (source, target) == LAZY_WAY_BACK):
                    edges[source].add(target)
                break
    done: set[str] = set()

    def search(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        for target in sorted(edges[module]):
            round_trip = search(target, [*path, module])
            if round_trip:
                return round_trip
        done.add(module)
        return []

    return next((found for m in sorted(modules) if (found := search(m, []))), [])


def test_imports_point_only_to_lower_layers():
    assert layer_faults(PACKAGE) == []


def test_no_imports_go_round_in_circles():
    assert cycle(PACKAGE) == []


def test_every_folder_has_a_layer():
    folders = {p.name for p in PACKAGE.iterdir() if p.is_dir() and any(p.rglob("*.py"))}
    assert folders <= set(LAYERS)


def test_the_checker_sees_the_real_imports():
    """A checker that parsed nothing would find no fault."""
    edges = {
        (f.source.relative_to(PACKAGE).parts[0], f.module.split(".")[1])
        for f in all_imports(PACKAGE)
        if f.module.startswith("melisma.")
    }
    assert {("formats", "core"), ("pipeline", "core"), ("cli", "pipeline"), ("cli", "core")} <= edges


@pytest.fixture
def tree(tmp_path):
    """Build a package from {file: source}."""

    def build(files: dict[str, str]) -> Path:
        for name, source in files.items():
            path = tmp_path / "melisma" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source, encoding="utf-8")
        return tmp_path / "melisma"

    return build


def test_an_allowed_tree_has_no_fault(tree):
    package = tree(
        {
            "__init__.py": "import typing\nif typing.TYPE_CHECKING:\n    from melisma.core import records\n",
            "core/records.py": "import numpy\n",
            "audio/decode.py": "from melisma.core.records import Waveform\nfrom . import sndfile\n",
            "audio/sndfile.py": "from ..core import records\n",
            "cli/main.py": "from melisma import __version__\nimport melisma.audio.decode\n",
            "models/net.py": "import torch\n",
            "scale/ray.py": "def go():\n    import torch\n",
        }
    )
    assert layer_faults(package) == []
    assert cycle(package) == []


@pytest.mark.parametrize(
    ("file", "source", "fault"),
    [
        ("core/files.py", "from melisma.audio import decode", r"core/files.py:1 \(core, layer 0\) imports audio"),
        ("audio/decode.py", "import melisma.text.words", r"\(audio, layer 1\) imports text"),
        ("aligner/viterbi.py", "def f():\n    from melisma.pipeline import align", r"viterbi.py:2 .* imports pipeline"),
        ("aligner/viterbi.py", "class A:\n    from ..cli import main", "imports cli"),
        (
            "text/g2p.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from melisma.engines.protocol import Engine",
            "imports engines",
        ),
        ("audio/decode.py", "from importlib import import_module\nimport_module('melisma.cli.main')", "imports cli"),
        ("audio/decode.py", "from melisma import text", "imports text"),
        ("audio/decode.py", "from melisma import aligner", "imports aligner"),
        ("audio/decode.py", "from melisma import Word", "imports the root package"),
        ("train/phone.py", "from melisma.engines import phone", "they never meet"),
        ("train/phone.py", "from melisma.evaluate import align", "imports evaluate"),
        ("engines/phone.py", "def f():\n    import melisma.train.phone", "imports train"),
        ("engines/phone.py", "import torch.nn", "imports torch at module level"),
        ("engines/phone.py", "from torch import nn", "imports torch at module level"),
        ("misc/things.py", "import melisma.core", "a folder without a layer"),
        ("__init__.py", "from melisma.core.records import Word", "when melisma is imported"),
    ],
)
def test_a_planted_violation_is_caught(tree, file, source, fault):
    import re

    faults = layer_faults(tree({file: source + "\n"}))
    assert len(faults) == 1
    assert re.search(fault, faults[0])


def test_a_planted_cycle_is_caught(tree):
    package = tree(
        {
            "audio/a.py": "from melisma.audio import b\n",
            "audio/b.py": "def f():\n    from melisma.audio.c import thing\n",
            "audio/c.py": "from .a import other\n",
        }
    )
    assert cycle(package) == ["melisma.audio.a", "melisma.audio.b", "melisma.audio.c", "melisma.audio.a"]


def test_a_cycle_for_type_checking_only_is_none(tree):
    guarded = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from melisma.audio import a\n"
    assert cycle(tree({"audio/a.py": "import melisma.audio.b\n", "audio/b.py": guarded})) == []
