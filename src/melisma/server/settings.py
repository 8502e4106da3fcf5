"""What whoever runs the service may set: read from the environment once, when a process starts."""

from __future__ import annotations

import hashlib
import ipaddress
import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from melisma.core import environment
from melisma.core.errors import InputError

HASHED = "sha256:"  # in front of a token's hash, where the token itself is not written down
LEAST_TOKEN = 16  # characters: nobody guesses so many at ten a minute
# More than anybody means, and less than a clock or a file system can hold.
_MOST_MB, _DAY_S, _CENTURY_DAYS = 1e9, 86_400.0, 36_500.0
_NAME = re.compile(r"[^\s:,]{1,64}")
_HOST = re.compile(r"[0-9a-z_](?:[0-9a-z._-]{0,251}[0-9a-z_])?|\[?[0-9a-f:.]+\]?")
_DATABASES = ("sqlite", "postgresql", "postgresql+psycopg", "postgres")
_REDIS = ("redis", "rediss", "unix")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one caller may ask for.

    Parameters
    ----------
    upload_bytes, duration_s : int, float
        The largest file and the longest recording that are taken.
    lyrics_chars, body_bytes : int
        The longest lyrics, and the largest body of a call that uploads no file.
    requests_per_minute : int
        Of one token, or of one address where no token is needed; 0 for no limit.
    failures_per_minute : int
        Wrong tokens from one address, after which it has to wait.
    body_s : float
        Seconds within which the next bytes of a body have to come.
    queued_jobs : int
        Jobs of one token that may wait at once.
    """

    upload_bytes: int = 500_000_000
    duration_s: float = 3 * 3600.0
    lyrics_chars: int = 200_000
    body_bytes: int = 5_000_000
    requests_per_minute: int = 600
    failures_per_minute: int = 10
    body_s: float = 30.0
    queued_jobs: int = 1000


@dataclass(frozen=True, slots=True)
class JobSettings:
    """How work is done.

    Parameters
    ----------
    workers : int
        Threads of the service that work; 0 where `melisma worker` does it.
    redis_url : str
        Of the queue; empty for a SQLite file in the data folder.
    lease_s : float
        The visibility time-out: how long after its last sign of life a worker counts as dead.
    attempts : int
        How often a job is tried, kills included.
    retry_s : float
        How long it waits before the second try, twice as long before the third.
    keep_days : float
        How long what is over stays to be looked at.
    """

    workers: int = 1
    redis_url: str = ""
    lease_s: float = 30.0
    attempts: int = 3
    retry_s: float = 5.0
    keep_days: float = 30.0


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Where the service listens, what it keeps where, and whom it lets in.

    Parameters
    ----------
    host, port : str, int
        Address to listen on.
    data : Path
        Folder of audio, exports, and the SQLite files where these are used.
    database_url : str
        Of SQLite or PostgreSQL; empty for `melisma.sqlite` in the data folder.
    library : Path or None
        Folder whose recordings may be named instead of uploaded; None for none.
    tokens : mapping of str to str
        SHA-256 of each API token, hexadecimal, to the name of its owner; empty for none.
    models : tuple of str
        Models that callers may choose beside the usual one of each engine, as `whisper:small`.
    cors_origins : tuple of str
        Pages of other origins that may call the service; empty for none.
    allowed_hosts : tuple of str
        Names in the Host header that are answered; empty for those of the loopback interface where the service listens
        there, and for any where it needs a token.
    proxies : tuple of str
        Addresses of proxies whose X-Forwarded-For is believed.
    limits, jobs : Limits, JobSettings
        What callers may ask for; how work is done.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    data: Path = field(default_factory=lambda: default_data())
    database_url: str = ""
    library: Path | None = None
    tokens: Mapping[str, str] = field(default_factory=dict)
    models: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    jobs: JobSettings = field(default_factory=JobSettings)

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def database(self) -> str:
        """URL of the database."""
        return self.database_url or f"sqlite:///{self.data / 'melisma.sqlite'}"

    def check(self) -> None:
        """Refuse settings under which strangers could get in.

        Raises
        ------
        InputError
            The sentence says which variable to set.
        """
        if not self.on_loopback and not self.tokens:
            raise InputError(
                f"the service would listen on {self.host}, where others can reach it, without a token: "
                "set MELISMA_API_TOKENS to NAME:TOKEN, or listen on 127.0.0.1"
            )


def default_data() -> Path:
    """Return the folder of the service in the user's data folder."""
    from platformdirs import user_data_path

    return user_data_path("melisma", appauthor=False) / "service"


