"""What of an error leaves: the sentence for people, and nothing of where the service keeps what."""

from __future__ import annotations

import pytest

from melisma.core.errors import NoRoom, StoreError
from melisma.server import problems


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (
            StoreError(
                'the service\'s database cannot be used now: connection to server at "10.1.2.3", port 5432 failed: '
                'FATAL:  password authentication failed for user "melisma"'
            ),
            "the service's database cannot be used now",
        ),
        (
            NoRoom("there is no room for the service's database: database or disk is full"),
            "there is no room for the service's database",
        ),
        (StoreError("somebody sends the same recording just now"), "somebody sends the same recording just now"),
    ],
)
def test_what_drivers_say_of_servers_and_accounts_is_for_the_log(error, detail):
    assert problems.facts(error)["detail"] == detail
