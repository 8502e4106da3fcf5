"""DALI's files, gzipped pickles, read as data: an interpreter of the few instructions that they are made of.

Nothing is imported, looked up or called by name: the globals of `melisma.data.dali.pickled.ALLOWED` are stand-ins, any
other one ends the reading. What a file may cost is bounded, whatever it holds: bytes compressed and unpacked,
instructions, depth, and values of the result (a few instructions can name one list a billion times).
"""

from __future__ import annotations

import codecs
import gzip
import math
import stat
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from melisma.core.errors import InputError
from melisma.data.dali.pickled import ALLOWED, Array, Budget, Instance, Name, build, call, refuse

# A song of DALI takes about 0.1 MB, 0.5 MB unpacked, 100,000 instructions and 30,000 values; the table of all songs
# (DALI_DATA_INFO.gz) 1 MB. The worst that can be said with so many instructions takes 300 MB.
MAX_COMPRESSED, MAX_BYTES = 8 << 20, 16 << 20
MAX_INSTRUCTIONS = 2_000_000
MAX_DEPTH = 24
_MAX_INTEGER, _MAX_LINE = 16, 1 << 16  # bytes of a number, of an old-fashioned text

_MARK = object()
_Step = Callable[["_Machine"], None]
_STEPS: dict[int, _Step] = {}


def load(path: Path) -> Any:
    """Read a gzipped pickle of DALI.

    Returns
    -------
    object
        Plain values as JSON has them; an Annotations object is the mapping of its attributes.

    Raises
    ------
    FormatError
        If it holds anything that DALI's files do not, or more than they do.
    InputError
        If it cannot be read.
    """
    return loads(unpack(read_packed(path), path.name))


def loads(data: bytes) -> Any:
    """Read a pickle that is unpacked, see `load`."""
    return _plain(_Machine(data).run(), Budget(), 0)


def read_packed(path: Path) -> bytes:
    """Return the bytes of a .gz file as they are, at most `MAX_COMPRESSED`."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise InputError(f"{path} is no file")
        if found.st_size > MAX_COMPRESSED:
            raise refuse(f"{path.name} has {found.st_size:,} bytes: no annotation is as large")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


def unpack(packed: bytes, name: str) -> bytes:
    """Unpack a .gz file, to at most `MAX_BYTES`; `name` is the file's, for what is said of it."""
    try:
        with gzip.open(BytesIO(packed)) as file:
            data = file.read(MAX_BYTES + 1)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise refuse(f"{name} is no whole gzip file: {error}") from error
    if len(data) > MAX_BYTES:
        raise refuse(f"{name} unpacks to more than {MAX_BYTES:,} bytes: no annotation is as large")
    return data


def _plain(value: Any, budget: Budget, depth: int) -> Any:
    """Turn what the machine made into plain values; a list that is named twice counts twice."""
    if depth > MAX_DEPTH:
        raise refuse("its values are nested deeper than any annotation's")
    if isinstance(value, (str, bytes)) and not isinstance(value, Name):
        budget.spend(1, len(value))
        return value if isinstance(value, str) else _text(value)
    budget.spend(1)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise refuse("one of its numbers is infinite or none at all")
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(each, budget, depth + 1) for each in value]
    if isinstance(value, dict):
        budget.spend(0, sum(map(len, value)))
        return {key: _plain(each, budget, depth + 1) for key, each in value.items()}
    if isinstance(value, Array) and value.values is not None:
        return _plain(value.values, budget, depth + 1)
    if isinstance(value, Instance) and depth == 0 and isinstance(value.state, dict):
        return _plain(value.state, budget, depth + 1)
    raise refuse("it holds something that is neither text, number, list nor mapping")


