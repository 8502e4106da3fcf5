"""Object stores that checkpoints are sent to: S3, Google Cloud Storage and folders, by obstore."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from melisma.core.environment import flag
from melisma.core.errors import InputError, MissingDependency

_SCHEMES = {"s3": "AWS_", "gs": "GOOGLE_", "file": ""}  # and what the names of their settings begin with
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,221}")
_KEY = re.compile(r"[A-Za-z0-9._=+-]+(?:/[A-Za-z0-9._=+-]+)*")
_SECRET = re.compile(r"^(AWS|GOOGLE)_.*(KEY|TOKEN|SECRET|PASSWORD|ACCOUNT|CREDENTIALS)")
_ROLES = "//169.254.169.254/"  # where clouds tell their machines who they are
_NAMED = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or GOOGLE_SERVICE_ACCOUNT"
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")


@dataclass(frozen=True, slots=True)
class Address:
    """Where in an object store.

    Parameters
    ----------
    scheme : str
        s3, gs or file.
    bucket : str
        Of it; empty for a folder.
    prefix : str
        What keys begin with, without slashes at its ends; of a folder, its path.
    """

    scheme: Literal["s3", "gs", "file"]
    bucket: str
    prefix: str

    @classmethod
    def of(cls, url: str) -> Address:
        """Read `s3://bucket/prefix`, `gs://bucket/prefix` or `file:///folder`.

        Raises
        ------
        InputError
            If it is none of them, or holds a password, which is to come from the environment.

        Examples
        --------
        >>> Address.of("s3://models/whisper/").prefix
        'whisper'
        """
        parts = urlsplit(url)
        if "@" in parts.netloc:
            raise InputError("a URL of an object store holds no user or password: they come from the environment")
        if parts.scheme not in _SCHEMES:
            raise InputError(f"{url[:80]!r} is no object store: s3://bucket/prefix, gs://bucket/prefix, file:///folder")
        if parts.query or parts.fragment:
            raise InputError(f"{url[:80]!r} has a part behind ? or #, which object stores do not have")
        if parts.scheme == "file":
            folder = unquote(parts.path)
            if parts.netloc or not folder.startswith("/"):
                raise InputError(f"{url[:80]!r} is no folder of this machine: file:///folder")
            return cls("file", "", folder)
        prefix = parts.path.strip("/")
        if not _BUCKET.fullmatch(parts.netloc):
            raise InputError(f"{url[:80]!r} names no bucket: lower-case letters, digits, dots and hyphens")
        if prefix and (not _KEY.fullmatch(prefix) or ".." in prefix.split("/") or "." in prefix.split("/")):
            raise InputError(f"{url[:80]!r} has a prefix of other than letters, digits, dots, hyphens and underscores")
        return cls(parts.scheme, parts.netloc, prefix)  # type: ignore[arg-type]

    def __str__(self) -> str:
        """Write it as a URL."""
        if self.scheme == "file":
            return f"file://{self.prefix}"
        return f"{self.scheme}://{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")

    def under(self, name: str) -> Address:
        """Return what lies below it."""
        return Address(self.scheme, self.bucket, f"{self.prefix.rstrip('/')}/{name}" if self.prefix else name)

    def split(self) -> tuple[Address, str]:
        """Return what it lies in, and its last name."""
        above, _, name = self.prefix.rpartition("/")
        return Address(self.scheme, self.bucket, above), name


@dataclass(frozen=True, slots=True)
class Link:
    """How long a store is waited for.

    Parameters
    ----------
    timeout_s : float
        For one request, a part of a file included.
    connect_s : float
        For a connection.
    retries : int
        That the client makes of one request, beside those of whole files.
    """

    timeout_s: float = 120.0
    connect_s: float = 10.0
    retries: int = 3


def open_store(address: Address, link: Link | None = None, *, make: bool = True) -> Any:
    """Return the store of obstore; its credentials are those of the environment, as AWS_… and GOOGLE_… name them.

    Nothing is asked of it yet; a folder is made, where `make` says so.

    Raises
    ------
    MissingDependency
        If obstore is not installed.
    InputError
        If the settings in the environment cannot be used, or the folder cannot be made.
    """
    try:
        from obstore import store
        from obstore.exceptions import BaseError
    except ImportError as error:
        raise MissingDependency("object stores need obstore: pip install 'melisma[train]'") from error
    link = link or Link()
    try:
        if address.scheme == "file":
            return store.LocalStore(Path(address.prefix), mkdir=make)
        options: Any = {
            "timeout": timedelta(seconds=link.timeout_s),
            "connect_timeout": timedelta(seconds=link.connect_s),
            "allow_http": _plain_http(os.environ),
        }
        retry: Any = {
            "max_retries": link.retries,
            "retry_timeout": timedelta(seconds=link.timeout_s),
            "backoff": {"init_backoff": timedelta(seconds=0.2), "max_backoff": timedelta(seconds=5)},
        }
        return store.from_url(str(address), client_options=options, retry_config=retry)
    except (BaseError, ValueError, OSError) as error:
        raise InputError(f"{address} cannot be used: {sentence(error)}") from error


def _plain_http(environ: Mapping[str, str]) -> bool:
    """Tell whether the store may be reached without TLS, as the user has to say.

    Raises
    ------
    InputError
        If the endpoint is such and nobody has said so.
    """
    allowed = flag(environ, "AWS_ALLOW_HTTP", False)
    endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL") or environ.get("AWS_ENDPOINT", "")
    if endpoint.startswith("http://") and not allowed:
        raise InputError("the endpoint of S3 begins with http://: set AWS_ALLOW_HTTP=1 if it may go without TLS")
    return allowed


def sentence(error: BaseException, environ: Mapping[str, str] | None = None) -> str:
    """Say what a store answered, in one line and without anything secret."""
    said = str(error)
    if _ROLES in said:  # asked where the environment has no keys
        return f"the environment has no credentials ({_NAMED}), and this machine has no role that gives any"
    code = _CODE.search(said)
    line = said.strip().splitlines()[0] if said.strip() else type(error).__name__
    line = line.split("<?xml")[0].strip().rstrip(":")
    if code is not None and code[1] not in line:
        line = f"{code[1]}: {line}"
    for name, value in (os.environ if environ is None else environ).items():
        if _SECRET.match(name) and len(value) >= 4:
            line = line.replace(value, "…")
    return line[:300]


def lasting(error: BaseException) -> bool:
    """Tell whether the same would be answered again at once: no such bucket, not allowed, no such path."""
    from obstore import exceptions

    kinds = (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError, exceptions.InvalidPathError)
    return isinstance(error, (*kinds, exceptions.NotSupportedError, FileNotFoundError))
