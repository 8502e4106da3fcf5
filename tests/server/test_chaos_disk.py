"""The disk is full: whoever saves is told, nothing is half kept, all that there was stays, and it goes on by itself.

The data folder lies on a real file system of some megabytes, in a mount namespace that goes with its processes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
import httpx
from programs import Service, Worker, caught, ended, environment, over, song_of, until, versions

MEGABYTES = 32
MOST_SAVES = 600
MOUNT = 'mount -t tmpfs -o size="$1" melisma "$2" && echo mounted && exec cat'


class Disk:
    """A small file system, mounted where only the programs that are started `inside` see it."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        if shutil.which("unshare") is None or shutil.which("nsenter") is None:
            pytest.skip("a disk of its own needs unshare and nsenter (util-linux)")
        command = ["unshare", "-rm", "sh", "-c", MOUNT, "sh", f"{megabytes}m", str(folder)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self._holder = subprocess.Popen(command, **pipes, text=True)
        if self._holder.stdout.readline() != "mounted\n":
            pytest.skip(f"this machine mounts no disk for a test: {self._holder.communicate()[1].strip()}")
        pid = self._holder.pid
        self.mounted = folder
        self.inside = ("nsenter", "--preserve-credentials", "-t", str(pid), "-U", "-m", "--")
        self.folder = Path(f"/proc/{pid}/root{folder}")  # the same, seen from here

    def mount(self, name: str, size: str, again: bool = False) -> None:
        """Mount another file system at a folder of this one, or give it another size."""
        place = self.mounted / name
        (self.folder / name).mkdir(exist_ok=True)
        options = f"remount,size={size}" if again else f"size={size}"
        subprocess.run([*self.inside, "mount", "-t", "tmpfs", "-o", options, "melisma", str(place)], check=True)

    def unmount(self, name: str) -> None:
        subprocess.run([*self.inside, "umount", "-l", str(self.mounted / name)], check=True)

    @contextlib.contextmanager
    def full(self, leave: int = 0):
        """Leave that many bytes of room during the block."""
        ballast = self.folder / "ballast"
        with ballast.open("wb", buffering=0) as file:
            for size in (1 << 20, 4096):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(size))
        os.truncate(ballast, max(0, ballast.stat().st_size - leave))
        try:
            yield
        finally:
            ballast.unlink()

    def close(self) -> None:
        self._holder.kill()
        self._holder.communicate()


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    disk = Disk(tmp_path_factory.mktemp("disk"), MEGABYTES)
    yield disk
    disk.close()


@pytest.fixture(scope="module")
def running(disk, tmp_path_factory):
    """Service and worker on that disk, with their SQLite files and their cache."""
    logs = tmp_path_factory.mktemp("logs")
    environ = environment(disk.mounted, MELISMA_CACHE_URL=f"sqlite:///{disk.mounted}/cache.sqlite")
    service = Service(environ, logs / "service.log", disk.inside)
    worker = Worker(environ, logs / "worker.log", disk.inside)
    with ended(service, worker):
        service.ready()
        worker.ready()
        yield service, worker


@pytest.fixture(scope="module")
def sung(tmp_path_factory):
    from melisma.synth import write
    from melisma.synth.score import score_of_length

    folder = tmp_path_factory.mktemp("sung")
    write.save(score_of_length(40, "en", seed=1), folder, title="Full")
    return (folder / "audio.wav").read_bytes(), (folder / "lyrics.txt").read_text(encoding="utf-8")


@pytest.fixture
def client(running):
    with running[0].client() as client:
        yield client


@pytest.fixture(scope="module")
def made(running, sung):
    """A song, its bytes and its alignment, made while there was room."""
    audio, lyrics = sung
    with running[0].client() as client:
        form = {"files": {"audio": ("song.wav", audio)}, "data": {"lyrics": lyrics, "language": "en", "title": "Full"}}
        job = client.post("/v1/alignments", **form).json()
        assert over(client, job["id"])["state"] == "done"
    return job["song_id"], job["alignment_id"], audio