def _text(raw: bytes) -> str:
    """Read a text of Python 2, which does not say how it is written."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


class _Machine:
    """The stack, the memo and the place in the pickle."""

    __slots__ = ("at", "budget", "data", "memo", "result", "stack")

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.budget = Budget()
        self.result: Any = _MARK

    def run(self) -> Any:
        """Follow the instructions to the end, and return what is left on the stack."""
        data, steps = self.data, _STEPS
        try:
            for _ in range(MAX_INSTRUCTIONS):
                step = steps.get(data[self.at])
                if step is None:
                    raise refuse(f"byte {self.at:,} is an instruction of no DALI file")
                self.at += 1
                step(self)
                if self.result is not _MARK:
                    return self.result
        except (IndexError, KeyError, struct.error) as error:  # the data, the stack or the memo has nothing there
            raise refuse(f"it breaks off or is damaged at byte {self.at:,}") from error
        except (ValueError, TypeError, OverflowError) as error:  # a text or a number that is none, a key that is a list
            raise refuse(f"it is damaged at byte {self.at:,}") from error
        raise refuse(f"it has more than {MAX_INSTRUCTIONS:,} instructions")

    def take(self, n: int) -> bytes:
        """Return the next n bytes."""
        start = self.at
        if n < 0 or start + n > len(self.data):
            raise IndexError
        self.at = start + n
        return self.data[start : self.at]

    def number(self, form: str, n: int) -> Any:
        """Return the number that the next n bytes are."""
        return struct.unpack(form, self.take(n))[0]

    def line(self) -> bytes:
        """Return the bytes before the next newline."""
        start = self.at
        end = self.data.find(b"\n", start, start + _MAX_LINE)
        if end < 0:
            raise IndexError
        self.at = end + 1
        return self.data[start:end]

    def since_mark(self) -> list[Any]:
        """Take everything above the last mark off the stack, and the mark."""
        stack = self.stack
        at = len(stack) - 1
        while stack[at] is not _MARK:  # below the bottom, IndexError
            at -= 1
            if at < 0:
                raise IndexError
        items = stack[at + 1 :]
        del stack[at:]
        return items


def _step(code: bytes) -> Callable[[_Step], _Step]:
    def add(step: _Step) -> _Step:
        for each in code:
            _STEPS[each] = step
        return step

    return add


def _pushes(code: bytes, read: Callable[[_Machine], Any]) -> None:
    def step(machine: _Machine) -> None:
        machine.stack.append(read(machine))

    _step(code)(step)


def _short(line: bytes) -> bytes:
    if len(line) > 40:
        raise ValueError
    return line


def _integer(line: bytes) -> int:
    return int(_short(line))


def _small_integer(line: bytes) -> int | bool:
    return {b"00": False, b"01": True}[line] if line in (b"00", b"01") else _integer(line)


def _long(machine: _Machine, n: int) -> int:
    if n > _MAX_INTEGER:
        raise ValueError
    return int.from_bytes(machine.take(n), "little", signed=True)


def _quoted(line: bytes) -> bytes:
    if len(line) < 2 or line[:1] not in (b"'", b'"') or line[-1:] != line[:1]:
        raise ValueError
    return bytes(codecs.escape_decode(line[1:-1])[0])


def _escaped(line: bytes) -> str:
    text = line.decode("raw-unicode-escape")  # Python 2 writes a character beyond 16 bits as two halves
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")


_pushes(b"(", lambda m: _MARK)
_pushes(b"N", lambda m: None)
_pushes(b"\x88", lambda m: True)
_pushes(b"\x89", lambda m: False)
_pushes(b")", lambda m: ())
_pushes(b"]", lambda m: [])
_pushes(b"}", lambda m: {})
_pushes(b"I", lambda m: _small_integer(m.line()))
_pushes(b"L", lambda m: _integer(m.line().removesuffix(b"L")))
_pushes(b"F", lambda m: float(_short(m.line())))
_pushes(b"J", lambda m: m.number("<i", 4))
_pushes(b"K", lambda m: m.number("<B", 1))
_pushes(b"M", lambda m: m.number("<H", 2))
_pushes(b"G", lambda m: m.number(">d", 8))
_pushes(b"\x8a", lambda m: _long(m, m.number("<B", 1)))
_pushes(b"\x8b", lambda m: _long(m, m.number("<I", 4)))
_pushes(b"S", lambda m: _quoted(m.line()))
_pushes(b"UC", lambda m: m.take(m.number("<B", 1)))
_pushes(b"TB", lambda m: m.take(m.number("<I", 4)))
_pushes(b"\x8e", lambda m: m.take(m.number("<Q", 8)))
_pushes(b"V", lambda m: _escaped(m.line()))
_pushes(b"\x8c", lambda m: m.take(m.number("<B", 1)).decode("utf-8"))
_pushes(b"X", lambda m: m.take(m.number("<I", 4)).decode("utf-8"))
_pushes(b"\x8d", lambda m: m.take(m.number("<Q", 8)).decode("utf-8"))
_pushes(b"2", lambda m: m.stack[-1])
_pushes(b"g", lambda m: m.memo[_integer(m.line())])
_pushes(b"h", lambda m: m.memo[m.number("<B", 1)])
_pushes(b"j", lambda m: m.memo[m.number("<I", 4)])
_pushes(b"t", lambda m: tuple(m.since_mark()))
_pushes(b"l", lambda m: m.since_mark())
_pushes(b"d", lambda m: _fill({}, m.since_mark()))


@_step(b".")
def _stop(machine: _Machine) -> None:
    machine.result = machine.stack.pop()


@_step(b"\x80")
def _protocol(machine: _Machine) -> None:
    if machine.number("<B", 1) > 5:
        raise ValueError


@_step(b"\x95")
def _frame(machine: _Machine) -> None:
    machine.take(8)  # how long the frame is: nothing here depends on it


@_step(b"0")
def _pop(machine: _Machine) -> None:
    machine.stack.pop()


@_step(b"p")
def _put(machine: _Machine) -> None:
    machine.memo[_integer(machine.line())] = machine.stack[-1]


@_step(b"q")
def _binput(machine: _Machine) -> None:
    machine.memo[machine.data[machine.at]] = machine.stack[-1]
    machine.at += 1


@_step(b"r")
def _long_binput(machine: _Machine) -> None:
    machine.memo[machine.number("<I", 4)] = machine.stack[-1]


@_step(b"\x94")
def _memoize(machine: _Machine) -> None:
    machine.memo[len(machine.memo)] = machine.stack[-1]


@_step(b"a")
def _append(machine: _Machine) -> None:
    value = machine.stack.pop()
    _list(machine.stack[-1]).append(value)


@_step(b"e")
def _appends(machine: _Machine) -> None:
    items = machine.since_mark()
    _list(machine.stack[-1]).extend(items)


@_step(b"s")
def _setitem(machine: _Machine) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    _fill(machine.stack[-1], [key, value])


@_step(b"u")
def _setitems(machine: _Machine) -> None:
    items = machine.since_mark()
    _fill(machine.stack[-1], items)


@_step(b"\x85\x86\x87")
def _tuple(machine: _Machine) -> None:
    n = machine.data[machine.at - 1] - 0x84
    if len(machine.stack) < n:
        raise IndexError
    machine.stack[-n:] = [tuple(machine.stack[-n:])]


@_step(b"c")
def _global(machine: _Machine) -> None:
    module, name = machine.line(), machine.line()
    machine.stack.append(_named(module.decode("ascii"), name.decode("ascii")))


@_step(b"\x93")
def _stack_global(machine: _Machine) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise TypeError
    machine.stack.append(_named(module, name))


def _named(module: str, name: str) -> Name:
    found = ALLOWED.get((module, name))
    if found is None:
        raise refuse(f"it names {module[:60]}.{name[:60]}, which no DALI file needs")
    return Name(found)


@_step(b"R\x81")
def _reduce(machine: _Machine) -> None:
    arguments, name = machine.stack.pop(), machine.stack.pop()
    machine.stack.append(call(name, arguments, machine.budget))


@_step(b"o")
def _object(machine: _Machine) -> None:
    name, *arguments = machine.since_mark()
    machine.stack.append(call(name, tuple(arguments), machine.budget))


@_step(b"i")
def _instance(machine: _Machine) -> None:
    name = _named(machine.line().decode("ascii"), machine.line().decode("ascii"))
    machine.stack.append(call(name, tuple(machine.since_mark()), machine.budget))


@_step(b"b")
def _build(machine: _Machine) -> None:
    state = machine.stack.pop()
    build(machine.stack[-1], state, machine.budget)


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise TypeError
    return value


def _fill(target: Any, items: list[Any]) -> dict[str, Any]:
    """Put keys and values, in turns, into a mapping; keys are texts."""
    if type(target) is not dict or len(items) % 2:
        raise TypeError
    for key, value in zip(items[::2], items[1::2], strict=True):
        if isinstance(key, bytes):
            key = _text(key)
        if type(key) is not str:
            raise TypeError
        target[key] = value
    return target
