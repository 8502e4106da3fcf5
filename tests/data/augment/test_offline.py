import json

import numpy as np
import pytest
import soundfile

from data.spoken import utterance
from melisma.core.errors import InputError
from melisma.data import align_corpus, manifest, recordings
from melisma.data.augment import offline
from melisma.data.augment.offline import Settings, write
from melisma.data.augment.recipe import Recipe, draws
from melisma.data.augment.sounds import Sounds
from melisma.data.manifest import Utterance
from melisma.scale.local import LocalExecutor

RATE = 16000
WORDS = [{"text": "la", "start": 0.1, "end": 0.4}, {"text": "lu", "start": 0.5, "end": 1.0}]


def sound(n, seed):
    return 0.1 * np.random.default_rng(seed).standard_normal(n).astype(np.float32)


@pytest.fixture
def corpus(tmp_path):
    soundfile.write(tmp_path / "a.wav", sound(3 * RATE, 0), RATE)
    lines = [
        Utterance(id="a/1", audio="a.wav", duration=1, transcript="la lu", license="CC0-1.0", words=WORDS, take=7),
        Utterance(id="a/2", audio="a.wav", start=1, duration=2, license="CC-BY-ND-4.0", source="choir"),
    ]
    manifest.write(tmp_path / "m.jsonl", lines)
    return tmp_path / "m.jsonl"


