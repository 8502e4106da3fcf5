"""Checkpoints to a real server of S3 and to a folder, through what goes wrong with servers, and back."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from melisma.core.errors import InputError
from melisma.train.whisper import checkpoints
from melisma.train.whisper.download import fetch
from melisma.train.whisper.object_store import Address, Link, open_store, sentence
from melisma.train.whisper.sent import Sent, safe_path
from melisma.train.whisper.upload import JOURNAL, WAITING, Uploader, Uploading

IMPATIENT = Link(timeout_s=2.0, connect_s=1.0, retries=0)  # with a server that never answers
PATIENT = replace(IMPATIENT, timeout_s=120.0, connect_s=120.0)


def checkpoint(run, step, *, n_bytes=1000, **progress):
    """Write a checkpoint as the training does."""
    folder = checkpoints.begin(run, step)
    (folder / "model.safetensors").write_bytes(step.to_bytes(4, "big") * (n_bytes // 4))
    (folder / "optimizer.pt").write_bytes(b"optimiser")
    return checkpoints.finish(run, step, {"step": step} | progress)


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "models" / "whisper" / "first"
    folder.mkdir(parents=True)
    (folder / "training_config.json").write_text('{"steps": 4}', encoding="utf-8")
    (folder / "training_history.jsonl").write_text('{"step": 2, "wer": 0.5}\n', encoding="utf-8")
    return folder


def uploader(run, url, said, **settings):
    settings = {"first_wait_s": 0.01, "link": PATIENT, "close_s": 600.0, "waiting": 8} | settings
    sending = Uploader(Uploading(Address.of(url), "first", "id1", **settings), run, said.append)
    sending.start()
    return sending


def keys(url):
    pages = open_store(Address.of(url)).list()
    return sorted(each["path"] for page in pages for each in page)


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(params=["s3", "file"])
def url(request, tmp_path):
    if request.param == "file":
        return f"file://{tmp_path}/store"
    return f"s3://{request.getfixturevalue('s3').new_bucket()}/some/where"


def test_a_checkpoint_goes_there_and_comes_back_the_same(run, url, tmp_path):
    said: list[str] = []
    log = tmp_path / "first.log"
    log.write_text('{"step": 2}\n', encoding="utf-8")
    sending = uploader(run, url, said)
    sending.log = log
    for step in (2, 4):
        sending.submit(checkpoint(run, step))
    (run / "model.safetensors").write_bytes(b"weights")
    sending.submit_model(4)
    report = sending.close()
    assert (report.sent, report.failed) == (["checkpoint-2", "checkpoint-4", "model"], {})
    assert not (run / WAITING).exists()
    assert "first/model/model.safetensors" in keys(url)
    other, other_log = tmp_path / "elsewhere" / "first", tmp_path / "elsewhere" / "first.log"
    assert fetch(f"{url}/first", other, log=other_log, say=said.append) == 4
    assert contents(other / "checkpoints" / "checkpoint-4") == contents(run / "checkpoints" / "checkpoint-4")
    assert checkpoints.last(other)[0] == 4
    assert (other / "training_history.jsonl").read_bytes() == (run / "training_history.jsonl").read_bytes()
    assert (other / "training_config.json").read_bytes() == (run / "training_config.json").read_bytes()
    assert other_log.read_bytes() == log.read_bytes()
    assert fetch(f"{url}/first/checkpoint-2", tmp_path / "third", say=said.append) == 2


def test_what_is_handed_over_is_sent_though_the_training_removes_it(run, url):
    sending = uploader(run, url, [])
    made = checkpoint(run, 2)
    before = contents(made)
    sending.submit(made)
    shutil.rmtree(made)
    assert sending.close().sent == ["checkpoint-2"]
    fetch(f"{url}/first", run, say=lambda _: None)
    assert contents(made) == before


def test_what_is_there_is_not_sent_again(run, url):
    made = checkpoint(run, 2)
    first = uploader(run, url, [])
    first.submit(made)
    sent = first.close()
    assert (sent.n_kept, sent.n_bytes > 1000) == (0, True)
    again = uploader(run, url, [])  # as after a kill
    again.submit(made)
    kept = again.close()
    assert (kept.n_bytes, kept.n_kept) == (0, len(contents(made)) + 2)
    open_store(Address.of(url)).put("first/checkpoint-2/optimizer.pt", b"of others")  # changed behind our back
    third = uploader(run, url, [])
    third.submit(made)
    assert third.close().n_bytes == len(b"optimiser")


def test_a_large_file_goes_in_parts(run, s3):
    url = f"s3://{s3.new_bucket()}"
    sending = uploader(run, url, [])
    made = checkpoint(run, 2, n_bytes=20 << 20)
    sending.submit(made)
    assert sending.close().sent == ["checkpoint-2"]
    there = open_store(Address.of(url)).head("first/checkpoint-2/model.safetensors")
    assert there["size"] == 20 << 20
    assert there["e_tag"].rstrip('"').endswith("-3")  # S3's tag of an object in three parts


def test_a_server_that_hangs_costs_no_step_and_is_said_once(run, s3):
    said: list[str] = []
    url = f"s3://{s3.new_bucket()}"
    with s3.frozen():
        sending = uploader(run, url, said, tries=1, waiting=2, link=IMPATIENT)
        for step in range(1, 7):  # as a training does, which goes on whatever happens
            sending.submit(checkpoint(run, step))
        assert sending.report.sent == []
        report = sending.close()
    assert report.sent == []
    assert set(report.failed) == {f"checkpoint-{step}" for step in range(1, 7)}
    assert len([text for text in said if "the training goes on" in text]) == 1
    assert said[-1].startswith("6 of 6 were not sent")
    assert not (run / WAITING).exists()
    assert checkpoints.last(run)[0] == 6


def test_a_newer_checkpoint_takes_the_place_of_an_older_one_that_waits(run, s3):
    url = f"s3://{s3.new_bucket()}"
    with s3.frozen():
        sending = uploader(run, url, [], waiting=1)
        for step in range(1, 6):
            sending.submit(checkpoint(run, step))
    report = sending.close()  # the server answers again
    assert report.sent[-1] == "checkpoint-5"
    assert all("newer one" in why for why in report.failed.values())
    assert len(report.sent) + len(report.failed) == 5


class Failing(ThreadingHTTPServer):
    """Stands before a server and answers 500 a number of times."""

    daemon_threads = True

    def __init__(self, behind, n):
        self.behind, self.left, self.failed, self.heard = urlsplit(behind), n, 0, []
        super().__init__(("127.0.0.1", 0), Passing)

    def passed(self, path, headers):
        return path, headers


class Google(Failing):
    """Says in Amazon's way what Google's clients say of a path and of who they are."""

    who = "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"

    def passed(self, path, headers):
        where, _, asked = path.partition("?")
        said = {k: v for k, v in headers.items() if k.lower() != "authorization"}
        return f"{unquote(where)}?{asked}", said | {
            "Authorization": f"AWS4-HMAC-SHA256 Credential={self.who}, Signature=0"
        }


class Passing(BaseHTTPRequestHandler):
    def handle_one(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.heard.append(dict(self.headers))
        if self.server.left:
            self.server.left -= 1
            self.server.failed += 1
            self.send_response(500)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        there = http.client.HTTPConnection(self.server.behind.hostname, self.server.behind.port, timeout=60)
        with contextlib.closing(there):
            path, headers = self.server.passed(self.path, dict(self.headers))
            there.request(self.command, path, body, headers)
            answer = there.getresponse()
            said = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(said)

    do_PUT = do_GET = do_HEAD = do_POST = handle_one

    def log_message(self, *args):
        pass


@pytest.fixture
def failing(s3, monkeypatch):
    """Put a server in front that answers 500 so many times."""
    servers = []

    def begin(n, kind=Failing):
        server = kind(s3.url, n)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
        return server

    yield begin
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_server_that_answers_500_is_tried_again(run, s3, failing):
    said: list[str] = []
    bucket, server = s3.new_bucket(), failing(3)
    sending = uploader(run, f"s3://{bucket}", said, tries=3)
    sending.submit(checkpoint(run, 2))
    report = sending.close()
    assert (server.failed, report.sent, report.failed) == (3, ["checkpoint-2"], {})


def test_a_server_that_answers_500_for_ever_is_said_with_nothing_secret(run, s3, failing):
    said: list[str] = []
    bucket, server = s3.new_bucket(), failing(10**6)
    sending = uploader(run, f"s3://{bucket}", said, tries=2)
    sending.submit(checkpoint(run, 2))
    report = sending.close()
    assert server.failed > 2
    assert report.sent == []
    assert "500" in report.failed["checkpoint-2"]
    assert any("AKIAPLANTEDKEY" in heard.get("authorization", "") for heard in server.heard)  # it was signed
    everything = " ".join([*said, *report.failed.values(), *(p.read_text() for p in run.glob("*.jsonl"))])
    assert "planted-secret-value" not in everything
    assert "AKIAPLANTEDKEY" not in everything


def test_a_server_that_dies_leaves_no_checkpoint_that_looks_whole(run, s3, tmp_path):
    said: list[str] = []
    url = f"s3://{s3.new_bucket()}"
    sending = uploader(run, url, said, tries=2)
    s3.kill()
    sending.submit(checkpoint(run, 2))
    assert sending.close().failed.keys() == {"checkpoint-2"}
    s3.start()  # empty, as moto keeps all in memory
    with pytest.raises(InputError, match="NoSuchBucket"):
        fetch(f"{url}/first", tmp_path / "other", say=said.append)


def test_a_bucket_that_is_not_there_is_said_before_the_first_checkpoint(run, s3):
    said: list[str] = []
    sending = uploader(run, "s3://nobodys-bucket", said, tries=5, first_wait_s=100)
    sending.close()
    assert len(said) == 1
    assert "NoSuchBucket" in said[0]


def test_the_first_failure_is_said_once_though_two_threads_meet_one(run, s3):
    said, told, go = [], threading.Event(), threading.Event()

    def say(text):
        said.append(text)
        told.set()
        assert go.wait(60)

    config = Uploading(Address.of("s3://nobodys-bucket"), "first", "id1", first_wait_s=0.01, waiting=1, link=PATIENT)
    sending = Uploader(config, run, say)
    sending.start()
    assert told.wait(60)  # the thread that sends is about to say it
    for step in (1, 2):
        sending.submit(checkpoint(run, step))  # the second takes the place of the first, which is another failure
    go.set()
    sending.close()
    assert [text for text in said if "the training goes on" in text] == said[:1]


def test_a_process_that_ends_while_the_server_hangs_ends(run, s3):
    checkpoint(run, 2)
    program = f"""
