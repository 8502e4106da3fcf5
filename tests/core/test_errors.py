from __future__ import annotations

import pickle

import pytest

from melisma.core import errors, plugins
from melisma.text import espeak

# What the edges make of each class; a class that is not here fails the test until somebody decides.
EXPECTED = {
    errors.MelismaError: (1, 500),
    errors.MissingDependency: (3, 501),
    errors.OutputError: (2, 500),
    errors.InputError: (2, 422),
    errors.AudioError: (2, 422),
    errors.NotAudio: (2, 422),
    errors.EmptyAudio: (2, 422),
    errors.DamagedAudio: (2, 422),
    errors.AudioTooLong: (2, 422),
    errors.NeedsFfmpeg: (2, 422),
    errors.LyricsError: (2, 422),
    errors.FormatError: (2, 422),
    errors.UnknownName: (2, 422),
    errors.ManifestError: (2, 422),
    errors.TooFewFrames: (2, 422),
    errors.WrongLyrics: (2, 422),
    errors.LicenceError: (2, 422),
    errors.EngineError: (1, 502),
    errors.EngineUnavailable: (3, 501),
    errors.EngineFailed: (1, 502),
    errors.EngineTimeout: (1, 504),
    errors.EngineOutOfMemory: (1, 503),
    errors.UnitsError: (1, 502),
    errors.NoEngine: (3, 503),
    errors.CacheError: (1, 503),
    errors.StoreError: (1, 503),
    errors.NoRoom: (1, 507),
    errors.NotFound: (2, 404),
    errors.Conflict: (2, 409),
    errors.VersionConflict: (2, 409),
    errors.RefusedEdit: (2, 422),
    errors.TooLarge: (2, 413),
    errors.HeadersTooLarge: (2, 431),
    errors.TooSlow: (2, 408),
    errors.UnsupportedMedia: (2, 415),
    errors.NotAcceptable: (2, 406),
    errors.Unauthorized: (2, 401),
    errors.Forbidden: (2, 403),
    errors.TooManyRequests: (2, 429),
    errors.ModelError: (1, 500),
    errors.TrainingError: (1, 500),
    plugins.DuplicatePlugin: (1, 500),
    plugins.BrokenPlugin: (1, 500),
    espeak.EspeakError: (1, 500),
}


def tree(root: type[Exception]) -> set[type[Exception]]:
    return {root}.union(*(tree(kind) for kind in root.__subclasses__()))


def test_every_class_of_the_tree_is_decided_on():
    core = {kind for kind in tree(errors.MelismaError) if kind.__module__ == errors.__name__}
    assert core <= set(EXPECTED)


@pytest.mark.parametrize("kind", EXPECTED, ids=lambda kind: kind.__name__)
def test_exit_code_and_http_status(kind):
    assert (kind.exit_code, kind.http_status) == EXPECTED[kind]


@pytest.mark.parametrize("kind", EXPECTED, ids=lambda kind: kind.__name__)
def test_every_class_says_what_it_means(kind):
    assert kind.__doc__


def test_what_the_caller_gave_is_never_the_servers_fault():
    for kind in tree(errors.InputError):
        assert kind.exit_code == 2
        assert 400 <= kind.http_status < 500


def test_a_missing_ffmpeg_can_be_caught_as_audio_error_and_as_missing_dependency():
    assert issubclass(errors.NeedsFfmpeg, errors.AudioError)
    assert issubclass(errors.NeedsFfmpeg, errors.MissingDependency)


SAMPLES = [
    (errors.FormatError("srt", "no time", 3), "srt, line 3: no time", {"format_name": "srt", "line": 3}),
    (errors.FormatError("srt", "no time"), "srt: no time", {"format_name": "srt", "line": None}),
    (
        errors.UnknownName("engine", "phnoe", iter(["phone", "alto"])),
        "no engine is called 'phnoe'; there are: alto, phone",
        {"kind": "engine", "name": "phnoe"},
    ),
    (errors.UnknownName("engine", "x", ()), "no engine is called 'x'; there are none", {"kind": "engine", "name": "x"}),
    (
        errors.TooFewFrames(3, 5),
        "the audio has 3 frames, these lyrics need 5: is this the right song?",
        {"n_frames": 3, "n_needed": 5},
    ),
    (errors.InputError("plain"), "plain", {"lasting": True}),
    (errors.EngineUnavailable("it needs torch", lasting=True), "it needs torch", {"lasting": True}),
    (errors.EngineUnavailable("the model cannot be fetched"), "the model cannot be fetched", {"lasting": False}),
]


@pytest.mark.parametrize(("error", "sentence", "facts"), SAMPLES)
def test_errors_carry_a_sentence_and_the_facts(error, sentence, facts):
    assert str(error) == sentence
    assert {key: getattr(error, key) for key in facts} == facts


@pytest.mark.parametrize(("error", "sentence", "facts"), SAMPLES)
def test_errors_cross_from_one_process_to_another_whole(error, sentence, facts):
    other = pickle.loads(pickle.dumps(error))
    assert type(other) is type(error)
    assert str(other) == sentence
    assert {key: getattr(other, key) for key in facts} == facts
