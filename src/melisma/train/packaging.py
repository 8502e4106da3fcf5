"""What every package says of its training: what it was trained on, under which licence it may be, plain values."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from melisma.core import licences
from melisma.core.errors import InputError
from melisma.core.files import write_atomically
from melisma.models import package as packages
from melisma.text.language import normalise
from melisma.train import start


def named(said: str, run: Path) -> str:
    """Return the name of a model: the one that was said, or its run's.

    Raises
    ------
    InputError
        If it is none.
    """
    name = said or _name_of(run)
    if not packages.is_name(name):
        raise InputError(f"{name[:80]!r} is no name for a model: take small letters, digits, dots and hyphens")
    return name


def _name_of(run: Path) -> str:
    """Make a name of a folder's."""
    kept = re.sub(r"[^a-z0-9._-]+", "-", run.resolve().name.lower()).strip("-._")
    return kept[:64] or "model"


def sources_of(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a model was trained on: the data of its training, and the model that it began with.

    Parameters
    ----------
    facts : mapping
        Of the training: `data` as `melisma.data.licences.Taint.as_dict` gives it, and what `start.sources_of` takes.
    """
    data = facts.get("data")
    found: dict[tuple[str, str], dict[str, Any]] = {}
    if isinstance(data, Mapping):
        vouched = set(map(str, data.get("vouched") or ()))
        for each in data.get("sources") or ():
            if isinstance(each, Mapping):
                name, said = line(each.get("source", "")), line(each.get("licence", ""))
                found[name, said] = {"name": name, "license": said, "vouched": said in vouched}
    for each in start.sources_of(facts):
        name, said = line(each["name"]), line(each["license"])
        found.setdefault((name, said), {**each, "name": name, "license": said})
    return list(found.values())


def check_licence(license_: str, sources: Sequence[Mapping[str, Any]]) -> None:
    """Refuse to license a model otherwise than what it was trained on allows.

    Raises
    ------
    InputError
        Naming what forbids commercial use.
    """
    tainted = [each for each in sources if not packages.DataSource.model_validate(each).commercial]
    if license_ and licences.commercial(license_) and (tainted or not sources):
        said = ", ".join(f"{each['name']} ({licences.label(each['license'])})" for each in tainted[:5])
        raise InputError(
            f"this model cannot be licensed {license_}, which allows commercial use: it was trained on "
            f"{said or 'data that nobody has named'}"
        )


def versions_of(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of installed packages, Python's among them."""
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def languages_of(codes: Iterable[str]) -> list[str]:
    """Return those codes that are of languages, each once."""
    return list(dict.fromkeys(code for code in codes if _is_language(code)))


def _is_language(code: str) -> bool:
    try:
        return normalise(code) != "und"
    except InputError:
        return False


def line(said: Any) -> str:
    """Return a text on one line, 300 characters at most."""
    return " ".join("".join(char if char.isprintable() else " " for char in str(said)).split())[:300]


def plain(value: Any) -> Any:
    """Return plain JSON: what is no number is None, and paths of this machine are their last part."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(each) for each in value]
    if isinstance(value, float) and value - value != 0:
        return None
    if isinstance(value, (bool, int, float)) or value is None:
        return value
    said = str(value)
    return Path(said).name if said.startswith(("/", "~/")) else said


def write_json(path: Path, value: Any) -> None:
    """Write plain values as JSON, whole or not at all."""
    write_atomically(path, (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode("utf-8"))


def keep_removals(run: Path, folder: Path) -> None:
    """Take along what was taken out of a model's data since: it is in what is made of the model too."""
    removed = run / packages.REMOVED
    if removed.is_file():
        write_atomically(folder / packages.REMOVED, removed.read_bytes())
