"""What `melisma eval ctc` has found: as a table for people, and read back from JSON for a model's card."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from melisma.core.errors import InputError

SCHEMA = "melisma.eval-ctc/1"
_LARGEST = 64 << 20


def read(path: Path) -> dict[str, Any]:
    """Read what an evaluation printed.

    Raises
    ------
    InputError
        If the file cannot be read, or holds something else.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(f"{path} is larger than an evaluation can be")
        said = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON") from error
    if not isinstance(said, dict) or said.get("schema") != SCHEMA:
        raise InputError(f"{path} is not what melisma eval ctc --json prints")
    return said


COLUMNS = ("aae", "mae", "median", "hit50", "hit100", "pco300", "perceived", "derailed", "coverage", "cer")
_WIDTH, _GROUPS = 34, 60


def table(said: Mapping[str, Any], *, groups: bool = True) -> str:
    """Return the table of an evaluation.

    Parameters
    ----------
    said : mapping
        As `Evaluation.as_dict` gives it.
    groups : bool
        Whether languages, and speakers where they are few, have rows of their own.
    """
    return "\n".join(line.rstrip() for line in _lines(said, groups))


def _lines(said: Mapping[str, Any], groups: bool) -> Iterator[str]:
    yield f"{'':{_WIDTH}s} " + " ".join(f"{name:>9s}" for name in COLUMNS) + "  words  lost"
    models = said["models"]
    for name, row in models.items():
        if row["missing"]:
            yield f"{_short(name)} {row['missing']}"
            continue
        yield _figures(name, row["overall"]) + (f"  {row['note']}" if row["note"] else "")
    if groups:
        for key, title in (("by_language", "language"), ("by_speaker", "speaker")):
            yield from _groups(models, key, title)
    for name, row in models.items():
        for other, found in row.get("gain_over", {}).items():
            yield f"{name} less {other}, {found[0]['n_utterances']} utterances: " + "; ".join(map(_gain, found))


def _groups(models: Mapping[str, Any], key: str, title: str) -> Iterator[str]:
    measured = {name: row for name, row in models.items() if not row["missing"]}
    names = sorted({name for row in measured.values() for name in row[key]})
    if not 1 < len(names) <= _GROUPS:
        if len(names) > _GROUPS:
            yield f"({len(names)} {title}s are in the JSON)"
        return
    yield ""
    for group in names:
        for name, row in measured.items():
            if not row["baseline"] and group in row[key]:
                yield _figures(f"{title} {group or '?'} · {name}", row[key][group])


def _figures(name: str, row: Mapping[str, Any]) -> str:
    cells = " ".join(" " * 9 if row[key] is None else f"{row[key]:9.3f}" for key in COLUMNS)
    return f"{_short(name)} {cells} {row['n_words']:6d} {row['n_lost']:5d}"


def _short(name: str) -> str:
    return f"{name if len(name) <= _WIDTH else '…' + name[1 - _WIDTH :]:{_WIDTH}s}"


def _gain(gain: Mapping[str, Any]) -> str:
    sure = "" if gain["sure"] else " (not sure)"
    return f"{gain['metric']} {gain['difference']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}]{sure}"
