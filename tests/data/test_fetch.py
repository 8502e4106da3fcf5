from __future__ import annotations

import functools
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("yt_dlp")

from data.web import Page, Site, serving
from melisma.audio.decode import load
from melisma.core.errors import FormatError, InputError
from melisma.data.fetch import Fate, FetchConfig, Fetched, Fetcher, Limits, Wanted
from melisma.data.fetching import yt_dlp
from melisma.data.fetching.archive import Archive, Entry
from melisma.data.fetching.lists import parse_list, read_list
from melisma.data.fetching.protocol import Unfetched
from melisma.data.fetching.reasons import unfetched
from melisma.data.fetching.sidecar import sidecars, write_manifest
from melisma.data.manifest import read


@functools.cache
def sound(seconds: float = 1.0, kind: str = "OGG", seed: int = 0) -> bytes:
    samples = 0.1 * np.random.default_rng(seed).standard_normal(int(16000 * seconds))
    kept = io.BytesIO()
    soundfile.write(kept, samples.astype(np.float32), 16000, format=kind)
    return kept.getvalue()


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        yield site


@pytest.fixture(params=["requests", "urllib"])
def both_stacks(request, monkeypatch):
    """yt-dlp asks through requests where that is installed, and through urllib where it is not."""
    guarded = yt_dlp._guarded()
    if request.param == "requests":
        pytest.importorskip("requests")
        return
    build = guarded.build_request_director
    monkeypatch.setattr(
        guarded,
        "build_request_director",
        lambda self, handlers, preferences=None: build(
            self, [h for h in handlers if h.RH_KEY == "Urllib"], preferences
        ),
    )


def fetch(folder: Path, *wanted: str | Wanted, **config) -> list[Fetched]:
    settings = FetchConfig(folder, **{"pause_s": 0.0, "backoff_s": 0.001, **config})
    return list(Fetcher(settings).fetch(Wanted(w) if isinstance(w, str) else w for w in wanted))


def test_a_file_comes_with_where_it_is_from(tmp_path, site, both_stacks):
    site.pages["/song.ogg"] = Page(sound(), "audio/ogg")
    wanted = Wanted(f"{site.url}/song.ogg", id="ana-1", licence="cc by 4.0", language="hr", speaker_id="ana")
    (got,) = fetch(tmp_path, wanted)
    assert (got.fate, got.id, got.path) == (Fate.FETCHED, "ana-1", tmp_path / "ana-1.ogg")
    assert got.path.read_bytes() == sound()
    assert got.duration_s == pytest.approx(1.0)
    said = json.loads((tmp_path / "ana-1.source.json").read_text(encoding="utf-8"))
    assert said["site_says"]["url"] == wanted.url
    assert write_manifest(tmp_path / "manifest.jsonl", sidecars(tmp_path)) == 1
    (line,) = read(tmp_path / "manifest.jsonl")
    assert (line.id, line.audio, line.license, line.language) == ("ana-1", "ana-1.ogg", "CC-BY-4.0", "hr")
    assert (line.speaker_id, line.source, line.recording_id) == ("ana", wanted.url, "ana-1")
    assert line.model_extra["sha256"] == got.sha256
    assert list((tmp_path / ".incoming").glob("ana-1*")) == []


def test_nothing_is_fetched_or_asked_for_twice(tmp_path, site):
    site.pages["/song.ogg"] = Page(sound(), "audio/ogg")
    url = f"{site.url}/song.ogg"
    (first,) = fetch(tmp_path, Wanted(url, licence="CC0-1.0"))
    n_requests = len(site.requests)
    (again,) = fetch(tmp_path, Wanted(url, licence="MIT"))
    assert (again.fate, again.path, again.sha256) == (Fate.PRESENT, first.path, first.sha256)
    assert (again.licence, fetch(tmp_path, url)[0].licence) == ("MIT", "CC0-1.0")
    first.path.unlink()
    (moved,) = fetch(tmp_path, url)
    assert (moved.fate, moved.path) == (Fate.PRESENT, None)
    assert len(site.requests) == n_requests


