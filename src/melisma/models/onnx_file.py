"""Whether an ONNX file keeps everything inside itself, seen without the library that reads it.

A tensor of an ONNX file may name another file for its values, by a path that its author chooses. The file is walked as
protocol buffers, field by field (onnx.proto3); tensors' values are stepped over.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from melisma.core.errors import ModelError

# Messages that can hold a tensor, by the numbers of their fields in onnx.proto3.
_MODEL, _GRAPH, _NODE, _ATTRIBUTE, _TENSOR, _SPARSE, _FUNCTION = range(7)
_INSIDE: dict[int, dict[int, int]] = {
    _MODEL: {7: _GRAPH, 25: _FUNCTION},
    _GRAPH: {1: _NODE, 5: _TENSOR, 15: _SPARSE},
    _FUNCTION: {7: _NODE, 11: _ATTRIBUTE},
    _NODE: {5: _ATTRIBUTE},
    _ATTRIBUTE: {5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH, 22: _SPARSE, 23: _SPARSE},
    _SPARSE: {1: _TENSOR, 2: _TENSOR},
    _TENSOR: {},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14  # of a tensor
_KEY, _VALUE = 1, 2  # of an entry in the former
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
_DEEPEST = 64


def check_whole(path: Path, beside: str | None = None) -> None:
    """Refuse an ONNX file that keeps values in other files, or that is none.

    Parameters
    ----------
    path : Path
        The file.
    beside : str, optional
        Name of the one file in the same folder that may hold values, and must then be a plain file.

    Raises
    ------
    ModelError
        Naming the file.
    """
    said = f"{path.name} of the model {path.parent.name}"
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            outside = _looks_outside(data, (0, len(data)), _MODEL, 0, beside)
    except OSError as error:
        raise ModelError(f"{said} cannot be read: {error.strerror or error}") from error
    except (ValueError, IndexError) as error:  # an empty file cannot be mapped
        raise ModelError(f"{said} is no ONNX file, or a damaged one") from error
    if outside:
        raise ModelError(f"{said} keeps weights in other files: only those inside it are taken")
    other = path.with_name(beside) if beside else None
    if other is not None and (other.is_symlink() or (other.exists() and not other.is_file())):
        raise ModelError(f"{beside} of the model {path.parent.name} is no plain file")


def _looks_outside(data: mmap.mmap, span: tuple[int, int], message: int, depth: int, beside: str | None) -> bool:
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    for field, kind, first, stop in _fields(data, *span):
        if message == _TENSOR and field == _EXTERNAL_DATA and not _names(data, first, stop, beside):
            return True
        if message == _TENSOR and field == _DATA_LOCATION and _varint(data, first)[0] and beside is None:
            return True
        inner = _INSIDE[message].get(field) if kind == _BYTES else None
        if inner is not None and _looks_outside(data, (first, stop), inner, depth + 1, beside):
            return True
    return False


def _names(data: mmap.mmap, begin: int, end: int, beside: str | None) -> bool:
    """Say whether an entry about a tensor's values (key, value) names no file, or the one that it may."""
    entry = {field: bytes(data[first:stop]) for field, kind, first, stop in _fields(data, begin, end) if kind == _BYTES}
    if beside is None:
        return False
    return entry.get(_KEY) != b"location" or entry.get(_VALUE) == beside.encode()


def _fields(data: mmap.mmap, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield number, wire type, and the bytes [first, stop) of every field of a message."""
    while at < end:
        tag, at = _varint(data, at)
        kind = tag & 7
        first = at
        if kind == _VARINT:
            _, at = _varint(data, at)
        elif kind == _BYTES:
            length, first = _varint(data, at)
            at = first + length
        elif kind in (_EIGHT, _FOUR):
            at += 8 if kind == _EIGHT else 4
        else:
            raise ValueError("no such wire type")
        if at > end:
            raise ValueError("a field is longer than its message")
        yield tag >> 3, kind, first, at


def _varint(data: mmap.mmap, at: int) -> tuple[int, int]:
    """Return a number and where the next byte is."""
    value = shift = 0
    while shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("a number is too long")
