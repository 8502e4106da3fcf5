import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.lyrics.names import artist_likeness, artists_of, fold, title_likeness, title_of
from melisma.lyrics.search import MIN_ARTIST, MIN_TITLE


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Beyoncé", "beyonce"),
        ("  L'Été   indien ", "lete indien"),
        ("L’Été indien", "lete indien"),
        ("Sigur Rós", "sigur ros"),
        ("!!!", "!!!"),
        ("Ænima", "ænima"),
        ("宇多田ヒカル", fold("宇多田ヒカル")),
        ("Straße", "strasse"),
        ("snake_case", "snake case"),
    ],
)
def test_fold(text, folded):
    assert fold(text) == folded


@pytest.mark.parametrize(
    ("title", "name", "version"),
    [
        ("Crazy in Love (feat. Jay-Z)", "crazy in love", set()),
        ("Crazy in Love ft. Jay-Z", "crazy in love", set()),
        ("Heroes - 2017 Remaster", "heroes", set()),
        ("Heroes (Live) [Remastered]", "heroes", {"live"}),
        ("Live Forever", "live forever", set()),
        ("Live and Let Die - Live", "live and let die", {"live"}),
        ("Hurt (Remix) - Radio Edit", "hurt", {"remix"}),
        ("(I Can't Get No) Satisfaction", "i cant get no satisfaction", set()),
        ("1979", "1979", set()),
        ("Original", "original", set()),
        ("(Remastered)", "remastered", set()),
    ],
)
def test_titles_lose_what_says_nothing_about_the_song(title, name, version):
    found = title_of(title)
    assert found.name == name
    assert found.version == version


def test_artists_of_a_credit():
    assert artists_of("The Beatles") == {"beatles"}
    assert artists_of("Queen & David Bowie") == {"queen", "david bowie"}
    assert artists_of("Malice X") == {"malice"} or artists_of("Malice X") == {"malice x"}


@pytest.mark.parametrize(
    ("wanted", "offered"),
    [
        ("Beyonce", "Beyoncé feat. Jay-Z"),
        ("The Beatles", "Beatles"),
        ("Simon and Garfunkel", "Simon & Garfunkel"),
        ("Queen", "Queen & David Bowie"),
        ("AC/DC", "AC DC"),
        ("Bob Marley & The Wailers", "Bob Marley"),
    ],
)
def test_the_same_artist_is_taken(wanted, offered):
    assert artist_likeness(wanted, offered) >= MIN_ARTIST


@pytest.mark.parametrize(
    ("wanted", "offered"), [("Prince", "Prince Royce"), ("Adele", "Anne-Marie"), ("Queen", "Queens of the Stone Age")]
)
def test_another_artist_is_not(wanted, offered):
    assert artist_likeness(wanted, offered) < MIN_ARTIST


@pytest.mark.parametrize(
    ("wanted", "offered"),
    [
        ("Hello", "Hello (Radio Edit)"),
        ("Ne me quitte pas", "Ne Me Quitte Pas - Remastered"),
        ("Dont Stop Me Now", "Don't Stop Me Now - 2011 Mix"),
        ("Halo", "Halo (Live)"),
    ],
)
def test_the_same_title_is_taken(wanted, offered):
    assert title_likeness(wanted, offered) >= MIN_TITLE


@pytest.mark.parametrize(
    ("wanted", "offered"),
    [
        ("Hallelujah", "Hallelujah I Love Her So"),
        ("Hello", "Hello Goodbye"),
        ("Song 2", "Song for You"),
        ("One", "One More Time"),
    ],
)
def test_another_title_is_not(wanted, offered):
    assert title_likeness(wanted, offered) < MIN_TITLE


def test_the_version_wanted_is_the_more_alike():
    assert title_likeness("Halo", "Halo") > title_likeness("Halo", "Halo (Live)")
    assert title_likeness("Halo (Live)", "Halo (Live)") > title_likeness("Halo (Live)", "Halo")


@given(st.text(max_size=80), st.text(max_size=80))
def test_likeness_is_a_share_and_whole_for_the_same(one, two):
    assert 0 <= title_likeness(one, two) <= 1
    assert 0 <= artist_likeness(one, two) <= 1
    assert title_likeness(one, one) == pytest.approx(1)
    assert artist_likeness(one, one) == pytest.approx(1)
