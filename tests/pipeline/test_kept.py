"""Alignments of earlier runs: served where they are what would be computed now, and nowhere else."""

from __future__ import annotations

import logging
import shutil
import socket
from dataclasses import fields, replace

import numpy as np
import pytest
import soundfile
from engine_faults import Listener, OtherPhone
from test_router import heard_words

from melisma.aligner.gate import GateConfig
from melisma.core.errors import AudioError, EngineFailed, UnknownName
from melisma.core.records import LyricLine, Lyrics, Waveform
from melisma.engines.protocol import Licence
from melisma.pipeline import kept, version
from melisma.pipeline.align import AlignConfig, align
from melisma.pipeline.settings import LicenceMode, RouterSettings
from melisma.store import keys
from melisma.store.cache import Cache
from melisma.store.entries import Source
from melisma.store.keys import Track
from melisma.store.settings import CacheSettings
from melisma.text.lyrics import from_text


class Second(OtherPhone):
    """Another engine, to come after the first."""

    name = "second"


@pytest.fixture
def said():
    return []


@pytest.fixture
def cache(tmp_path, said):
    with Cache(CacheSettings(f"sqlite:///{tmp_path}/alignments.sqlite"), said.append) as made:
        yield made


@pytest.fixture
def engine(install):
    """The engine `other`, alone in the tiers; counts how often it listens."""
    return install(OtherPhone)


@pytest.fixture
def walk(sung, settings, cache):
    """Align the song with the cache; the tiers are `other` if nothing else is said."""

    def go(*tiers, audio=sung.waveform, lyrics=sung.lyrics, cache=cache, engine="auto", language="en", **changes):
        ours = {f.name for f in fields(RouterSettings)}
        now = replace(settings, tiers=tiers or ("other",), **{k: v for k, v in changes.items() if k in ours})
        rest = {k: v for k, v in changes.items() if k not in ours}
        config = AlignConfig(language, engine, track_id="the song", settings=now, cache=cache, **rest)
        return align(audio, lyrics, config=config)

    return go


def test_what_was_computed_once_is_served_the_second_time(walk, engine, said):
    first = walk()
    assert engine.n_heard == 1
    assert walk() == first
    assert engine.n_heard == 1
    assert said == []


def test_without_a_cache_everything_is_computed(walk, engine):
    assert walk() == walk(cache=None)
    assert engine.n_heard == 2


def test_a_line_says_that_an_alignment_was_served(walk, engine, caplog):
    caplog.set_level(logging.INFO, logger="melisma")
    made = walk()
    caplog.clear()
    walk()
    (line,) = [record for record in caplog.records if hasattr(record, "tier_used")]
    assert (line.message, line.outcome, line.tier_used, line.word_count) == (
        "cache",
        "served",
        "other",
        len(made.words),
    )


SHIFTED = Lyrics((LyricLine(("la", "mer"), 0, 1000, 2000),))


@pytest.mark.parametrize(
    "change",
    [
        {"language": "de"},
        {"language": None},
        {"engine": "other"},
        {"wildcard": 3.0},
        {"separate": "none"},
        {"refine": "onset"},
        {"gate": GateConfig(min_confidence_avg=0.01)},
        {"repair": False},
        {"second_opinion": True},
        {"lyrics": from_text("something else entirely is sung here")},
        {"lyrics": SHIFTED},
    ],
    ids=str,
)
def test_whatever_is_turned_is_computed_anew(walk, engine, change):
    plain = {"lyrics": Lyrics((LyricLine(("la", "mer")),))} if change.get("lyrics") is SHIFTED else {}
    quietly(walk, **plain)
    heard = engine.n_heard
    quietly(walk, **{**plain, **change})
    assert engine.n_heard > heard


def quietly(walk, **changes):
    """Align; what no engine can place is no matter here."""
    from melisma.core.errors import MelismaError

    try:
        return walk(**changes)
    except MelismaError:
        return None


def test_every_setting_is_in_the_key_or_known_to_decide_nothing():
    """A new option is in the key from its first day on: only these names are left out, and each is there."""
    names = {f.name for f in (*fields(AlignConfig), *fields(RouterSettings))}
    assert names >= kept._NOT_IN_KEY
    assert names - kept._NOT_IN_KEY >= {"wildcard", "separate", "refine", "gate", "repair", "second_opinion"}


@pytest.mark.parametrize(
    "change", [{"version": "99"}, {"model_revision": "99"}, {"model_id": "99"}], ids=lambda change: next(iter(change))
)
def test_another_version_of_engine_or_model_computes_anew(walk, install, change):
    engine = install(Dated)
    walk("dated")
    engine.dated = change
    walk("dated")
    assert engine.n_heard == 2


class Dated(OtherPhone):
    """Of a version and with a model that a test sets."""

    name = "dated"
    dated: dict[str, str] = {}  # noqa: RUF012

    @property
    def facts(self):
        return replace(super().facts, **self.dated)