def test_a_manifest_that_somebody_has_worked_on_is_only_added_to(tmp_path, site):
    for name in "ab":
        site.pages[f"/{name}.ogg"] = Page(sound(seed=ord(name)), "audio/ogg")
    manifest = tmp_path / "manifest.jsonl"
    fetch(tmp_path, Wanted(f"{site.url}/a.ogg", id="a"))
    write_manifest(manifest, sidecars(tmp_path))
    manifest.write_text(manifest.read_text().replace('"duration"', '"transcript": "hej", "duration"'))
    fetch(tmp_path, Wanted(f"{site.url}/b.ogg", id="b"))
    assert write_manifest(manifest, sidecars(tmp_path)) == 1
    assert [(line.id, line.transcript) for line in read(manifest)] == [("a", "hej"), ("b", "")]


def test_a_connection_that_is_cut_goes_on_where_it_was(tmp_path, site, both_stacks):
    body = sound(8.0, "WAV")
    site.pages["/song.wav"] = Page(body, "audio/wav", etag='"v1"', cut_after=100_000, n_cuts=3)
    (got,) = fetch(tmp_path, f"{site.url}/song.wav")
    assert got.fate is Fate.FETCHED
    assert got.path.read_bytes() == body
    resumed = [headers for headers in site.asked("/song.wav") if "range" in headers]
    assert resumed
    assert all(headers["if-range"] == '"v1"' for headers in resumed)


def test_the_next_run_goes_on_with_what_is_half_here(tmp_path, site):
    body = sound(8.0, "WAV")
    page = site.pages["/song.wav"] = Page(body, "audio/wav", etag='"v1"', cut_after=100_000, n_cuts=9)
    (broken,) = fetch(tmp_path, f"{site.url}/song.wav", retries=0)
    assert broken.fate is Fate.FAILED
    assert len(list((tmp_path / ".incoming").glob("*.part"))) == 1
    page.n_cuts = 0
    site.requests.clear()
    (got,) = fetch(tmp_path, f"{site.url}/song.wav")
    assert got.path.read_bytes() == body
    assert site.asked("/song.wav")[-1]["range"] != "bytes=0-"


@pytest.mark.parametrize("ranges", [True, False])
def test_halves_of_two_versions_are_never_put_together(tmp_path, site, ranges):
    page = site.pages["/s.wav"] = Page(
        sound(8.0, "WAV"), "audio/wav", etag='"v1"', ranges=ranges, cut_after=100_000, n_cuts=9
    )
    fetch(tmp_path, f"{site.url}/s.wav", retries=0)
    page.body, page.etag, page.n_cuts = sound(8.0, "WAV", seed=1), '"v2"', 0
    (got,) = fetch(tmp_path, f"{site.url}/s.wav")
    assert got.path.read_bytes() == page.body


def test_a_server_that_is_busy_is_asked_again(tmp_path, site):
    site.pages["/song.ogg"] = Page(sound(), "audio/ogg", n_refusals=2)
    (got,) = fetch(tmp_path, f"{site.url}/song.ogg")
    assert got.fate is Fate.FETCHED
    site.pages["/busy.ogg"] = Page(sound(seed=1), "audio/ogg", n_refusals=9)
    (never,) = fetch(tmp_path, f"{site.url}/busy.ogg", retries=1)
    assert never.fate is Fate.FAILED
    assert "503" in never.reason
    site.pages["/busy.ogg"].n_refusals = 0
    assert fetch(tmp_path, f"{site.url}/busy.ogg")[0].fate is Fate.FETCHED


