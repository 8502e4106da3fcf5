"""A training that is started again until it is done: after a crash, a kill, or for want of memory in smaller pieces."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from threading import Thread
from types import FrameType
from typing import IO, Any

from melisma.core.errors import InputError, MelismaError
from melisma.core.files import make_folder, write_atomically
from melisma.train import last_words
from melisma.train.last_words import Cause

LOG = "supervisor.json"
_TAIL = 60  # lines of standard error that are kept of every attempt
# What bad input (2), a missing extra (3) and Ctrl-C (130) end with: another try would end so too.
_FINAL = frozenset({2, 3, 130})
PIECES = "--micro-batches"


@dataclass(frozen=True, slots=True)
class SupervisorConfig:
    """How patient a supervisor is.

    Parameters
    ----------
    restarts : int
        Failures in a row without a new checkpoint after which it gives up.
    wait_s, longest_wait_s : float
        Before the first of them, in seconds; twice as long before each further one, up to the second figure.
    most_pieces : int
        Into how many pieces a batch may be cut before memory counts as too small for it.
    """

    restarts: int = 5
    wait_s: float = 2.0
    longest_wait_s: float = 300.0
    most_pieces: int = 32


@dataclass(frozen=True, slots=True)
class Attempt:
    """One life of the training."""

    started_at: str  # ISO 8601, UTC
    seconds: float
    code: int  # of the exit; −9 for SIGKILL
    cause: str  # of the end, a word of `Cause`
    said: str  # in one sentence
    progressed: bool  # whether it left a newer checkpoint
    pieces: int  # of each batch
    tail: tuple[str, ...] = ()  # its last lines on standard error


@dataclass(slots=True)
class _History:
    """What is kept in the run's folder, so that a supervisor that was killed itself goes on where it was."""

    pieces: int = 1
    attempts: list[Attempt] = field(default_factory=list)


class GaveUp(MelismaError):
    """The training failed too often; the sentence says how, and where the report lies."""


