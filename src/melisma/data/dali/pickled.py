"""What DALI's pickles may name, as inert stand-ins: nothing of DALI, NumPy or the interpreter is ever called.

A pickle is a program, and `pickle.load` runs it. `melisma.data.dali.unpickler` follows its instructions instead, with
the functions of this module in the place of the few callables that a real DALI file names.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any

from melisma.core.errors import FormatError

FORMAT = "DALI"  # as it stands in front of every sentence about a file of it

Symbol = tuple[str, str]  # module and name

# Of what one file may make: a song has 30,000 values, the table of all songs a few times as many.
MAX_VALUES, MAX_CHARACTERS = 1_000_000, 32 << 20

ANNOTATIONS: Symbol = ("DALI.Annotations", "Annotations")
_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")
# Every global that a file may name, and what it stands for here. Python 2 and 3, NumPy 1 and 2 spell them differently.
ALLOWED: dict[Symbol, str] = {
    ANNOTATIONS: "annotations",
    ("copy_reg", "_reconstructor"): "reconstructor",
    ("copyreg", "_reconstructor"): "reconstructor",
    ("__builtin__", "object"): "object",
    ("builtins", "object"): "object",
    ("_codecs", "encode"): "encode",
    ("__builtin__", "bytes"): "bytes",
    ("builtins", "bytes"): "bytes",
    ("numpy", "dtype"): "dtype",
    ("numpy", "ndarray"): "ndarray",
    **{(module, "scalar"): "scalar" for module in _MULTIARRAY},
    **{(module, "_reconstruct"): "array" for module in _MULTIARRAY},
}


class Name(str):
    """A global that the pickle has named, as the word for it in `ALLOWED`; told from texts of the file by its type."""

    __slots__ = ()


@dataclass(slots=True)
class Instance:
    """An object of class Annotations: its attributes, and nothing else of it."""

    state: Any = None


@dataclass(slots=True)
class Dtype:
    """A NumPy dtype: kind (f, i, u, b, U, S, O) and size in bytes (characters for U), and its byte order."""

    kind: str
    size: int
    order: str = "<"


@dataclass(slots=True)
class Array:
    """A NumPy array: its values as nested lists, once they have come."""

    values: Any = None


def refuse(why: str) -> FormatError:
    """Make the error for a file that does not hold what DALI's hold."""
    return FormatError(FORMAT, why)


class Budget:
    """What is left of the values and characters that a file may make: few instructions can ask for a great many."""

    __slots__ = ("characters", "values")

    def __init__(self) -> None:
        self.values, self.characters = MAX_VALUES, MAX_CHARACTERS

    def spend(self, n_values: int, n_characters: int = 0) -> None:
        """Take some; FormatError where there are no more."""
        self.values -= n_values
        self.characters -= n_characters
        if self.values < 0 or self.characters < 0:
            raise refuse("it holds more values than any annotation")


def call(name: Any, arguments: Any, budget: Budget) -> Any:
    """Do what a callable of `ALLOWED` does, with stand-ins.

    Raises
    ------
    FormatError
        If it is no callable of a DALI file, or its arguments are not what such a file gives it.
    """
    if isinstance(name, Name) and isinstance(arguments, tuple):
        match name, arguments:
            case "annotations", ():
                return Instance()
            case "reconstructor", (Name() as kind, Name() as base, None) if (kind, base) == ("annotations", "object"):
                return Instance()
            case "encode", (str() as text, "latin1" | "latin-1" | b"latin1" | b"latin-1"):
                budget.spend(1, len(text))
                return _latin(text)
            case "bytes", ():
                return b""
            case "dtype", (str() | bytes() as spec, *_):
                return _dtype(_ascii(spec))
            case "scalar", (Dtype() as dtype, bytes() as raw):
                budget.spend(1, len(raw))
                return _one(dtype, raw)
            case "scalar", (Dtype() as dtype, str() as raw):
                budget.spend(1, len(raw))
                return _one(dtype, _latin(raw))
            case "array", (Name() as kind, tuple(), _) if kind == "ndarray":
                return Array()
    raise refuse(f"it calls {str(name) if isinstance(name, Name) else 'what it made itself'} as no DALI file does")


