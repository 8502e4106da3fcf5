from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from format_cases import QUICK, SONG, alignments, expected, golden, got, stanza_breaks
from hypothesis import given
from ttconv.imsc import reader
from ttconv.model import P, Span, Text

from melisma.core.errors import FormatError
from melisma.core.records import Alignment
from melisma.formats.ttml import read, write

TT = '<tt xmlns="http://www.w3.org/ns/ttml" xml:lang="en"><body>{}</body></tt>'


def test_the_golden_file_is_written_and_read():
    assert write(SONG) == golden("song.ttml")
    back = read(golden("song.ttml"))
    assert got(back) == expected(SONG)
    assert (back.duration_ms, back.language) == (SONG.duration_ms, "fr")


@QUICK
@given(alignments())
def test_everything_but_confidence_survives(alignment: Alignment):
    back = read(write(alignment))
    assert got(back) == expected(alignment)
    assert stanza_breaks(back) == stanza_breaks(alignment)
    assert (back.duration_ms, back.language) == (alignment.duration_ms, alignment.language)
    assert back.warnings == ()


@QUICK
@given(alignments(plain=True))
def test_ttconv_reads_the_same_words_at_the_same_times(alignment: Alignment):
    document = reader.to_model(ET.ElementTree(ET.fromstring(write(alignment))))
    found = []
    body = document.get_body()
    for i, p in enumerate(e for e in (body.dfs_iterator() if body else ()) if isinstance(e, P)):
        for span in p:
            if isinstance(span, Span) and (text := "".join(t.get_text() for t in span if isinstance(t, Text))).strip():
                begin, end = span.get_begin(), span.get_end()
                base = p.get_begin() or 0
                times = (None, None) if end is None else (int((base + (begin or 0)) * 1000), int((base + end) * 1000))
                found.append((text, *times, i))
    assert found == expected(alignment)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('<div><p begin="1s" end="3s">one two</p></div>', [("one", 1000, 3000), ("two", 1000, 3000)]),
        ('<div><p begin="00:01" dur="500ms">one</p></div>', [("one", 1000, 1500)]),
        ('<div begin="10s"><p begin="1s" end="3s">one</p></div>', [("one", 11_000, 13_000)]),
        (
            '<div><p begin="10s" end="13s"><span begin="10s" end="11s">o</span><span begin="11s" end="12s">ne</span> '
            '<span begin="12s" end="13s">two</span></p></div>',
            [("one", 10_000, 12_000), ("two", 12_000, 13_000)],
        ),
        (
            '<div><p begin="10s" end="13s"><span begin="1s">one</span><br/>oh</p></div>',
            [("one", 11_000, 13_000), ("oh", None, None)],
        ),
        ('<div><p begin="10s">one</p></div>', [("one", 10_000, 12_000)]),
        ("<div><p>one</p></div>", [("one", None, None)]),
        ('<div><p begin="1s" end="2s"><metadata>no</metadata><!-- no -->one</p></div>', [("one", 1000, 2000)]),
        ('<div><p begin="0.5h" end="31m">one</p></div>', [("one", 1_800_000, 1_860_000)]),
    ],
)  # fmt: skip
def test_the_customs_of_others_are_read(body: str, words: list[tuple[str, int | None, int | None]]):
    assert [word[:3] for word in got(read(TT.format(body)))] == words


BOMB = '<!DOCTYPE tt [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>' + TT.format("<div><p>&b;</p></div>")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("<tt><body>", "line 1: this is no XML"),
        ("no xml", "line 1: this is no XML"),
        ("", "this is no XML"),
        ("<html/>", "the document is a <html>, not a <tt>"),
        (BOMB, "document types and entities are refused"),
        (TT.format('<div><p begin="soon">a</p></div>'), "this is no time in hours, minutes or seconds: 'soon'"),
        (TT.format('<div><p begin="12f">a</p></div>'), "this is no time"),
        (TT.format('<div><p begin="99999h" end="99999h">a</p></div>'), "beyond 1000 hours"),
        (TT.format("<div>" * 80 + "</div>" * 80), "nested deeper than 64"),
        (TT.format("<p>" + "<span>" * 80 + "</span>" * 80 + "</p>"), "nested deeper than 64"),
    ],
)
def test_what_is_no_ttml_is_refused(text: str, fault: str):
    with pytest.raises(FormatError, match=fault):
        read(text)


def test_a_bomb_of_elements_ends():
    with pytest.raises(FormatError, match="nested deeper"):
        read(TT.format("<div>" * 100_000 + "</div>" * 100_000))


def test_an_empty_alignment_has_an_empty_body():
    assert read(write(Alignment((), (), 1234))).duration_ms == 1234