def test_other_code_computes_anew(walk, engine, monkeypatch):
    walk()
    monkeypatch.setattr(kept, "code_version", lambda: "another")
    walk()
    assert engine.n_heard == 2


def test_the_version_of_the_code_changes_with_any_file_that_decides(tmp_path, monkeypatch):
    package = tmp_path / "melisma"
    (package / "aligner").mkdir(parents=True)
    (package / "cli").mkdir()
    monkeypatch.setattr(version, "__file__", str(package / "pipeline" / "version.py"))
    seen = []
    for name, text in [("aligner/a.py", "1"), ("aligner/a.py", "2"), ("aligner/b.py", "2"), ("cli/c.py", "3")]:
        (package / name).write_text(text)
        seen.append(version.code_version.__wrapped__())
    assert len(set(seen[:3])) == 3
    assert seen[3] == seen[2]


def test_another_release_of_a_library_that_listens_is_another_version(monkeypatch):
    seen = []
    for release in ("2.12", "2.13"):
        monkeypatch.setattr(version, "_version", lambda package, r=release: r if package == "torch" else "1")
        seen.append(version.code_version.__wrapped__())
    assert seen[0] != seen[1]


# Files


@pytest.fixture
def file(sung, tmp_path):
    return shutil.copy(sung.folder / "audio.wav", tmp_path / "song.wav")


def test_a_file_that_is_known_is_not_even_decoded(walk, engine, file, monkeypatch):
    first = walk(audio=file)

    def refuse(*args, **options):
        raise AssertionError("it was decoded")

    monkeypatch.setattr("melisma.audio.decode.decode", refuse)
    monkeypatch.setattr("melisma.audio.separation.mixes.decode", refuse)
    assert walk(audio=file) == first
    assert engine.n_heard == 1


def test_the_same_sound_under_another_name_and_other_tags_is_the_same_song(walk, engine, file, tmp_path):
    first = walk(audio=file)
    samples, rate = soundfile.read(file, dtype="int16")
    with soundfile.SoundFile(tmp_path / "other.flac", "w", rate, 1 if samples.ndim == 1 else samples.shape[1]) as other:
        other.title, other.artist = "A Title", "Somebody"
        other.write(samples)
    assert walk(audio=tmp_path / "other.flac") == first
    assert engine.n_heard == 1


