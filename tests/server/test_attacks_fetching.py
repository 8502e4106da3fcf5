"""Attacks that would make the service open what a caller names: addresses, playlists, containers, lyrics by path."""

from __future__ import annotations

import contextlib
import shutil
import socketserver
import struct
import subprocess
import threading

import pytest

pytest.importorskip("fastapi")
from made_songs import LYRICS, wav


def refused(answer, *statuses: int) -> None:
    assert answer.status_code in statuses, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.fixture
def canary():
    """Addresses of a server that nobody may call, and the list of those who did."""
    calls: list[bytes] = []

    class Heard(socketserver.BaseRequestHandler):
        def handle(self):
            calls.append(self.request.recv(200))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Heard) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}", calls
        server.shutdown()


def nothing_left(settings) -> bool:
    """Whether no upload has left a file behind."""
    return not [path for path in (settings.data / "files").rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def ffmpeg():
    found = shutil.which("ffmpeg")
    if found is None:
        pytest.skip("there is no ffmpeg")
    return found


def playlists(address: str, file: str) -> dict[str, bytes]:
    """Return files that tell a player to open something else."""
    url, local = f"http://{address}/x.ts", f"file://{file}"
    found = {}
    for name, target in (("url", url), ("file", local)):
        found |= {
            f"m3u of {name}": f"#EXTM3U\n#EXTINF:10,\n{target}\n",
            f"hls of {name}": "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n"
            f"#EXTINF:10.0,\n{target}\n#EXT-X-ENDLIST\n",
            f"hls key of {name}": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n"
            f'#EXT-X-KEY:METHOD=AES-128,URI="{target}"\n#EXTINF:10,\nx.ts\n#EXT-X-ENDLIST\n',
            f"concat of {name}": f"ffconcat version 1.0\nfile '{target}'\n",
            f"pls of {name}": f"[playlist]\nFile1={target}\nNumberOfEntries=1\n",
            f"asx of {name}": f'<asx version="3.0"><entry><ref href="{target}"/></entry></asx>',
            f"xspf of {name}": f'<playlist version="1" xmlns="http://xspf.org/ns/0/"><trackList><track>'
            f"<location>{target}</location></track></trackList></playlist>",
            f"dash of {name}": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
            'mediaPresentationDuration="PT10S"><Period><AdaptationSet mimeType="audio/mp4"><Representation id="1" '
            f'bandwidth="1"><BaseURL>{target}</BaseURL><SegmentList><SegmentURL media="{target}"/></SegmentList>'
            "</Representation></AdaptationSet></Period></MPD>",
            f"smil of {name}": f'<smil><body><audio src="{target}"/></body></smil>',
            f"cue of {name}": f'FILE "{target}" WAVE\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n',
            f"rtsptext of {name}": f"RTSPtextRTSP://{target}",
            f"subfile of {name}": f"subfile,,start,0,end,100,,:{target}",
            f"entity of {name}": f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "{target}">]><a>&b;</a>',
        }
    host, port = address.split(":")
    found["sdp"] = f"v=0\no=- 0 0 IN IP4 {host}\ns=x\nc=IN IP4 {host}\nt=0 0\nm=audio {port} RTP/AVP 0\n"
    return {name: text.encode() for name, text in found.items()}


def test_files_that_name_other_files_or_addresses_are_not_followed(client, settings, canary, tmp_path):
    """Neither a file of this machine nor an address is opened because an upload, or a file of the library, says so."""
    address, calls = canary
    (tmp_path / "other.wav").write_bytes(wav())
    for k, (what, data) in enumerate(playlists(address, str(tmp_path / "other.wav")).items()):
        answer = client.post("/v1/songs", files={"audio": ("song.m3u8", data)})
        assert answer.status_code == 422, what
        assert str(tmp_path) not in answer.text, what
        if k < 5:  # a file of the library goes the same way
            (settings.library / f"{k}.mp3").write_bytes(data)
            assert client.post("/v1/songs", json={"library": f"{k}.mp3"}).status_code == 422, what
    assert calls == []
    assert nothing_left(settings)


