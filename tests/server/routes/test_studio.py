"""The Studio's files as the service sends them: right types, asked after again, and nothing from outside the folder."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

fastapi = pytest.importorskip("fastapi", reason="fastapi is not installed (pip install 'melisma[server]')")

from fastapi.testclient import TestClient  # noqa: E402

import melisma  # noqa: E402
from melisma.core.errors import NotFound  # noqa: E402
from melisma.server import problems  # noqa: E402
from melisma.server.routes import studio  # noqa: E402

STUDIO = Path(melisma.__file__).parent / "studio"
FILES = sorted(path.relative_to(STUDIO).as_posix() for path in STUDIO.rglob("*") if path.is_file())
VENDOR = STUDIO / "vendor" / "wavesurfer"


@pytest.fixture
def client():
    app = fastapi.FastAPI()
    problems.install(app)
    app.include_router(studio.router)
    with TestClient(app, follow_redirects=False) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/studio"])
def test_the_root_leads_to_the_studio_below_any_prefix(client, path):
    answer = client.get(path)
    assert answer.status_code == 307
    assert answer.headers["location"] == "studio/"


def test_the_folder_is_the_page(client):
    answer = client.get("/studio/")
    assert answer.content == (STUDIO / "index.html").read_bytes()
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("name", [name for name in FILES if name.rpartition("/")[2] != "LICENSE"])
def test_every_file_is_served_as_what_it_is(client, name):
    answer = client.get(f"/studio/{name}")
    assert answer.status_code == 200
    assert answer.content == (STUDIO / name).read_bytes()
    assert answer.headers["content-type"] == studio.MEDIA_TYPES[name.rpartition(".")[2]]
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_browser_that_has_the_file_is_told_so(client):
    first = client.get("/studio/js/main.js")
    again = client.get("/studio/js/main.js", headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    other = client.get("/studio/js/main.js", headers={"If-None-Match": client.get("/studio/").headers["etag"]})
    assert other.status_code == 200


def test_head_has_the_headers_only(client):
    answer = client.head("/studio/js/main.js")
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) == len((STUDIO / "js" / "main.js").read_bytes())


@pytest.mark.parametrize(
    "path",
    [
        "../__init__.py",
        "..%2f__init__.py",
        "%2e%2e/%2e%2e/py.typed",
        "js/..%2f..%2fformats/karaoke_page/page.css",
        "..%5c__init__.py",
        "js//main.js",
        "/etc/hosts.css",
        "%2fetc/hosts.css",
        "js/main.js%00.css",
        "js",
        "css/",
        "js/main.js/x.js",
        "none.js",
        ".hidden.js",
        "a/b/c/d/e.js",
        "vendor/wavesurfer/LICENSE",
    ],
)
def test_nothing_else_is_served(client, path):
    answer = client.get(f"/studio/{path}")
    assert answer.status_code == 404
    if answer.headers["content-type"] == problems.MEDIA_TYPE and "/studio/" in answer.json()["instance"]:
        assert str(STUDIO) not in answer.text


@pytest.mark.parametrize("path", ["../__init__.py", "js/../../__init__.css", "/index.html", "js\\main.js", "", "é.css"])
def test_a_path_is_read_only_by_plain_names(path):
    with pytest.raises(NotFound, match="there is no page"):
        studio.read(path)


def test_the_page_asks_no_other_host_and_has_no_inline_script_or_style():
    page = (STUDIO / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", page)
    assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?![^>]*\ssrc=)", page)


def test_what_is_vendored_is_what_its_readme_says():
    table = dict(re.findall(r"^\| `([\w./-]+)` \| `([0-9a-f]{64})` \|$", (VENDOR / "README.md").read_text(), re.M))
    found = {path.relative_to(VENDOR).as_posix(): path.read_bytes() for path in VENDOR.rglob("*.js")}
    assert {name: hashlib.sha256(content).hexdigest() for name, content in found.items()} == table
    assert "BSD 3-Clause" in (VENDOR / "LICENSE").read_text()


MARKUP = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function")


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".js") and "vendor/" not in name])
def test_our_modules_are_short_and_put_no_data_into_markup(name):
    lines = (STUDIO / name).read_text(encoding="utf-8").splitlines()
    assert len(lines) < 400
    assert [line for line in lines if len(line) > 120 or MARKUP.search(line)] == []
