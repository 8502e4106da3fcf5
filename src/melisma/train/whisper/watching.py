"""What follows a Whisper training from outside its loop: its log, its figures for others, and where checkpoints go."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from transformers import TrainerCallback

from melisma.core.errors import InputError, OutputError
from melisma.train.facts import one_at_a_time
from melisma.train.machine import is_first
from melisma.train.whisper import checkpoints
from melisma.train.whisper.download import fetch
from melisma.train.whisper.log import Run, RunLog, run_log
from melisma.train.whisper.loop import FAST, Begun, Request
from melisma.train.whisper.object_store import Address, open_store
from melisma.train.whisper.prepare import PREPARED
from melisma.train.whisper.tensorboard import require_tensorboard
from melisma.train.whisper.trained import MANIFEST
from melisma.train.whisper.trainer import world
from melisma.train.whisper.upload import Uploader, Uploading

_RUN_ID = re.compile(r"[0-9a-zA-Z]{1,64}")


@dataclass(frozen=True, slots=True)
class Watched:
    """What is to follow a training.

    Parameters
    ----------
    name : str
        Of the run.
    log : Path
        File of its lines: `Artifacts.of().log_of(folder)`.
    request_id : str, optional
        Of the call that starts it.
    tensorboard : bool
        Whether events are written for TensorBoard.
    upload : str
        URL of an object store that checkpoints go to, `s3://bucket/prefix`; empty for none.
    """

    name: str
    log: Path
    request_id: str | None = None
    tensorboard: bool = False
    upload: str = ""


class Watching:
    """Makes what follows a training, and ends it: `with Watching(…) as watching: train(…, callbacks=watching)`.

    Parameters
    ----------
    watched : Watched
        What is asked for.
    say : callable
        Told sentences for the user.

    Raises
    ------
    InputError
        If the URL is none, or what the environment says of the store cannot be used.
    MissingDependency
        If TensorBoard or obstore is needed and not installed.
    """

    def __init__(self, watched: Watched, say: Callable[[str], None]) -> None:
        self.watched, self.say = watched, say
        self.log: RunLog | None = None
        self._uploader: Uploader | None = None
        self._begun: Begun | None = None
        self._to = Address.of(watched.upload) if watched.upload else None
        if self._to is not None:
            open_store(self._to)
        if watched.tensorboard:
            require_tensorboard()

    def __enter__(self) -> Watching:
        """Begin."""
        return self

    def __call__(self, begun: Begun) -> list[TrainerCallback]:
        """Return what transformers is to call; made for `train(…, callbacks=…)`."""
        watched, fast = self.watched, begun.folder.name == FAST
        name = f"{watched.name}.{FAST}" if fast else watched.name
        path = watched.log.with_name(f"{watched.log.stem}.{FAST}.log") if fast else watched.log
        if begun.step == 0 and is_first():
            _set_aside(path, keep=not fast)
        run = Run(name, begun.run_id, path, begun.step, watched.request_id)
        self.log = run_log(run, steps=begun.config.steps, tensorboard=watched.tensorboard)
        begun.trainer.heard = self.log.count
        if self._to is not None and is_first():
            self._send(Uploading(self._to, name, begun.run_id), begun, path)
        self._begun = begun
        return [self.log]

    def _send(self, config: Uploading, begun: Begun, log: Path) -> None:
        line = self.log.say if self.log is not None else None
        self._uploader = Uploader(config, begun.folder, self.say, line, log)
        self._uploader.start()
        begun.trainer.saved = self._uploader.submit
        if begun.step:  # it may have been killed before this was sent
            self._uploader.submit(checkpoints.path_of(begun.folder, begun.step))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Send the model, if there is one, and wait for what is left to be sent."""
        if self._uploader is None or self._begun is None:
            return
        if error is None and (self._begun.folder / MANIFEST).is_file():
            self._uploader.submit_model(self._begun.trainer.progress.step)
        report = self._uploader.close()
        if report.sent:
            said = f"{len(report.sent)} sent to {self._uploader.address}: {report.n_bytes / 1e6:,.1f} MB"
            self.say(said + (f", {report.n_kept} files were there already" if report.n_kept else ""))


def take_over(url: str, request: Request, log: Path, say: Callable[[str], None]) -> None:
    """Fetch the last checkpoint of a run from an object store, once for all processes, for a training to go on with.

    Raises
    ------
    InputError
        If there is none that can be gone on with.
    OutputError
        If it cannot be written.
    """
    if request.fast:
        raise InputError("--fast-dev-run begins anew every time: leave --resume-from away")
    Address.of(url)
    with one_at_a_time(request.folder / PREPARED, several=world() > 1):
        fetch(url, request.folder, log=log, say=say if is_first() else lambda _: None)


def _set_aside(path: Path, *, keep: bool) -> None:
    """Put the log of another training of the same name where it is not written over; `keep` says whether to."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        if not lines:
            return
        told = ""
        with suppress(ValueError, KeyError, TypeError):
            told = str(json.loads(lines[-1])["run_id"])
        if keep:
            os.replace(path, path.with_name(f"{path.stem}.{told if _RUN_ID.fullmatch(told) else 'earlier'}.log"))
        else:
            path.unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutputError(f"cannot set {path} aside: {error.strerror or error}") from error
