"""Attacks with files: names that lead elsewhere, files that are more than they seem, files that name other files.

docs/security.md says of each attack which test tries it.
"""

from __future__ import annotations

import io
import re
import shutil
import struct
import subprocess
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import soundfile

pytest.importorskip("fastapi")
from fastapi.testclient import TestClient
from made_songs import LYRICS, upload, wav

from melisma.server.app import create_app
from melisma.server.context import Context
from melisma.server.settings import Limits

SECRET = "this stands in no answer"
OUTSIDE = [
    "../secret.wav",
    "../../etc/passwd",
    "/etc/passwd",
    "folder/../../secret.wav",
    "./../secret.wav",
    "..\\secret.wav",
    "%2e%2e/secret.wav",
    "....//secret.wav",
    "link.wav",
    "linked/secret.wav",
    ".hidden.wav",
    "song.wav\0.txt",
    "file:///etc/passwd",
    "//127.0.0.1/share/song.wav",
    "~/song.wav",
    "a/" * 400 + "song.wav",
    "x" * 300,
]


def refused(answer, *statuses: int) -> None:
    """Hold an answer to be a problem that says nothing of the machine."""
    assert answer.status_code in statuses, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert SECRET not in answer.text


def nothing_left(settings) -> bool:
    """Whether no upload has left a file behind."""
    return not [path for path in (settings.data / "files").rglob("*") if path.is_file()]


# Names


@pytest.mark.parametrize("path", OUTSIDE)
def test_no_path_leads_out_of_the_library(client, settings, tmp_path, path):
    (tmp_path / "secret.wav").write_bytes(wav())
    (settings.library / ".hidden.wav").write_bytes(wav())
    (settings.library / "folder").mkdir()
    (settings.library / "link.wav").symlink_to(tmp_path / "secret.wav")
    (settings.library / "linked").symlink_to(tmp_path)
    for route, body in (("songs", {}), ("alignments", {"lyrics": {"text": LYRICS}}), ("transcriptions", {})):
        refused(client.post(f"/v1/{route}", json={"library": path, **body}), 404, 422)
    refused(client.get("/v1/library", params={"folder": path.removesuffix("secret.wav")}), 404, 422)
    assert client.get("/v1/songs").json()["items"] == []


def test_a_link_out_of_the_library_is_not_listed_either(client, settings, tmp_path):
    (tmp_path / "secret.wav").write_bytes(wav())
    (settings.library / "link.wav").symlink_to(tmp_path / "secret.wav")
    (settings.library / "linked").symlink_to(tmp_path)
    (settings.library / "song.wav").write_bytes(wav())
    for params in ({}, {"search": "wav"}, {"search": "secret"}):
        assert "link" not in client.get("/v1/library", params=params).text


def test_a_recording_that_becomes_a_link_is_not_followed(client, settings, tmp_path):
    """A song of the library was taken in; then its file was changed for a link that leads elsewhere."""
    (settings.library / "song.wav").write_bytes(wav())
    song = client.post("/v1/songs", json={"library": "song.wav"}).json()
    (tmp_path / "secret.txt").write_text(SECRET)
    (settings.library / "song.wav").unlink()
    (settings.library / "song.wav").symlink_to(tmp_path / "secret.txt")
    refused(client.get(song["links"]["audio"]), 404)


@pytest.mark.parametrize(
    "name",
    [
        "../../../etc/cron.d/x.wav",
        "/etc/passwd",
        "..\\..\\x.wav",
        "a\0.wav",
        "x" * 5000 + ".wav",
        "",
        "..",
        "con.wav",
        "-i.wav",
        "<script>alert(1)</script>.wav",
        'a"; filename="b.html',
        "a\u202egpj.wav",
        "file:x.wav",
        "|rm -rf.wav",
        "%00.wav",
    ],
)
def test_names_of_uploads_are_only_shown(client, settings, name):
    spelt = name.replace("\\", "\\\\").replace('"', '\\"')
    head = f'--b\r\nContent-Disposition: form-data; name="audio"; filename="{spelt}"\r\n\r\n'.encode()
    answer = client.post(
        "/v1/songs",
        content=head + wav() + b"\r\n--b--\r\n",
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    )
    if answer.status_code != 201:
        refused(answer, 422)  # headers of a part that are too long, or no headers
        return
    shown = answer.json()["file_name"]
    assert not set(shown) & set('/\\\0<>"|:*?\u202e')
    assert 0 < len(shown) <= 150
    beside = {path.name for path in settings.data.parent.iterdir()}
    assert beside == {"data", "library"}
    stored = [path.relative_to(settings.data / "files") for path in (settings.data / "files").rglob("*.wav")]
    assert [re.fullmatch(r"[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{64}\.wav", str(path)) is not None for path in stored] == [
        True
    ]
    sent = client.get(answer.json()["links"]["audio"])
    assert sent.headers["Content-Disposition"].startswith('inline; filename="')
    assert sent.headers["Content-Disposition"].count('"') == 2