def test_another_sound_under_the_same_name_is_another_song(walk, engine, file):
    walk(audio=file)
    samples, rate = soundfile.read(file, dtype="int16")
    soundfile.write(file, samples[: -rate // 10], rate)
    walk(audio=file)
    assert engine.n_heard == 2


def test_a_file_that_changes_while_it_is_listened_to_is_not_kept(walk, engine, file, cache, monkeypatch):
    """The old bytes were hashed, the new ones heard: neither may stand for the other."""
    listen = engine.emit

    def changed_meanwhile(self, waveform, progress=None):
        samples, rate = soundfile.read(file, dtype="int16")
        soundfile.write(file, samples[::-1], rate)
        return listen(self, waveform, progress)

    monkeypatch.setattr(engine, "emit", changed_meanwhile)
    walk(audio=file)
    assert cache._database.groups(cache._now()) == []


def test_a_damaged_file_is_decoded_every_time(walk, engine, sung, tmp_path, cache):
    """Who installs a better decoder is not served what the worse one heard."""
    whole = (sung.folder / "audio.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[: len(whole) * 9 // 10])
    first = walk(audio=tmp_path / "cut.wav")
    assert first.warnings  # of the damage
    assert cache._database.n_files() == 0
    assert walk(audio=tmp_path / "cut.wav") == first
    assert engine.n_heard == 1


def test_what_is_no_recording_is_said_as_without_a_cache(walk, engine, tmp_path):
    (tmp_path / "notes.txt").write_text("no recording\n" * 100)
    for cache in (None, walk.__kwdefaults__["cache"]):
        with pytest.raises(AudioError):
            walk(audio=tmp_path / "notes.txt", cache=cache)


def test_a_language_that_nobody_speaks_is_said_as_without_a_cache(walk, engine, file):
    with pytest.raises(UnknownName):
        walk(audio=file, language="xx")


# Tiers


def test_a_later_tier_is_not_served_once_the_first_can_be_used_again(walk, install):
    first, second = install(OtherPhone, Second)
    first.lacking = "its model is not here"
    from_second = walk("other", "second")
    assert from_second.engine == "second"
    first.lacking = None
    from_first = walk("other", "second")
    assert (from_first.engine, first.n_heard) == ("other", 1)
    assert walk("other", "second") == from_first
    first.lacking = "its model is not here"
    assert walk("other", "second") == from_second
    assert (first.n_heard, second.n_heard) == (1, 1)


def test_what_the_first_tier_gave_does_not_depend_on_those_behind_it(walk, install):
    first, second = install(OtherPhone, Second)
    made = walk("other", "second")
    second.lacking = "its model is not here"
    assert walk("other", "second") == made
    assert walk("other") == made
    assert (first.n_heard, second.n_heard) == (1, 0)


def test_an_engine_that_broke_may_do_better_the_next_time(walk, install):
    first, second = install(OtherPhone, Second)
    first.error = EngineFailed("it fell over")
    assert walk("other", "second", retries=0).engine == "second"
    first.error = None
    assert walk("other", "second", retries=0).engine == "other"
    assert second.n_heard == 1


def test_what_the_gate_refused_of_one_and_passed_of_the_next_is_served_whole(walk, install, sung):
    deaf, second = install(Deaf, Second)
    options = {"repair": False, "gate": GateConfig(min_confidence_avg=0.3)}
    made = walk("deaf", "second", **options)
    assert made.engine == "second"
    heard = deaf.n_heard, second.n_heard
    assert walk("deaf", "second", **options) == made
    assert (deaf.n_heard, second.n_heard) == heard
    assert walk("second", **options).engine == "second"
    assert second.n_heard == heard[1] + 1  # alone it is another walk, whose result need not be the same


def test_what_the_gate_refused_is_served_only_while_nobody_else_could_be_asked(walk, install):
    first, second = install(OtherPhone, Second)
    options = {"repair": False, "gate": GateConfig(min_confidence_avg=0.9999)}
    refused = walk("other", **options)
    assert "the quality gate refuses this alignment" in refused.warnings[-1]
    assert walk("other", **options) == refused
    assert (first.n_heard, second.n_heard) == (1, 0)
    of_both = walk("other", "second", **options)
    assert (first.n_heard, second.n_heard) == (2, 1)
    assert walk("other", "second", **options) == of_both
    assert walk("other", **options) == refused
    assert (first.n_heard, second.n_heard) == (2, 1)


class Deaf(OtherPhone):
    """Says of every frame that it may be anything: what is placed by it is refused."""

    name = "deaf"

    def emit(self, waveform, progress=None):
        heard = super().emit(waveform, progress)
        flat = np.full_like(heard.log_probs, -np.log(heard.log_probs.shape[1]))
        return replace(heard, log_probs=flat)


def test_commercial_use_is_not_served_what_it_may_not_compute(walk, install):
    first, second = install(OtherPhone, Second)
    first.changes = {"licence": Licence("CC-BY-NC-4.0", commercial=False)}
    assert walk("other", "second").engine == "other"
    assert walk("other", "second", licence_mode=LicenceMode.COMMERCIAL).engine == "second"
    assert (first.n_heard, second.n_heard) == (1, 1)


def test_words_that_were_heard_are_kept_as_such(walk, install, sung, cache):
    listener = install(Listener)
    listener.heard = heard_words(sung)
    made = walk("listener", lyrics=None)
    assert walk("listener", lyrics=None) == made
    assert listener.n_heard == 1
    assert [group.source for group in cache._database.groups(cache._now())] == ["whisper"]


# What somebody brought


def test_what_a_user_corrected_is_served_whatever_the_engine(walk, install, sung, cache):
    first, second = install(OtherPhone, Second)
    made = walk("other")
    track = Track(keys.sound_hash(sung.waveform), keys.text_hash(sung.lyrics))
    words = (replace(made.words[0], start=made.words[0].start + 160), *made.words[1:])
    corrected = replace(made, words=words, engine="a person")
    assert cache.keep(Source.USER_CORRECTED, track, corrected)
    for options in ({}, {"engine": "second"}, {"wildcard": 3.0}, {"language": None}):
        assert walk("other", **options) == corrected
    assert (first.n_heard, second.n_heard) == (1, 0)
    assert walk("other", cache=None) == made
    assert walk("other") == corrected


def test_names_of_a_song_are_kept_and_decide_nothing(walk, engine, sung, cache):
    made = walk(artist="Georges Bizet", title="Habanera")
    assert walk(artist="Somebody", title="Else") == made
    assert engine.n_heard == 1
    found = cache.best(Track(keys.sound_hash(sung.waveform), keys.text_hash(sung.lyrics)))
    assert (found.artist, found.title) == ("Georges Bizet", "Habanera")


# Caches that cannot be used


def test_servers_that_never_answer_break_no_alignment(walk, engine, said):
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(50)
        port = listening.getsockname()[1]
        settings = CacheSettings(f"postgresql://x@127.0.0.1:{port}/x", f"redis://127.0.0.1:{port}/0")
        with Cache(settings, said.append) as deaf:
            made = walk(cache=deaf)
            assert walk(cache=deaf) == made
    assert made == walk(cache=None)
    assert engine.n_heard == 3
    assert len(said) == 2


def test_a_waveform_is_known_by_its_samples(walk, engine, sung):
    walk()
    walk(audio=Waveform(sung.waveform.samples.copy(), 16000))
    assert engine.n_heard == 1
    walk(audio=Waveform(sung.waveform.samples[:-1], 16000))
    assert engine.n_heard == 2
