"""The process beside us: no address, no other file, no leftover."""

import http.server
import os
import random
import shutil
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from melisma.audio import ffmpeg
from melisma.audio.decode import decode
from melisma.audio.ffmpeg import FfmpegSource
from melisma.core.errors import AudioError, AudioTooLong, DamagedAudio, NeedsFfmpeg, NotAudio

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")


@pytest.fixture
def server():
    """A server on this machine that counts who calls."""
    calls = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            calls.append(self.path)
            self.send_error(404)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{running.server_port}", calls
        running.shutdown()
        thread.join()


HOSTILE = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://{host}/a.ts\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile 'http://{host}/a.mp3'\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet><Representation>'
    "<BaseURL>http://{host}/a.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>",
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("suffix", [".mp3", ".m3u8", ".sdp", ".ffconcat", ".mpd"])
def test_a_playlist_opens_nothing(kind, suffix, server, tmp_path):
    host, calls = server
    path = tmp_path / f"song{suffix}"
    path.write_text(HOSTILE[kind].format(host=host))
    with pytest.raises(NotAudio, match="is no recording"):
        decode(path)
    assert calls == []


def test_a_playlist_opens_no_other_file(encode, tmp_path):
    other = encode("other.aac", "-c:a", "aac")
    (tmp_path / "x.m3u8").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:2,\nfile:{other}\n#EXT-X-ENDLIST\n")
    with pytest.raises(NotAudio):
        decode(tmp_path / "x.m3u8")


def test_a_video_without_sound(tmp_path, encode):
    path = encode("mute.mkv", "-f", "lavfi", "-i", "color=d=0.2:s=64x64", "-map", "1:v", "-c:v", "mpeg4")
    with pytest.raises(NotAudio, match="holds no audio track"):
        decode(path)


def test_a_known_container_of_nothing_is_damaged(tmp_path):
    (tmp_path / "x.m4a").write_bytes(bytes((0, 0, 0, 24)) + b"ftypM4A " + random.Random(1).randbytes(4000))
    with pytest.raises(DamagedAudio, match=r"ffmpeg can decode nothing of this MP4/M4A file \("):
        decode(tmp_path / "x.m4a")


def test_an_ffmpeg_that_does_not_start(tmp_path, encode):
    broken = tmp_path / "ffmpeg"
    broken.write_text("not a program")
    with pytest.raises(NeedsFfmpeg, match="does not start"):
        FfmpegSource(encode("song.m4a", "-c:a", "aac"), str(broken), "MP4/M4A")


def test_an_ffmpeg_that_hangs_is_killed(tmp_path, encode, monkeypatch):
    monkeypatch.setattr(ffmpeg, "STALL_S", 0.1)
    slow = tmp_path / "ffmpeg"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    with pytest.raises(DamagedAudio, match="can decode nothing"):
        FfmpegSource(encode("song.m4a", "-c:a", "aac"), str(slow), "MP4/M4A")


def open_pipes() -> set[str]:
    """Return the pipes that this process has open; others come and go with what other tests have left."""
    found = set()
    for each in Path("/proc/self/fd").glob("*"):
        with suppress(OSError):
            found.add(os.readlink(each))
    return {name for name in found if name.startswith("pipe:")}


def test_no_process_and_no_pipe_is_left(encode):
    path = encode("song.m4a", "-c:a", "aac")
    decode(path)
    before = open_pipes()
    with pytest.raises(AudioTooLong):
        decode(path, max_duration_s=0.5)
    source = FfmpegSource(path, ffmpeg.program(), "MP4/M4A")
    next(source.blocks())
    source.close()
    assert source._process.returncode is not None
    with pytest.raises(ChildProcessError):
        os.waitpid(source._process.pid, os.WNOHANG)
    assert open_pipes() <= before


def test_progress_that_raises_leaves_nothing_behind(encode):
    def cancel(share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decode(encode("song.m4a", "-c:a", "aac"), progress=cancel)


def test_the_message_is_one_line(tmp_path):
    (tmp_path / "x.webm").write_bytes(b"\x1aE\xdf\xa3" + random.Random(2).randbytes(3000))
    with pytest.raises(AudioError) as caught:
        decode(tmp_path / "x.webm")
    assert "\n" not in str(caught.value)
