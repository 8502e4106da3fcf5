"""Settings from the environment."""

from __future__ import annotations

from datetime import timedelta

import pytest

from melisma.core.errors import InputError
from melisma.store.entries import Source
from melisma.store.settings import from_environment


def test_without_settings_it_is_a_file_of_the_user(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    settings = from_environment({})
    assert settings.url == f"sqlite:///{tmp_path}/melisma/alignments.sqlite"
    assert settings.redis_url == ""


def test_the_documents_times_to_live():
    settings = from_environment({})
    found = {source.value: settings.time_to_live(source) for source in Source}
    days = {"user_corrected": None, "imported": 365, "ctc": 90, "whisper": 90, "placed": 90}
    assert found == {name: None if n is None else timedelta(days=n) for name, n in days.items()}


def test_every_time_to_live_can_be_set_but_that_of_corrections():
    names = {f"MELISMA_CACHE_DAYS_{source.name}": str(k) for k, source in enumerate(Source, 1)}
    settings = from_environment({**names, "MELISMA_CACHE_DAYS_CTC": "0.5", "MELISMA_CACHE_DAYS_IMPORTED": "forever"})
    assert settings.time_to_live(Source.USER_CORRECTED) is None
    assert settings.time_to_live(Source.IMPORTED) is None
    assert settings.time_to_live(Source.CTC) == timedelta(hours=12)
    assert settings.time_to_live(Source.WHISPER) == timedelta(days=4)


@pytest.mark.parametrize("given", ["0", "-1", "nan", "inf", "1e9", "a week"])
def test_what_is_no_number_of_days_is_refused(given):
    with pytest.raises(InputError, match=f"MELISMA_CACHE_DAYS_CTC is a number of days, .* not '{given}'"):
        from_environment({"MELISMA_CACHE_DAYS_CTC": given})


def test_urls_are_taken_from_the_environment():
    settings = from_environment({"MELISMA_CACHE_URL": " postgresql://h/d ", "MELISMA_REDIS_URL": "redis://h"})
    assert (settings.url, settings.redis_url) == ("postgresql://h/d", "redis://h")
