from __future__ import annotations

import os

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("fastapi")

from starlette.requests import Request

from melisma.core.errors import InputError, MelismaError, TooLarge, UnsupportedMedia
from melisma.server.multipart import Kind, Rule, read_form
from melisma.store.service.files import FileStore

RULES = {"audio": Rule(Kind.FILE, 1000), "note": Rule(Kind.BYTES, 100), "title": Rule(Kind.TEXT, 50)}
BORDER = "----border"
KIND = f"multipart/form-data; boundary={BORDER}"


def part(name: str, content: bytes, more: str = "") -> bytes:
    head = f'--{BORDER}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + content + b"\r\n"


END = f"--{BORDER}--\r\n".encode()
WHOLE = (
    part("audio", b"RIFF\r\n--\x00\xff", '; filename="../a b.wav"')
    + part("title", "Ódýr".encode())
    + part("note", b"\xff\xfe", '; filename="n.txt"')
    + END
)


def read(folder, body: bytes, kind: str = KIND, size: int = 7, broken: bool = False):
    """Read a form that comes in small pieces; return texts, files with their content, and blobs."""
    chunks = [body[k : k + size] for k in range(0, len(body), size)]

    async def receive():
        if chunks:
            return {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks) or broken}
        return {"type": "http.disconnect"} if broken else {"type": "http.request", "body": b"", "more_body": False}

    async def run():
        headers = [(b"content-type", kind.encode("latin-1"))]
        request = Request({"type": "http", "method": "POST", "headers": headers}, receive)
        async with read_form(request, RULES, FileStore(folder)) as form:
            files = {name: (each.name, each.incoming.path.read_bytes()) for name, each in form.files.items()}
            return dict(form.texts), files, dict(form.blobs)

    return anyio.run(run)


def left(folder) -> list[str]:
    return [name for _, _, files in os.walk(folder) for name in files]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
def test_parts_come_as_they_were_sent_however_they_are_cut(tmp_path, size):
    texts, files, blobs = read(tmp_path, WHOLE, size=size)
    assert texts == {"title": "Ódýr"}
    assert files == {"audio": ("../a b.wav", b"RIFF\r\n--\x00\xff")}
    assert blobs == {"note": ("n.txt", b"\xff\xfe")}


def test_nothing_is_kept_when_the_block_ends(tmp_path):
    read(tmp_path, WHOLE)
    assert left(tmp_path) == []


def test_an_empty_form_is_one(tmp_path):
    assert read(tmp_path, END) == ({}, {}, {})


FAULTS = {
    "unknown part": (part("other", b"x") + END, KIND, InputError, "takes no part 'other', only audio, note, title"),
    "part without name": (part("", b"x") + END, KIND, InputError, "the form takes no part ''"),
    "twice": (part("title", b"a") + part("title", b"b") + END, KIND, InputError, "two parts 'title'"),
    "file twice": (part("audio", b"a") + part("audio", b"b") + END, KIND, InputError, "two parts 'audio'"),
    "large file": (part("audio", b"x" * 1001) + END, KIND, TooLarge, "the file is larger than"),
    "large text": (part("title", b"x" * 51) + END, KIND, TooLarge, "'title' is larger than the 50 bytes"),
    "large blob": (part("note", b"x" * 101) + END, KIND, TooLarge, "'note' is larger than the 100 bytes"),
    "endless preamble": (b"x" * 20_000, KIND, MelismaError, "the (body is no form|form is larger than)"),
    "no text": (part("title", b"\xff") + END, KIND, InputError, "'title' is not in UTF-8"),
    "cut off": (WHOLE[:-9], KIND, InputError, "breaks off before its last boundary"),
    "cut in a file": (WHOLE[:80], KIND, InputError, "breaks off before its last boundary"),
    "empty": (b"", KIND, InputError, "breaks off before its last boundary"),
    "no form": (b"hello", KIND, InputError, "the body is no form"),
    "other border": (WHOLE, "multipart/form-data; boundary=other", InputError, "the body is no form"),
    "no border": (WHOLE, "multipart/form-data", InputError, "without its boundary"),
    "long border": (WHOLE, "multipart/form-data; boundary=" + "b" * 71, InputError, "without its boundary"),
    "other kind": (WHOLE, "text/plain", UnsupportedMedia, "it has to be multipart/form-data"),
    "no kind": (WHOLE, "", UnsupportedMedia, "it has to be multipart/form-data"),
    "many headers": (
        f"--{BORDER}\r\n".encode() + b"X: y\r\n" * 20 + b"\r\nx\r\n" + END,
        KIND,
        InputError,
        "the body is no form",
    ),
    "long header": (
        f"--{BORDER}\r\nContent-Disposition: {'x' * 5000}\r\n\r\nx\r\n".encode() + END,
        KIND,
        InputError,
        "the body is no form",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_no_form_is_refused_and_nothing_is_left(tmp_path, fault):
    body, kind, error, said = FAULTS[fault]
    with pytest.raises(error, match=said):
        read(tmp_path, body, kind)
    assert left(tmp_path) == []


def test_a_caller_who_goes_away_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match="the form broke off before its end"):
        read(tmp_path, WHOLE[:90], broken=True)
    assert left(tmp_path) == []


@given(body=st.binary(max_size=300), at=st.integers(0, len(WHOLE)), cut=st.integers(0, 40))
def test_whatever_comes_is_read_or_refused(tmp_path_factory, body, at, cut):
    folder = tmp_path_factory.mktemp("forms")
    try:
        read(folder, WHOLE[:at] + body + WHOLE[at + cut :], size=50)
    except InputError as error:
        assert str(error)
    assert left(folder) == []
