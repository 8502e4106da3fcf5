import json

import numpy as np
import pytest
import soundfile

from melisma.core.errors import InputError, ManifestError
from melisma.data.augment import sounds
from melisma.data.augment.sounds import Sounds

RATE = 16000


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "noise"
    made.mkdir()
    ramp = np.linspace(-0.5, 0.5, 1000)
    soundfile.write(made / "ramp.wav", ramp, RATE, subtype="FLOAT")
    soundfile.write(made / "stereo.flac", np.full((4410, 2), 0.25), 44100)
    return made


def test_every_sound_of_a_folder_is_decoded_once(folder, tmp_path):
    cache = tmp_path / "cache"
    first = Sounds.prepare(folder, cache)
    assert [(s.id, s.n_samples) for s in first.sounds] == [("ramp.wav", 1000), ("stereo.flac", 1600)]
    times = {path: path.stat().st_mtime_ns for path in cache.iterdir()}
    assert len(times) == 2
    assert Sounds.prepare(folder, cache) == first
    assert {path: path.stat().st_mtime_ns for path in cache.iterdir()} == times


def test_a_sound_that_changed_is_decoded_anew(folder, tmp_path):
    first = Sounds.prepare(folder, tmp_path / "cache")
    soundfile.write(folder / "ramp.wav", np.zeros(500), RATE)
    second = Sounds.prepare(folder, tmp_path / "cache")
    assert second.sounds[0].n_samples == 500
    assert second.digest() != first.digest()


def test_the_digest_does_not_say_where_the_folder_lies(folder, tmp_path):
    first = Sounds.prepare(folder, tmp_path / "cache")
    moved = folder.rename(tmp_path / "elsewhere")
    assert Sounds.prepare(moved, tmp_path / "other").digest() == first.digest()


def test_an_excerpt_goes_round(folder, tmp_path):
    ramp = Sounds.prepare(folder, tmp_path / "cache").sounds[0]
    found = sounds.excerpt(ramp, 2500, np.random.default_rng(0))
    assert found.shape == (2500,)
    assert found.dtype == np.float32
    turns = np.flatnonzero(np.diff(found) < -0.5)
    assert len(turns) in (2, 3)
    assert set(np.diff(turns)) == {1000}
    np.testing.assert_allclose(found[:1000], found[1000:2000])


def test_an_excerpt_of_a_cache_that_is_gone_says_so(folder, tmp_path):
    ramp = Sounds.prepare(folder, tmp_path / "cache").sounds[0]
    ramp.path.unlink()
    with pytest.raises(InputError, match=r"'ramp\.wav' cannot be read .* was the cache cleared"):
        sounds.excerpt(ramp, 10, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("lines", "kind", "fault"),
    [
        ([{"id": "a"}], ManifestError, "line 1: audio: Field required"),
        ([{"id": "a", "audio": "ramp.wav"}] * 2, ManifestError, "line 2: the id 'a' is there already"),
        ([{"id": "a", "audio": "none.wav"}], InputError, r"the sound 'a': cannot read .*none\.wav"),
        ([{"id": "a", "audio": "/dev/zero"}], InputError, r"the sound 'a': .* is no file"),
        ([], InputError, "holds no sound"),
    ],
)
def test_a_faulty_folder_is_refused(folder, tmp_path, lines, kind, fault):
    (folder / "manifest.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    with pytest.raises(kind, match=fault):
        Sounds.prepare(folder, tmp_path / "cache")


def test_what_is_no_sound_is_named(folder, tmp_path):
    (folder / "text.wav").write_text("hello", encoding="utf-8")
    with pytest.raises(InputError, match=r"text\.wav"):
        Sounds.prepare(folder, tmp_path / "cache")
