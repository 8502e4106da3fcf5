"""Recordings through yt-dlp, used as a library and kept on a short lead.

It may speak http and https and nothing else, start no other program, run no post-processor and write no file but the
one it is told to. What sites, pages and feeds say is bounded before it is believed.
"""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from melisma.core.errors import InputError, MissingDependency
from melisma.data.fetching.protocol import (
    BytesDone,
    Download,
    Facts,
    Fate,
    Limits,
    Playlist,
    Recording,
    Reference,
    Unfetched,
    check_address,
    shown,
)
from melisma.data.fetching.reasons import unfetched

INSTALL = "fetching recordings needs yt-dlp: pip install 'melisma[data]'"
_SMUGGLED = "#__youtubedl_smuggle"  # yt-dlp hides notes to itself behind addresses
# Formats that come by http(s) through yt-dlp's own code; `best` has pictures too, where there is nothing else.
_BY_HTTP = "[protocol~='^(https?|m3u8_native|m3u8|http_dash_segments)$']"
_FORMAT = f"bestaudio{_BY_HTTP}/best{_BY_HTTP}"
_MOST_HOPS = 10
_LONGEST = 1000
_log = logging.getLogger("melisma.fetch")


class _Log:
    """yt-dlp's messages; errors come as exceptions, with their reasons."""

    def debug(self, message: str) -> None:
        _log.debug("%s", shown(message, 500))

    info = warning = error = debug


@cache
def _guarded() -> Any:
    """Make the class of yt-dlp that asks only the web and that goes on only with the file that it began with."""
    try:
        import yt_dlp
        from yt_dlp.networking.exceptions import RequestError
    except ImportError as error:
        raise MissingDependency(INSTALL) from error

    class Guarded(yt_dlp.YoutubeDL):  # type: ignore[misc]
        """yt-dlp between its requests and the net."""

        version_file: Path | None = None  # which version of the file the partial download belongs to
        _downloading = False

        def dl(self, *args: Any, **kwargs: Any) -> Any:
            self._downloading = True
            try:
                return super().dl(*args, **kwargs)
            finally:
                self._downloading = False

        def urlopen(self, req: Any) -> Any:
            url = req if isinstance(req, str) else req.url
            _only_web(url, RequestError)
            ranged = self._downloading and not isinstance(req, str) and "Range" in req.headers
            version = self._version() if ranged else ""
            if version:
                req.headers["If-Range"] = version  # a file that has changed comes whole, RFC 9110 section 13.1.5
            response = super().urlopen(req)
            try:
                _only_web(response.url, RequestError)
            except RequestError:
                response.close()
                raise
            if self._downloading and self.version_file and response.status == 200:
                self.version_file.write_text(_version(response.headers), encoding="utf-8")
            return response

        def _version(self) -> str:
            try:
                return self.version_file.read_text(encoding="utf-8") if self.version_file else ""
            except (OSError, UnicodeDecodeError):
                return ""

    return Guarded


