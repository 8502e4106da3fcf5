"""One long command in a container, such as a training: committed as it goes, stopped in time, and gone on with."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from melisma.scale.modal.work import Mounted

_COMMIT_S = 300.0  # how often what it wrote is committed: what a container that is stopped loses at most
_GRACE_S = 600.0  # for a command that was asked to stop
_TAIL = 200  # lines of its output that are handed back


@dataclass(frozen=True, slots=True)
class CommandReport:
    """What became of a command.

    Parameters
    ----------
    exit_code : int
        Of the command.
    stopped : bool
        Whether it was asked to stop because its time was up: the same command goes on.
    output : str
        Its last lines.
    """

    exit_code: int
    stopped: bool
    output: str


def run_command(
    arguments: Sequence[str],
    volume: Mounted,
    mount: Path,
    *,
    stop_s: float,
    commit_s: float = _COMMIT_S,
    program: Sequence[str] = (sys.executable, "-m", "melisma.cli.main"),
) -> CommandReport:
    """Run a command in the folder that the volume is seen in.

    Parameters
    ----------
    arguments : sequence of str
        After `melisma`; paths are those of the volume.
    volume : Mounted
        Reloaded before, committed meanwhile and after.
    mount : Path
        Where it is seen.
    stop_s : float
        When the command is asked to stop, by SIGTERM, in seconds.
    commit_s : float
        How often the volume is committed, in seconds.
    program : sequence of str
        What runs it.
    """
    volume.reload()
    began = committed = time.monotonic()
    stopped = False
    with subprocess.Popen(
        [*program, *arguments], cwd=mount, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        lines: deque[str] = deque(maxlen=_TAIL)
        reader = threading.Thread(target=_hear, args=(process, lines), daemon=True)
        reader.start()
        while process.poll() is None:
            reader.join(min(5.0, commit_s))
            now = time.monotonic()
            if not stopped and now - began > stop_s:
                stopped = True
                process.send_signal(signal.SIGTERM)
            elif stopped and now - began > stop_s + _GRACE_S:
                process.kill()
            if now - committed > commit_s:
                volume.commit()
                committed = time.monotonic()
        reader.join()
    volume.commit()
    return CommandReport(process.returncode, stopped and process.returncode != 0, "".join(lines))


def _hear(process: subprocess.Popen[str], lines: deque[str]) -> None:
    """Keep the last lines of a process, and show all in the log of the container."""
    for line in process.stdout or ():
        lines.append(line)
        sys.stdout.write(line)
