"""What all tests share."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))
pytest_plugins = ["servers"]

# A busy machine is no fault of the code: no test of ours asserts a wall-clock time. And no run fails by its luck: every
# one has the same examples; new ones are looked for by --hypothesis-profile=search.
CALM = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("melisma", derandomize=True, **CALM)
settings.register_profile("search", **CALM)
settings.load_profile("melisma")

# A shell lets what it runs in the background ignore Ctrl-C, and so would all that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What tells the tests where things are, or how many threads to use.
KEPT = ("MELISMA_SHARED", "MELISMA_THREADS")


@pytest.fixture(autouse=True, scope="session")
def _own_state(tmp_path_factory):
    """Keep what a user has set, and what is remembered between runs, out of the tests, and theirs out of the user's."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in [name for name in os.environ if name.startswith("MELISMA_") and name not in KEPT]:
            patch.delenv(variable)
        patch.setenv("MELISMA_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        patch.setenv("MELISMA_CACHE_URL", "off")  # what one test computes, no other one is to be served
        yield