class Supervisor:
    """Runs a training command until it is done.

    Parameters
    ----------
    command : sequence of str
        Program and arguments, such as ``["melisma", "train", "ctc", …]``; nothing of it is read by a shell.
    run : Path
        Folder of the training; what changes in its `checkpoints` is progress.
    config : SupervisorConfig
        How patient it is.
    say : callable
        Told in a sentence what happens.
    """

    def __init__(
        self, command: Sequence[str], run: Path, config: SupervisorConfig, say: Callable[[str], None] = print
    ) -> None:
        self.command, self.run_folder, self.config, self._say = list(command), run, config, say
        self._child: subprocess.Popen[bytes] | None = None
        self._ended_by: int | None = None
        self._passed_on = False
        self._history = self._read()
        self._history.pieces = max(self._history.pieces, pieces_of(self.command))

    @property
    def log(self) -> Path:
        """Where every attempt is written down."""
        return self.run_folder / LOG

    def run(self) -> int:
        """Run the training until it ends well, or for good; return its exit code.

        Raises
        ------
        GaveUp
            If it failed too often without a new checkpoint in between.
        """
        failures = 0
        with _signals(self._forward):
            while True:
                attempt = self._attempt()
                self._history.attempts.append(attempt)
                self._write()
                if attempt.code == 0 or self._ended_by is not None or attempt.code in _FINAL:
                    return attempt.code if attempt.code >= 0 else 128 - attempt.code
                failures = 1 if attempt.progressed else failures + 1
                self._decide(attempt, failures)
                self._pause(failures)
                if self._ended_by is not None:
                    return 128 + self._ended_by

    def _decide(self, attempt: Attempt, failures: int) -> None:
        """Give up, or cut batches into more pieces, or leave all as it is."""
        if failures > self.config.restarts:
            raise GaveUp(f"{attempt.said}, {failures} times without a new checkpoint: see {self.log}")
        if self._twice_the_same(failures):
            raise GaveUp(f"{attempt.said}, twice at the same place: see {self.log}")
        # Where the kernel does not say why it killed, a second time at the same place is taken for memory.
        short = Cause(attempt.cause) is Cause.MEMORY or (Cause(attempt.cause) is Cause.KILLED and failures > 1)
        if short and takes_pieces(self.command):
            if self._history.pieces * 2 > self.config.most_pieces:
                raise GaveUp(f"{attempt.said}, with batches in {self._history.pieces} pieces too: see {self.log}")
            self._history.pieces *= 2
            self._write()
        pieces = f", batches in {self._history.pieces} pieces" if self._history.pieces > 1 else ""
        self._say(f"{attempt.said}: going on from the last checkpoint{pieces}")

    def _twice_the_same(self, failures: int) -> bool:
        """Whether the program itself has ended with the same words twice, without anything new in between."""
        if failures < 2:
            return False
        before, now = self._history.attempts[-2:]
        return (
            now.code > 0 and Cause(now.cause) is Cause.FAULT and (now.said, now.pieces) == (before.said, before.pieces)
        )

    def _pause(self, failures: int) -> None:
        """Wait before the next attempt, longer each time; a signal ends it."""
        until = time.monotonic() + min(self.config.wait_s * 2 ** (failures - 1), self.config.longest_wait_s)
        while self._ended_by is None and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))

    def _attempt(self) -> Attempt:
        before, kills = _newest(self.run_folder), last_words.n_memory_kills()
        started, clock = datetime.now(UTC), time.monotonic()
        tail: deque[str] = deque(maxlen=_TAIL)
        command = with_pieces(self.command, self._history.pieces)
        try:
            # A group of its own: Ctrl-C in a terminal reaches it once, through `_forward`, and not twice.
            self._child = subprocess.Popen(launched(command), stderr=subprocess.PIPE, process_group=0)
        except OSError as error:
            raise InputError(f"cannot start {command[0]}: {error.strerror or error}") from error
        if self._ended_by is not None and not self._passed_on:  # it came while the training was being started
            self._forward(self._ended_by)
        reader = Thread(target=_pass_on, args=(self._child.stderr, tail), daemon=True)
        reader.start()
        code = self._child.wait()
        _end_group(self._child.pid)
        reader.join(timeout=5)  # what has left the group may hold the other end a little longer
        cause, said = last_words.read(code, tail, last_words.n_memory_kills() > kills)
        progressed = _newest(self.run_folder) != before
        seconds = round(time.monotonic() - clock, 3)
        pieces = self._history.pieces
        return Attempt(started.isoformat(), seconds, code, cause.value, said, progressed, pieces, tuple(tail))

    def _forward(self, number: int) -> None:
        """Pass a signal on to the training, and do not start it again."""
        self._ended_by = number
        if self._child is not None and self._child.poll() is None:
            self._passed_on = True
            self._child.send_signal(number)

    def _read(self) -> _History:
        try:
            kept = json.loads(self.log.read_bytes())
            attempts = [Attempt(**{**one, "tail": tuple(one["tail"])}) for one in kept["attempts"]]
            return _History(max(1, int(kept["pieces"])), attempts)
        except FileNotFoundError:
            return _History()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.log} is no log of a supervisor, or a damaged one: move it away") from error

    def _write(self) -> None:
        make_folder(self.run_folder)
        facts: dict[str, Any] = {
            "schema": "melisma.supervisor/1",
            "command": self.command,
            "pieces": self._history.pieces,
            "attempts": [asdict(one) for one in self._history.attempts[-200:]],
        }
        write_atomically(self.log, (json.dumps(facts, ensure_ascii=False, indent=1) + "\n").encode("utf-8"))


def program(command: Sequence[str]) -> list[str]:
    """Return a command with the program `melisma` of this very installation, whatever the path says."""
    rest = list(command)
    return [sys.executable, "-m", "melisma.cli.main", *rest[1:]] if rest[:1] == ["melisma"] else rest


