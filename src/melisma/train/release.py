"""A released model from its recipe: a TOML list of melisma commands, each with a mark that says it is done.

A step is a command as a user would give it, so that the plan can be read, printed and run by hand, and each has a
process of its own. Its folder is OUT/<name>; a second call goes on after the last step that is done.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from melisma.core.errors import InputError, TrainingError
from melisma.core.files import make_folder, write_atomically
from melisma.core.toml_files import read_tables, read_toml

_PLACE = re.compile(r"\{([^{}]*)\}")
_DONE, _BEGUN = ".done.json", ".begun.json"

# What decides nothing about a result: how much a command says, and in how many processes it works.
_TALK, _PROCESSES = frozenset(("-q", "--quiet", "-v", "--verbose")), frozenset(("--jobs", "--workers"))
# Who reads which part of a configuration: the card is what an export writes beside a model, and no training reads it.
_TRAINS, _EXPORTS = frozenset((("train", "phone"), ("train", "rows"))), frozenset((("train", "export"),))


class StepRow(BaseModel):
    """One `[[step]]` of a recipe."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
    # `{recipe}` is the recipe's folder, `{out}` the step's own, `{name}` an earlier step's or an input's.
    command: Annotated[tuple[str, ...], Field(min_length=1)]
    # A file in the step's folder that keeps what the command prints.
    stdout: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] | None = None
    environment: dict[Annotated[str, Field(pattern=r"^MELISMA_[A-Z_]+$")], str] = {}


