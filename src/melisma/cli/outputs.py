"""Where results go: checked before the work begins, written together or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from melisma.core.errors import InputError, OutputError, UnknownName
from melisma.pipeline.rendered import KARAOKE, PAGE_SUFFIXES, format_names, render, suffix_of

if TYPE_CHECKING:
    from melisma.core.files import Format

__all__ = ["KARAOKE", "Target", "check_video", "format_names", "plan", "render", "split_names", "write_all"]


@dataclass(frozen=True, slots=True)
class Target:
    """One result: a format's name and the file to write, or None for standard output."""

    format: str
    path: Path | None


def split_names(given: Sequence[str] | None) -> tuple[str, ...]:
    """Read `--format lrc,ass --format srt`: names in the order given, each once.

    Raises
    ------
    UnknownName
        If no format has one of the names; the sentence lists them all.
    """
    names = [name.strip().lower() for item in given or () for name in item.split(",") if name.strip()]
    known = format_names()
    for name in names:
        if name not in known:
            raise UnknownName("format", name, known)
    return tuple(dict.fromkeys(names))


def plan(stem: str, formats: tuple[str, ...], output: str | None, inputs: Sequence[Path]) -> tuple[Target, ...]:
    """Decide what is written where, and find out now what would only fail after the work.

    Parameters
    ----------
    stem : str
        Name without suffix, for results whose file is not named.
    formats : tuple of str
        Names of formats; none means the one that the file's name tells, or JSON.
    output : str, optional
        A file, a folder (one that exists, or a name that ends in a slash), ``-`` for standard output, or None for the
        current folder.
    inputs : sequence of Path
        Files that must not be overwritten.

    Raises
    ------
    InputError
        If several results would go to one place, or a result would overwrite an input.
    OutputError
        If a place cannot be written.
    """
    if output == "-":
        return (Target(_only(formats or ("json",), "standard output takes one format"), None),)
    if output is None or output.endswith("/") or Path(output).is_dir():
        folder = Path(output or "")
        targets = tuple(Target(name, folder / (stem + suffix_of(name))) for name in formats or ("json",))
    else:
        only = (
            _only(formats, f"{output} takes one format; several go into a folder (-o {output}/)") if formats else None
        )
        targets = (Target(only or _format_of(Path(output)), Path(output)),)
    seen: dict[Path, str] = {}
    for target in targets:
        path = target.path or Path()
        if path in seen:
            raise InputError(f"{seen[path]} and {target.format} would both be written to {path}: name each with -o")
        seen[path] = target.format
        _check_place(path, may_make_folder=output is not None and output.endswith("/"))
        _check_inputs(path, inputs)
    return targets


def _check_inputs(path: Path, inputs: Sequence[Path]) -> None:
    for source in inputs:
        if path.exists() and source.exists() and path.samefile(source):
            raise InputError(f"{path} would overwrite the input {source}: name another file with -o")


def check_video(path: Path, inputs: Sequence[Path]) -> None:
    """Find out now what would only fail after the work: as `plan`, for a video."""
    _check_place(path, may_make_folder=False)
    _check_inputs(path, inputs)


def write_all(targets: Sequence[Target], render_as: Callable[[str], bytes]) -> None:
    """Render every result, write all of them beside their places, then move them there.

    When one cannot be written, what was made is taken back, and what was there before is as it was.

    Raises
    ------
    OutputError
        If a file or its folder cannot be written.
    """
    rendered = [(target.path, render_as(target.format)) for target in targets]
    made: list[Path] = []  # files and folders that were not there before, in the order of making
    try:
        staged = [_stage(path, data, made) for path, data in rendered if path is not None]
        for path, data in rendered:
            if path is None:
                typer.echo(data, nl=False)
        for temporary, place in filter(None, staged):
            _move(temporary, place, made)
    except BaseException:
        for path in reversed(made):
            path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
        raise


def _stage(path: Path, data: bytes, made: list[Path]) -> tuple[Path, Path] | None:
    """Write a temporary file; return it and its final place, or None where the data went to a device or a pipe."""
    missing = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
    try:
        for folder in reversed(missing):
            folder.mkdir()
            made.append(folder)
        place = path.resolve()  # a link stays a link
        if place.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if place.exists() and not place.is_file():  # written to, never replaced by a file
            place.write_bytes(data)
            return None
        temporary = place.parent / f".melisma-{secrets.token_hex(8)}"
        made.append(temporary)
        with temporary.open("xb") as file:
            file.write(data)
        return temporary, place
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


def _move(temporary: Path, place: Path, made: list[Path]) -> None:
    new = not place.exists()
    try:
        os.replace(temporary, place)
    except OSError as error:
        raise OutputError(f"cannot write {place}: {error.strerror or error}") from error
    if new:
        made.append(place)


def _check_place(path: Path, *, may_make_folder: bool) -> None:
    if path.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder")
    folder = path.parent
    if not folder.exists():
        if may_make_folder:
            return
        raise OutputError(f"cannot write {path}: there is no folder {folder}")
    if not folder.is_dir():
        raise OutputError(f"cannot write {path}: {folder} is not a folder")
    if not os.access(path if path.exists() and not path.is_file() else folder, os.W_OK):
        raise OutputError(f"cannot write {path}: no permission to write there")


def _only(formats: tuple[str, ...], otherwise: str) -> str:
    if len(formats) != 1:
        raise InputError(f"{otherwise}, not {len(formats)}: {', '.join(formats)}")
    return formats[0]


def _format_of(path: Path) -> str:
    if path.suffix.lower() in PAGE_SUFFIXES:
        return KARAOKE
    from melisma.core.files import format_of

    try:
        found: Format = format_of(path)
    except UnknownName as error:
        raise InputError(f"{error}, or name the format by itself (--format, --to)") from error
    return found.name
