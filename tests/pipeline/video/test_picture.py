"""Pictures from strangers: three kinds, by content, within bounds; anything else is refused."""

from __future__ import annotations

import struct
import zlib

import pytest

from melisma.core.errors import InputError, TooLarge, UnsupportedMedia
from melisma.pipeline.video import picture

Image = pytest.importorskip("PIL.Image")

SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'


def save(path, kind, size=(60, 40), mode="RGB", **more):
    Image.new(mode, size, "#336699" if mode != "RGBA" else (0x33, 0x66, 0x99, 0x80)).save(path, kind, **more)
    return path


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_three_kinds_are_taken_whatever_their_name(tmp_path, kind):
    path = save(tmp_path / "picture.html", kind)
    picture.check(path)
    picture.fitted(path, tmp_path / "out.png", (64, 48), background="#000000", dim=0.5)
    with Image.open(tmp_path / "out.png") as made:
        assert (made.format, made.size, made.mode) == ("PNG", (64, 48), "RGB")
        assert all(abs(a - b) <= 3 for a, b in zip(made.getpixel((30, 20)), (0x19, 0x33, 0x4C), strict=True))


@pytest.mark.parametrize(
    "data",
    [
        SVG,
        b"<html><script>alert(1)</script></html>",
        b"GIF89a" + bytes(50),
        b"BM" + bytes(60),
        b"%PDF-1.7",
        b"",
        b"\x00",
    ],
)
def test_any_other_kind_is_refused(tmp_path, data):
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    with pytest.raises(UnsupportedMedia, match="neither PNG nor JPEG nor WebP"):
        picture.check(path)


def test_a_kind_that_only_its_first_bytes_promise_is_refused(tmp_path):
    path = tmp_path / "picture.png"
    for head in (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\x00\x00\x00\x00WEBP"):
        path.write_bytes(head + SVG)
        with pytest.raises(InputError):
            picture.check(path)


def png(width, height, data):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(20_001, 10), (9000, 9000), (2**31 - 1, 2**31 - 1)])
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, size):
    path = tmp_path / "bomb.png"
    path.write_bytes(png(*size, zlib.compress(bytes(1_000_000))))
    with pytest.raises((TooLarge, InputError), match=r"pixels|damaged"):
        picture.check(path)


def test_too_many_bytes_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(picture, "MAX_BYTES", 100)
    with pytest.raises(TooLarge, match="larger than"):
        picture.check(save(tmp_path / "a.png", "PNG"))


def test_half_a_picture_is_refused(tmp_path):
    for kind in ("PNG", "JPEG", "WEBP"):
        path = save(tmp_path / "a", kind, (300, 300))
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        with pytest.raises(InputError, match="damaged"):
            picture.check(path)


def test_a_text_that_unpacks_without_end_is_refused(tmp_path):
    body = b"comment\x00\x00" + zlib.compress(bytes(80_000_000), 9)
    text = struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))
    whole = png(10, 10, zlib.compress(bytes(310)))
    path = tmp_path / "text.png"
    path.write_bytes(whole[:33] + text + whole[33:])
    with pytest.raises(InputError):
        picture.check(path)


def test_what_is_transparent_shows_the_background(tmp_path):
    path = save(tmp_path / "a.png", "PNG", mode="RGBA")
    picture.fitted(path, tmp_path / "out.png", (64, 48), background="#ff0000", dim=0.0)
    with Image.open(tmp_path / "out.png") as made:
        red, green, blue = made.getpixel((5, 5))
    assert red > 140
    assert green < 60
    assert blue < 90


def test_a_picture_is_turned_as_the_camera_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    made = Image.new("RGB", (40, 20), "black")
    made.paste("white", (0, 0, 20, 20))
    made.save(tmp_path / "a.jpg", "JPEG", exif=exif)
    picture.fitted(tmp_path / "a.jpg", tmp_path / "out.png", (20, 40), background="#000000", dim=0.0)
    with Image.open(tmp_path / "out.png") as turned:
        assert turned.getpixel((10, 5))[0] > 200
        assert turned.getpixel((10, 35))[0] < 50


def test_nothing_of_the_file_but_its_pixels_is_kept(tmp_path):
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("secret", "address of the photographer")
    path = save(tmp_path / "a.png", "PNG", pnginfo=info)
    picture.fitted(path, tmp_path / "out.png", (64, 48), background="#000000", dim=0.0)
    assert b"photographer" not in (tmp_path / "out.png").read_bytes()


def test_a_picture_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        picture.check(tmp_path / "nowhere.png")
