"""Models by name: a table of packages on this machine, in one file of the state folder.

The file is changed under a lock and replaced whole, so that programs that read it meanwhile see the old table or the
new one. A name stands for a folder or a file as it is now: what is in it is looked at when it is used.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import filelock
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from melisma.core.errors import Conflict, InputError, OutputError, UnknownName
from melisma.core.files import make_folder, write_atomically
from melisma.models.package import is_name

FILE = "models.json"
_LARGEST = 4 << 20  # bytes; ten thousand models take 2 MB
_WAIT_S = 30.0


class Entry(BaseModel):
    """A model: where it is, its revision when it was added, and when that was (ISO 8601)."""

    model_config = ConfigDict(frozen=True)

    path: Annotated[str, Field(min_length=1, max_length=4096)]
    revision: Annotated[str, Field(max_length=64)] = ""
    added: Annotated[str, Field(max_length=40)] = ""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True)

    models: dict[str, Entry] = {}
    defaults: dict[str, str] = {}  # names of models, by the language that they transcribe unless told otherwise


@dataclass(frozen=True, slots=True)
class Registry:
    """The table in a file, which need not be there.

    Parameters
    ----------
    file : Path
        `models.json` of the state folder.
    """

    file: Path

    def entries(self) -> dict[str, Entry]:
        """Return all models by name, sorted.

        Raises
        ------
        InputError
            If the file cannot be read, or holds something else.
        """
        return self._table().models

    def defaults(self) -> dict[str, str]:
        """Return the names of models by the language that they transcribe unless told otherwise, sorted by language.

        Raises
        ------
        InputError
            If the file cannot be read, or holds something else.
        """
        return self._table().defaults

    def _table(self) -> _Table:
        try:
            found = os.stat(self.file)
        except FileNotFoundError:
            return _Table()
        except OSError as error:
            raise InputError(f"cannot read the table of models {self.file}: {error.strerror or error}") from error
        read = _read(self.file, found.st_size, found.st_mtime_ns, found.st_ino)
        models = {name: read.models[name] for name in sorted(read.models) if is_name(name)}
        defaults = {code: read.defaults[code] for code in sorted(read.defaults) if read.defaults[code] in models}
        return _Table(models=models, defaults=defaults)

    def find(self, name: str) -> Entry | None:
        """Return the model of a name, or None."""
        return self.entries().get(name)

    def add(self, name: str, entry: Entry, *, taken: Collection[str] = (), replace: bool = False) -> None:
        """Give a model a name.

        Parameters
        ----------
        name : str
            Small letters, digits, dots, hyphens and underscores.
        entry : Entry
            Its path is absolute.
        taken : collection of str
            Names that mean something else, such as those of engines.
        replace : bool
            Whether the name may have stood for another path until now.

        Raises
        ------
        InputError
            If it is no name, or taken.
        OutputError
            If the file cannot be written.
        """
        if not is_name(name):
            raise InputError(
                f"{name[:80]!r} is no name for a model: take small letters, digits, dots, hyphens and underscores, "
                "64 at most, a letter or digit first"
            )
        if name in taken:
            raise Conflict(f"{name!r} is the name of an engine: take another one")

        def change(table: _Table) -> None:
            known = table.models.get(name)
            if known is not None and known.path != entry.path and not replace:
                raise Conflict(f"{name!r} stands for {known.path}: take another name, or give --replace")
            table.models[name] = entry

        self._change(change)

    def remove(self, name: str) -> Entry:
        """Take a name away; the model's files stay. UnknownName if there is none of this name.

        It is no language's default any more either.
        """
        removed: list[Entry] = []

        def change(table: _Table) -> None:
            if name not in table.models:
                raise UnknownName("added model", name, table.models)
            removed.append(table.models.pop(name))
            for code in [code for code, model in table.defaults.items() if model == name]:
                del table.defaults[code]

        self._change(change)
        return removed[0]

    def set_default(self, language: str, name: str | None) -> None:
        """Make a model the one that transcribes a language unless told otherwise; None for none.

        Raises
        ------
        UnknownName
            If no model has the name.
        OutputError
            If the file cannot be written.
        """

        def change(table: _Table) -> None:
            if name is None:
                table.defaults.pop(language, None)
            elif name not in table.models:
                raise UnknownName("added model", name, table.models)
            else:
                table.defaults[language] = name

        self._change(change)

    def _change(self, change: Callable[[_Table], None]) -> None:
        make_folder(self.file.parent)
        lock = filelock.FileLock(self.file.with_name(f".{self.file.name}.lock"), timeout=_WAIT_S)
        try:
            with lock:
                table = self._table()
                change(table)
                said = {
                    "models": {name: table.models[name].model_dump() for name in sorted(table.models)},
                    "defaults": {code: table.defaults[code] for code in sorted(table.defaults)},
                }
                write_atomically(self.file, (json.dumps(said, ensure_ascii=False, indent=1) + "\n").encode("utf-8"))
        except filelock.Timeout as error:
            raise OutputError(f"another program has been changing {self.file} for {_WAIT_S:g} s") from error
        except OSError as error:
            raise OutputError(f"cannot change {self.file}: {error.strerror or error}") from error


@lru_cache(maxsize=8)
def _read(file: Path, size: int, changed_ns: int, inode: int) -> _Table:
    try:
        if size > _LARGEST:
            raise InputError(f"the table of models {file} is larger than it can be")
        return _Table.model_validate_json(file.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read the table of models {file}: {error.strerror or error}") from error
    except ValidationError as error:
        raise InputError(f"the table of models {file} is damaged: remove it, and add the models again") from error