@pytest.mark.parametrize(
    "id", ["..", "%2e%2e%2f%2e%2e", "0" * 31, "0" * 33, "G" * 32, "A" * 32, "0" * 30 + "%00", "' OR 1=1"]
)
def test_ids_are_thirty_two_digits_and_nothing_else(client, id):
    for path in (
        f"/v1/songs/{id}", f"/v1/songs/{id}/audio", f"/v1/songs/{id}/peaks", f"/v1/songs/{id}/stems/vocals",
        f"/v1/alignments/{id}", f"/v1/alignments/{id}/info", f"/v1/jobs/{id}", f"/v1/jobs/{id}/events",
        f"/v1/transcriptions/{id}", f"/v1/videos/{id}",
    ):  # fmt: skip
        answer = client.get(path)
        # A path that the client itself shortens leads to a list, or nowhere.
        assert answer.status_code in ((200, 307, 404) if id == ".." else (404, 422)), path
        if id != "..":
            refused(answer, 404, 422)


@pytest.mark.parametrize("stem", ["vocals.flac", "other", "vocals%00", "%2e%2e"])
def test_stems_have_two_names(client, song, stem):
    refused(client.get(f"/v1/songs/{song['id']}/stems/{stem}"), 404, 422)


# What is no recording


def zipped() -> bytes:
    """Return an archive of a recording."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("song.wav", wav())
    return file.getvalue()


def bomb() -> bytes:
    """Return an archive of a few kilobytes that holds ten archives of a hundred megabytes of nothing."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("zeros.wav", "w") as entry:
        for _ in range(100):
            entry.write(bytes(1_000_000))
    outer = io.BytesIO()
    with zipfile.ZipFile(outer, "w", zipfile.ZIP_DEFLATED) as archive:
        for k in range(10):
            archive.writestr(f"{k}.zip", inner.getvalue())
    return outer.getvalue()


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
NO_RECORDINGS = {
    "zip": zipped,
    "zip bomb": bomb,
    "text": lambda: b"just some words\n" * 100,
    "page": lambda: b"<!doctype html><script>alert(1)</script>",
    "svg": lambda: SVG,
    "program": lambda: b"\x7fELF" + bytes(500),
    "one byte": lambda: b"x",
    "zeros": lambda: bytes(100_000),
    "mp3 of nothing but a tag": lambda: b"ID3\x04\x00\x00\x00\x00\x0f\x7f" + bytes(2000),
    "tag that claims 256 MB": lambda: b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + bytes(2000),
    "a thousand tags": lambda: (b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10)) * 1000,
    "ftyp and nothing": lambda: b"\x00\x00\x00\x18ftypM4A \x00\x00\x00\x00M4A mp42",
    "boxes in boxes": lambda: b"\x00\x00\x00\x18ftypM4A \x00\x00\x00\x00M4A mp42" + b"\x00\x01\x00\x00moov" * 5000,
    "matroska that never ends": lambda: b"\x1aE\xdf\xa3\x01" + b"\xff" * 500,
    "flac of nothing": lambda: b"fLaC\x80\x00\x00\x22" + bytes(34),
    "ogg of nothing": lambda: b"OggS" + bytes(500),
}


