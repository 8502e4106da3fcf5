"""Kinds of jobs for the tests: real work in miniature, which leaves in a folder what it did."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from types import ModuleType

from melisma.core.errors import EngineFailed, EngineUnavailable, InputError, MissingDependency
from melisma.engines.device_lock import DeviceLock

STEP_S = 0.02
ERRORS = {
    "engine": EngineFailed("the server gave no usable answer"),
    "input": InputError("these lyrics are empty"),
    "missing": MissingDependency("this needs a package: pip install 'melisma[redis]'"),
    "engine missing": EngineUnavailable("the engine whisper needs faster-whisper", lasting=True),
    "unfetched": EngineUnavailable("the model cannot be fetched"),
    "unknown": RuntimeError("/secret/path fell over"),
    "exit": SystemExit(3),
}


def write(request, name: str, line: str) -> None:
    """Append a line, whole even where several processes do."""
    descriptor = os.open(Path(request["folder"]) / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)


def make(context, job, report):
    """Take a while, then make something that may exist once only, as a version of an alignment may.

    What is asked with `waits` takes until the file `go` is there, however long whoever looks at it takes.
    """
    request = job.request
    write(request, "begun", f"{job.id} {os.getpid()} {job.n_attempts} {request.get('name', '')}")
    n_steps = max(1, round(request.get("seconds", 0.0) / STEP_S))
    for step in range(n_steps):
        report("making", step / n_steps)
        time.sleep(STEP_S if request.get("seconds") else 0)
    while request.get("waits") and not (Path(request["folder"]) / "go").exists():
        report("making", 0.5)
        time.sleep(STEP_S)
    try:
        os.close(os.open(Path(request["folder"]) / f"made-{job.id}", os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return {"made": job.id}
    write(request, "made", job.id)
    return {"made": job.id}


def stumble(context, job, report):
    """Fail at the first tries."""
    write(job.request, "begun", f"{job.id} {os.getpid()} {job.n_attempts}")
    report("stumbling", 0.5)
    if job.n_attempts <= job.request["times"]:
        raise ERRORS[job.request["error"]]
    return {"tries": job.n_attempts}


def swallow(context, job, report):
    """Catch whatever an engine could catch, and go on."""
    write(job.request, "begun", f"{job.id} {os.getpid()} {job.n_attempts}")
    while True:
        try:
            report("swallowing", 0.1)
        except Exception:
            write(job.request, "swallowed", job.id)
        time.sleep(STEP_S)


def deaf(context, job, report):
    """Report nothing until a file comes."""
    write(job.request, "begun", f"{job.id} {os.getpid()} {job.n_attempts}")
    while not (Path(job.request["folder"]) / "go").exists():
        time.sleep(STEP_S)
    write(job.request, "made", job.id)
    return {"made": job.id}


def poison(context, job, report):
    """Kill the process, as a native library that crashes or a kernel that runs out of memory does."""
    write(job.request, "begun", f"{job.id} {os.getpid()} {job.n_attempts}")
    report("drinking", 0.25)
    os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait()


def numbers(context, job, report):
    """Return what JSON has no word for."""
    return {"x": float("nan")}


def lock(context, job, report):
    """Have a device to itself for a while."""
    report("waiting", 0.0)
    with DeviceLock("cuda:0").held(120.0):
        write(job.request, "device", f"took {os.getpid()} {threading.get_ident()} {job.id}")
        for step in range(10):
            report("holding", step / 10)
            time.sleep(job.request["seconds"] / 10)
        write(job.request, "device", f"left {os.getpid()} {threading.get_ident()} {job.id}")
    return {}


# Each kind is a module with `run`, as those of the service are.
KINDS: dict[str, str] = {}
for _handler in (make, stumble, swallow, deaf, poison, numbers, lock):
    _name = f"job_handler_{_handler.__name__}"
    _module = ModuleType(_name)
    _module.run = _handler
    __import__("sys").modules[_name] = _module
    KINDS[_handler.__name__] = _name