import sys
from pathlib import Path
from melisma.train.whisper.object_store import Address, Link
from melisma.train.whisper.upload import Uploader, Uploading
sending = Uploader(Uploading(Address.of("s3://{s3.new_bucket()}"), "first", "i", close_s=0.5, link=Link(60, 60)),
                   Path({str(run)!r}), print)
sending.start()
sending.submit(Path({str(run)!r}) / "checkpoints" / "checkpoint-2")
print(sending.close().failed)
"""
    with s3.frozen():
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=600, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "the time was up" in done.stdout


def test_a_checkpoint_without_its_manifest_is_none(run, url, tmp_path):
    sending = uploader(run, url, [])
    for step in (2, 4):
        sending.submit(checkpoint(run, step))
    sending.close()
    store = open_store(Address.of(url))
    store.delete("first/checkpoint-4/manifest.json")  # as if the machine had gone before it was sent
    assert fetch(f"{url}/first", tmp_path / "other", say=lambda _: None) == 2
    with pytest.raises(InputError, match="no whole checkpoint of step 4"):
        fetch(f"{url}/first/checkpoint-4", tmp_path / "third", say=lambda _: None)
    with pytest.raises(InputError, match="is it the folder of a run"):
        fetch(url, tmp_path / "fourth", say=lambda _: None)


def test_a_file_that_was_changed_there_is_refused_and_nothing_stays(run, url, tmp_path):
    sending = uploader(run, url, [])
    sending.submit(checkpoint(run, 2))
    sending.close()
    store = open_store(Address.of(url))
    for data in (b"x" * 1000, b"x" * 10_000, b""):
        store.put("first/checkpoint-2/model.safetensors", data)
        with pytest.raises(InputError, match=r"model.safetensors is not what was sent"):
            fetch(f"{url}/first", tmp_path / "other", say=lambda _: None)
    store.delete("first/checkpoint-2/model.safetensors")
    with pytest.raises(InputError, match="is missing"):
        fetch(f"{url}/first", tmp_path / "other", say=lambda _: None)
    assert contents(tmp_path / "other") == {}


def test_a_later_checkpoint_here_is_kept(run, tmp_path):
    url = f"file://{tmp_path}/store"
    sending = uploader(run, url, [])
    sending.submit(checkpoint(run, 2))
    sending.close()
    checkpoint(run, 3)
    said: list[str] = []
    assert fetch(f"{url}/first", run, say=said.append) == 3
    assert "going on from the first" in said[0]


def test_the_best_checkpoint_comes_along_with_the_last(run, tmp_path):
    url, other = f"file://{tmp_path}/store", tmp_path / "other"
    sending = uploader(run, url, [])
    for step in (2, 4, 6):
        sending.submit(checkpoint(run, step, best_step=2))
    sending.close()
    assert fetch(f"{url}/first", other, say=lambda _: None) == 6
    assert [step for step, _ in checkpoints.found(other)] == [2, 6]
    shutil.rmtree(checkpoints.path_of(other, 2))  # as if killed between the two
    assert fetch(f"{url}/first", other, say=lambda _: None) == 6
    assert [step for step, _ in checkpoints.found(other)] == [2, 6]


def test_a_checkpoint_is_not_put_into_the_folder_of_another_training(run, tmp_path):
    url, other = f"file://{tmp_path}/store", tmp_path / "other"
    sending = uploader(run, url, [])
    sending.submit(checkpoint(run, 4, run_id="id1"))
    sending.close()
    checkpoint(other, 2, run_id="id2")
    before = contents(other)
    with pytest.raises(InputError, match="holds another training"):
        fetch(f"{url}/first", other, say=lambda _: None)
    assert contents(other) == before


GOOD = {"format": "melisma.whisper-checkpoint/1", "run": "a", "run_id": "b", "step": 2, "files": []}


@pytest.mark.parametrize(
    "wrong",
    [
        {"files": [{"path": "../../etc/cron.d/x", "size": 1, "sha256": "0" * 64}]},
        {"files": [{"path": "/etc/passwd", "size": 1, "sha256": "0" * 64}]},
        {"files": [{"path": "a\\..\\b", "size": 1, "sha256": "0" * 64}]},
        {"files": [{"path": ".hidden", "size": 1, "sha256": "0" * 64}]},
        {"files": [{"path": "a", "size": -1, "sha256": "0" * 64}]},
        {"files": [{"path": "a", "size": 1, "sha256": "0" * 63}]},
        {"files": [{"path": p, "size": 1, "sha256": "0" * 64} for p in ("a", "A")]},
        {"format": "other/1"},
        {"step": -1},
        {"more": 1},
    ],
)
def test_a_manifest_of_a_stranger_is_refused(wrong, tmp_path):
    (tmp_path / "store" / "checkpoint-2").mkdir(parents=True)
    (tmp_path / "store" / "checkpoint-2" / "manifest.json").write_text(json.dumps(GOOD | wrong), encoding="utf-8")
    with pytest.raises(InputError, match="no manifest of a checkpoint"):
        fetch(f"file://{tmp_path}/store", tmp_path / "run", say=lambda _: None)
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_larger_than_the_disk_is_refused(tmp_path):
    big = [{"path": "model.safetensors", "size": 10**18, "sha256": "0" * 64}]
    (tmp_path / "store" / "checkpoint-2").mkdir(parents=True)
    (tmp_path / "store" / "checkpoint-2" / "manifest.json").write_text(json.dumps(GOOD | {"files": big}))
    with pytest.raises(InputError, match="has room for"):
        fetch(f"file://{tmp_path}/store", tmp_path / "run", say=lambda _: None)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://bucket/x", "no object store"),
        ("azure://b/x", "no object store"),
        ("models/whisper", "no object store"),
        ("s3://key:secret@bucket/x", "from the environment"),
        ("s3:///x", "names no bucket"),
        ("s3://Bucket/x", "names no bucket"),
        ("s3://bucket/a/../b", "prefix"),
        ("s3://bucket/x?versionId=3", "behind"),
        ("file://host/x", "folder of this machine"),
    ],
)
def test_an_address_that_is_none_is_refused(url, why):
    with pytest.raises(InputError, match=why) as refused:
        Address.of(url)
    assert "secret" not in str(refused.value)


def test_a_server_without_tls_has_to_be_allowed(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.delenv("AWS_ALLOW_HTTP", raising=False)
    with pytest.raises(InputError, match="AWS_ALLOW_HTTP=1"):
        open_store(Address.of("s3://bucket"))


def test_google_cloud_storage_is_spoken_to(run, s3, failing, tmp_path, monkeypatch):
    """Moto's server answers what the XML interface of Google's store is asked here: to put, head, list and get."""
    server, account = failing(1, Google), tmp_path / "account.json"
    told = {"gcs_base_url": f"http://127.0.0.1:{server.server_address[1]}", "disable_oauth": True}
    account.write_text(json.dumps(told | dict.fromkeys(("client_email", "private_key", "private_key_id"), "")))
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", str(account))
    url = f"gs://{s3.new_bucket()}/deep"
    sending = uploader(run, url, [])
    sending.submit(checkpoint(run, 2))
    report = sending.close()
    assert (report.sent, report.failed) == (["checkpoint-2"], {})
    assert fetch(f"{url}/first", tmp_path / "other", say=lambda _: None) == 2


def test_a_machine_without_credentials_is_told_which_there_are(dead_port, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    said = ValueError("Error performing PUT http://169.254.169.254/latest/api/token in 3 s")
    assert "no credentials (AWS_ACCESS_KEY_ID" in sentence(said)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", f"http://127.0.0.1:{dead_port}")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "1")
    with pytest.raises(InputError, match="cannot be read"):
        fetch("s3://bucket/run", Path("nowhere"), link=IMPATIENT)


def test_secrets_are_taken_out_of_what_a_store_says(monkeypatch):
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token-of-mine")
    assert sentence(ValueError("bad token-of-mine here\nDebug source: …")) == "bad … here"


def test_a_broken_journal_costs_only_sending_again(run, tmp_path):
    url = f"file://{tmp_path}/store"
    (run / JOURNAL).write_bytes(b"\xff\xfe not a line")
    sending = uploader(run, url, [])
    sending.submit(checkpoint(run, 2))
    assert sending.close().sent == ["checkpoint-2"]


def test_paths_stay_in_their_folder():
    assert safe_path("run/training_config.json") == "run/training_config.json"
    assert Sent.read(json.dumps(GOOD).encode(), "here").n_bytes == 0
    for path in ("", "a//b", "a/../b", "C:\\x", "a\n", "/".join("a" * 9)):
        with pytest.raises(ValueError, match="no path"):
            safe_path(path)


def test_no_folder_for_what_waits_is_a_failure_of_that_checkpoint_only(run, tmp_path):
    sending = uploader(run, f"file://{tmp_path}/store", [])
    (run / WAITING).write_text("a file where a folder is to be", encoding="utf-8")
    sending.submit(checkpoint(run, 2))
    os.remove(run / WAITING)
    sending.submit(checkpoint(run, 3))
    report = sending.close()
    assert (report.sent, list(report.failed)) == (["checkpoint-3"], ["checkpoint-2"])
