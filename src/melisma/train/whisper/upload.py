"""Checkpoints sent to an object store beside a training, which never waits for it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from melisma.core.errors import MelismaError
from melisma.core.files import sha256_of
from melisma.train.log_lines import now
from melisma.train.whisper.object_store import Address, Link, lasting, open_store, sentence
from melisma.train.whisper.sent import BESIDE, LOG, MANIFEST, MODEL, Sent, SentFile, safe_path, step_of
from melisma.train.whisper.trained import PROCESSOR

Say = Callable[[str], None]
JOURNAL, WAITING = "uploads.jsonl", ".sending"
_BESIDE = ("training_config.json", "training_history.jsonl", "split.json", "run_manifest.json")
_GROWS = frozenset({".jsonl", ".log"})  # files that are added to, and so are copied, not linked
_LAST_S = 1.0  # for a thread that waits between two tries; one that waits for the store is left behind
_PART, _AT_ONCE = 8 << 20, 4  # bytes of a part of a file, and parts on their way: so much memory at most


@dataclass(frozen=True, slots=True)
class Uploading:
    """Where checkpoints go, and how hard it is tried.

    Parameters
    ----------
    to : Address
        The run's folder lies below it.
    run, run_id : str
        Name and id of the training.
    tries : int
        Of each file.
    first_wait_s : float
        Before the second try; doubles with each more.
    waiting : int
        Checkpoints that may wait to be sent; an older one gives way to a newer one.
    close_s : float
        Seconds that what is left is waited for when the training is over.
    link : Link
        How long the store is waited for.
    """

    to: Address
    run: str
    run_id: str
    tries: int = 4
    first_wait_s: float = 2.0
    waiting: int = 2
    close_s: float = 600.0
    link: Link = field(default_factory=Link)


@dataclass(frozen=True, slots=True)
class Parcel:
    """A checkpoint, or a model, that is to be sent: its name there, and its files as they were when handed over."""

    name: str
    step: int
    files: dict[str, Path]  # by path below it
    folder: Path  # of the links, which goes when it is sent


@dataclass(slots=True)
class Report:
    """What has come of it: names that are there, and why others are not."""

    sent: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    n_bytes: int = 0
    n_kept: int = 0  # files that were there already


class _Ended(Exception):
    """The time is up."""


class Uploader:
    """Sends in a thread of its own what it is handed, the newest last.

    What is handed over is linked, not copied, in a moment: the training may remove its checkpoint at once. Files that
    are in the store already, by the journal `uploads.jsonl` of the run, by size and by the store's own tag, are not
    sent again. `manifest.json` of a checkpoint is sent last: where it is, the checkpoint is whole.

    Parameters
    ----------
    config : Uploading
        Where to.
    run : Path
        Folder of the training.
    say : callable
        Told sentences for the user: the first failure, and what is missing at the end.
    line : callable, optional
        Told lines for the log: a stage, a step, and more by name.
    log : Path, optional
        Log of the run, which is sent along.
    """

    def __init__(
        self,
        config: Uploading,
        run: Path,
        say: Say,
        line: Callable[..., None] | None = None,
        log: Path | None = None,
    ) -> None:
        self.config, self.run, self.say, self.line, self.log = config, run, say, line, log
        self.address = config.to.under(config.run)
        self.report = Report()
        self._store = open_store(config.to, config.link)
        self._waiting: deque[Parcel] = deque()
        self._changed = threading.Condition()
        self._closing = self._busy = self._said = False
        self._stop = threading.Event()
        self._journal = _journal(run / JOURNAL)
        self._thread = threading.Thread(target=self._work, name="upload", daemon=True)

    def start(self) -> None:
        """Begin; whether the store takes anything is found out at once, in the background."""
        shutil.rmtree(self.run / WAITING, ignore_errors=True)  # of a training that was killed
        self._thread.start()

    def submit(self, checkpoint: Path) -> None:
        """Hand over a checkpoint that is whole, `checkpoint-N`; returns at once."""
        step = step_of(checkpoint.name)
        if step is not None:
            files = {path.relative_to(checkpoint).as_posix(): path for path in _files(checkpoint)}
            files |= {f"{BESIDE}/{name}": path for name, path in self._beside()}
            self._hand_over(checkpoint.name, step, files)

    def _beside(self) -> list[tuple[str, Path]]:
        """Return what a training needs beside its checkpoint to go on elsewhere, by its path below the run."""
        folder = self.run / PROCESSOR
        found = [(name, self.run / name) for name in _BESIDE]
        found += [(f"{PROCESSOR.as_posix()}/{path.relative_to(folder).as_posix()}", path) for path in _files(folder)]
        if self.log is not None:
            found.append((LOG, self.log))
        return [(name, path) for name, path in found if path.is_file()]

    def submit_model(self, step: int) -> None:
        """Hand over the finished model: the files of the run's folder itself, and its adapter."""
        files = {path.name: path for path in sorted(self.run.iterdir()) if path.is_file() and path.name != JOURNAL}
        files |= {f"adapter/{path.name}": path for path in _files(self.run / "adapter")}
        self._hand_over(MODEL, step, {name: path for name, path in files.items() if not name.startswith(".")})

    def close(self) -> Report:
        """Wait for what is left, within the time there is, and say what is missing."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            n_left = len(self._waiting) + self._busy
        if self._thread.ident is not None:
            if n_left:
                self.say(f"sending what is left to {self.address}")
            self._thread.join(self.config.close_s)
            self._stop.set()
            self._thread.join(_LAST_S)
        for parcel in self._left():
            self.report.failed[parcel.name] = "the time was up"
        shutil.rmtree(self.run / WAITING, ignore_errors=True)
        self._say_missing()
        return self.report

    def _left(self) -> list[Parcel]:
        with self._changed:
            left = list(self._waiting)
            self._waiting.clear()
            return left + ([self._now] if self._busy else [])

    def _say_missing(self) -> None:
        failed = {name: why for name, why in self.report.failed.items() if name not in self.report.sent}
        if failed:
            name, why = list(failed.items())[-1]
            self.say(f"{len(failed)} of {len(failed) + len(self.report.sent)} were not sent; {name}: {why}")

    # In the thread of the training.

    def _hand_over(self, name: str, step: int, files: dict[str, Path]) -> None:
        folder = self.run / WAITING / f"{name}-{secrets.token_hex(4)}"
        try:
            pinned = {safe_path(at): _pinned(path, folder, at) for at, path in files.items()}
        except (OSError, ValueError) as error:
            self._failed(name, step, f"it cannot be read: {error}")
            return
        parcel, dropped = Parcel(name, step, pinned, folder), None
        with self._changed:
            if len(self._waiting) >= self.config.waiting:
                dropped = self._waiting.popleft()
            self._waiting.append(parcel)
            self._changed.notify_all()
        if dropped is not None:
            shutil.rmtree(dropped.folder, ignore_errors=True)
            self._failed(dropped.name, dropped.step, "a newer one took its place, for the store is too slow")

    # In the thread that sends.

    def _work(self) -> None:
        self._try_store()
        while (parcel := self._next()) is not None:
            started = time.monotonic()
            try:
                sent = self._send(parcel)
                self.report.sent.append(parcel.name)
                self._line("upload", parcel.step, name=parcel.name, bytes=sent, seconds=time.monotonic() - started)
            except _Ended:
                self.report.failed[parcel.name] = "the time was up"
            except _store_errors() as error:
                self._failed(parcel.name, parcel.step, sentence(error))
            finally:
                shutil.rmtree(parcel.folder, ignore_errors=True)
                with self._changed:
                    self._busy = False

    def _next(self) -> Parcel | None:
        with self._changed:
            while not self._waiting:
                if self._closing:
                    return None
                self._changed.wait()
            if self._stop.is_set():
                return None
            self._now, self._busy = self._waiting.popleft(), True
            return self._now

    def _try_store(self) -> None:
        """Write who sends, and so learn at once if the store takes nothing."""
        about = {"run": self.config.run, "run_id": self.config.run_id, "begun": now()}
        try:
            self._retried(f"{self.config.run}/{BESIDE}.json", json.dumps(about).encode("utf-8"))
        except _Ended:
            pass
        except _store_errors() as error:
            self._say_first(f"{self.address} takes nothing: {sentence(error)}")

    def _send(self, parcel: Parcel) -> int:
        """Send a parcel, its manifest last; return the bytes that went."""
        below, listed, n_sent = f"{self.config.run}/{parcel.name}", [], 0
        for at, path in sorted(parcel.files.items()):
            file = SentFile(path=at, size=path.stat().st_size, sha256=sha256_of(path))
            listed.append(file)
            if self._is_there(f"{below}/{at}", file):
                self.report.n_kept += 1
                continue
            tag = self._retried(f"{below}/{at}", path)
            self._note(f"{below}/{at}", file, tag)
            n_sent += file.size
        whole = Sent(run=self.config.run, run_id=self.config.run_id, step=parcel.step, files=tuple(listed))
        self._retried(f"{below}/{MANIFEST}", whole.to_json())
        self.report.n_bytes += n_sent
        return n_sent

    def _is_there(self, key: str, file: SentFile) -> bool:
        known = self._journal.get(f"{self.config.to}/{key}")
        if known is None or (known.get("sha256"), known.get("size")) != (file.sha256, file.size):
            return False
        try:
            there = self._store.head(key)
        except _store_errors():
            return False
        return bool(there["size"] == file.size and there["e_tag"] == known.get("e_tag"))

    def _retried(self, key: str, what: Path | bytes) -> str | None:
        """Put an object; return the tag that the store gives it."""
        wait_s = self.config.first_wait_s
        for left in reversed(range(self.config.tries)):
            if self._stop.is_set():
                raise _Ended
            try:
                put: dict[str, Any] = self._store.put(key, what, chunk_size=_PART, max_concurrency=_AT_ONCE)
                return put.get("e_tag")
            except _store_errors() as error:
                if not left or lasting(error):
                    raise
                if self._stop.wait(wait_s):
                    raise _Ended from error
                wait_s *= 2
        raise AssertionError("unreachable: the last try returns or raises")

    def _note(self, key: str, file: SentFile, tag: str | None) -> None:
        """Write into the journal what is there now."""
        where = f"{self.config.to}/{key}"
        said = {"timestamp": now(), "to": where, "size": file.size, "sha256": file.sha256, "e_tag": tag}
        self._journal[where] = said
        with suppress(OSError), (self.run / JOURNAL).open("a", encoding="utf-8") as out:
            out.write(json.dumps(said) + "\n")

    def _failed(self, name: str, step: int, why: str) -> None:
        """Take note of a failure; the user hears of the first only, and of what is missing at the end."""
        self._say_first(f"{name} was not sent to {self.address}: {why}")
        self.report.failed[name] = why
        self._line("upload-failed", step, name=name, why=why)

    def _say_first(self, sentence: str) -> None:
        with self._changed:  # both threads may have something to say
            first, self._said = not self._said, True
        if first:
            self.say(f"{sentence}; the training goes on, and its checkpoints stay here")

    def _line(self, stage: str, step: int, **more: Any) -> None:
        if self.line is not None:
            with suppress(MelismaError):  # a log that cannot be written ends the training, not this thread
                self.line(stage, step, **more)


def _store_errors() -> tuple[type[BaseException], ...]:
    """Return what a store, or the disk beside it, may raise."""
    from obstore.exceptions import BaseError

    return (BaseError, OSError, ValueError)


def _files(folder: Path) -> list[Path]:
    paths = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted(path for path in paths if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def _pinned(path: Path, folder: Path, at: str) -> Path:
    """Return another name of a file, which stays when the first goes; the file itself where there are no such links."""
    target = folder / at
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in _GROWS:
        shutil.copyfile(path, target)
        return target
    try:
        os.link(path, target)
    except OSError:  # a file system without hard links
        return path
    return target


def _journal(path: Path) -> dict[str, dict[str, Any]]:
    """Read what was sent before; lines that broke off are nothing."""
    found: dict[str, dict[str, Any]] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return found
    for line in lines:
        with suppress(ValueError, KeyError, TypeError):
            said = json.loads(line)
            found[str(said["to"])] = said
    return found
