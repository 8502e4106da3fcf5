"""What is said of a request that is tried again: a line in the log, never one on standard output."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stamina.instrumentation import RetryDetails

_log = logging.getLogger("melisma.retries")
_PRINTS = "stamina.instrumentation._structlog"


def into_log() -> None:
    """Have stamina tell of its retries in the log `melisma.retries`.

    Left to itself it tells structlog, which writes to standard output, between the lines of an alignment, where no
    program has set it up. Hooks that a program has chosen, and a structlog that it has set up, stay as they are.
    """
    import structlog
    from stamina.instrumentation import get_on_retry_hooks, set_on_retry_hooks

    if structlog.is_configured():
        return
    hooks = get_on_retry_hooks()
    if any(hook.__module__ == _PRINTS for hook in hooks):
        set_on_retry_hooks([_write if hook.__module__ == _PRINTS else hook for hook in hooks])


def _write(details: RetryDetails) -> None:
    _log.info("again in %.1f s, after: %s", details.wait_for, details.caused_by)
