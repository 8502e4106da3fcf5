"""Checkpoints fetched from an object store, so that a training goes on where its machine is not."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from melisma.core.errors import InputError, OutputError
from melisma.core.files import make_folder
from melisma.train.whisper import checkpoints
from melisma.train.whisper.object_store import Address, Link, open_store, sentence
from melisma.train.whisper.sent import BESIDE, LOG, MANIFEST, MOST_BYTES, Sent, SentFile, step_of

Say = Callable[[str], None]
_AT_ONCE = 8 << 20  # bytes
_SPARE = 1 << 28  # bytes that a disk is to have left


def fetch(
    url: str,
    run: Path,
    *,
    log: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
    link: Link | None = None,
) -> int:
    """Put a checkpoint of an object store into the folder of a run, and return its step.

    The best one comes along where it is another: it is what the training leaves behind if none after it is better.

    Parameters
    ----------
    url : str
        A run that `--upload` has made, whose last whole checkpoint is taken, or one `…/checkpoint-N` of it.
    run : Path
        Folder of the training; nothing is fetched if it holds a checkpoint as late.
    log : Path, optional
        Where the log goes, if there is none.
    say : callable
        Told sentences for the user.
    link : Link, optional
        How long the store is waited for.

    Raises
    ------
    InputError
        If there is no whole checkpoint, or it is not what its manifest says, or the folder holds another training;
        nothing of it stays then.
    OutputError
        If it cannot be written.
    """
    address = Address.of(url)
    above, name = address.split()
    chosen = step_of(name)
    base = above if chosen is not None else address
    store = open_store(base, link, make=False)
    step = chosen if chosen is not None else _latest(store, base)
    sent = _manifest(store, base, step)
    here, run_id = _here(run)
    if run_id not in (None, sent.run_id):
        raise InputError(f"{run} holds another training than {address}: fetch that into another folder")
    if here >= step:
        say(f"{run} holds a checkpoint of step {here:,}, and {address} one of step {step:,}: going on from the first")
    else:
        _fetch_said(store, base, sent, run, log, say)
    _fetch_best(store, base, sent, run, say)
    return max(here, step)


def _fetch_said(store: Any, base: Address, sent: Sent, run: Path, log: Path | None, say: Say) -> None:
    _check_room(run, sent)
    say(f"fetching the checkpoint of step {sent.step:,} from {base}: {sent.n_bytes / 1e6:,.0f} MB")
    _fetch(store, base, sent, run, log)


def _fetch_best(store: Any, base: Address, last: Sent, run: Path, say: Say) -> None:
    """Fetch the best checkpoint, by what the last one knows, unless it is here."""
    here = checkpoints.last(run)
    best = checkpoints.read(here[1] / checkpoints.PROGRESS).get("best_step") if here is not None else None
    if not isinstance(best, int) or best <= 0 or not checkpoints.fault(checkpoints.path_of(run, best)):
        return
    if _size(store, base, f"checkpoint-{best}/{MANIFEST}") is None:
        return  # a training that goes on says so
    sent = _manifest(store, base, best)
    if sent.run_id == last.run_id:
        _fetch_said(store, base, sent, run, None, say)


def _here(run: Path) -> tuple[int, str | None]:
    """Return the step of the last whole checkpoint that a run holds, -1 without one, and the id of its training."""
    try:
        found = checkpoints.last(run)
    except InputError:  # all are damaged
        return -1, None
    if found is None:
        return -1, None
    run_id = checkpoints.read(found[1] / checkpoints.PROGRESS).get("run_id")
    return found[0], run_id if isinstance(run_id, str) else None


def _latest(store: Any, base: Address) -> int:
    """Return the step of the last checkpoint that is whole."""
    found = _asked(base, lambda: store.list_with_delimiter())
    steps = sorted(n for prefix in found["common_prefixes"] if (n := step_of(prefix.rpartition("/")[2])) is not None)
    for step in reversed(steps):
        if _size(store, base, f"checkpoint-{step}/{MANIFEST}") is not None:
            return step
    raise InputError(f"{base} holds no whole checkpoint" + ("" if steps else ": is it the folder of a run?"))


def _size(store: Any, base: Address, key: str) -> int | None:
    try:
        return int(_asked(base, lambda: store.head(key))["size"])
    except FileNotFoundError:
        return None


def _asked(base: Address, ask: Callable[[], Any]) -> Any:
    """Ask a store.

    Raises
    ------
    InputError
        If it does not answer as it should; but for what is not there, FileNotFoundError.
    """
    from obstore.exceptions import BaseError

    try:
        return ask()
    except FileNotFoundError as error:
        if "NoSuchBucket" in str(error):
            raise InputError(f"{base} cannot be read: {sentence(error)}") from error
        raise
    except (BaseError, OSError, ValueError) as error:
        raise InputError(f"{base} cannot be read: {sentence(error)}") from error


def _manifest(store: Any, base: Address, step: int) -> Sent:
    key = f"checkpoint-{step}/{MANIFEST}"
    size = _size(store, base, key)
    if size is None:
        raise InputError(f"{base} holds no whole checkpoint of step {step:,}")
    if size > MOST_BYTES:
        raise InputError(f"{base}/{key} is too large to be a manifest")
    sent = Sent.read(bytes(_asked(base, lambda: store.get(key).bytes())), f"{base}/{key}")
    if sent.step != step:
        raise InputError(f"{base}/{key} is of step {sent.step:,}")
    return sent


def _check_room(run: Path, sent: Sent) -> None:
    there = next(folder for folder in (run, *run.absolute().parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if sent.n_bytes + _SPARE > free:
        raise InputError(
            f"the checkpoint has {sent.n_bytes / 1e9:,.1f} GB, and {there} has room for {free / 1e9:,.1f} GB"
        )


def _fetch(store: Any, base: Address, sent: Sent, run: Path, log: Path | None) -> None:
    """Fetch all files beside their place, and put them there when all are whole."""
    final = checkpoints.path_of(run, sent.step)
    partial = final.with_name(f".partial-{sent.step}-{secrets.token_hex(4)}")
    try:
        for file in sent.files:
            _fetch_file(store, base, f"checkpoint-{sent.step}/{file.path}", file, partial / file.path)
        make_folder(partial)
        beside = partial / BESIDE
        if beside.is_dir():
            for path in sorted(path for path in beside.rglob("*") if path.is_file()):
                name = path.relative_to(beside).as_posix()
                _place(path, log if name == LOG else run / name)
            shutil.rmtree(beside)
        why = checkpoints.fault(partial)
        if why:
            raise InputError(f"{base}/{final.name} is no checkpoint to go on from: {why}")
        if final.exists():  # a damaged one, or a later one would have been found
            shutil.rmtree(final)
        os.rename(partial, final)
    except OSError as error:
        raise OutputError(f"cannot write {final}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _fetch_file(store: Any, base: Address, key: str, file: SentFile, target: Path) -> None:
    make_folder(target.parent)
    digest, n = hashlib.sha256(), 0
    try:
        chunks = _asked(base, lambda: iter(store.get(key).stream(_AT_ONCE)))
        with target.open("xb") as out:
            while (chunk := _asked(base, lambda: next(chunks, None))) is not None:
                n += len(chunk)
                if n > file.size:
                    break
                digest.update(chunk)
                out.write(chunk)
    except FileNotFoundError as error:
        raise InputError(f"{base}/{key} is missing, though the manifest names it") from error
    if n != file.size or digest.hexdigest() != file.sha256:
        raise InputError(f"{base}/{key} is not what was sent: it has another size or hash")


def _place(path: Path, target: Path | None) -> None:
    """Put a file that lies beside checkpoints where there is none yet."""
    if target is not None and not target.exists():
        make_folder(target.parent)
        shutil.copyfile(path, target)
