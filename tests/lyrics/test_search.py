import sys
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

import pytest

from melisma.core import plugins
from melisma.core.errors import InputError, UnknownName
from melisma.lyrics.cache import AnswerCache, CacheConfig
from melisma.lyrics.protocol import Candidate, LyricsNotFound, LyricsProvider, ProviderFailed, SongQuery
from melisma.lyrics.search import GROUP, SearchConfig, match, provider_names, rank, search

QUERY = SongQuery("Ana Lund", "The River", duration_s=203.0)
LRC = "[00:12.50]Over the river"


def candidate(duration_s=203.0, synced=LRC, plain="Over", **more):
    return Candidate(
        **{"artist": "Ana Lund", "title": "The River", **more}, duration_s=duration_s, plain=plain, synced=synced
    )


@pytest.fixture
def install(monkeypatch):
    """Install providers that answer what the test says: name → candidates, or the error to raise, or what they lack."""
    asked = []

    def with_answers(**answers):
        module = ModuleType("melisma_test_providers")
        for name, answer in answers.items():
            setattr(module, name, lambda name=name, answer=answer: Given(name, answer, asked))
        monkeypatch.setitem(sys.modules, module.__name__, module)
        points = [EntryPoint(name, f"{module.__name__}:{name}", GROUP) for name in answers]
        monkeypatch.setattr(
            plugins, "entry_points", lambda *, group: points if group == GROUP else entry_points(group=group)
        )
        plugins._points.cache_clear()
        return asked

    yield with_answers
    plugins._points.cache_clear()


class Given:
    def __init__(self, name, answer, asked):
        self.name, self._answer, self._asked = name, answer, asked
        self.cache_key = name

    def missing(self):
        return self._answer if isinstance(self._answer, str) else None

    def candidates(self, query):
        self._asked.append(self.name)
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def test_the_built_in_providers_keep_the_protocol():
    plugins._points.cache_clear()
    assert provider_names() == ("folder", "lrclib", "genius")
    for name in provider_names():
        made = plugins.load(GROUP, name)()
        assert isinstance(made, LyricsProvider)
        assert made.name == name


def test_the_order_is_set_by_the_environment(install, monkeypatch):
    install(b=(), a=(), lrclib=())
    assert provider_names() == ("lrclib", "a", "b")
    monkeypatch.setenv("MELISMA_LYRICS_PROVIDERS", " b, lrclib ,")
    assert provider_names() == ("b", "lrclib")
    monkeypatch.setenv("MELISMA_LYRICS_PROVIDERS", "b,nobody")
    with pytest.raises(UnknownName, match="no lyrics provider is called 'nobody'; there are: a, b, lrclib"):
        provider_names()


def test_the_first_that_has_them_is_taken_and_no_other_asked(install):
    asked = install(folder=(), lrclib=(candidate(),), genius=(candidate(),))
    hit = search(QUERY)
    assert (hit.provider, hit.synced, hit.notes) == ("lrclib", True, ())
    assert asked == ["folder", "lrclib"]


def test_a_sentence_says_where_was_looked_and_why_in_vain(install):
    install(
        folder="MELISMA_LYRICS_DIR names none",
        lrclib=ProviderFailed("answers 500 Internal Server Error"),
        genius=(candidate(artist="Somebody Else"),),
        plugin=(candidate(plain=None, synced=None, instrumental=True),),
    )
    with pytest.raises(LyricsNotFound) as caught:
        search(QUERY)
    assert str(caught.value) == (
        "no lyrics of 'The River' by 'Ana Lund' were found: folder was not asked (MELISMA_LYRICS_DIR names none); "
        "lrclib answers 500 Internal Server Error; genius knows no such song; plugin says that it is instrumental"
    )
    assert caught.value.exit_code == 2


def test_a_version_of_another_length_gives_its_words_only(install):
    install(lrclib=(candidate(duration_s=250.0),))
    hit = search(QUERY)
    assert not hit.synced
    assert hit.notes == (
        "the lyrics are of a version of 250 s, the recording lasts 203 s, so their times were left out",
    )


