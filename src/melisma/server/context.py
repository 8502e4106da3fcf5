"""What every route and every job shares: settings, database, files, cache. Made once a process."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from melisma.server.derived import Derived
from melisma.server.rendering import Rendered
from melisma.server.settings import ServiceSettings
from melisma.store import settings as cache_settings
from melisma.store.cache import Cache, open_cache
from melisma.store.service.database import ServiceDatabase
from melisma.store.service.files import FileStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anyio import CapacityLimiter

    from melisma.server.jobs.queue import Queue


@dataclass(frozen=True)
class Context:
    """The parts of a running service, or of a worker.

    Parameters
    ----------
    settings : ServiceSettings
        As they were read when the process started.
    """

    settings: ServiceSettings

    @cached_property
    def database(self) -> ServiceDatabase:
        """Songs, alignments, jobs."""
        return ServiceDatabase(self.settings.database)

    @cached_property
    def files(self) -> FileStore:
        """Audio and exports by content."""
        return FileStore(self.settings.data / "files")

    @cached_property
    def derived(self) -> Derived:
        """Waveforms and onsets, by the content of their recordings."""
        return Derived(self.settings.data / "derived")

    @cached_property
    def rendered(self) -> Rendered:
        """Alignments as they were written in their formats."""
        return Rendered()

    @cached_property
    def examining(self) -> CapacityLimiter:
        """How many recordings are examined at once: other uploads wait for that without a thread.

        A caller who sends dozens of recordings then leaves threads to those who only want an answer.
        """
        from anyio import CapacityLimiter

        return CapacityLimiter(max(2, os.cpu_count() or 2))

    @cached_property
    def listening(self) -> CapacityLimiter:
        """How many recordings are read whole at once for an answer: waveforms, onsets, karaoke pages.

        Others wait for that without a thread, as uploads do. A page holds its recording: several hundred megabytes.
        """
        from anyio import CapacityLimiter

        return CapacityLimiter(2)

    @cached_property
    def cache(self) -> Cache | None:
        """Alignments of earlier runs: those of the command line too, unless the database is a server."""
        return open_cache(cache_of(self.settings))

    @cached_property
    def queue(self) -> Queue:
        """Work to be done by whoever works: threads of the service, or `melisma worker`."""
        from melisma.server.jobs.queue import Queue

        return Queue(self)

    def close(self) -> None:
        """Let go of every connection."""
        for name in ("queue", "database", "cache"):
            part = self.__dict__.get(name)
            if part is not None:
                part.close()


def cache_of(settings: ServiceSettings, environ: Mapping[str, str] | None = None) -> cache_settings.CacheSettings:
    """Return which cache the service uses: the one of MELISMA_CACHE_URL, else one in its own database if a server."""
    environ = os.environ if environ is None else environ
    found = cache_settings.from_environment(environ)
    if environ.get(cache_settings.URL, "").strip() or settings.database.startswith("sqlite"):
        return found
    return replace(found, url=settings.database)
