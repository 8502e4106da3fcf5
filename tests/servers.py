"""Real servers on loopback, each on a free port of its own, for the tests of whatever talks to them."""

from __future__ import annotations

import contextlib
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

STARTS_WITHIN_S = 240  # on a machine that has much else to do
GIVEN_OUT = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """Return a port that the kernel gives to nobody by itself, be it who calls or who listens on any."""
    first = int(GIVEN_OUT.read_text().split()[0]) if GIVEN_OUT.exists() else 32768
    while True:
        port = random.SystemRandom().randrange(max(1024, first - 20_000), max(2048, first))
        with contextlib.suppress(OSError), socket.socket() as listening:
            listening.bind(("127.0.0.1", port))
            return port


def program(name: str) -> str | None:
    """A server's program; Debian keeps those of PostgreSQL off the path."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(found[-1]) if found else None)


def unprivileged() -> tuple[list[str], int, int]:
    """Return what to put in front of a command, and the ids, so that a server that refuses root runs as another."""
    if os.geteuid() != 0:
        return [], os.geteuid(), os.getegid()
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        user = pwd.getpwnam("nobody")
    command = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--"]
    return command, user.pw_uid, user.pw_gid


class Server:
    """A process that listens on a port of the loopback interface; `command` makes what starts it, given the port."""

    def __init__(self, command: Callable[[int], list[str]], stop: signal.Signals = signal.SIGTERM) -> None:
        self._command, self.port, self._stop = command, free_port(), stop
        self._known = False  # whether somebody may have been told the port
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin to listen, if need be after some tries.

        Another program may take a port that was free a moment ago, and what is left of a server that was killed may
        hold its files for a while.
        """
        deadline = time.monotonic() + STARTS_WITHIN_S
        while not self._started(deadline):
            self.stop()
            if time.monotonic() > deadline:
                pytest.fail(f"the server did not start: {' '.join(self._command(self.port))}")
            if not self._known:
                self.port = free_port()
            time.sleep(0.2)
        self._known = True

    def _started(self, deadline: float) -> bool:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(self._command(self.port), start_new_session=True, **quiet)
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return self.process.poll() is None  # and who answers is not another one

    def ready(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def kill(self) -> None:
        """Die as of a power cut."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(self._stop)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()

    def children(self) -> list[int]:
        found = subprocess.run(["ps", "--ppid", str(self.process.pid), "-o", "pid="], capture_output=True, check=False)
        return [int(pid) for pid in found.stdout.split()]

    @contextlib.contextmanager
    def frozen(self):
        """Connections are taken and nothing is ever answered."""
        # The parent halts first and goes on last: between, no child that ends is reaped, and numbers stay valid.
        os.kill(self.process.pid, signal.SIGSTOP)
        children = self.children()
        for pid in children:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in [*children, self.process.pid]:
                os.kill(pid, signal.SIGCONT)


class Postgres(Server):
    """A cluster with a database that is migrated, to be copied for each test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        prefix, uid, gid = unprivileged()
        os.chown(folder, uid, gid)
        data = folder / "data"
        make = [*prefix, program("initdb"), "-D", str(data), "-U", "melisma", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(make, check=True, capture_output=True, cwd=folder)
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        server = [*prefix, program("postgres"), "-D", str(data), *options]
        super().__init__(lambda port: [*server, "-c", f"port={port}"], signal.SIGINT)
        self._n = 0

    def url(self, name: str) -> str:
        return f"postgresql://melisma@127.0.0.1:{self.port}/{name}"

    def ready(self) -> bool:
        import psycopg

        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.url("postgres"), connect_timeout=5):
            return True
        return False

    def execute(self, sql: str, name: str = "postgres") -> None:
        import psycopg

        with psycopg.connect(self.url(name), autocommit=True) as connection:
            connection.execute(sql)

    def new(self, template: str = "template0") -> str:
        """Make a database, a copy of another: "migrated" for the cache, "served" for the service."""
        self._n += 1
        name = f"cache_{self._n}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)


@pytest.fixture(scope="session")
def postgres():
    """A running PostgreSQL."""
    missing = [name for name in ("initdb", "postgres") if program(name) is None]
    if missing:
        pytest.skip(f"PostgreSQL is not installed: there is no {missing[0]}")
    folder = Path(tempfile.mkdtemp(prefix="melisma-postgres-"))
    server = Postgres(folder)
    try:
        server.start()
        server.execute("CREATE DATABASE migrated")
        from melisma.store.connect import CALM
        from melisma.store.database import Database

        template = Database(server.url("migrated"), CALM)
        template.migrate()
        template.close()
        server.execute("CREATE DATABASE served")
        from melisma.store.service.database import ServiceDatabase

        service = ServiceDatabase(server.url("served"))
        service.migrate()
        service.close()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def redis_process():
    if shutil.which("redis-server") is None:
        pytest.skip("Redis is not installed: there is no redis-server")
    folder = Path(tempfile.mkdtemp(prefix="melisma-redis-"))
    command = ["redis-server", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder)]
    server = Server(lambda port: [*command, "--port", str(port)])
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def redis_server(redis_process):
    """A running, empty Redis."""
    import redis

    if redis_process.process.poll() is not None:
        redis_process.start()
    with redis.Redis(port=redis_process.port) as client:
        client.flushall()
    return redis_process


@pytest.fixture
def redis_url(redis_server):
    return f"redis://127.0.0.1:{redis_server.port}/0"


@pytest.fixture
def silent_port():
    """A port that takes connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(50)
        yield listening.getsockname()[1]


@pytest.fixture
def dead_port():
    """A port on which nobody listens, and nobody will: it is taken."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture(params=["sqlite", "postgresql"])
def service_url(request, tmp_path):
    """URL of an empty database of the service, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/service/melisma.sqlite"
    return request.getfixturevalue("postgres").new("served")


class S3(Server):
    """Moto's server, which speaks the API of S3."""

    def __init__(self) -> None:
        super().__init__(lambda port: [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)])
        self._n = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def new_bucket(self) -> str:
        self._n += 1
        name = f"bucket-{self._n}"
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/{name}", method="PUT"), timeout=240):
            return name


@pytest.fixture(scope="session")
def s3_process():
    pytest.importorskip("moto")
    server = S3()
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def s3(s3_process, monkeypatch):
    """A running server of S3, whose credentials are in the environment."""
    if s3_process.process.poll() is not None:
        s3_process.start()
    said = {
        "AWS_ACCESS_KEY_ID": "AKIAPLANTEDKEY",
        "AWS_SECRET_ACCESS_KEY": "planted-secret-value",
        "AWS_REGION": "us-east-1",
    }
    for name, value in (said | {"AWS_ENDPOINT_URL": s3_process.url, "AWS_ALLOW_HTTP": "1"}).items():
        monkeypatch.setenv(name, value)
    return s3_process


@pytest.fixture
def tone_server(monkeypatch):
    """A transcription server that hears tones as words, which the engine for OpenAI's protocol asks."""
    from melisma.pipeline import tiers
    from transcription_server import running

    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with running() as made:
        monkeypatch.setenv("MELISMA_OPENAI_URL", made.url)
        tiers.forget()
        yield made
    tiers.forget()
