"""A picture behind the words: what somebody sent, made into one of ours before any other program sees it.

Only PNG, JPEG and WebP are taken, by content and never by name, and read by Pillow with no other reader switched on. A
picture that claims more pixels than a camera makes is refused before one of them is decoded.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from melisma.core.errors import InputError, MissingDependency, TooLarge, UnsupportedMedia

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_BYTES = 20_000_000
MAX_PIXELS = 40_000_000  # 160 MB while it is decoded
_SIDE = 20_000  # pixels
_KINDS = ("PNG", "JPEG", "WEBP")
_INSTALL = "a picture behind the words needs Pillow: pip install 'melisma[video]'"


def sniff(head: bytes) -> str | None:
    """Tell the kind of a picture by its first bytes; None for anything else.

    Examples
    --------
    >>> sniff(b"<svg xmlns="), sniff(b"RIFF....WEBPVP8 ")
    (None, 'WEBP')
    """
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    return "WEBP" if head[:4] == b"RIFF" and head[8:12] == b"WEBP" else None


def check(path: Path) -> None:
    """Refuse what is no picture that we take, by decoding it once.

    Raises
    ------
    UnsupportedMedia
        If it is neither PNG nor JPEG nor WebP.
    TooLarge
        If it has too many bytes or pixels.
    InputError
        If it cannot be read or is damaged.
    MissingDependency
        If Pillow is not installed.
    """
    _decoded(path).close()


def fitted(path: Path, out: Path, size: tuple[int, int], *, background: str, dim: float) -> None:
    """Cut a picture to a size, dim it, and write it as a PNG without anything that the other file held besides.

    Parameters
    ----------
    path, out : Path
        What was sent; where to write.
    size : (int, int)
        Width and height in pixels; what sticks out is cut off evenly.
    background : str
        Colour that is laid over it, ``#rrggbb``.
    dim : float
        Share of that colour, in [0, 1].

    Raises
    ------
    UnsupportedMedia, TooLarge, InputError, MissingDependency
        As in `check`.
    """
    from PIL import Image, ImageOps

    with _decoded(path) as picture:
        ground = Image.new("RGB", size, background)
        whole = ImageOps.fit(picture, size, Image.Resampling.LANCZOS)
        flat = ground.copy()
        flat.paste(whole, mask=whole.getchannel("A"))
        Image.blend(flat, ground, dim).save(out, "PNG", compress_level=1)


def _decoded(path: Path) -> Image:
    """Decode to RGBA, turned as the camera says."""
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError as error:
        raise MissingDependency(_INSTALL) from error
    kind = _kind(path)
    try:
        with Image.open(path, formats=(kind,)) as opened:  # reads the header only
            _check_size(opened.size)
            return ImageOps.exif_transpose(opened).convert("RGBA")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooLarge(f"the picture has more than {MAX_PIXELS // 1_000_000} million pixels") from error
    except UnidentifiedImageError as error:
        raise UnsupportedMedia("the picture is no PNG, JPEG or WebP, whatever its first bytes say") from error
    # What Pillow's readers raise on damaged files, by its own tests: everything that parsing can run into.
    except (OSError, SyntaxError, ValueError, EOFError, ArithmeticError, LookupError, TypeError, MemoryError) as error:
        raise InputError("the picture is damaged: it cannot be decoded") from error


def _kind(path: Path) -> str:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            kind = sniff(file.read(16))
    except OSError as error:
        raise InputError(f"the picture cannot be read: {error.strerror or error}") from error
    if kind is None:
        raise UnsupportedMedia("the picture is neither PNG nor JPEG nor WebP")
    if size > MAX_BYTES:
        raise TooLarge(f"the picture is larger than {MAX_BYTES // 1_000_000} MB")
    return kind


def _check_size(size: tuple[int, int]) -> None:
    if max(size) > _SIDE or size[0] * size[1] > MAX_PIXELS:
        raise TooLarge(
            f"the picture has {size[0]} x {size[1]} pixels, at most {MAX_PIXELS // 1_000_000} million are taken"
        )