@pytest.mark.parametrize("what", NO_RECORDINGS)
def test_what_is_no_recording_is_refused_and_gone(client, settings, what):
    data = NO_RECORDINGS[what]()
    for name in ("song.mp3", "song.wav"):  # nobody asks the name, or what the caller says it is
        answer = client.post("/v1/songs", files={"audio": (name, data, "audio/mpeg")})
        refused(answer, 422)
        assert str(settings.data) not in answer.text
        assert "incoming" not in answer.text
    assert nothing_left(settings)
    assert client.get("/v1/songs").json()["items"] == []


def header(rate: int = 8000, channels: int = 1, n_bytes: int = 1000, bits: int = 16) -> bytes:
    """Return a WAV whose header says what it likes."""
    block = min(65535, channels * bits // 8)
    head = struct.pack("<HHIIHH", 1, channels, rate, min(2**32 - 1, rate * block), block, bits)
    size = min(2**32 - 1, n_bytes)
    return b"RIFF" + struct.pack("<I", min(2**32 - 1, 36 + size)) + b"WAVEfmt " + struct.pack("<I", 16) + head + (
        b"data" + struct.pack("<I", size) + bytes(1000)
    )  # fmt: skip


@pytest.mark.parametrize(
    "claims",
    [{"rate": 2**32 - 1}, {"rate": 0}, {"rate": 1}, {"channels": 65535}, {"channels": 0}, {"bits": 65535}, {"bits": 0}],
)
def test_headers_that_claim_what_cannot_be_are_refused(client, settings, claims):
    refused(client.post("/v1/songs", files={"audio": ("song.wav", header(**claims))}), 422)
    assert nothing_left(settings)


# What is more than it seems


@pytest.fixture
def short(settings):
    """A service that takes a minute at most."""
    now = replace(settings, limits=Limits(requests_per_minute=0, duration_s=60.0, upload_bytes=3_000_000))
    context = Context(now)
    with TestClient(create_app(context), base_url="http://127.0.0.1") as client:
        yield client


def silence(seconds: int, kind: str, subtype: str | None = None) -> bytes:
    """Return silence, which takes next to nothing."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", 8000, 1, format=kind, subtype=subtype) as sound:
        for _ in range(0, seconds, 100):
            sound.write(np.zeros(100 * 8000, np.int16))
    return file.getvalue()


@pytest.mark.parametrize(("kind", "subtype"), [("FLAC", None), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")])
def test_a_small_file_that_holds_more_than_is_taken_is_refused(short, settings, kind, subtype):
    data = silence(300, kind, subtype)
    assert len(data) < 500_000
    answer = short.post("/v1/songs", files={"audio": ("song", data)})
    refused(answer, 422)
    assert answer.json()["type"] == "/problems/audio-too-long"
    assert nothing_left(settings)


def test_a_header_that_claims_hours_is_not_believed(short):
    """What counts is what comes out: a sixteenth of a second."""
    answer = short.post("/v1/songs", files={"audio": ("song.wav", header(rate=8000, n_bytes=2**32 - 1))})
    assert answer.status_code == 201
    assert answer.json()["duration_ms"] <= 63


def test_a_header_that_claims_little_is_not_believed(short, settings):
    """A FLAC of ten minutes whose header says one second."""
    data = bytearray(silence(600, "FLAC"))
    total = int.from_bytes(data[21:26], "big")
    data[21:26] = (total >> 36 << 36 | 8000).to_bytes(5, "big")
    answer = short.post("/v1/songs", files={"audio": ("song.flac", bytes(data))})
    if answer.status_code == 201:  # the decoder ends where the header says
        assert answer.json()["duration_ms"] <= 1100
    else:
        refused(answer, 422)


@pytest.fixture(scope="module")
def ffmpeg():
    found = shutil.which("ffmpeg")
    if found is None:
        pytest.skip("there is no ffmpeg")
    return found


@pytest.fixture(scope="module")
def mp3(ffmpeg, tmp_path_factory):
    """An MP3 of two seconds."""
    folder = tmp_path_factory.mktemp("mp3")
    (folder / "song.wav").write_bytes(wav())
    command = [ffmpeg, "-loglevel", "error", "-i", "song.wav", "-map_metadata", "-1", "song.mp3"]
    subprocess.run(command, cwd=folder, check=True)
    return (folder / "song.mp3").read_bytes()


def tagged(mp3: bytes, frame: bytes, content: bytes) -> bytes:
    size = len(content) + 10
    return b"ID3\x03\x00\x00" + bytes((size >> s) & 0x7F for s in (21, 14, 7, 0)) + frame + struct.pack(
        ">IH", len(content), 0
    ) + content + mp3[mp3.find(b"\xff\xfb") if not mp3.startswith(b"ID3") else 0 :]  # fmt: skip


@pytest.mark.parametrize(
    ("frame", "content"),
    [
        (b"APIC", b"\x00image/png\x00\x03\x00" + bytes(2_000_000)),
        (b"APIC", b"\x00-->\x00\x03\x00http://127.0.0.1:1/cover.png"),  # a cover by its address
        (b"TIT2", b"\x00" + b"x" * 1_000_000),
        (b"TIT2", b"\x00<img src=x onerror=alert(1)>"),
    ],
)
def test_huge_tags_and_covers_are_passed_over(client, mp3, frame, content):
    answer = client.post("/v1/songs", files={"audio": ("song.mp3", tagged(mp3, frame, content))})
    assert answer.status_code == 201, answer.text
    assert len(answer.json()["title"]) <= 300
    assert answer.json()["media_type"] == "audio/mpeg"
    assert 1900 <= answer.json()["duration_ms"] <= 2300


# Forms


def test_a_form_of_many_parts_is_refused(client, settings):
    parts = b"".join(b'--b\r\nContent-Disposition: form-data; name="x%d"\r\n\r\n1\r\n' % k for k in range(20_000))
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    refused(client.post("/v1/songs", content=parts + b"--b--\r\n", headers=headers), 422)
    same = b'--b\r\nContent-Disposition: form-data; name="title"\r\n\r\n1\r\n' * 20_000
    refused(client.post("/v1/songs", content=same + b"--b--\r\n", headers=headers), 422)
    assert nothing_left(settings)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b",
        b"--b\r\n",
        b"--b\r\n\r\n\r\n--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="audio"; filename="a"\r\n',
        b'--b\r\nContent-Disposition: form-data; name="audio"; filename="a"\r\n\r\nRIFF',
        b'--b\r\nContent-Disposition: form-data; name="audio"; filename="a"\r\nX: ' + b"a" * 100_000 + b"\r\n\r\n",
        b'--b\r\nContent-Disposition: form-data; name="audio"; filename="a"\r\n' + b"X: a\r\n" * 1000 + b"\r\n",
        b'--b\r\nContent-Disposition: form-data; name="lyrics"\r\n\r\n' + b"a" * 3_000_000 + b"\r\n--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="title"\r\n\r\n\xff\xfe\r\n--b--\r\n',
    ],
)
def test_forms_that_are_none_are_refused(client, settings, body):
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    refused(client.post("/v1/songs", content=body, headers=headers), 413, 422)
    assert nothing_left(settings)


@pytest.mark.parametrize(
    "kind", ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=" + "b" * 500]
)
def test_a_form_without_a_boundary_is_refused(client, kind):
    refused(client.post("/v1/songs", content=b"--b--\r\n", headers={"Content-Type": kind}), 413, 422)


def test_a_file_that_is_too_large_leaves_nothing(short, settings):
    answer = short.post("/v1/songs", files={"audio": ("song.wav", wav(seconds=250))})
    refused(answer, 413)
    assert nothing_left(settings)


def test_compressed_bodies_are_not_unpacked(client):
    import gzip

    for kind in ("gzip", "deflate", "br"):
        headers = {"Content-Type": "application/json", "Content-Encoding": kind}
        refused(client.post("/v1/songs", content=gzip.compress(b" " * 10_000_000), headers=headers), 400, 415, 422)


def test_the_same_bytes_are_the_same_song(client):
    """A name for known bytes can neither be given to somebody else's song nor change it."""
    first = upload(client, wav(), name="one.wav", title="One")
    again = client.post("/v1/songs", files={"audio": ("two.wav", wav())})
    assert again.status_code == 200
    assert again.json()["id"] == first["id"]
    assert again.json()["title"] == "One"
