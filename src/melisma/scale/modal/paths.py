"""What a path here is on the volume, and the way back: it mirrors a folder, some of it under other names."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from melisma.core.errors import InputError
from melisma.scale.protocol import Outcome

Rule = tuple[re.Pattern[str], str]
_OF_NO_PATH = ("\0", "\n", '"', "{")  # a line of a manifest holds paths and is none


@dataclass(frozen=True, slots=True)
class Paths:
    """A folder and its mirror.

    Parameters
    ----------
    root : str
        The folder here, absolute.
    mount : str
        Where the mirror is seen, absolute.
    folders : tuple of (str, str)
        Folders below both that have different names, here first; `*` stands for one name, or a part of it.
    cwd : str
        Folder here at which relative paths begin, absolute. Those that would lead elsewhere there, for a folder on the
        way has another name, are sent as absolute ones. Without it relative paths stay as they are.
    named : tuple of (str, str)
        Such paths, as they are there and as they were said here: what lies below them comes back as it would be here.

    Examples
    --------
    >>> paths = Paths("/home/ana", "/mnt/audio_data", (("data/segments", "segmented_audio"), ("units/*", "*_units")))
    >>> paths.there("/home/ana/data/segments/a.wav"), paths.there("/home/ana/units/portuguese/motifs")
    ('/mnt/audio_data/segmented_audio/a.wav', '/mnt/audio_data/portuguese_units/motifs')
    >>> paths.here("/mnt/audio_data/portuguese_units/motifs"), paths.here("/mnt/audio_data/else")
    ('/home/ana/units/portuguese/motifs', '/home/ana/else')
    """

    root: str
    mount: str
    folders: tuple[tuple[str, str], ...] = ()
    cwd: str = ""
    named: tuple[tuple[str, str], ...] = ()

    def there(self, path: str) -> str:
        """Return what a path here is in a container; as it is where the volume does not mirror it.

        Raises
        ------
        InputError
            If two folders here would be one there.
        """
        if not path.startswith("/"):
            return self._of_relative(path)
        for here, there in self.folders:
            name = _below(path, self.root)
            if name and _rule(there, here)[0].match(name) and not _rule(here, there)[0].match(name):
                raise InputError(
                    f"{path} would lie on the volume where {here} does ({there}): call it otherwise, "
                    "or say in MELISMA_MODAL_FOLDERS which folder is which"
                )
        return self._mirrored(path)

    def _mirrored(self, path: str) -> str:
        return _moved(path, self.root, self.mount, [_rule(here, there) for here, there in self.folders])

    def _of_relative(self, text: str) -> str:
        """Return a relative path as an absolute one of a container, if it would lead elsewhere from its folder."""
        if not self.cwd or not text or len(text) > 4096 or any(each in text for each in _OF_NO_PATH):
            return text
        path = os.path.normpath(os.path.join(self.cwd, text))
        is_there = os.path.lexists(path)
        moved = self.there(path) if is_there else self._mirrored(path)
        leads_there = moved == os.path.normpath(os.path.join(self._mirrored(self.cwd), text))
        is_word = not is_there and "/" not in text
        return text if leads_there or is_word or _below(path, self.root) is None else moved

    def knowing(self, *values: Any) -> Paths:
        """Return paths that know which relative ones a stage and its items hold."""
        found: dict[str, str] = {}

        def look(text: str) -> str:
            if not text.startswith("/") and (moved := self.there(text)) != text:
                found[moved] = text
            return text

        for value in values:
            deeply(value, look)
        return replace(self, named=tuple(sorted(found.items(), reverse=True)))  # what lies in another one comes first

    def here(self, path: str) -> str:
        """Return what a path in a container is here; as it is where it does not lie on the volume."""
        for there, said in self.named:
            if path.startswith(there) and not path[len(there) :][:1].isalnum():
                return said + path[len(there) :]
        return _moved(path, self.mount, self.root, [_rule(there, here) for here, there in self.folders])

    def on_volume(self, path: Path) -> str:
        """Return a path of the volume, without its mount, of one below the root here; ValueError if it is none."""
        moved = self.there(str(path))
        return PurePosixPath(moved).relative_to(self.mount).as_posix()

    def from_volume(self, path: str) -> Path:
        """Return where a path of the volume, without its mount, lies here."""
        return Path(self.here(f"{self.mount}/{path.strip('/')}"))

    def sent(self, value: Any) -> Any:
        """Return a stage or an item with the paths of a container in place of those here."""
        return deeply(value, self.there)

    def returned(self, value: Any) -> Any:
        """Return what a stage found with the paths here in place of those of a container."""
        return deeply(value, lambda text: self.told(text) if _below(text, self.mount) is None else self.here(text))

    def told(self, sentence: str) -> str:
        """Return a sentence in which files of a container have their paths here."""
        if self.mount not in sentence:
            return sentence
        return re.sub(re.escape(self.mount) + r"(/[^\s'\",:;]*)?(?![\w-])", lambda m: self.here(m[0]), sentence)


def deeply(value: Any, change: Callable[[str], str]) -> Any:
    """Return a value with every path in it changed: text, paths, what lists, mappings and dataclasses hold."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Path):
        return Path(change(str(value)))
    if isinstance(value, dict):
        return {deeply(name, change): deeply(each, change) for name, each in value.items()}
    if type(value) in (list, tuple, set, frozenset):
        return type(value)(deeply(each, change) for each in value)
    if isinstance(value, tuple) and hasattr(value, "_make"):
        return value._make(deeply(each, change) for each in value)
    if is_dataclass(value) and not isinstance(value, type):
        said = {each.name: getattr(value, each.name) for each in fields(value) if each.init}
        new = {name: deeply(each, change) for name, each in said.items()}
        return value if all(new[name] is said[name] for name in said) else replace(value, **new)
    return value


def _moved(path: str, root: str, target: str, rules: list[Rule]) -> str:
    rest = _below(path, root)
    if rest is None:
        return path
    if not rest:
        return target or "/"
    target = target.rstrip("/")
    for pattern, name in rules:
        found = pattern.match(rest)
        if found:
            new = name.replace("*", found[1]) if "*" in name else name
            return f"{target}/{new}{rest[found.end() :]}"
    return f"{target}/{rest}"


def _below(path: str, root: str) -> str | None:
    """Return the rest of a path below a folder; nothing for the folder itself, None if it lies elsewhere."""
    base = root.rstrip("/")
    if path == root or (base and path == base):
        return ""
    return path[len(base) + 1 :] if path.startswith(f"{base}/") else None


def _rule(source: str, target: str) -> Rule:
    pattern = re.escape(source).replace(r"\*", "([^/]+)")
    return re.compile(rf"{pattern}(?=/|$)"), target


def stray(text: str, paths: Paths) -> bool:
    """Tell whether a text names a file or folder of this machine that the volume does not mirror."""
    if len(text) > 4096 or "\0" in text or not (text.startswith("/") or (paths.cwd and "/" in text)):
        return False
    path = text if text.startswith("/") else os.path.normpath(os.path.join(paths.cwd, text))
    return _below(path, paths.root) is None and not path.startswith(f"{paths.mount}/") and os.path.lexists(path)


def returned(outcome: Outcome, paths: Paths) -> Outcome:
    """Return an outcome with the paths here in place of those there."""
    if outcome.error is not None:
        return replace(outcome, error=paths.told(outcome.error))
    return replace(outcome, value=paths.returned(outcome.value))
