import json
import os

import pytest

from melisma.lyrics.cache import AnswerCache, CacheConfig, default_folder
from melisma.lyrics.protocol import Candidate, SongQuery

QUERY = SongQuery("Ana Lund", "The River", duration_s=203.4)
FOUND = (Candidate("Ana Lund", "The River", "Water", 203.0, "Over", "[00:01.00]Over", source="http://x"),)


class Provider:
    def __init__(self, name="lrclib", cache_key="1 http://x"):
        self.name, self.cache_key = name, cache_key


@pytest.fixture
def config(tmp_path):
    return CacheConfig(tmp_path / "answers")


def age(folder, seconds):
    for path in folder.glob("*.json"):
        kept = json.loads(path.read_text())
        path.write_text(json.dumps({**kept, "made": kept["made"] - seconds}))


def test_what_was_put_comes_back(config):
    cache = AnswerCache(config)
    assert cache.get(Provider(), QUERY) is None
    cache.put(Provider(), QUERY, FOUND)
    assert cache.get(Provider(), QUERY) == FOUND


def test_names_are_compared_as_people_write_them(config):
    cache = AnswerCache(config)
    cache.put(Provider(), QUERY, FOUND)
    assert cache.get(Provider(), SongQuery("ANA  LUND", "the river", duration_s=203.2)) == FOUND


@pytest.mark.parametrize(
    ("provider", "query"),
    [
        (Provider("genius"), QUERY),
        (Provider(cache_key="1 http://y"), QUERY),
        (Provider(), SongQuery("Ana Lund", "The River")),
        (Provider(), SongQuery("Ana Lund", "The River", duration_s=210)),
        (Provider(), SongQuery("Ana Lund", "The River", "Water", 203.4)),
        (Provider(), SongQuery("Ana", "Lund The River", duration_s=203.4)),
    ],
)
def test_nothing_is_served_across_a_difference(config, provider, query):
    cache = AnswerCache(config)
    cache.put(Provider(), QUERY, FOUND)
    assert cache.get(provider, query) is None


def test_found_lyrics_last_longer_than_a_miss(config):
    cache = AnswerCache(config)
    cache.put(Provider(), QUERY, FOUND)
    cache.put(Provider("genius"), QUERY, ())
    assert cache.get(Provider("genius"), QUERY) == ()
    age(config.folder, 2 * 86_400)
    assert cache.get(Provider(), QUERY) == FOUND
    assert cache.get(Provider("genius"), QUERY) is None
    age(config.folder, 30 * 86_400)
    assert cache.get(Provider(), QUERY) is None


def test_an_answer_from_the_future_is_not_believed(config):
    cache = AnswerCache(config)
    cache.put(Provider(), QUERY, FOUND)
    age(config.folder, -3600)
    assert cache.get(Provider(), QUERY) is None


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"schema": "melisma.lyrics-answer/1", "made": 1}',
        b'{"schema": "melisma.lyrics-answer/9", "made": 9e9, "candidates": []}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_a_damaged_file_is_no_answer_and_is_replaced(config, damage):
    cache = AnswerCache(config)
    cache.put(Provider(), QUERY, FOUND)
    (path,) = config.folder.glob("*.json")
    path.write_bytes(damage)
    assert cache.get(Provider(), QUERY) is None
    cache.put(Provider(), QUERY, FOUND)
    assert cache.get(Provider(), QUERY) == FOUND


@pytest.mark.parametrize(
    "changed", [{"plain": 3}, {"extra": 1}, {"duration_s": "x"}, {"instrumental": "no"}, {"artist": None}]
)
def test_a_file_with_wrong_fields_is_no_answer(config, changed):
    cache = AnswerCache(config)
    cache.put(Provider(), QUERY, FOUND)
    (path,) = config.folder.glob("*.json")
    kept = json.loads(path.read_text())
    kept["candidates"][0].update(changed)
    path.write_text(json.dumps(kept))
    assert cache.get(Provider(), QUERY) is None


def test_local_files_are_never_kept(config, tmp_path):
    cache = AnswerCache(config)
    cache.put(Provider(), QUERY, [Candidate("a", "b", file=tmp_path / "x.txt")])
    cache.put(Provider(cache_key=None), QUERY, FOUND)
    assert not config.folder.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_may_not_be_written_breaks_nothing(tmp_path):
    tmp_path.chmod(0o500)
    AnswerCache(CacheConfig(tmp_path / "answers")).put(Provider(), QUERY, FOUND)
    tmp_path.chmod(0o700)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_breaks_nothing(tmp_path):
    (tmp_path / "answers").write_text("x")
    cache = AnswerCache(CacheConfig(tmp_path / "answers"))
    cache.put(Provider(), QUERY, FOUND)
    assert cache.get(Provider(), QUERY) is None


def test_the_oldest_answers_go_when_there_are_many(tmp_path):
    config = CacheConfig(tmp_path / "answers", max_answers=10)
    cache = AnswerCache(config)
    for i in range(11):
        cache.put(Provider(), SongQuery("Ana", f"Song {i}"), FOUND)
        for path in config.folder.glob("*.json"):
            stamp = path.stat().st_mtime - 10
            os.utime(path, (stamp, stamp))
    assert len(list(config.folder.glob("*.json"))) == 9
    assert cache.get(Provider(), SongQuery("Ana", "Song 10")) == FOUND
    assert cache.get(Provider(), SongQuery("Ana", "Song 0")) is None


def test_no_half_file_is_left(config):
    AnswerCache(config).put(Provider(), QUERY, FOUND)
    assert [path.suffix for path in config.folder.iterdir()] == [".json"]


def test_the_folder_comes_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("MELISMA_CACHE_DIR", str(tmp_path))
    assert default_folder() == tmp_path / "lyrics"
    monkeypatch.delenv("MELISMA_CACHE_DIR")
    assert default_folder().parts[-2:] == ("melisma", "lyrics")