def from_environment(environ: Mapping[str, str] | None = None) -> ServiceSettings:
    """Read MELISMA_HOST, MELISMA_PORT, MELISMA_DATA_DIR, …; docs/operate.md lists all of them.

    Parameters
    ----------
    environ : mapping, optional
        What to read; the environment of this process if not given, in which other names for our variables and files
        with secrets are then settled (`melisma.core.environment.settle`).

    Raises
    ------
    InputError
        If a variable holds what it cannot; the sentence names it, and never says what is secret.
    """
    if environ is None:
        environment.settle()
        env: Mapping[str, str] = os.environ
    else:
        env = dict(environ)
        environment.settle(env)
    usual, said = ServiceSettings(), env.get("MELISMA_DATA_DIR", "").strip()
    return ServiceSettings(
        host=_host(env) or usual.host,
        port=_whole(env, "MELISMA_PORT", usual.port, 0, 65535),
        data=Path(said).expanduser().absolute() if said else usual.data,
        database_url=_url(env, "MELISMA_DATABASE_URL", _DATABASES, "sqlite:///path or postgresql://user@host/base"),
        library=_folder(env, "MELISMA_LIBRARY_DIR"),
        tokens=_tokens(env),
        models=tuple(_model(each) for each in environment.names(env, "MELISMA_MODELS")),
        cors_origins=tuple(_origin(each) for each in environment.names(env, "MELISMA_CORS_ORIGINS")),
        allowed_hosts=tuple(_allowed(each) for each in environment.names(env, "MELISMA_ALLOWED_HOSTS")),
        proxies=tuple(_proxy(each) for each in environment.names(env, "MELISMA_PROXIES")),
        limits=_limits(env),
        jobs=_jobs(env),
    )


def _model(said: str) -> str:
    from melisma.pipeline.packages import PATH
    from melisma.pipeline.tiers import split

    engine, model = split(said)
    if engine.strip() == PATH:
        raise InputError(f"MELISMA_MODELS names no folders: melisma models add NAME {model[:80]} gives this one a name")
    if not engine.strip() or not model.strip():
        raise InputError(f"MELISMA_MODELS lists models as ENGINE:MODEL, such as whisper:small; not {said[:80]!r}")
    if model[0] in "/~.\\":  # its name is shown to callers, who are told no folder of this machine
        raise InputError(f"MELISMA_MODELS names models by size or by their id on the hub, not folders: {said[:80]!r}")
    return said


def hash_token(token: str) -> str:
    """Return the SHA-256 of a token, hexadecimal: what is kept of it."""
    return hashlib.sha256(token.encode()).hexdigest()


def check_owner(name: str) -> None:
    """Refuse a name that tokens cannot be listed under with InputError."""
    if _NAME.fullmatch(name) is None:
        raise InputError(f"{name[:80]!r} cannot own a token: the name has no blanks, colons or commas")


