"""Files given in place of lyrics."""

from __future__ import annotations

import pytest

from melisma.core.errors import LyricsError
from melisma.text.encoding import decode
from melisma.text.magic import kind_of

SWAPPED = r"^song looks like an? (?:audio|video) file \({}\): did you swap the two arguments\?$"


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"ID3\x04\0\0\0\0\0\x23TSSE", "MP3"),
        (b"\xff\xfb\x90\x64\0\0\0\0", "MP3 or AAC"),
        (b"\xff\xf1\x50\x80\0\x1f\xfc\0", "MP3 or AAC"),
        (b"OggS\0\x02\0\0\0\0", "Ogg"),
        (b"fLaC\0\0\0\x22", "FLAC"),
        (b"RIFF\x24\x08\0\0WAVEfmt ", "WAV"),
        (b"\0\0\0\x20ftypM4A \0\0\0\0", "M4A"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "MP4"),
        (b"\x1a\x45\xdf\xa3\x01\0\0\0", "Matroska or WebM"),
    ],
)
def test_a_recording_in_place_of_the_lyrics(head: bytes, kind: str) -> None:
    with pytest.raises(LyricsError, match=SWAPPED.format(kind)):
        decode(head + bytes(100), "song")


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"\x89PNG\r\n\x1a\n\0", "looks like a picture (PNG)"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "looks like a picture (JPEG)"),
        (b"%PDF-1.7\n", "looks like a PDF: save the lyrics as plain text"),
        (b"PK\x03\x04\x14\0", "a Word document: save the lyrics as plain text"),
        (b"{\\rtf1\\ansi", "looks like a rich text document"),
    ],
)
def test_pictures_and_documents(head: bytes, said: str) -> None:
    assert said in str(kind_of(head))


@pytest.mark.parametrize("data", [b"", b"la la", b"\xff\xfea\0", "яя".encode("cp1251"), b"FORM a line\n"])
def test_text_is_nothing_else(data: bytes) -> None:
    assert kind_of(data) is None