@pytest.fixture(scope="module")
def other_id(running, made, sung):
    """Another alignment of the song, to be corrected where the disk is to be full to the last byte."""
    with running[0].client() as client:
        wish = {"song_id": made[0], "lyrics": {"text": sung[1]}, "language": "en", "engine": "phone"}
        job = client.post("/v1/alignments", json=wish).json()
        assert over(client, job["id"])["state"] == "done"
    return job["alignment_id"]


def refused(answer: httpx.Response, detail: str) -> None:
    """Hold an answer to what the user is to see."""
    assert answer.status_code == 507, (answer.status_code, answer.text)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) > 0
    problem = answer.json()
    assert (problem["type"], problem["title"], problem["detail"]) == ("/problems/no-room", "no room", detail)


def files(disk: Disk) -> set[Path]:
    return {path.relative_to(disk.folder) for path in (disk.folder / "files").rglob("*") if path.is_file()}


def all_is_there(client: httpx.Client, made: tuple[str, str, bytes]) -> None:
    song_id, alignment_id, audio = made
    assert client.get(f"/v1/songs/{song_id}/audio").content == audio
    assert client.get(f"/v1/alignments/{alignment_id}").status_code == 200
    assert [each["id"] for each in client.get("/v1/songs", params={"search": "Full"}).json()["items"]] == [song_id]


def correct(client: httpx.Client, alignment_id: str, version: int) -> httpx.Response:
    said = {"version": version, "edits": [{"op": "confirm", "words": [0, 1]}], "summary": f"change {version}"}
    return client.patch(f"/v1/alignments/{alignment_id}/words", json=said)


def correct_until_full(client: httpx.Client, alignment_id: str) -> tuple[int, httpx.Response]:
    """Save until that is refused: SQLite has some room in its own files. Return the last version, and the answer."""
    version = client.get(f"/v1/alignments/{alignment_id}/info").json()["version"]
    for _ in range(MOST_SAVES):
        answer = correct(client, alignment_id, version)
        if answer.status_code != 200:
            return version, answer
        version += 1
    pytest.fail("the disk was not full")


@pytest.mark.parametrize("n_more", [0, 10_000_000])  # bytes: the answer reaches whoever is still sending, too
def test_an_upload_that_finds_no_room_is_refused_and_leaves_nothing(disk, client, made, n_more):
    song = song_of(9, made[2] + bytes(n_more))
    upload = {"files": {"audio": ("more.wav", song)}, "headers": {"Idempotency-Key": f"more-{n_more}"}}
    before = files(disk)
    with disk.full(leave=300_000):
        refused(client.post("/v1/songs", **upload), "there is no room on the service's disk")
        assert files(disk) == before
        assert client.get("/v1/songs", params={"search": "more"}).json()["items"] == []
        all_is_there(client, made)
    answer = client.post("/v1/songs", **upload)
    assert answer.status_code == 201, answer.text
    assert client.delete(answer.headers["Location"]).status_code == 204
    assert files(disk) == before


