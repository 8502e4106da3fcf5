"""TOML files: read into records that are checked, one sentence for whatever is wrong."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from melisma.core.errors import InputError

M = TypeVar("M", bound=BaseModel)


def read_tables(path: Path, what: str) -> dict[str, Any]:
    """Read a TOML file as it is; `what` says in the sentence of a failure what was to be read, such as "recipe".

    Raises
    ------
    InputError
        If the file cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read the {what} {path}: {error.strerror or error}") from error
    except RecursionError as error:
        raise InputError(f"{path} is no TOML that can be read: it is nested too deeply") from error
    except ValueError as error:  # no TOML, no UTF-8, or a number of more digits than Python reads
        raise InputError(f"{path} is no TOML: {error}") from error


def read_toml(path: Path, model: type[M], what: str) -> M:
    """Read a TOML file into a pydantic model.

    Raises
    ------
    InputError
        If the file cannot be read, is no TOML, or does not fit; the sentence names the file, the path of the first key
        that is wrong, and its fault.
    """
    tables = read_tables(path, what)
    try:
        return model.model_validate(tables)
    except ValidationError as error:
        first = error.errors()[0]
        where = f"{'.'.join(map(str, first['loc']))}: " if first["loc"] else ""
        raise InputError(f"{path}: {where}{first['msg']}") from error


def read_settings(path: Path | None, given: Mapping[str, Any], model: type[M]) -> M:
    """Read settings from a TOML file, if there is one, and from a command line, which goes before it.

    Raises
    ------
    InputError
        If the file cannot be read, or a key or value is wrong; it names the first, and the file if that is at fault.
    """
    tables = read_tables(path, "configuration") if path else {}
    try:
        return model.model_validate({**tables, **given})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "configuration"
        source = f"{path}: " if path and first["loc"] and first["loc"][0] not in given else ""
        raise InputError(f"{source}{where}: {first['msg']}") from error
