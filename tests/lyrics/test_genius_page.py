import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melisma.lyrics.genius_page import lyrics_of
from melisma.lyrics.protocol import ProviderFailed

PAGE = """<!doctype html><html><head><title>Ana Lund – The River Lyrics | Genius</title>
<script>window.__STATE__ = '<div data-x="y">no lyrics</div>';</script></head><body>
<div id="lyrics-root"><div data-lyrics-container="true" class="Lyrics__Container-sc-1">
<div data-exclude-from-selection="true" class="LyricsHeader__Container"><button>12 Contributors</button>
<div><h2>The River Lyrics</h2><ul><li>Español</li></ul></div></div>
[Verse 1: Ana Lund]<br/><a href="/1"><span>Over the <i>river</i></span></a><br>under the m&ouml;on &amp; stars<br/><br/>
[Chorus]<br/>Oh<script>alert(1)</script> yes</div>
<div class="RightSidebar">You might also like</div>
<div data-lyrics-container="true">(Oh yes)<br/>the <b>end</b></div></div>
<div class="Footer">About</div></body></html>"""


def test_lyrics_with_their_headings_and_nothing_else():
    assert lyrics_of(PAGE) == (
        "[Verse 1: Ana Lund]\nOver the river\nunder the möon & stars\n\n[Chorus]\nOh yes\n\n(Oh yes)\nthe end"
    )


@pytest.mark.parametrize(
    "page", ["", "<html></html>", "data-lyrics-container", '<div data-lyrics-container="false">x</div>']
)
def test_a_page_without_lyrics(page):
    assert lyrics_of(page) is None


def test_unclosed_and_stray_tags_do_not_spill():
    page = '<div data-lyrics-container="true"></b>One<br>Tw<i>o</div><p>not sung</p>'
    assert lyrics_of(page) == "One\nTwo"


def test_what_is_hidden_in_what_is_hidden_stays_hidden():
    page = (
        '<div data-lyrics-container="true">a<div data-exclude-from-selection="true"><p>x<div>y</div><br>z</p></div>'
        "<style>p{}</style><!-- c -->b</div>"
    )
    assert lyrics_of(page) == "a\nb"


@pytest.mark.parametrize("piece", ["<!--", "<!", "</", "<a ", "<![", "<?", "&#", "<div>", "<" * 3, "<script>"])
def test_a_page_made_to_cost_much_ends(piece):
    page = '<div data-lyrics-container="true">' + piece * (1_200_000 // len(piece))
    try:
        lyrics_of(page)
    except ProviderFailed as error:
        assert "page" in str(error)


def test_deep_nesting_is_refused():
    with pytest.raises(ProviderFailed, match="nested too deeply"):
        lyrics_of('<div data-lyrics-container="true">' + "<div>" * 1000)


_PIECES = [
    "<div>",
    "</div>",
    "<br>",
    '<div data-lyrics-container="true">',
    "<script>",
    "</script>",
    "&amp;",
    "é",
    "<",
    "\x00",
]
_PIECES += ['<p data-exclude-from-selection="true">', "</p>", "<!--", "-->", " a ", "\n", "&#x110000;", "<a href='"]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(_PIECES), max_size=40))
def test_any_soup_is_text_or_nothing(pieces):
    found = lyrics_of("".join(pieces))
    assert found is None or (found == found.strip() and found)
