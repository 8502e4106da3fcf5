"""YAML that another person wrote: plain values, bounded, without anchors, tags or keys that come twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from melisma.core.errors import InputError, MissingDependency

MAX_BYTES = 65536
MAX_DEPTH = 12
MAX_NODES = 5000


def read_yaml(path: Path) -> Any:
    """Return what a YAML file holds, as plain values.

    Raises
    ------
    InputError
        If it cannot be read, is longer than 64 KiB, is no YAML, is nested more than 12 deep, or holds anchors (small
        files that unfold to gigabytes are made of them), tags or a key twice.
    MissingDependency
        If there is no PyYAML.
    """
    try:
        import yaml
    except ImportError as error:
        raise MissingDependency("recipes in YAML need PyYAML: pip install 'melisma[data]'") from error
    text = _text(path)
    try:
        _check_events(yaml.parse(text, Loader=yaml.SafeLoader), yaml)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        _check_keys(node, yaml)
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{path} is no YAML: {_first_line(error)}") from error
    except _Refused as error:
        raise InputError(f"{path}, line {error.line}: {error}") from error
    except (ValueError, RecursionError) as error:  # a number of more digits than Python reads, a date that is none
        raise InputError(f"{path} is no YAML that can be read: {str(error)[:200]}") from error


class _Refused(Exception):
    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            found = file.read(MAX_BYTES + 1)
        if len(found) > MAX_BYTES:
            raise InputError(f"{path} is longer than {MAX_BYTES // 1024} KiB: that is no recipe")
        return found.decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read the recipe {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not in UTF-8") from error


def _check_events(events: Any, yaml: Any) -> None:
    """Walk over the file as a stream, before anything is built of it."""
    depth = 0
    for nodes, event in enumerate(events, 1):
        line = event.start_mark.line + 1
        if nodes > MAX_NODES:
            raise _Refused(line, f"more than {MAX_NODES} values are no recipe")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _Refused(line, "anchors and aliases (& and *) are not read: write it out")
        if getattr(event, "tag", None):
            raise _Refused(line, f"tags such as {event.tag[:40]} are not read")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise _Refused(line, f"it is nested more than {MAX_DEPTH} deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _check_keys(node: Any, yaml: Any) -> None:
    """Refuse a key that stands twice in one mapping: YAML would keep the last one without a word."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                raise _Refused(key.start_mark.line + 1, f"{name[:60]!r} stands here twice")
            seen.add(name)
            _check_keys(value, yaml)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _check_keys(value, yaml)


def _first_line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"line {mark.line + 1}: {problem}" if mark is not None else str(problem)