class _Recipe(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    step: Annotated[tuple[StepRow, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Step:
    """One step, its places filled in."""

    name: str
    command: tuple[str, ...]  # after `melisma`
    folder: Path
    stdout: Path | None
    environment: Mapping[str, str]
    key: str  # hash of what decides the result: the command, the inputs that it names, the steps that it builds on
    done: bool

    def __str__(self) -> str:
        """Return the line that a shell would take."""
        settings = [f"{key}={shlex.quote(value)}" for key, value in self.environment.items()]
        kept = ["> " + shlex.quote(str(self.stdout))] if self.stdout else []
        return " ".join([*settings, "melisma", *map(shlex.quote, self.command), *kept])


Runner = Callable[[Step], int]


def read_recipe(path: Path) -> tuple[StepRow, ...]:
    """Read the steps of a recipe.

    Raises
    ------
    InputError
        If the file is missing, no TOML, or a step is not as it must be; it names the key.
    """
    steps = read_toml(path, _Recipe, "recipe").step
    seen: set[str] = set()
    for step in steps:
        if step.name in seen:
            raise InputError(f"{path}: two steps are called {step.name}")
        if step.name in ("recipe", "out"):
            raise InputError(f"{path}: no step can be called {step.name}, which has a meaning of its own")
        seen.add(step.name)
    return steps


def plan(recipe: Path, inputs: Mapping[str, Path], out: Path) -> tuple[Step, ...]:
    """Fill in the places of a recipe and see what is done already; nothing is written.

    Parameters
    ----------
    recipe : Path
        TOML file with a list of `[[step]]`.
    inputs : mapping of str to Path
        Folders and files from outside, by the names that the recipe uses, such as `corpus`.
    out : Path
        Folder of the release; each step has a folder of its own there.

    Raises
    ------
    InputError
        If the recipe is bad, an input is missing or has a step's name, or a step was done or begun with other inputs.
    """
    rows = read_recipe(recipe)
    for name, path in inputs.items():
        if name in {row.name for row in rows} | {"recipe", "out"}:
            raise InputError(f"{recipe}: {name} is the name of an input and of a step")
        if not path.exists():
            raise InputError(f"there is no {path}, the input {name} of the recipe {recipe}")
    places: dict[str, Path] = {"recipe": recipe.parent, **inputs}
    keys: dict[str, str] = {}
    steps: list[Step] = []
    for row in rows:
        folder = out / row.name
        step = _filled(recipe, row, places | {"out": folder}, keys)
        _check_fresh(step, row, steps)
        steps.append(step)
        places[row.name], keys[row.name] = folder, step.key
    return tuple(steps)


def _filled(recipe: Path, row: StepRow, places: Mapping[str, Path], keys: Mapping[str, str]) -> Step:
    facts: list[object] = [_deciding(row), row.stdout, row.environment]

    def put(text: str) -> str:
        def place(match: re.Match[str]) -> str:
            name = match[1]
            if name not in places:
                known = ", ".join(sorted(places))
                raise InputError(f"{recipe}: the step {row.name} asks for {{{name}}}; it may name: {known}")
            if name in keys:
                facts.append([name, keys[name]])
            return str(places[name])

        filled = _PLACE.sub(place, text)
        names = _PLACE.findall(text)
        if names and not keys.keys() & set(names) and "out" not in names:
            begins = text.rfind("=", 0, text.index("{")) + 1  # of NAME={place}
            facts.append([text, _digest(Path(_PLACE.sub(place, text[begins:])), row.command[:2])])
        return filled

    command = tuple(put(part) for part in row.command)
    environment = {key: put(value) for key, value in row.environment.items()}
    folder = places["out"]
    key = hashlib.sha256(json.dumps(facts).encode("utf-8")).hexdigest()
    done = _mark(folder / _DONE, row.name, key)
    if not done:
        _mark(folder / _BEGUN, row.name, key)
    return Step(row.name, command, folder, folder / row.stdout if row.stdout else None, environment, key, done)


def _check_fresh(step: Step, row: StepRow, before: Sequence[Step]) -> None:
    """Refuse a step whose folder holds what was made of an earlier step that is to be done again."""
    named = {name for text in (*row.command, *row.environment.values()) for name in _PLACE.findall(text)}
    anew = [earlier.name for earlier in before if earlier.name in named and not earlier.done]
    if anew and (step.done or (step.folder / _BEGUN).exists()):
        raise InputError(
            f"the step {step.name} in {step.folder} was begun with what {anew[0]} gave before: "
            "remove that folder to do it again, or take another folder"
        )


def _mark(path: Path, name: str, key: str) -> bool:
    """Tell whether a mark is there; one of other inputs is an error."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["key"]
    except FileNotFoundError:
        return False
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"the mark {path} is damaged: remove {path.parent} to do the step {name} again") from error
    if found != key:
        raise InputError(
            f"the step {name} in {path.parent} was begun with another command or other inputs: "
            "remove that folder to do it again, or take another folder"
        )
    return True


def _deciding(row: StepRow) -> tuple[str, ...]:
    """Return the parts of a command that decide its result, or what it prints where that is kept."""
    if row.stdout:
        return row.command
    parts, kept = iter(row.command), []
    for part in parts:
        if part in _PROCESSES:
            next(parts, None)  # their number
        elif part not in _TALK and part.partition("=")[0] not in _PROCESSES:
            kept.append(part)
    return tuple(kept)


def _digest(path: Path, command: tuple[str, ...]) -> str:
    """Return what tells one input of a command from another.

    Of a folder that is its manifest, or else the names and sizes of its files; of a configuration what the command
    reads of it, without its comments.
    """
    digest = hashlib.sha256()
    try:
        if path.is_dir() and (path / "manifest.jsonl").is_file():
            path = path / "manifest.jsonl"
        if path.is_dir():
            for file in sorted(p for p in path.rglob("*") if p.is_file()):
                digest.update(f"{file.relative_to(path)} {file.stat().st_size}\n".encode())
        elif not path.exists():
            raise InputError(f"there is no {path}, which a step of the recipe names")
        elif path.suffix == ".toml" and command in _TRAINS | _EXPORTS:
            tables = read_tables(path, "configuration")
            read = {key: value for key, value in tables.items() if (key == "card") == (command in _EXPORTS)}
            digest.update(json.dumps(read, sort_keys=True, default=str).encode("utf-8"))
        else:
            digest.update(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    return digest.hexdigest()


def release(
    steps: Sequence[Step], *, run: Runner | None = None, report: Callable[[Step], None] | None = None
) -> tuple[Step, ...]:
    """Do the steps that are not done, one after the other, and return those.

    Raises
    ------
    TrainingError
        If a step fails; those before it stay done.
    """
    run = run or run_step
    left = tuple(step for step in steps if not step.done)
    for step in left:
        make_folder(step.folder)
        mark = (json.dumps({"key": step.key, "command": str(step)}, ensure_ascii=False) + "\n").encode("utf-8")
        write_atomically(step.folder / _BEGUN, mark)
        if report:
            report(step)
        code = run(step)
        if code:
            raise TrainingError(f"the step {step.name} ended with {code}: {step}")
        write_atomically(step.folder / _DONE, mark)
    return left


def run_step(step: Step) -> int:
    """Run the command of a step in a process of its own and return its exit code; what it prints is kept if asked."""
    line = [sys.executable, "-m", "melisma.cli.main", *step.command]
    done = subprocess.run(
        line, env=os.environ | dict(step.environment), stdout=subprocess.PIPE if step.stdout else None, check=False
    )
    if step.stdout and not done.returncode:
        write_atomically(step.stdout, done.stdout)
    return done.returncode
