"""No code outside the tiers and the engines themselves knows an engine by name: any of them can be replaced."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest

import melisma
from melisma.core import plugins

PACKAGE = Path(melisma.__file__).parent
NAMES = {point.name for point in distribution("melisma").entry_points if point.group == plugins.ENGINES}
# Where engines may be named, and why.
ALLOWED = {
    "engines/": "the engines themselves",
    "pipeline/tiers.py": "the order in which the router tries them",
    "train/": "it may not import engines (tests/test_layers.py): a phone is a sound there, whisper a way to speak",
}
# Single mentions elsewhere that are no choice of an engine, and why.
EXCUSED = {
    ("__init__.py", "melisma.engines.phone"): "melisma.PhoneEngine, a stage for those who take the walk apart",
    ("__init__.py", "melisma.engines.phone.PhoneEngine"): "the same, for type checkers",
    ("cli/train_material.py", "melisma.engines.phone.PhoneEngine"): "phones are timed by the network that ships",
    ("cli/train_phone.py", "melisma.engines.phone.PhoneEngine"): "the network that is trained is the one that is run",
    ("core/artifacts.py", "whisper"): "a folder, as the contract on Whisper calls it",
    ("models/package.py", "whisper"): "a kind of network, as transformers calls it",
    ("evaluate/whisper_formats.py", "melisma.engines.whisper.faults"): "what faster-whisper raises is mapped there",
    ("data/dali/matching.py", "melisma.engines.phone.PhoneEngine"): "thresholds that hold for the embedded model alone",
    ("data/units/phones.py", "melisma.engines.phone.PhoneEngine"): "phones are timed by the network that ships",
    (
        "cli/cache.py",
        "Only of this source: user_corrected, imported, ctc, whisper, placed.",
    ): "the same kinds of source",
    ("server/schemas/alignments.py", "phone"): "an example in the OpenAPI description",
    ("server/schemas/alignments.py", "whisper"): "an example in the OpenAPI description",
    ("server/schemas/transcriptions.py", "whisper"): "an example in the OpenAPI description",
    ("store/entries.py", "whisper"): "a kind of source, by the name that the karaoke document gives it",
    (
        "cli/units/extract.py",
        "mfcc, phone, the id or folder of a speech encoder on Hugging Face's hub, or an ONNX export of one.",
    ): "encoders of units, of which one is the network that the engine runs",
    ("units/encoders.py", "phone"): "the same",
    ("units/phone.py", "phone"): "the same",
    ("models/speech_encoder.py", "wav2vec2"): "a kind of network, as transformers calls it",
    ("testing/speech_checkpoints.py", "wav2vec2"): "a kind of network, as transformers calls it",
    ("testing/checkpoints.py", "wav2vec2"): "a kind of network, as transformers calls it",
}


def mentions(tree: ast.Module, names: set[str]) -> Iterator[tuple[int, str]]:
    """Yield line and text of every string that is an engine's name, a list with one or its module; and of imports."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and isinstance(node.body[0] if node.body else None, ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            parts = {part.strip() for part in node.value.split(",")}
            if names & parts or (len(parts) == 1 and _is_module(node.value, names)):
                yield node.lineno, node.value
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if _is_module(alias.name, names))
        elif isinstance(node, ast.ImportFrom):
            whole = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from ((node.lineno, module) for module in whole if _is_module(module, names))


def _is_module(text: str, names: set[str]) -> bool:
    return text.startswith("melisma.engines.") and bool(names & set(text.split(".")))


def faults(package: Path, names: set[str]) -> list[str]:
    """One sentence per mention that is neither allowed nor excused."""
    found = []
    for path in sorted(package.rglob("*.py")):
        where = path.relative_to(package).as_posix()
        if where.startswith(tuple(ALLOWED)):
            continue
        for line, text in mentions(ast.parse(path.read_text(encoding="utf-8")), names):
            if (where, text) not in EXCUSED:
                found.append(f"{where}:{line} names {text!r}")
    return found


def test_no_code_outside_the_router_names_an_engine():
    assert {"phone"} <= NAMES
    assert faults(PACKAGE, NAMES) == []


def test_every_excuse_is_needed():
    """One that is not any more would cover the next fault."""
    seen = {
        (path.relative_to(PACKAGE).as_posix(), text)
        for path in PACKAGE.rglob("*.py")
        for _, text in mentions(ast.parse(path.read_text(encoding="utf-8")), NAMES | {"whisper", "wav2vec2"})
    }
    assert set(EXCUSED) <= seen


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ('engine = "phone"', "phone"),
        ('def f(engine: str = "one"): return "two" if engine == "phone" else 1', "phone"),
        ('TIERS = "one, phone"', "one, phone"),
        ('load("melisma.engines.phone")', "melisma.engines.phone"),
        ("from melisma.engines.phone import PhoneEngine", "melisma.engines.phone.PhoneEngine"),
        ("from melisma.engines import phone", "melisma.engines.phone"),
        ("def f():\n    import melisma.engines.phone", "melisma.engines.phone"),
        ("match name:\n    case 'phone':\n        pass", "phone"),
    ],
)
def test_a_planted_name_is_caught(tmp_path, source, text):
    (tmp_path / "cli").mkdir()
    (tmp_path / "cli" / "align.py").write_text(source + "\n", encoding="utf-8")
    assert [fault.partition(" names ")[2] for fault in faults(tmp_path, {"phone"})] == [repr(text)]


@pytest.mark.parametrize(
    "source",
    ['"""phone"""', 'def f():\n    """phone"""', 'said = "the phone rang"', "from melisma.engines import protocol"],
)
def test_what_is_no_name_is_left_alone(tmp_path, source):
    (tmp_path / "align.py").write_text(source + "\n", encoding="utf-8")
    assert faults(tmp_path, {"phone"}) == []
