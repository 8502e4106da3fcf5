"""What the commands of the service share: its extra, and its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from melisma.server.settings import ServiceSettings

_PACKAGES = ("fastapi", "uvicorn", "multipart", "sse_starlette", "huey", "prometheus_client", "limits")


def needs_server(command: str) -> None:
    """Refuse to go on without the packages of the extra.

    Raises
    ------
    MissingDependency
        If one of them is not installed.
    """
    from importlib.util import find_spec

    from melisma.core.errors import MissingDependency

    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise MissingDependency(
            f"{command} needs packages that are not installed ({', '.join(missing)}): pip install 'melisma[server]'"
        )


def settings_with(said: dict[str, str]) -> ServiceSettings:
    """Read the settings of the environment, in which what was said as an option stands instead."""
    import os

    from melisma.server.settings import from_environment

    return from_environment({**os.environ, **said})