def test_times_of_another_version_are_not_what_was_asked_for(install):
    install(lrclib=(candidate(duration_s=250.0),), genius=(candidate(synced=None, duration_s=None),))
    with pytest.raises(
        LyricsNotFound, match="lrclib has times of another version only; genius has the words without times"
    ):
        search(QUERY, SearchConfig(synced=True))


def test_with_times_wanted_the_search_goes_on_until_somebody_has_them(install):
    install(folder=(candidate(synced=None),), lrclib=(candidate(),))
    assert search(QUERY).provider == "folder"
    assert search(QUERY, SearchConfig(synced=True)).provider == "lrclib"


def test_words_only(install):
    install(lrclib=(candidate(),))
    assert not search(QUERY, SearchConfig(synced=False)).synced


def test_without_a_length_times_are_taken_as_they_are(install):
    install(lrclib=(candidate(duration_s=250.0),))
    hit = search(SongQuery("Ana Lund", "The River"))
    assert hit.synced
    assert hit.notes == ()


@pytest.mark.parametrize(
    ("worse", "better"),
    [
        (candidate(duration_s=210.0), candidate(duration_s=202.0)),
        (candidate(duration_s=201.0), candidate(duration_s=203.0)),
        (candidate(duration_s=None), candidate()),
        (candidate(synced=None), candidate()),
        (candidate(title="The River (Live)"), candidate()),
        (candidate(artist="Ana Lind"), candidate()),
        (candidate(duration_s=230.0), candidate(duration_s=203.0, synced=None)),
        (candidate(title="The River (Live)", duration_s=240.0), candidate(duration_s=None, synced=None)),
    ],
)
def test_the_better_of_two_comes_first_in_either_order(worse, better):
    for both in ([worse, better], [better, worse]):
        assert rank(QUERY, both)[0].candidate == better


@pytest.mark.parametrize("length", [200.1, 203.0, 205.9])
def test_three_seconds_are_the_same_version(length):
    assert match(QUERY, candidate(duration_s=length)).same_version
    assert match(QUERY, candidate(duration_s=length + 7)).same_version is False
    assert match(QUERY, candidate(duration_s=None)).same_version is None


def test_candidates_without_words_or_of_another_song_are_not_ranked():
    others = [candidate(plain=None, synced=None), candidate(title="River of No Return"), candidate(artist="Bo")]
    assert rank(QUERY, others) == []


def test_an_answer_is_kept_and_a_failure_is_not(install, tmp_path):
    config = SearchConfig(cache=AnswerCache(CacheConfig(tmp_path / "c")))
    asked = install(lrclib=ProviderFailed("is down"), genius=())
    for _ in range(2):
        with pytest.raises(LyricsNotFound):
            search(QUERY, config)
    assert asked == ["lrclib", "genius", "lrclib"]


def test_each_provider_is_announced(install):
    install(a=(), b=(candidate(),))
    told = []
    search(QUERY, tell=told.append)
    assert told == ["a", "b"]


def test_a_plug_in_that_is_none(install, monkeypatch):
    install(a=())
    sys.modules["melisma_test_providers"].a = lambda: object()
    with pytest.raises(InputError, match="offers no lyrics provider but a object"):
        search(QUERY)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"artist": " "}, "the artist is empty"),
        ({"title": ""}, "the title is empty"),
        ({"title": "x" * 301}, "has 301 characters"),
        ({"artist": "\ud800"}, "half a character"),
        ({"duration_s": 0.0}, "a song lasts more than 0"),
        ({"duration_s": float("nan")}, "a song lasts"),
        ({"duration_s": float("inf")}, "a song lasts"),
    ],
)
def test_what_cannot_be_asked(wrong, said):
    with pytest.raises(InputError, match=said):
        SongQuery(**{"artist": "a", "title": "b", **wrong})
