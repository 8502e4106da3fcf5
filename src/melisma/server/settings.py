"""What whoever runs the service may set: read from the environment once, when a process starts."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from melisma.core.errors import InputError

_YES, _NO = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off", ""})


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

    Raises
    ------
    InputError
        If a variable holds what it cannot; the sentence names it.
    """
    environ = os.environ if environ is None else environ
    raise NotImplementedError  # the part that reads the environment is written by its owner today