def test_a_container_whose_sound_lies_elsewhere_is_not_followed(client, ffmpeg, canary, tmp_path):
    """An MP4 may say that its samples are in another file: `dref` with an address instead of "in this file"."""
    address, calls = canary
    (tmp_path / "song.wav").write_bytes(wav())
    subprocess.run([ffmpeg, "-loglevel", "error", "-i", "song.wav", "song.m4a"], cwd=tmp_path, check=True)
    data = (tmp_path / "song.m4a").read_bytes()
    own = b"\x00\x00\x00\x0curl \x00\x00\x00\x01"
    assert data.count(own) == 1
    for target in (f"http://{address}/x", f"file://{tmp_path}/song.wav", "/etc/passwd"):
        spelt = target.encode() + b"\0"
        entry = struct.pack(">I", 12 + len(spelt)) + b"url \x00\x00\x00\x00" + spelt
        # Boxes around it keep their size; what follows is nonsense to a reader that goes by it, which is fine here.
        at = data.index(own)
        answer = client.post("/v1/songs", files={"audio": ("song.m4a", data[:at] + entry + data[at + len(own) :])})
        assert answer.status_code in (201, 422)
        assert "root:" not in answer.text
    flags = data.replace(own, own[:-1] + b"\x00")  # "elsewhere", and not where
    assert client.post("/v1/songs", files={"audio": ("song.m4a", flags)}).status_code in (201, 422)
    assert calls == []


def test_no_address_is_fetched_on_a_callers_word(client, canary, song):
    """Whatever field an address stands in, it is a name, a text, or wrong."""
    address, calls = canary
    url = f"http://{address}/song.mp3"
    for route in ("songs", "alignments", "transcriptions"):
        refused(client.post(f"/v1/{route}", json={"library": url}), 404, 422)
        refused(client.post(f"/v1/{route}", json={"url": url}), 422)
        refused(client.post(f"/v1/{route}", data={"audio": url}, files={"x": b""}), 422)
    one = {"song_id": song["id"]}
    for body in ({"song_id": url}, {**one, "engine": url}, {**one, "separate": url}, {**one, "language": url[:16]}):
        refused(client.post("/v1/alignments", json={"lyrics": {"text": LYRICS}, **body}), 422)
    refused(client.post("/v1/transcriptions", json={**one, "model": url[:60]}), 422)
    for lyrics in ({"text": url}, {"artist": url, "title": url}, {"text": "/etc/passwd"}, {"text": "-"}):
        assert client.post("/v1/alignments", json={**one, "lyrics": lyrics}).status_code in (202, 422)
    assert client.patch(f"/v1/songs/{song['id']}", json={"title": url, "artist": url}).status_code == 200
    headers = {"X-Forwarded-Host": address, "Forwarded": f"host={address}", "Referer": url, "X-Original-URL": url}
    assert client.get("/v1/songs", headers=headers).status_code == 200
    assert calls == []


def test_lyrics_are_words_and_never_the_name_of_a_file(context, client, song, canary, tmp_path):
    """The job that aligns them takes them by the letter."""
    from melisma.server.work import align

    (tmp_path / "lyrics.txt").write_text("these words stand in a file and are sung nowhere\n" * 3)
    for given in (str(tmp_path / "lyrics.txt"), f"http://{canary[0]}/lyrics.txt", "-"):
        answer = client.post("/v1/alignments", json={"song_id": song["id"], "lyrics": {"text": f"{given}\nsing"}})
        job = context.queue.get(answer.json()["id"])
        with contextlib.suppress(Exception):  # noise is no song: what counts is which words were looked for
            align.run(context, job, lambda stage, share: None)
        lyrics = client.get(f"/v1/alignments/{answer.json()['alignment_id']}/info").text
        assert "stand in a file" not in lyrics
        shown = client.get(f"/v1/alignments/{answer.json()['alignment_id']}")
        assert "nowhere" not in shown.text
    assert canary[1] == []
