"""Users of a service that is under way: each uploads, asks, reads and corrects, and remembers what it was told.

Their number and that of their calls are bounded. Whatever is refused is tried again until it is not, as a person would
do it; what it was refused with is held to what the service promises.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx
from made_songs import wav
from programs import Service, song_of

MOST_CALLS = 6000  # of one user
_MOST_ASKED = 3  # alignments of new songs that one user asks for
_PAUSE_S = 0.02
DATABASE_AWAY = "the service's database cannot be used now"


def check_refusal(answer: httpx.Response) -> None:
    """Hold a refusal to the one that says: the database is away, come again."""
    assert answer.status_code == 503, (answer.request.method, answer.request.url.path, answer.status_code, answer.text)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) > 0
    problem = answer.json()
    assert (problem["type"], problem["title"], problem["status"]) == ("/problems/store-error", "store error", 503)
    assert problem["detail"] == DATABASE_AWAY  # and nothing of where it is, or who we are there
    assert problem["request_id"] == answer.headers["X-Request-ID"]


@dataclass
class Load:
    """Some users at once, from when they are started to when they have ended."""

    service: Service
    number: int  # another one brings other songs
    users: list[User] = field(default_factory=list)
    phase: str = "before"
    ending: threading.Event = field(default_factory=threading.Event)

    def begin(self, alignment_ids: list[str], audio: bytes, lyrics: str) -> None:
        self.users = [User(n, self, each, audio, lyrics) for n, each in enumerate(alignment_ids)]
        for user in self.users:
            user.start()

    def end(self) -> None:
        """Let every user finish what it is at."""
        self.ending.set()
        for user in self.users:
            user.join(300)
            assert not user.is_alive(), "a call hangs"

    def count(self, phase: str, *statuses: int) -> Counter[str]:
        """Count the kinds of calls of a phase that were answered so."""
        calls = [call for user in self.users for call in list(user.calls)]
        return Counter(kind for when, kind, status in calls if when == phase and status in statuses)

    def fault(self) -> BaseException | None:
        return next((user.fault for user in self.users if user.fault is not None), None)


class User(threading.Thread):
    """Somebody with one alignment to correct, and songs to bring."""

    def __init__(self, n: int, load: Load, alignment_id: str, audio: bytes, lyrics: str) -> None:
        super().__init__(daemon=True)
        self._n, self._load, self.alignment_id = n, load, alignment_id
        self.name = f"user{load.number}{chr(ord('a') + n)}"  # one word, to be searched
        self._audio, self._lyrics = audio, lyrics
        self._client = load.service.client()
        self._version = 1
        self.calls: list[tuple[str, str, int]] = []
        self.songs: dict[str, str] = {}  # title by id, as the service has said
        self.jobs: dict[str, str] = {}  # alignment by job
        self.saved: dict[int, str] = {}  # summary by version
        self.fault: BaseException | None = None

    def run(self) -> None:
        try:
            with self._client:
                for turn in itertools.count():
                    for do in (self._upload, self._read, self._ask, self._correct, self._look):
                        do(turn)
                        time.sleep(_PAUSE_S)
                    if self._load.ending.is_set():
                        return
                    assert len(self.calls) < MOST_CALLS, "the load was not ended in time"
        except BaseException as error:
            self.fault = error

    def _call(self, kind: str, method: str, path: str, **given) -> httpx.Response:
        """Call until that is not refused; count every answer."""
        while True:
            phase = self._load.phase
            answer = self._client.request(method, path, **given)
            self.calls.append((phase, kind, answer.status_code))
            if answer.is_success or answer.status_code == 409:
                return answer
            check_refusal(answer)
            assert len(self.calls) < MOST_CALLS, "the service did not come back"
            time.sleep(5 * _PAUSE_S)

    def _upload(self, turn: int) -> None:
        title = f"song {turn} of {self.name}"
        audio = {"audio": (f"{title}.wav", wav(0.5, seed=self._number(turn)))}
        key = {"Idempotency-Key": f"upload-{self._number(turn)}"}
        song = self._call("upload", "POST", "/v1/songs", files=audio, data={"title": title}, headers=key).json()
        assert song["title"] == title
        self.songs[song["id"]] = title

    def _ask(self, turn: int) -> None:
        if len(self.jobs) >= _MOST_ASKED:
            return
        n = self._number(turn)
        form = {"files": {"audio": ("asked.wav", song_of(n, self._audio))}, "data": {"lyrics": self._lyrics}}
        job = self._call("ask", "POST", "/v1/alignments", headers={"Idempotency-Key": f"ask-{n}"}, **form).json()
        self.jobs[job["id"]] = job["alignment_id"]

    def _read(self, turn: int) -> None:
        found = self._call("read", "GET", f"/v1/alignments/{self.alignment_id}").json()
        assert len(found["words"]) == len(self._lyrics.split())

    def _look(self, turn: int) -> None:
        found = self._call("look", "GET", "/v1/songs", params={"search": self.name, "limit": 200}).json()
        assert [song["id"] for song in found["items"]] == list(self.songs)[::-1][:200]

    def _number(self, turn: int) -> int:
        return (100 * self._load.number + self._n) * MOST_CALLS + turn

    def _correct(self, turn: int) -> None:
        """Save; what was refused for want of the database may have been kept all the same, if that went at the end."""
        summary = f"turn {turn} of {self.name}"
        words = {"version": self._version, "edits": [{"op": "confirm", "words": [0, 1]}], "summary": summary}
        before = len(self.calls)
        answer = self._call("correct", "PATCH", f"/v1/alignments/{self.alignment_id}/words", json=words)
        self._version += 1
        if answer.status_code == 409:
            assert len(self.calls) > before + 1, "a conflict with nobody"
            newest = self._call("read", "GET", f"/v1/alignments/{self.alignment_id}/versions").json()["items"][0]
            assert (newest["version"], newest["summary"]) == (self._version, summary)
        else:
            assert answer.json()["version"] == self._version
        self.saved[self._version] = summary
