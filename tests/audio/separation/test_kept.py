"""Voices that are kept: found by content, whole or not at all, and not too many."""

import os
import time

import pytest

from melisma.audio.separation.kept import KeptVoices
from melisma.core.errors import InputError


@pytest.fixture
def kept(tmp_path):
    return KeptVoices(tmp_path / "kept", max_bytes=1000)


def put(kept, path, size, age_s=0.0):
    part = kept.new(path, 0)
    part.write_bytes(bytes(size))
    assert kept.put(part, path)
    if age_s:
        os.utime(path, (time.time() - age_s,) * 2)


def test_the_place_depends_on_the_sound_and_on_how(kept):
    places = {kept.path(sound, how) for sound in ("a" * 64, "b" * 64) for how in ("x", "y")}
    assert len(places) == 4
    assert kept.path("a" * 64, "x") in places


def test_what_is_put_is_there_and_nothing_else(kept, tmp_path):
    place = kept.path("f" * 64, "a")
    assert not kept.use(place)
    put(kept, place, 10)
    assert kept.use(place)
    assert os.listdir(kept.folder) == [place.name]


def test_what_was_used_longest_ago_goes_first(kept, tmp_path):
    old, older, new = (kept.path(str(i) * 64, "a") for i in range(3))
    put(kept, older, 400, age_s=200)
    put(kept, old, 400, age_s=100)
    assert kept.use(older)  # so that `old` is now the one that was used longest ago
    put(kept, new, 400)
    assert older.exists()
    assert new.exists()
    assert not old.exists()


def test_one_that_is_too_large_is_not_kept(kept, tmp_path):
    place = kept.path("f" * 64, "a")
    put(kept, place, 1001)
    assert not kept.use(place)


def test_what_a_killed_process_left_goes_after_a_day(kept, tmp_path):
    place = kept.path("f" * 64, "a")
    left, at_work = kept.new(place, 7), kept.new(place, 8)
    for path, age_s in ((left, 25 * 3600), (at_work, 60)):
        path.write_bytes(b"half")
        os.utime(path, (time.time() - age_s,) * 2)
    put(kept, place, 10)
    assert not left.exists()
    assert at_work.exists()


def test_a_folder_that_cannot_be_made_keeps_nothing(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    kept = KeptVoices(tmp_path / "file" / "kept")
    place = kept.path("f" * 64, "a")
    assert kept.new(place, 0) is None
    assert not kept.put(None, place)
    assert not kept.use(place)


def test_zero_bytes_keep_nothing(tmp_path):
    kept = KeptVoices(tmp_path / "kept", max_bytes=0)
    assert kept.new(kept.path("f" * 64, "a"), 0) is None
    assert not kept.folder.exists()


def test_the_user_s_own_is_bounded_by_a_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("MELISMA_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("MELISMA_SEPARATED_MB", "3")
    assert KeptVoices.of_user() == KeptVoices(tmp_path / "separated", 3_000_000)


@pytest.mark.parametrize("said", ["-1", "many", "1.5"])
def test_a_bound_that_is_no_number_is_one_sentence(monkeypatch, said):
    monkeypatch.setenv("MELISMA_SEPARATED_MB", said)
    with pytest.raises(InputError, match="MELISMA_SEPARATED_MB is a number of megabytes"):
        KeptVoices.of_user()