def build(made: Any, state: Any, budget: Budget) -> None:
    """Give an object its state, in place.

    Raises
    ------
    FormatError
        If the object takes none, or not this.
    """
    match made, state:
        case Instance(state=None), dict():
            made.state = state
        case Dtype(), (_, str() | bytes() as order, *_) if _ascii(order) in "<>|=":
            made.order = _ascii(order)
        case Array(values=None), (_, tuple() as shape, Dtype() as dtype, False | 0, content):
            if not isinstance(content, (str, bytes, list)):
                raise refuse("a NumPy array comes without its values")
            budget.spend(len(content), len(content))
            made.values = _nested(_flat(dtype, content), shape)
        case _:
            raise refuse("it sets attributes of something other than its annotations")


def _ascii(text: str | bytes) -> str:
    return text if isinstance(text, str) else text.decode("latin-1")


def _latin(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise refuse("it takes text for bytes") from error


def _dtype(spec: str) -> Dtype:
    order, spec = (spec[0], spec[1:]) if spec[:1] in ("<", ">", "|", "=") else ("<", spec)
    kind, digits = spec[:1], spec[1:] or "0"
    if kind not in tuple("fiubUSO") or not (digits.isascii() and digits.isdecimal()) or len(digits) > 6:
        raise refuse(f"it holds NumPy values of the kind {spec[:20]!r}")
    return Dtype(kind, int(digits), order)


_CODES = {
    ("f", 2): "e",
    ("f", 4): "f",
    ("f", 8): "d",
    ("b", 1): "?",
    **{("i", size): code for size, code in ((1, "b"), (2, "h"), (4, "i"), (8, "q"))},
    **{("u", size): code for size, code in ((1, "B"), (2, "H"), (4, "I"), (8, "Q"))},
}


def _width(dtype: Dtype) -> int:
    return 4 * dtype.size if dtype.kind == "U" else dtype.size


def _one(dtype: Dtype, raw: bytes) -> Any:
    if dtype.kind == "O" or len(raw) != _width(dtype):
        raise refuse("a NumPy value has another size than it says")
    values = _values(dtype, raw, 1)
    return values[0]


def _values(dtype: Dtype, raw: bytes, n: int) -> list[Any]:
    big = dtype.order == ">"
    if dtype.kind in "US":
        width = _width(dtype)
        codec = ("utf-32-be" if big else "utf-32-le") if dtype.kind == "U" else "utf-8"
        try:
            return [raw[i * width : (i + 1) * width].decode(codec).rstrip("\0") for i in range(n)]
        except UnicodeDecodeError as error:
            raise refuse("a NumPy text is not one") from error
    code = _CODES.get((dtype.kind, dtype.size))
    if code is None:
        raise refuse(f"it holds NumPy values of the kind {dtype.kind}{dtype.size}")
    return list(struct.unpack(f"{'>' if big else '<'}{n}{code}", raw))


def _flat(dtype: Dtype, content: Any) -> list[Any]:
    if dtype.kind == "O":
        if not isinstance(content, list):
            raise refuse("a NumPy array of objects comes without them")
        return content
    raw = _latin(content) if isinstance(content, str) else content
    width = _width(dtype)
    if not isinstance(raw, bytes) or width == 0 or len(raw) % width:
        raise refuse("a NumPy array has another size than it says")
    return _values(dtype, raw, len(raw) // width)


def _nested(flat: list[Any], shape: tuple[Any, ...]) -> Any:
    if not 1 <= len(shape) <= 4 or not all(type(n) is int and 0 <= n <= len(flat) for n in shape):
        raise refuse("a NumPy array has another shape than it says")
    if math.prod(shape) != len(flat):
        raise refuse("a NumPy array has another shape than it says")
    rows: list[Any] = flat
    for n in reversed(shape[1:]):
        rows = [rows[i : i + n] for i in range(0, len(rows), max(n, 1))]
    return rows