@pytest.mark.parametrize(
    ("status", "fate"),
    [(404, Fate.GONE), (410, Fate.GONE), (403, Fate.PRIVATE), (401, Fate.PRIVATE), (451, Fate.GEO_BLOCKED)],
)
def test_what_cannot_be_had_is_told_and_not_asked_for_again(tmp_path, site, status, fate, both_stacks):
    site.pages["/song.ogg"] = Page(b"", "text/plain", status=status)
    (missed,) = fetch(tmp_path, f"{site.url}/song.ogg")
    assert missed.fate is fate
    assert f"the server answers {status}" in missed.reason
    n_requests = len(site.requests)
    assert [(m.fate, m.reason) for m in fetch(tmp_path, f"{site.url}/song.ogg")] == [(fate, missed.reason)]
    assert len(site.requests) == n_requests
    site.pages["/song.ogg"] = Page(sound(), "audio/ogg")
    assert [m.fate for m in fetch(tmp_path, f"{site.url}/song.ogg", again=True)] == [Fate.FETCHED]
    assert [m.fate for m in fetch(tmp_path, f"{site.url}/song.ogg")] == [Fate.PRESENT]


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://host/x.mp3", "ytsearch:love", "--exec=id", "http:///x", "http://a b/", "http://h/\n"],
)
def test_only_addresses_of_the_web_are_asked(tmp_path, url):
    if url.endswith("\n"):
        url = "http://h/\nfile:///etc/passwd"
    (refused,) = fetch(tmp_path, url)
    assert refused.fate is Fate.REFUSED
    assert "only http:// and https://" in refused.reason


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1:1/x.ogg"])
def test_a_server_cannot_lead_out_of_the_web(tmp_path, site, target, both_stacks):
    site.pages["/song.ogg"] = Page(b"", status=302, headers={"Location": target})
    (missed,) = fetch(tmp_path, f"{site.url}/song.ogg", retries=0)
    assert missed.fate in (Fate.REFUSED, Fate.FAILED)
    assert not list(tmp_path.glob("*.source.json"))


def test_a_redirect_within_the_web_is_followed(tmp_path, site, both_stacks):
    site.pages["/old"] = Page(b"", status=302, headers={"Location": "/song.ogg"})
    site.pages["/song.ogg"] = Page(sound(), "audio/ogg")
    (got,) = fetch(tmp_path, f"{site.url}/old")
    assert (got.fate, got.url) == (Fate.FETCHED, f"{site.url}/song.ogg")


def test_a_page_with_several_recordings_is_a_playlist(tmp_path, site):
    for name in "ab":
        site.pages[f"/{name}.ogg"] = Page(sound(seed=ord(name)), "audio/ogg")
    site.pages["/p"] = Page(b"<html><title>T</title><audio src=/a.ogg></audio><audio src='/b.ogg'></audio></html>")
    got = fetch(tmp_path, f"{site.url}/p")
    assert [g.fate for g in got] == [Fate.FETCHED] * 2
    assert sorted(g.path.read_bytes() for g in got) == sorted(sound(seed=ord(name)) for name in "ab")
    assert {g.facts.url for g in got} == {f"{site.url}/p"}
    assert [g.fate for g in fetch(tmp_path, f"{site.url}/p")] == [Fate.PRESENT] * 2


FEED = """<?xml version="1.0"?><rss version="2.0"><channel><title>Pod</title>
<item><title>One &amp; only</title><enclosure url="{0}/a.ogg"/><pubDate>Tue, 03 Jun 2003 09:39:21 GMT</pubDate></item>
<item><title>Trap</title><enclosure url="file:///etc/passwd"/></item>
<item><title>Lost</title><enclosure url="{0}/lost.ogg"/></item>
<item><title>Two</title><enclosure url="{0}/b.ogg"/></item></channel></rss>"""


def test_a_feed_is_a_playlist_and_one_bad_item_does_not_end_it(tmp_path, site):
    for name in "ab":
        site.pages[f"/{name}.ogg"] = Page(sound(seed=ord(name)), "audio/ogg")
    site.pages["/feed"] = Page(FEED.format(site.url).encode(), "application/rss+xml")
    got = fetch(tmp_path, Wanted(f"{site.url}/feed", id="ignored", licence="CC0-1.0"))
    assert [g.fate for g in got] == [Fate.FETCHED, Fate.REFUSED, Fate.GONE, Fate.FETCHED]
    assert (got[0].facts.title, got[0].facts.date) == ("One & only", "2003-06-03")
    assert len({g.id for g in got if g.path}) == 2
    assert "ignored" not in {g.id for g in got}
    assert got[0].licence == "CC0-1.0"


