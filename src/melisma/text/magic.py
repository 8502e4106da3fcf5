"""What a file is that was given in place of lyrics, told by its first bytes."""

from __future__ import annotations

_AUDIO = "looks like an audio file ({}): did you swap the two arguments?"
_VIDEO = "looks like a video file ({}): did you swap the two arguments?"
_IMAGE = "looks like a picture ({}): lyrics are a plain text file"
_DOCUMENT = "looks like {}: save the lyrics as plain text"

# Bytes at an offset; each begins files of one kind only.
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"ID3", _AUDIO.format("MP3")),
    (0, b"OggS", _AUDIO.format("Ogg")),
    (0, b"fLaC", _AUDIO.format("FLAC")),
    (0, b"FORM", _AUDIO.format("AIFF")),
    (0, b"MThd", _AUDIO.format("MIDI")),
    (0, b"caff\0", _AUDIO.format("CAF")),
    (0, b"#!AMR", _AUDIO.format("AMR")),
    (0, b"MAC \x96", _AUDIO.format("APE")),
    (0, b"wvpk", _AUDIO.format("WavPack")),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", _AUDIO.format("WMA")),
    (8, b"WAVE", _AUDIO.format("WAV")),
    (4, b"ftypM4A", _AUDIO.format("M4A")),
    (4, b"ftyp", _VIDEO.format("MP4")),
    (0, b"\x1a\x45\xdf\xa3", _VIDEO.format("Matroska or WebM")),
    (8, b"AVI ", _VIDEO.format("AVI")),
    (0, b"\x89PNG", _IMAGE.format("PNG")),
    (0, b"\xff\xd8\xff", _IMAGE.format("JPEG")),
    (0, b"GIF8", _IMAGE.format("GIF")),
    (8, b"WEBP", _IMAGE.format("WebP")),
    (0, b"%PDF-", _DOCUMENT.format("a PDF")),
    (0, b"{\\rtf", _DOCUMENT.format("a rich text document")),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1", _DOCUMENT.format("an old Word document")),
    (0, b"PK\x03\x04", _DOCUMENT.format("a ZIP archive or a Word document")),
    (0, b"\x1f\x8b", _DOCUMENT.format("a compressed file")),
    (0, b"7z\xbc\xaf", _DOCUMENT.format("a compressed file")),
)
# These four are letters that a song may begin with: only with the binary data that follows them in a real file.
_SPELLABLE = (
    b"FORM",
    b"ID3",
    b"OggS",
    b"MThd",
    b"fLaC",
    b"wvpk",
    b"GIF8",
    b"WAVE",
    b"AVI ",
    b"WEBP",
    b"ftyp",
    b"ftypM4A",
)


def kind_of(data: bytes) -> str | None:
    """Say what a file looks like if it is no text, as the end of a sentence; None if nothing is recognised."""
    head = data[:4096]
    binary = b"\0" in head or any(byte < 9 or 13 < byte < 27 for byte in head)
    for offset, signature, sentence in _SIGNATURES:
        if head.startswith(signature, offset) and (binary or signature not in _SPELLABLE):
            return sentence
    # A bare MPEG frame: its header is 11 set bits, and я or ÿ begins a song too, so it needs the binary data as well.
    if (
        binary
        and len(head) > 3
        and head[0] == 0xFF
        and head[1] & 0xE6 in (0xE2, 0xE0, 0xE4, 0xE6)
        and head[:2] != b"\xff\xfe"
    ):
        return _AUDIO.format("MP3 or AAC")
    return None
