"""Files as answers, where whoever asked for them goes away."""

from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("fastapi", reason="fastapi is not installed (pip install 'melisma[server]')")

from fastapi import Request
from starlette.requests import ClientDisconnect

from melisma.server.sending import Sent, send

SCOPE = {"type": "http", "method": "GET", "path": "/", "headers": [], "asgi": {"spec_version": "2.4"}}


@pytest.mark.parametrize("n_sent", [0, 1])
def test_the_file_is_closed_however_soon_the_caller_leaves(tmp_path, n_sent):
    path = tmp_path / "song.wav"
    path.write_bytes(bytes(1_000_000))
    answer = send(Request(SCOPE), Sent(path, "tag", "audio/wav", "song.wav"))
    messages = []

    async def out(message):
        if len(messages) == n_sent:
            raise OSError("the connection is gone")
        messages.append(message)

    async def coming():
        return {"type": "http.disconnect"}

    with pytest.raises(ClientDisconnect):
        asyncio.run(answer(SCOPE, coming, out))
    assert len(messages) == n_sent
    assert answer.file.closed