def _read_cookies(path: Path) -> io.StringIO:
    """Return a cookie file as a stream, so that yt-dlp never writes to it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the cookies in {path} cannot be read: {error}") from error
    if not text.lstrip("\ufeff").startswith(("# HTTP Cookie File", "# Netscape HTTP Cookie File")):
        raise InputError(f"{path} is no Netscape cookie file: its first line would be '# Netscape HTTP Cookie File'")
    return io.StringIO(text)


def _only_web(url: str, error: type[Exception]) -> None:
    if urlsplit(url).scheme.lower() not in ("http", "https", "data"):
        raise error(f"refused: the site leads to {shown(url)}, which is no address of the web")


def _version(headers: Mapping[str, str]) -> str:
    """Return a strong entity tag, or else the date, by which a server knows the version of a file."""
    tag = headers.get("ETag") or ""
    found = tag if tag.startswith('"') else headers.get("Last-Modified") or ""
    return found if len(found) < 500 and found.isascii() and found.isprintable() else ""


@dataclass(frozen=True, slots=True)
class YtDlp:
    """Recordings of the sites that yt-dlp knows, of feeds, and of plain files.

    Parameters
    ----------
    timeout_s : float
        Without a byte for so long, a connection is given up.
    pause_s : float
        Between two requests that find out what is there.
    cookies : Path, optional
        Netscape cookie file of a browser that is signed in; it is read, never written.
    max_items : int
        Of a playlist.
    """

    timeout_s: float = 30.0
    pause_s: float = 0.0
    cookies: Path | None = None
    max_items: int = 10_000

    def check(self) -> None:
        """Look whether fetching can begin at all.

        Raises
        ------
        MissingDependency
            If yt-dlp is not installed.
        InputError
            If the cookies cannot be read.
        """
        _guarded()
        self._session().close()

    def _session(self, **more: Any) -> Any:
        options: dict[str, Any] = {
            "quiet": True,
            "noprogress": True,
            "logger": _Log(),
            "color": "never",
            "format": _FORMAT,
            "noplaylist": True,
            "default_search": "error",
            "enable_file_urls": False,
            "cachedir": False,
            "socket_timeout": self.timeout_s,
            "sleep_interval_requests": self.pause_s,
            "extractor_retries": 1,
            "retries": 0,  # the fetcher tries again, from a fresh look on
            "fragment_retries": 3,
            "skip_unavailable_fragments": False,
            "file_access_retries": 0,
            "hls_prefer_native": True,
            "external_downloader": "native",
            "ffmpeg_location": "/nonexistent",  # no other program is started
            "fixup": "never",
            "updatetime": False,
            "postprocessors": [],
        }
        if self.cookies is not None:
            options["cookiefile"] = _read_cookies(self.cookies)
        return _guarded()(options | more)

    def look(self, reference: Reference) -> Recording | Playlist:
        """Ask what is behind a reference; see `Downloader.look`."""
        with self._session() as session, unfetched(f"{_bare(reference.url)}"):
            info: Any = reference.handle
            said: dict[str, Any] = {}
            url, key = reference.url, None
            for _ in range(_MOST_HOPS):
                if info is None or str(info.get("_type", "video")).startswith("url"):
                    if info is not None:
                        said = {k: v for k, v in info.items() if v is not None} | said
                        url, key = str(info.get("url")), info.get("ie_key")
                    check_address(_bare(url))
                    info = session.extract_info(url, download=False, process=False, ie_key=key)
                    if not isinstance(info, dict):
                        raise Unfetched(Fate.GONE, f"there is nothing at {shown(_bare(url))}")
                    continue
                break
            else:
                raise Unfetched(
                    Fate.GONE, f"{shown(_bare(reference.url))} leads from page to page, and to no recording"
                )
            if "entries" in info:
                return Playlist(_text(info.get("title")), self._items(info))
            return _recording(info, said)

    def _items(self, playlist: Mapping[str, Any]) -> Iterator[Reference]:
        """Yield what a playlist leads to; a page that cannot be read ends it with `Unfetched`."""
        page = _address(playlist.get("webpage_url"))
        shared = {name: playlist[name] for name in ("extractor", "extractor_key") if name in playlist}
        with unfetched(page):
            for number, entry in enumerate(playlist["entries"] or ()):
                if number >= self.max_items:
                    return
                if not isinstance(entry, dict):
                    continue
                if str(entry.get("_type", "video")).startswith("url"):
                    yield Reference(_address(entry.get("url")), _key_of_reference(entry), dict(entry))
                else:
                    known = {**shared, "webpage_url": page, **entry}
                    yield Reference(page, _key(known), known, alone=False)

    def download(self, recording: Recording, stem: Path, limits: Limits, told: BytesDone) -> Download:
        """Bring the audio of a recording; see `Downloader.download`."""
        watch = _Watch(limits, told)
        session = self._session(
            outtmpl={"default": f"{str(stem).replace('%', '%%')}.%(ext)s"},
            ratelimit=limits.rate_limit,
            progress_hooks=[watch],
            overwrites=True,
        )
        with session, unfetched(recording.facts.url):
            session.version_file = stem.with_name(stem.name + ".version")
            watch.begin()
            done = session.process_ie_result(dict(recording.handle), download=True)
            came = (done or {}).get("requested_downloads") or []
            path = Path(came[0]["filepath"]) if len(came) == 1 else None
            if path is None or not path.is_file():
                raise Unfetched(Fate.FAILED, "the site sent nothing")
            session.version_file.unlink(missing_ok=True)
            codec = came[0].get("vcodec") or done.get("vcodec")
            return Download(path, None if codec is None else codec != "none")


class _Watch:
    """Looks at a download while it runs, and ends it when it goes beyond its limits."""

    def __init__(self, limits: Limits, told: BytesDone) -> None:
        self._limits, self._told, self._since = limits, told, 0.0

    def begin(self) -> None:
        self._since = time.monotonic()

    def __call__(self, status: Mapping[str, Any]) -> None:
        n_bytes, total = status.get("downloaded_bytes") or 0, status.get("total_bytes")
        if max(n_bytes, total or 0) > self._limits.max_mb * 1e6:
            raise _cancelled(Fate.TOO_LARGE, f"it is larger than the limit of {self._limits.max_mb:g} MB")
        if time.monotonic() - self._since > self._limits.timeout_s:
            raise _cancelled(Fate.FAILED, f"it did not come within {self._limits.timeout_s:g} s")
        self._told(n_bytes, total)


def _cancelled(fate: Fate, reason: str) -> Exception:
    from yt_dlp.utils import DownloadCancelled

    error: Exception = DownloadCancelled(reason)  # the only kind that yt-dlp does not turn into one of its own
    error.fate = fate  # type: ignore[attr-defined]
    return error


def _recording(info: Mapping[str, Any], said: Mapping[str, Any]) -> Recording:
    facts = _facts({**info, **{k: v for k, v in said.items() if k in _OVERLAID}})
    if info.get("is_live") or info.get("live_status") in ("is_live", "is_upcoming", "post_live"):
        raise Unfetched(Fate.LIVE, "it is broadcast live, or has not begun yet")
    return Recording(_key(info), facts, {**info, "_type": "video"})


# What a feed says of an item stands above what the bare file says of itself.
_OVERLAID = ("title", "uploader", "channel", "artist", "creator", "license", "language", "timestamp", "upload_date")


def _facts(info: Mapping[str, Any]) -> Facts:
    who = next((w for name in ("artist", "creator", "uploader", "channel") if (w := _text(info.get(name)))), "")
    duration, age = info.get("duration"), info.get("age_limit")
    return Facts(
        site=_text(info.get("extractor_key") or info.get("extractor")) or "Generic",
        site_id=_text(info.get("id")),
        url=_address(info.get("webpage_url") or info.get("original_url") or info.get("url")),
        title=_text(info.get("title") or info.get("fulltitle")),
        uploader=who,
        licence=_text(info.get("license")),
        language=_text(info.get("language")),
        date=_date(info),
        duration_s=float(duration) if isinstance(duration, int | float) and 0 < duration < 1e9 else None,
        age_limit=age if isinstance(age, int) else None,
    )


def _date(info: Mapping[str, Any]) -> str:
    day, stamp = str(info.get("upload_date") or ""), info.get("timestamp")
    if len(day) == 8 and day.isdecimal():
        return f"{day[:4]}-{day[4:6]}-{day[6:]}"
    if isinstance(stamp, int | float) and 0 < stamp < 1e11:
        return datetime.fromtimestamp(stamp, UTC).date().isoformat()
    return ""


def _key(info: Mapping[str, Any]) -> str:
    """Return what the archive knows a recording by: site and id as in yt-dlp's archives, or a plain file's address."""
    site, number = _text(info.get("extractor_key") or info.get("ie_key")).lower(), _text(info.get("id"))
    if site and site not in ("generic", "html5mediaembed") and number:
        return f"{site} {number}"
    formats = info.get("formats") or [{}]
    url = info.get("url") or formats[-1].get("url") or info.get("webpage_url") or info.get("original_url")
    return f"generic {_address(url)}"


def _key_of_reference(entry: Mapping[str, Any]) -> str:
    site, number = _text(entry.get("ie_key")).lower(), _text(entry.get("id"))
    return f"{site} {number}" if site and site != "generic" and number else ""


def _bare(url: str) -> str:
    return url.partition(_SMUGGLED)[0]


def _text(value: Any) -> str:
    """Return a stranger's text on one line, bounded; of a list, its parts with commas between."""
    if isinstance(value, list | tuple):
        value = ", ".join(_text(each) for each in value[:20])
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return ""
    return shown(str(value), _LONGEST)


def _address(value: Any) -> str:
    return _bare(shown(value.strip(), 8192)) if isinstance(value, str) else ""
