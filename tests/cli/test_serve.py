"""`melisma serve` as it is started: the one line it prints, what it refuses, and how it ends."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

PROGRAM = [sys.executable, "-m", "melisma.cli.main"]
TOKEN = "ann:a-token-that-is-long"
STARTS_WITHIN_S = 300  # on a machine that has much else to do


@contextlib.contextmanager
def serving(tmp_path: Path, *options: str, **environ: str):
    """Start the service on a free port; yield its process and its address."""
    command = [*PROGRAM, "serve", "--port", "0", "--data", str(tmp_path / "data"), *options]
    said = {**os.environ, **environ}
    process = subprocess.Popen(command, env=said, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    guard = signal.signal(signal.SIGALRM, lambda *_: process.kill())
    signal.alarm(STARTS_WITHIN_S)
    try:
        line = process.stdout.readline()
        found = re.fullmatch(r"Melisma is at (http://\S+)/studio/\n", line)
        if found is None:
            process.kill()
            pytest.fail(f"the service said {line!r} and {process.stderr.read()!r}")
        yield process, found[1]
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, guard)
        if process.poll() is None:
            process.kill()
        process.communicate()


def refused(*options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [*PROGRAM, "serve", *options]
    return subprocess.run(command, env={**os.environ, **environ}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_answers_and_ends_when_it_is_told_to(tmp_path, number):
    with serving(tmp_path) as (process, address):
        with pytest.raises(urllib.error.HTTPError, match="404") as caught:
            urllib.request.urlopen(f"{address}/v1/nowhere")
        assert caught.value.headers["Content-Type"] == "application/problem+json"
        caught.value.close()
        process.send_signal(number)
        out, err = process.communicate(timeout=STARTS_WITHIN_S)
    assert (process.returncode, out) == (0, "")
    assert "Traceback" not in err
    assert (tmp_path / "data" / "melisma.sqlite").exists()


def test_no_stranger_gets_in_without_a_token(tmp_path):
    done = refused("--host", "0.0.0.0", "--port", "0", "--data", str(tmp_path / "data"))
    assert done.returncode == 2
    assert done.stdout == ""
    assert "would listen on 0.0.0.0, where others can reach it, without a token" in done.stderr
    assert not (tmp_path / "data").exists()


def test_with_a_token_it_listens_for_all(tmp_path):
    with serving(tmp_path, "--host", "0.0.0.0", "--token", TOKEN) as (_, address):
        assert address.startswith("http://127.0.0.1:")


def test_a_port_that_is_taken_is_one_sentence(tmp_path):
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        done = refused("--port", str(port), "--data", str(tmp_path / "data"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (f"error: another program listens on 127.0.0.1 port {port} already: give another --port\n")


@pytest.mark.parametrize(
    ("options", "environ", "sentence"),
    [
        (["--host", "203.0.113.7", "--token", TOKEN], {}, "cannot listen on 203.0.113.7 port 8765: "),
        (["--token", "ann:short"], {}, "the token of 'ann' in MELISMA_API_TOKENS is too short"),
        (["--library", "/nowhere"], {}, "MELISMA_LIBRARY_DIR names no folder that can be read: /nowhere"),
        (["--token-file", "/nowhere"], {}, "the file that MELISMA_API_TOKENS_FILE names cannot be read: No such file"),
        ([], {"MELISMA_WORKERS": "many"}, "MELISMA_WORKERS is a number, 0 or more, not 'many'"),
        ([], {"MELISMA_DATABASE_URL": "mysql://u:hidden@h/b"}, "MELISMA_DATABASE_URL is no URL that can be used"),
    ],
)
def test_what_cannot_be_is_one_sentence(tmp_path, options, environ, sentence):
    done = refused("--data", str(tmp_path / "data"), *options, **environ)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert sentence in done.stderr
    assert "hidden" not in done.stderr


def test_an_option_wins_over_the_environment(tmp_path):
    (tmp_path / "elsewhere").write_text("no folder", encoding="utf-8")
    with serving(tmp_path, MELISMA_DATA_DIR=str(tmp_path / "elsewhere"), MELISMA_PORT="1"):
        assert (tmp_path / "data" / "melisma.sqlite").exists()


def test_the_studio_is_opened_in_a_browser_and_nobody_waits_for_it(tmp_path):
    """A browser that stays in the foreground: the service answers while it is open."""
    browser, told = tmp_path / "browser", tmp_path / "told"
    browser.write_text(
        f'#!/bin/sh\nexec >/dev/null 2>&1\necho "$1" $$ > {told}.part\nmv {told}.part {told}\nexec sleep 600\n',
        encoding="utf-8",
    )
    browser.chmod(0o755)
    with serving(tmp_path, "--open", BROWSER=f"{browser} %s") as (process, address):
        ends = time.monotonic() + STARTS_WITHIN_S
        while not told.exists() and time.monotonic() < ends:
            time.sleep(0.05)
        page, opened = told.read_text().split()
        assert page == f"{address}/studio/"
        with urllib.request.urlopen(f"{address}/healthz") as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(STARTS_WITHIN_S) == 0
        os.kill(int(opened), signal.SIGTERM)


def test_a_data_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    done = refused("--port", "0", "--data", str(tmp_path / "file" / "data"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: cannot make the data folder {tmp_path}/file/data: Not a directory\n"


def test_without_its_packages_the_sentence_names_the_extra(tmp_path):
    said = (
        "import sys; sys.modules['uvicorn'] = None; sys.modules['huey'] = None\n"
        "from melisma.cli.main import run; sys.argv = ['melisma', 'serve']; run()"
    )
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr == (
        "error: melisma serve needs packages that are not installed (uvicorn, huey): pip install 'melisma[server]'\n"
    )