def test_limits_hold_whatever_a_server_promises(tmp_path, site):
    big = sound(8.0, "WAV")
    site.pages["/told.wav"] = Page(big, "audio/wav")
    site.pages["/untold.wav"] = Page(big, "audio/wav", length=False)
    site.pages["/long.ogg"] = Page(sound(3.0), "audio/ogg")
    site.pages["/short.ogg"] = Page(sound(0.2), "audio/ogg")
    limits = Limits(max_mb=0.1, min_duration_s=0.5, max_duration_s=2.0)
    urls = [f"{site.url}/{name}" for name in ("told.wav", "untold.wav", "long.ogg", "short.ogg")]
    got = fetch(tmp_path, *urls, limits=limits)
    assert [g.fate for g in got] == [Fate.TOO_LARGE, Fate.TOO_LARGE, Fate.TOO_LONG, Fate.TOO_SHORT]
    assert [path.name for path in (tmp_path / ".incoming").iterdir()] == ["lock"]


def test_a_slow_server_is_left_in_time(tmp_path, site):
    site.pages["/slow.wav"] = Page(sound(8.0, "WAV"), "audio/wav", bytes_a_second=50_000.0)
    (got,) = fetch(tmp_path, f"{site.url}/slow.wav", limits=Limits(timeout_s=0.2), retries=0)
    assert (got.fate, got.reason) == (Fate.FAILED, "it did not come within 0.2 s")


def test_what_only_says_that_it_is_audio_is_not_kept(tmp_path, site):
    site.pages["/fake.mp3"] = Page(b"MZ" * 3000, "audio/mpeg")
    site.pages["/text"] = Page(b"<html><p>words</p></html>")
    got = fetch(tmp_path, f"{site.url}/fake.mp3", f"{site.url}/text")
    assert [g.fate for g in got] == [Fate.NOT_AUDIO] * 2
    assert not list(tmp_path.glob("*.mp3"))
    assert str(tmp_path) not in got[0].reason


def test_names_are_made_safe_and_no_two_recordings_share_one(tmp_path, site):
    for path in ("/x/a.ogg", "/y/a.ogg", "/z/a.ogg"):
        site.pages[path] = Page(sound(seed=ord(path[1])), "audio/ogg")
    wanted = [
        Wanted(f"{site.url}{path}", id=name) for path, name in zip(site.pages, ("../../up", "con", "con"), strict=True)
    ]
    folder = tmp_path / "deep" / "in"
    got = fetch(folder, *wanted, f"{site.url}/x/a.ogg")
    assert [g.path.parent for g in got] == [folder] * 4
    assert len({g.id for g in got[:3]}) == 3
    assert all(g.id not in ("con", "up", "..") for g in got)
    assert [path.name for path in (*tmp_path.iterdir(), *folder.parent.iterdir())] == ["deep", "in"]


def test_pictures_are_left_out(tmp_path, site):
    from melisma.audio import ffmpeg

    program = ffmpeg.program()
    if program is None:
        pytest.skip("needs ffmpeg")
    import subprocess

    (tmp_path / "in.wav").write_bytes(sound(1.0, "WAV"))
    video = tmp_path / "v.mp4"
    made = ["-f", "lavfi", "-i", "color=c=red:s=16x16:d=1", "-i", str(tmp_path / "in.wav"), "-c:a", "aac", "-shortest"]
    subprocess.run([program, "-loglevel", "error", *made, str(video)], check=True)
    site.pages["/v.mp4"] = Page(video.read_bytes(), "video/mp4")
    (got,) = fetch(tmp_path / "out", f"{site.url}/v.mp4")
    assert (got.fate, got.path.suffix) == (Fate.FETCHED, ".mka")
    assert load(got.path).duration_s == pytest.approx(1.0, abs=0.1)
    listed = subprocess.run([program, "-i", str(got.path)], capture_output=True, text=True, check=False).stderr
    assert "Video:" not in listed