def test_a_correction_that_finds_no_room_is_refused_and_no_version_is_lost(disk, client, made):
    alignment_id = made[1]
    with disk.full():
        version, answer = correct_until_full(client, alignment_id)
        refused(answer, "there is no room for the service's database")
        all_is_there(client, made)
        assert client.get(f"/v1/alignments/{alignment_id}/info").json()["version"] == version
        refused(correct(client, alignment_id, version), "there is no room for the service's database")
    answer = correct(client, alignment_id, version)
    assert (answer.status_code, answer.json()["version"]) == (200, version + 1)
    history = versions(client, alignment_id)
    assert [each["version"] for each in history] == list(range(1, version + 2))
    assert [each["summary"] for each in history[1:]] == [f"change {n}" for n in range(1, version + 1)]
    with contextlib.closing(sqlite3.connect(disk.folder / "melisma.sqlite")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_an_upload_whose_row_finds_no_room_leaves_no_file(disk, client, made, other_id):
    before = files(disk)
    small = song_of(77, made[2][:200_000])
    upload = {"files": {"audio": ("small.wav", small)}, "headers": {"Idempotency-Key": "small"}}
    with disk.full():
        correct_until_full(client, other_id)
        ballast = disk.folder / "ballast"
        os.truncate(ballast, (ballast.stat().st_size - len(small)) // 4096 * 4096)  # room for the file and no more
        refused(client.post("/v1/songs", **upload), "there is no room for the service's database")
        assert files(disk) == before
        all_is_there(client, made)
    assert client.post("/v1/songs", **upload).status_code == 201


@pytest.mark.parametrize("begun", [False, True])
def test_a_job_waits_while_nothing_can_be_written_and_ends_when_there_is_room(
    disk, client, made, other_id, running, begun
):
    _, worker = running
    alignment_id, n_said, version = made[1], worker.log.stat().st_size, 0

    def ask() -> dict:
        nonlocal version
        version = client.get(f"/v1/alignments/{alignment_id}/info").json()["version"]
        return client.post(f"/v1/alignments/{alignment_id}/regenerate", json={"engine": "phone"}).json()

    def free(_: str = "") -> bool:
        file = disk.folder / "melisma.sqlite"
        with (
            contextlib.suppress(sqlite3.OperationalError),
            contextlib.closing(sqlite3.connect(file, timeout=5, isolation_level=None)) as connection,
        ):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
            return True
        return False

    try:
        if begun:
            job = caught(client, worker, ask, free)
        else:
            worker.pause()
            while not free():
                worker.go_on()
                time.sleep(0.02)
                worker.pause()
            job = ask()
        with disk.full():
            correct_until_full(client, other_id)
            worker.go_on()
            until(lambda: b"disk is full" in worker.log.read_bytes()[n_said:], "that the worker knows it")
            now = client.get(f"/v1/jobs/{job['id']}").json()
            assert now["state"] in ("queued", "running"), now
    finally:
        worker.go_on()
    last = over(client, job["id"])
    assert (last["state"], last["result"]["version"]) == ("done", version + 1), last
    assert [each["version"] for each in versions(client, alignment_id)] == list(range(1, version + 2))


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="there is no ffmpeg")
def test_a_video_that_finds_no_room_fails_with_that_reason_and_is_made_when_there_is(disk, client, made):
    alignment_id = made[1]
    wish = {"width": 320, "height": 180, "fps": 10}
    before = files(disk)
    disk.mount("work", "64k")
    try:
        job = client.post(f"/v1/alignments/{alignment_id}/videos", json=wish).json()
        last = over(client, job["id"])
        assert (last["state"], last["problem"]["type"], last["problem"]["status"]) == (
            "failed",
            "/problems/no-room",
            507,
        )
        assert [cause["kind"] for cause in last["causes"]] == ["NoRoom"] * 3
        assert {cause["detail"] for cause in last["causes"]} == {"there is no room on the service's disk"}
        assert files(disk) == before
        assert list((disk.folder / "work").iterdir()) == []
        disk.mount("work", "16m", again=True)
        job = client.post(f"/v1/alignments/{alignment_id}/videos", json=wish).json()
        last = over(client, job["id"])
        assert last["state"] == "done", last
        assert client.get(f"/v1/videos/{last['result']['video_id']}").status_code == 200
    finally:
        disk.unmount("work")


def test_a_waveform_is_answered_though_no_copy_of_it_can_be_kept(disk, client, made):
    disk.mount("derived", "4k")
    try:
        with contextlib.suppress(OSError):
            (disk.folder / "derived" / "ballast").write_bytes(bytes(8192))
        found = [client.get(f"/v1/songs/{made[0]}/peaks", params={"per_second": 50}) for _ in range(2)]
        assert [answer.status_code for answer in found] == [200, 200]
        assert found[0].json() == found[1].json()
        assert [path.name for path in (disk.folder / "derived").rglob("*") if path.is_file()] == ["ballast"]
    finally:
        disk.unmount("derived")