def read_tokens(lines: Iterable[str], where: str) -> dict[str, str]:
    """Read NAME:TOKEN, or NAME:sha256:HASH as `melisma service token new` prints it; empty lines and # are skipped.

    Parameters
    ----------
    lines : iterable of str
        One token each.
    where : str
        What the sentence of an error calls them.

    Returns
    -------
    dict of str to str
        SHA-256 of each token to the name of its owner; an owner may have several, as while one is replaced.

    Raises
    ------
    InputError
        If a line is neither; the sentence counts the line and never shows it.
    """
    found: dict[str, str] = {}
    for n, line in enumerate(lines, start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, colon, token = line.partition(":")
        if not colon or not token or _NAME.fullmatch(name) is None:
            raise InputError(f"entry {n} of {where} is no NAME:TOKEN: the name has no blanks, colons or commas")
        hashed = token.removeprefix(HASHED).lower() if token.startswith(HASHED) else ""
        if hashed and re.fullmatch(r"[0-9a-f]{64}", hashed) is None:
            raise InputError(f"the hash of {name!r} in {where} has to have 64 hexadecimal digits")
        if not hashed and len(token) < LEAST_TOKEN:
            raise InputError(
                f"the token of {name!r} in {where} is too short: give {LEAST_TOKEN} characters or more, "
                f"or have one made by `melisma service token new {name}`"
            )
        hashed = hashed or hash_token(token)
        if found.get(hashed, name) != name:
            raise InputError(f"{found[hashed]!r} and {name!r} have the same token in {where}")
        found[hashed] = name
    return found


def _tokens(env: Mapping[str, str]) -> dict[str, str]:
    found = read_tokens(env.get("MELISMA_API_TOKENS", "").split(","), "MELISMA_API_TOKENS")
    if env.get("MELISMA_API_TOKENS_FILE", "").strip():
        text = environment.read_file(env, "MELISMA_API_TOKENS_FILE")
        more = read_tokens(text.splitlines(), "the file of MELISMA_API_TOKENS_FILE")
        if not more:
            raise InputError("the file that MELISMA_API_TOKENS_FILE names holds no token")
        found.update(more)
    return found


def _limits(env: Mapping[str, str]) -> Limits:
    usual = Limits()
    return Limits(
        upload_bytes=round(1e6 * _number(env, "MELISMA_MAX_UPLOAD_MB", usual.upload_bytes / 1e6, 0.001, _MOST_MB)),
        duration_s=_number(env, "MELISMA_MAX_DURATION_S", usual.duration_s, 1.0),
        lyrics_chars=_whole(env, "MELISMA_MAX_LYRICS_CHARS", usual.lyrics_chars, 1),
        body_bytes=round(1e6 * _number(env, "MELISMA_MAX_BODY_MB", usual.body_bytes / 1e6, 0.001, _MOST_MB)),
        requests_per_minute=_whole(env, "MELISMA_REQUESTS_PER_MINUTE", usual.requests_per_minute, 0),
        failures_per_minute=_whole(env, "MELISMA_FAILURES_PER_MINUTE", usual.failures_per_minute, 1),
        body_s=_number(env, "MELISMA_BODY_TIMEOUT_S", usual.body_s, 0.1, _DAY_S),
        queued_jobs=_whole(env, "MELISMA_MAX_QUEUED_JOBS", usual.queued_jobs, 1),
    )


def _jobs(env: Mapping[str, str]) -> JobSettings:
    usual = JobSettings()
    return JobSettings(
        workers=_whole(env, "MELISMA_WORKERS", usual.workers, 0, 64),
        redis_url=_url(env, "MELISMA_QUEUE_REDIS_URL", _REDIS, "redis://host:6379/1"),
        lease_s=_number(env, "MELISMA_JOB_LEASE_S", usual.lease_s, 1.0, _DAY_S),
        attempts=_whole(env, "MELISMA_JOB_ATTEMPTS", usual.attempts, 1, 10),
        retry_s=_number(env, "MELISMA_JOB_RETRY_S", usual.retry_s, 0.0, _DAY_S),
        keep_days=_number(env, "MELISMA_JOB_KEEP_DAYS", usual.keep_days, 0.0, _CENTURY_DAYS),
    )


def _number(env: Mapping[str, str], name: str, usual: float, least: float, most: float = math.inf) -> float:
    return _within(environment.number(env, name, float, usual), name, least, most)


def _whole(env: Mapping[str, str], name: str, usual: int, least: int, most: float = math.inf) -> int:
    return int(_within(environment.number(env, name, int, usual), name, least, most))


def _within(found: float, name: str, least: float, most: float) -> float:
    if not least <= found <= most:
        bounds = f"{least:g} or more" if math.isinf(most) else f"{least:g} to {most:g}"
        raise InputError(f"{name} is {bounds}, not {found:g}")
    return found


def _host(env: Mapping[str, str]) -> str:
    said = env.get("MELISMA_HOST", "").strip().strip("[]")
    if said and _HOST.fullmatch(said.lower()) is None:
        raise InputError(f"MELISMA_HOST is an address or a host's name, such as 127.0.0.1, not {said[:80]!r}")
    return said


def _url(env: Mapping[str, str], name: str, schemes: tuple[str, ...], example: str) -> str:
    """Read a URL that may hold a password: no sentence shows it."""
    said = env.get(name, "").strip()
    if said and said.partition("://")[0] not in schemes:
        raise InputError(f"{name} is no URL that can be used: write {example}")
    return said


def _folder(env: Mapping[str, str], name: str) -> Path | None:
    said = env.get(name, "").strip()
    if not said:
        return None
    folder = Path(said).expanduser().absolute()
    if not folder.is_dir():
        raise InputError(f"{name} names no folder that can be read: {folder}")
    return folder


def _origin(said: str) -> str:
    """Check an origin as browsers spell it."""
    try:
        parts = urlsplit(said)
        spelt = f"{parts.scheme}://{parts.netloc}".lower() if parts.hostname and parts.port != 0 else ""
    except ValueError:
        spelt = ""
    if not spelt.startswith(("http://", "https://")) or said.rstrip("/").lower() != spelt or "@" in spelt:
        raise InputError(
            f"MELISMA_CORS_ORIGINS lists pages as https://host or https://host:port, and never *; not {said[:80]!r}"
        )
    return spelt


def _allowed(said: str) -> str:
    """Check a name of the Host header; a port is no part of it."""
    if _HOST.fullmatch(said.lower()) is None:
        raise InputError(f"MELISMA_ALLOWED_HOSTS lists names without ports, such as karaoke.example, not {said[:80]!r}")
    return said.lower().strip("[]")


def _proxy(said: str) -> str:
    try:
        return str(ipaddress.ip_network(said)) if "/" in said else str(ipaddress.ip_address(said))
    except ValueError:
        raise InputError(
            f"MELISMA_PROXIES lists addresses such as 10.0.0.2 or 10.0.0.0/24, not {said[:80]!r}"
        ) from None
