from __future__ import annotations

import threading

import pytest
from made_songs import aligned

pytest.importorskip("fastapi")

from melisma.core import plugins
from melisma.core.errors import NotAcceptable, UnknownName
from melisma.core.files import format_named
from melisma.server import rendering
from melisma.server.rendering import Rendered


def test_every_installed_format_is_offered_json_first():
    found = list(rendering.offers())
    assert found[0] == "json"
    assert found[-1] == "html"
    assert set(found) == {*plugins.names(plugins.FORMATS), "html"}


@pytest.mark.parametrize(
    ("accept", "name"),
    [
        (None, "json"),
        ("", "json"),
        ("*/*", "json"),
        ("application/json", "json"),
        ("text/vtt", "vtt"),
        ("TEXT/VTT ; q=0.5", "vtt"),
        ("application/ttml+xml, text/vtt;q=0.9", "ttml"),
        ("application/ttml+xml;q=0.1, text/vtt;q=0.9", "vtt"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "html"),
        ("text/*", "ass"),
        ("text/vtt;q=0, */*;q=0.1", "json"),
        ("image/png, text/vtt;q=0.01", "vtt"),
        ("application/json;q=0, application/*", "elrc"),
        ("text/x-ssa", "ass"),
        ("text/vtt;q=nonsense, application/json;q=0.1", "json"),
        ("text/vtt;q=nan, application/json;q=0.1", "json"),
    ],
)
def test_accept_decides(accept, name):
    assert rendering.chosen(None, accept).name == name


def test_a_name_goes_before_accept():
    assert rendering.chosen("srt", "text/vtt").name == "srt"


@pytest.mark.parametrize("accept", ["image/png", "application/json;q=0", "nonsense", "*/*;q=0", "text/vttx"])
def test_what_there_is_not_is_said_with_what_there_is(accept):
    with pytest.raises(NotAcceptable, match=r"there are: application/json \(json\), .*text/html \(html\)"):
        rendering.chosen(None, accept)


def test_a_format_that_there_is_not_is_refused():
    with pytest.raises(UnknownName, match=r"no format is called 'mp3'; there are: ass, .*json"):
        rendering.chosen("mp3", None)


@pytest.mark.parametrize("name", sorted(plugins.names(plugins.FORMATS)))
def test_what_is_written_is_what_the_format_writes(name):
    assert rendering.write(aligned(), rendering.offers()[name]) == format_named(name).write(aligned()).encode()


def test_what_was_written_is_not_written_again():
    kept, made = Rendered(1000), []

    def make():
        made.append(1)
        return b"x" * 100

    for _ in range(3):
        assert kept.get(("a", 1, "json"), make) == b"x" * 100
    kept.get(("a", 2, "json"), make)
    kept.get(("a", 1, "vtt"), make)
    assert len(made) == 3


def test_the_least_asked_for_is_forgotten_first():
    kept, made = Rendered(1000), []

    def ask(name):
        kept.get((name, 1, "json"), lambda: made.append(name) or b"x" * 240)

    for name in "abcd":
        ask(name)
    ask("a")
    ask("e")  # there is no room for five
    made.clear()
    for name in "acdeb":
        ask(name)
    assert made == ["b"]


def test_what_is_large_is_not_kept():
    kept, made = Rendered(1000), []
    for _ in range(2):
        kept.get(("a", 1, "json"), lambda: made.append(1) or b"x" * 251)
    assert len(made) == 2


def test_of_many_who_ask_at_once_one_writes():
    kept, made, start = Rendered(), [], threading.Barrier(8)

    def make():
        made.append(1)
        return b"x"

    def ask():
        start.wait()
        assert kept.get(("a", 1, "json"), make) == b"x"

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