@pytest.fixture
def recipe(tmp_path):
    def read(text):
        (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
        return Recipe.read(tmp_path / "recipe.yaml")

    return read


@pytest.fixture
def noisy(recipe, tmp_path):
    folder = tmp_path / "noise"
    folder.mkdir()
    soundfile.write(folder / "rain.wav", sound(RATE, 9), RATE)
    line = {"id": "rain", "audio": "rain.wav", "license": "CC BY-NC 4.0", "source": "of a cloud"}
    (folder / "manifest.jsonl").write_text(json.dumps(line), encoding="utf-8")
    sounds = Sounds.prepare(folder, tmp_path / "cache")
    return recipe("effects:\n  - {effect: speed, factor: 0.8}\n  - {effect: noise}\n").with_sounds(sounds)


def test_copies_carry_words_sources_and_licences(corpus, noisy, tmp_path):
    made = write(recordings.read(corpus), tmp_path / "out", Settings(noisy, copies=2), executor=LocalExecutor(1))
    found = {each.id: each for each in manifest.read(tmp_path / "out" / "manifest.jsonl")}
    assert list(found) == ["a/1+1", "a/1+2", "a/2+1", "a/2+2"]
    first = found["a/1+1"]
    assert first.duration == 1.25
    assert [(word.start, word.end) for word in first.words] == [(0.125, 0.5), (0.625, 1.25)]
    assert first.license == "CC0-1.0 AND CC-BY-NC-4.0"
    assert first.derived_from == ["of a cloud"]
    assert first.recording_id == "a.wav"
    extras = first.model_extra
    assert (extras["copy_of"], extras["take"]) == ("a/1", 7)
    assert [each["effect"] for each in extras["augmented"]] == ["speed", "noise"]
    assert soundfile.info(tmp_path / "out" / first.audio).frames == 1.25 * RATE
    assert found["a/2+1"].words is None
    assert (made.n_copies, made.effects) == (4, {"speed": 4, "noise": 4})
    assert [(each.item, each.kind) for each in made.problems] == [("a/2", "no derivatives")]


def test_a_copy_is_what_the_training_of_that_epoch_hears(corpus, noisy, tmp_path):
    write(recordings.read(corpus), tmp_path / "out", Settings(noisy, seed=4, copies=2), executor=LocalExecutor(1))
    samples, _ = soundfile.read(tmp_path / "a.wav", dtype="float32")
    heard = noisy.apply(samples[:RATE], RATE, draws(4, 1, "a/1")).samples
    written, _ = soundfile.read(tmp_path / "out" / "audio" / "a" / "1+2.wav", dtype="float32")
    np.testing.assert_allclose(written, heard, atol=1 / 32768)


def test_an_engine_finds_the_words_of_a_copy_where_its_line_says(recipe, tmp_path):
    manifest.write(tmp_path / "m.jsonl", [utterance(tmp_path, "x", "en", "x.wav")])
    changed = recipe("effects:\n  - {effect: speed, factor: 0.8}\n  - {effect: tempo, factor: 0.9}\n")
    write(recordings.read(tmp_path / "m.jsonl"), tmp_path / "out", Settings(changed), executor=LocalExecutor(1))
    copies = recordings.read(tmp_path / "out" / "manifest.jsonl")
    aligned = align_corpus.write(copies, tmp_path / "aligned", align_corpus.Settings(), executor=LocalExecutor(1))
    assert aligned.figures.offset()["words"] == 6
    assert aligned.figures.offset()["mean_ms"] < 100


def test_what_is_done_is_not_done_again_and_any_number_of_processes_makes_the_same(corpus, noisy, tmp_path):
    write(recordings.read(corpus), tmp_path / "one", Settings(noisy), executor=LocalExecutor(1))
    assert write(recordings.read(corpus), tmp_path / "one", Settings(noisy), executor=LocalExecutor(1)).n_reused == 2
    assert (
        write(recordings.read(corpus), tmp_path / "one", Settings(noisy, seed=1), executor=LocalExecutor(1)).n_reused
        == 0
    )
    write(recordings.read(corpus), tmp_path / "one", Settings(noisy), executor=LocalExecutor(1))
    write(recordings.read(corpus), tmp_path / "two", Settings(noisy), executor=LocalExecutor(2))
    for path in (tmp_path / "one").rglob("*.*"):
        other = tmp_path / "two" / path.relative_to(tmp_path / "one")
        assert path.is_dir() or other.read_bytes() == path.read_bytes()


def test_nothing_mixed_in_leaves_the_licence_as_it_was_said(corpus, recipe, tmp_path):
    write(
        recordings.read(corpus),
        tmp_path / "out",
        Settings(recipe("effects: [{effect: gain}]")),
        executor=LocalExecutor(1),
    )
    first, second = manifest.read(tmp_path / "out" / "manifest.jsonl")
    assert (first.license, second.license) == ("CC0-1.0", "CC-BY-ND-4.0")
    assert first.derived_from == []


def test_what_cannot_be_read_is_told(corpus, recipe, tmp_path):
    lines = [
        Utterance(id="gone", audio="gone.wav", duration=1),
        Utterance(id="late", audio="a.wav", start=60, duration=1),
        Utterance(id="long", audio="a.wav", duration=5000),
        *manifest.read(corpus),
    ]
    manifest.write(corpus, lines)
    made = write(
        recordings.read(corpus),
        tmp_path / "out",
        Settings(recipe("effects: [{effect: gain}]")),
        executor=LocalExecutor(1),
    )
    assert [each.item for each in made.problems if each.kind == "unreadable"] == ["gone", "late", "long"]
    assert made.n_copies == 2


def test_some_are_drawn_the_same_every_time(corpus, tmp_path):
    lines = [Utterance(id=str(n), audio="a.wav", duration=1) for n in range(100)]
    manifest.write(corpus, lines)
    drawn = [each.id for each in manifest.read(offline.chosen(corpus, 10, 3, tmp_path / "out"))]
    assert len(set(drawn)) == 10
    assert drawn == [each.id for each in manifest.read(offline.chosen(corpus, 10, 3, tmp_path / "out"))]
    assert drawn != [each.id for each in manifest.read(offline.chosen(corpus, 10, 4, tmp_path / "out"))]
    assert len(list(manifest.read(offline.chosen(corpus, 500, 3, tmp_path / "out")))) == 100
    manifest.write(corpus, [])
    with pytest.raises(InputError, match="there is no utterance"):
        offline.chosen(corpus, 10, 3, tmp_path / "out")


def test_copies_have_a_limit(recipe):
    with pytest.raises(InputError, match="1 to 1000 copies"):
        Settings(recipe("effects: [{effect: gain}]"), copies=0)
