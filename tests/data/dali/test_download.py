"""Recordings come from where DALI says they are, each once, and vanished videos are told."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

import dali_files

pytest.importorskip("yt_dlp")

from data.web import Page, serving
from melisma.core.errors import InputError
from melisma.data.dali.download import address_of, download
from melisma.data.dali.service import DaliService, Selection, convert
from melisma.data.fetch import FetchConfig
from melisma.scale.local import LocalExecutor
from melisma.synth.score import write_score

THERE, GONE, TWICE, BAD, LATER = (dali_files.song_id(number) for number in range(5))


@pytest.fixture
def site():
    with serving() as site:
        kept = io.BytesIO()
        samples = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
        soundfile.write(kept, samples, 16000, format="OGG")
        site.pages["/there.ogg"] = Page(kept.getvalue(), "audio/ogg")
        site.pages["/later.ogg"] = Page(kept.getvalue(), "audio/ogg", n_refusals=99)
        yield site


@pytest.fixture
def dali(site, tmp_path):
    levels = dali_files.levels_of(write_score(dali_files.config()))
    addresses = {
        THERE: f"{site.url}/there.ogg",
        GONE: f"{site.url}/gone.ogg",
        TWICE: f"{site.url}/there.ogg",
        BAD: "file:///etc/passwd",
        LATER: f"{site.url}/later.ogg",
    }
    for song_id, url in addresses.items():
        dali_files.write_song(tmp_path / "DALI", song_id, levels, url=url)
    convert(tmp_path / "DALI", tmp_path / "songs", executor=LocalExecutor(1))
    return DaliService(tmp_path / "songs", tmp_path / "audio")


def fetched(dali, **fields):
    config = FetchConfig(dali.audio, pause_s=0.0, backoff_s=0.001, retries=1, again=fields.pop("again", False))
    return download(dali, Selection(**fields), config)


def test_recordings_come_and_vanished_ones_are_told(dali, site):
    report = fetched(dali)
    assert report.details == {"vanished": [BAD, GONE], "to_be_tried_again": [LATER]}
    assert (report.counts["songs"], report.counts["fetched"]) == (5, 1)
    assert dali.audio_of(THERE).read_bytes() == dali.audio_of(TWICE).read_bytes()
    assert dali.audio_of(GONE) is None
    said = {problem.item: problem.message for problem in report.problems}
    assert said[BAD] == "'file:///etc/passwd' is neither the id of a video nor an address of the web"
    assert len(site.asked("/there.ogg")) <= 3  # looked at and brought, once for both songs


def test_the_next_run_goes_on(dali, site):
    fetched(dali)
    site.requests.clear()
    site.pages["/later.ogg"].n_refusals = 0
    report = fetched(dali)
    assert report.details == {"vanished": [BAD, GONE], "to_be_tried_again": []}
    assert dali.audio_of(LATER) is not None
    assert not site.asked("/there.ogg")
    assert not site.asked("/gone.ogg")
    fetched(dali, again=True)
    assert site.asked("/gone.ogg")


def test_only_what_is_meant_is_fetched(dali, site):
    report = fetched(dali, ids=(THERE,))
    assert report.counts["songs"] == 1
    assert not site.asked("/later.ogg")
    with pytest.raises(InputError, match="no song is meant"):
        fetched(dali, ids=("nobody",))


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("Qhm9V7YBOQI", "https://www.youtube.com/watch?v=Qhm9V7YBOQI"),
        ("-nl_Vrus-wA", "https://www.youtube.com/watch?v=-nl_Vrus-wA"),
        ("https://example.org/a", "https://example.org/a"),
        ("None", None),
        ("", None),
        ("javascript:alert(1)", None),
        ("http://", None),
        ("http://[", None),
        ("../../etc/passwd", None),
    ],
)
def test_addresses_are_those_of_the_web(said, address):
    assert address_of(said) == address
