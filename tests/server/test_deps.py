"""What routes ask for costs them no thread."""

from __future__ import annotations

import inspect

import pytest

from melisma.server import deps


@pytest.mark.parametrize("name", ["context", "caller"])
def test_a_dependency_waits_for_no_thread(name):
    """FastAPI sends a plain function to its pool of threads: twice a call, under load that is most of the waiting."""
    assert inspect.iscoroutinefunction(getattr(deps, name))