def test_two_runs_at_once_are_one_too_many(tmp_path, site):
    site.pages["/song.ogg"] = Page(sound(), "audio/ogg")
    running = Fetcher(FetchConfig(tmp_path, pause_s=0.0)).fetch([Wanted(f"{site.url}/song.ogg")] * 2)
    next(running)
    with pytest.raises(InputError, match="another fetch is at work"):
        fetch(tmp_path, f"{site.url}/song.ogg")
    running.close()
    assert fetch(tmp_path, f"{site.url}/song.ogg")[0].fate is Fate.PRESENT


def test_an_archive_survives_a_crash_and_takes_lines_of_yt_dlp(tmp_path):
    path = tmp_path / "archive.jsonl"
    path.write_text('youtube dQw4w9WgXcQ\n{"key": "generic http://h/a", "fate": "gone", "reason"', encoding="utf-8")
    archive = Archive(path)
    assert archive.find(key="youtube dQw4w9WgXcQ").fate is Fate.FETCHED
    assert len(archive) == 1
    archive.add(Entry("generic http://h/b", Fate.GONE, reason="it is gone", addresses=("http://h/b",)))
    again = Archive(path)
    assert len(again) == 2
    assert again.find(url="http://h/b").reason == "it is gone"
    assert path.read_text(encoding="utf-8").count("\n") == 2


@pytest.mark.parametrize("line", ["[]", '{"key": 3, "fate": "gone"}', '{"key": "a", "fate": "?"}', "\x00", "{" * 9999])
def test_an_archive_that_is_none_is_refused(tmp_path, line):
    path = tmp_path / "archive.jsonl"
    path.write_text(f"{line}\nyoutube x\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 1: this is no line of an archive"):
        Archive(path)


def test_a_list_is_addresses_with_comments_and_words(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text(
        '\ufeff# ours\n\nhttps://a.org/x#t=3\t# first\nhttps://b.org/y license="CC BY 4.0" speaker=ana language=bs\n',
        encoding="utf-8",
    )
    first, second = read_list(path, Wanted("", licence="MIT", language="hr"))
    assert first == Wanted("https://a.org/x#t=3", licence="MIT", language="hr")
    assert second == Wanted("https://b.org/y", licence="CC BY 4.0", language="bs", speaker_id="ana")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("file:///etc/passwd", "only http"),
        ("--exec rm", "only http"),
        ("https://a.org exec=rm", "'exec' is none of id, language, license, speaker"),
        ("https://a.org --postprocessor-args x", "'--postprocessor-args' is none of"),
        ("https://a.org url=https://b.org", "'url' is none of"),
    ],
)
def test_a_list_gives_no_other_orders(line, said):
    with pytest.raises(FormatError, match=f"list of addresses, line 2: .*{said}"):
        list(parse_list(["# a list", line], Wanted("")))


@pytest.mark.parametrize(
    ("said", "fate"),
    [
        ("[youtube] abc: Private video. Sign in if you've been granted access to this video", Fate.PRIVATE),
        ("[youtube] abc: Video unavailable. This video is private", Fate.PRIVATE),
        ("[youtube] abc: Video unavailable. This video has been removed by the uploader", Fate.GONE),
        (
            "[youtube] abc: Video unavailable. The uploader has not made this video available in your country",
            Fate.GEO_BLOCKED,
        ),
        ("[youtube] abc: Sign in to confirm your age. This video may be inappropriate for some users.", Fate.AGE_GATED),
        ("[youtube] abc: Sign in to confirm you’re not a bot. Use --cookies-from-browser", Fate.THROTTLED),
        ("[youtube] abc: Join this channel to get access to members-only content like this video", Fate.MEMBERS),
        ("[youtube] abc: This video is no longer available due to a copyright claim by X", Fate.GONE),
        ("[youtube] abc: Premieres in 3 hours", Fate.LIVE),
        ("[youtube] abc: Requested format is not available. Use --list-formats", Fate.NOT_AUDIO),
        ("[youtube] abc: something new", Fate.FAILED),
    ],
)
def test_what_sites_say_is_understood(said, fate):
    from yt_dlp.utils import DownloadError

    with pytest.raises(Unfetched) as caught, unfetched("https://youtube.com/watch?v=abc"):
        raise DownloadError(f"ERROR: {said}")
    assert caught.value.fate is fate
    assert "--" not in caught.value.reason
