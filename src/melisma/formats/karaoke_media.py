"""The media type of a recording, told from its first bytes: a file name is only a claim."""

from __future__ import annotations

_ID3_HEADER = 10  # bytes; the tag's length follows in four bytes of seven bits
_OPENING = 4096  # bytes in which an Ogg or EBML file names its content

# First bytes, an offset, and the media type they stand for.
_SIGNATURES: tuple[tuple[bytes, int, str], ...] = (
    (b"fLaC", 0, "audio/flac"),
    (b"WAVE", 8, "audio/wav"),
    (b"ftyp", 4, "audio/mp4"),
    (b"AIFF", 8, "audio/aiff"),
    (b"AIFC", 8, "audio/aiff"),
    (b"caff", 0, "audio/x-caf"),
    (b".snd", 0, "audio/basic"),
)


def media_type_of(data: bytes) -> str | None:
    """Tell the media type of a recording from its content.

    Parameters
    ----------
    data : bytes
        The file, or its first few kilobytes with any ID3 tag whole.

    Returns
    -------
    str or None
        Such as ``"audio/mpeg"``, or None where the content is of no kind that a browser may play.
    """
    at = _after_id3(data)
    head = data[at : at + _OPENING]
    for signature, offset, media_type in _SIGNATURES:
        if head.startswith(signature, offset):
            return media_type
    if head.startswith(b"OggS"):
        return "audio/ogg;codecs=opus" if b"OpusHead" in head else "audio/ogg"
    if head.startswith(b"\x1a\x45\xdf\xa3"):  # EBML
        return "audio/webm" if b"webm" in head else "audio/x-matroska"
    return _mpeg(head) or ("audio/mpeg" if at else None)


def _after_id3(data: bytes) -> int:
    if not data.startswith(b"ID3") or len(data) < _ID3_HEADER:
        return 0
    length = 0
    for byte in data[6:_ID3_HEADER]:
        length = length << 7 | (byte & 0x7F)
    return _ID3_HEADER + length


def _mpeg(head: bytes) -> str | None:
    """Tell MPEG audio from ADTS by the frame header: eleven bits of sync, then version and layer."""
    if len(head) < 3 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    if layer == 0:
        return "audio/aac" if head[1] & 0xF0 == 0xF0 else None
    rate, bits = head[2] >> 2 & 3, head[2] >> 4
    return "audio/mpeg" if version != 1 and rate != 3 and bits != 15 else None