def folder_of(command: Sequence[str]) -> Path:
    """Return the folder that a training command writes to, as its `-o` or `--output` says.

    Raises
    ------
    InputError
        If it says none.

    Examples
    --------
    >>> folder_of(["melisma", "train", "ctc", "m.jsonl", "-o", "runs/one"]).as_posix()
    'runs/one'
    """
    found = _value_of(command, "-o", "--output")
    if not found:
        raise InputError("the command to supervise names no folder: give it -o, or name the folder with --run")
    return Path(found)


def with_pieces(command: Sequence[str], pieces: int) -> list[str]:
    """Return a training command that cuts its batches into so many pieces.

    >>> with_pieces(["melisma", "train", "ctc", "m.jsonl"], 2)
    ['melisma', 'train', 'ctc', 'm.jsonl', '--micro-batches', '2']
    """
    if pieces == 1:
        return list(command)
    return [*command, PIECES, str(pieces)]  # the last one of an option counts


def takes_pieces(command: Sequence[str]) -> bool:
    """Whether a command can cut its batches: of the trainings of this program, that of CTC aligners alone.

    >>> takes_pieces(["melisma", "train", "rows", "rows.toml", "-o", "run"])
    False
    """
    kinds = [following for word, following in pairwise(command) if word == "train"]
    return not kinds or kinds[0] == "ctc"


def pieces_of(command: Sequence[str]) -> int:
    """Return into how many pieces a training command cuts its batches by itself.

    >>> pieces_of(["melisma", "train", "ctc", "m.jsonl", "--micro-batches=4"])
    4
    """
    asked = _value_of(command, PIECES)
    return max(1, int(asked)) if asked.isascii() and asked.isdigit() else 1  # the command refuses what is no number


def _value_of(command: Sequence[str], *names: str) -> str:
    """Return what a command says for an option, the last time that it does; empty where it does not."""
    found = ""
    for word, following in zip(command, [*command[1:], ""], strict=True):
        name, equals, value = word.partition("=")
        if word in names:
            found = following
        elif equals and name in names and name.startswith("--"):
            found = value
    return found


def _end_group(number: int) -> None:
    """End what a training that is dead has left behind: other processes of it would hold the GPU."""
    try:
        os.killpg(number, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # nobody is left; so says macOS of those that only wait to be counted
        return


# The kernel ends the training when its supervisor dies, so that no second one starts beside it (Linux).
_LAUNCHER = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGTERM)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(143)
os.execvp(sys.argv[2], sys.argv[2:])
"""


def launched(command: Sequence[str]) -> list[str]:
    """Return a command that becomes the given one and ends with this process.

    Raises
    ------
    InputError
        If there is no such program.
    """
    if shutil.which(command[0]) is None:
        raise InputError(f"there is no program {command[0]!r} to supervise")
    return [sys.executable, "-c", _LAUNCHER, str(os.getpid()), *command]


def _newest(run: Path) -> tuple[str, int] | None:
    """Return the newest checkpoint of a run and when it was written."""
    found: list[tuple[int, str]] = []
    for path in (*run.glob("checkpoints/*.ckpt"), *run.glob("checkpoint.pt")):
        try:
            found.append((path.stat().st_mtime_ns, path.name))
        except FileNotFoundError:
            continue  # replaced at this moment: its successor counts the next time
    return max(found)[::-1] if found else None


def _pass_on(stream: IO[bytes] | None, tail: deque[str]) -> None:
    """Copy what the training says to our own standard error, and keep its end."""
    if stream is None:
        return
    with stream:
        for line in stream:
            text = line.decode("utf-8", "replace")
            sys.stderr.write(text)
            sys.stderr.flush()
            tail.append(text.rstrip("\r\n")[-2000:])


@contextmanager
def _signals(forward: Callable[[int], None]) -> Iterator[None]:
    """Hand SIGTERM and Ctrl-C to the training as long as it runs."""

    def handle(number: int, frame: FrameType | None) -> None:
        forward(number)

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
