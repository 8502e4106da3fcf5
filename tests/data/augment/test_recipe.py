import hashlib
import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from melisma.audio import codecs, ffmpeg
from melisma.audio.effects import speech_power
from melisma.core.errors import InputError
from melisma.data.augment.recipe import Recipe, draws
from melisma.data.augment.sounds import Sounds

RATE = 16000
STANDARD = Path(__file__).parents[3] / "configs" / "augment.yaml"
SONGS = STANDARD.with_name("augment-songs.yaml")


def voice(seconds=2.0, seed=0):
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * 180 * k * t) / k for k in range(1, 12))
    return (0.05 * tone + 0.001 * rng.normal(0, 1, len(t))).astype(np.float32)


@pytest.fixture
def recipe(tmp_path):
    def read(text):
        path = tmp_path / "recipe.yaml"
        path.write_text(text, encoding="utf-8")
        return Recipe.read(path)

    return read


@pytest.fixture
def sounds(tmp_path):
    folder = tmp_path / "noise"
    folder.mkdir()
    lines = []
    for name, kind, licence in (("rain", "ambience", "CC0-1.0"), ("band", "music", "CC-BY-NC-4.0")):
        rng = np.random.default_rng(len(name))
        soundfile.write(folder / f"{name}.wav", 0.1 * rng.normal(0, 1, RATE // 2), RATE)
        lines.append({"id": name, "audio": f"{name}.wav", "kind": kind, "license": licence, "source": f"of {name}"})
    (folder / "manifest.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    return Sounds.prepare(folder, tmp_path / "cache")


@pytest.mark.parametrize("recipe", [STANDARD, SONGS], ids=lambda path: path.stem)
def test_the_recipes_that_come_along_are_read_and_use_every_effect_they_name(recipe):
    standard = Recipe.read(recipe)
    given, seen, scales = voice(1.0), set(), set()
    for n in range(200):
        done = standard.apply(given, RATE, draws(1, 0, str(n)))
        seen |= {each.effect for each in done.applied}
        scales.add(done.time_scale)
        assert done.samples.dtype == np.float32
        assert np.isfinite(done.samples).all()
        assert np.abs(done.samples).max() <= 1
        assert len(done.samples) == pytest.approx(RATE * done.time_scale, abs=2)
        json.dumps([dict(each.facts) for each in done.applied])
    assert seen == {effect.effect for effect in standard.effects}
    assert len(scales) > 10


def test_the_same_draw_gives_the_same_samples_in_any_order():
    standard = Recipe.read(STANDARD)
    names = [str(n) for n in range(12)]
    forth = {n: standard.apply(voice(0.3), RATE, draws(7, 3, n)).samples for n in names}
    back = {n: standard.apply(voice(0.3), RATE, draws(7, 3, n)).samples for n in reversed(names)}
    for n in names:
        np.testing.assert_array_equal(forth[n], back[n])
    other_epoch = [standard.apply(voice(0.3), RATE, draws(7, 4, n)).samples for n in names]
    assert any(len(a) != len(b) or not np.array_equal(a, b) for a, b in zip(forth.values(), other_epoch, strict=True))


ELSEWHERE = """
import hashlib, pickle, sys
from melisma.data.augment.recipe import draws
recipe, given = pickle.load(sys.stdin.buffer)
for name in range(6):
    print(hashlib.sha256(recipe.apply(given, 16000, draws(7, 3, str(name))).samples.tobytes()).hexdigest())
"""


def test_another_process_draws_the_same(sounds):
    both = Recipe.read(STANDARD).with_sounds(sounds), voice(0.3)
    done = subprocess.run([sys.executable, "-c", ELSEWHERE], input=pickle.dumps(both), capture_output=True, check=True)
    there = done.stdout.decode().split()
    here = [both[0].apply(both[1], RATE, draws(7, 3, str(name))).samples for name in range(6)]
    assert there == [hashlib.sha256(samples.tobytes()).hexdigest() for samples in here]


def test_the_samples_given_are_left_as_they_were():
    given = voice(0.3)
    kept = given.copy()
    for n in range(30):
        Recipe.read(STANDARD).apply(given, RATE, draws(0, 0, str(n)))
    np.testing.assert_array_equal(given, kept)


def test_effects_keep_their_order(recipe):
    loud_then_cut = recipe("effects:\n  - {effect: gain, db: 12}\n  - {effect: clipping, below_peak_db: 6}\n")
    done = loud_then_cut.apply(voice(), RATE, draws(0, 0, "a"))
    assert [each.effect for each in done.applied] == ["gain", "clipping"]
    cut_then_loud = recipe("effects:\n  - {effect: clipping, below_peak_db: 6}\n  - {effect: gain, db: 12}\n")
    assert [each.effect for each in cut_then_loud.apply(voice(), RATE, draws(0, 0, "a")).applied] == [
        "clipping",
        "gain",
    ]


def test_what_one_effect_draws_moves_no_other(recipe):
    both = recipe("effects:\n  - {effect: gain, probability: 1.0}\n  - {effect: speed}\n")
    one = recipe("effects:\n  - {effect: gain, probability: 0.0}\n  - {effect: speed}\n")
    for n in range(5):
        a, b = (each.apply(voice(), RATE, draws(0, 0, str(n))) for each in (both, one))
        assert a.applied[-1] == b.applied[-1]


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_an_effect_is_heard_as_often_as_it_should_be(recipe, probability):
    often = recipe(f"effects:\n  - {{effect: gain, probability: {probability}}}\n")
    heard = sum(bool(often.apply(voice(0.01), RATE, draws(0, 0, str(n))).applied) for n in range(1000))
    assert heard / 1000 == pytest.approx(probability, abs=0.05)


def test_the_clean_share_is_left_alone(recipe):
    half = recipe("clean: 0.5\neffects:\n  - {effect: gain, db: -6}\n")
    given = voice(0.01)
    untouched = sum(half.apply(given, RATE, draws(0, 0, str(n))).samples is given for n in range(1000))
    assert untouched / 1000 == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("snr_db", [-10, 0, 10, 30])
@pytest.mark.parametrize("with_folder", [True, False])
def test_the_distance_to_the_noise_is_reached(recipe, sounds, snr_db, with_folder):
    noisy = recipe(f"effects:\n  - {{effect: noise, snr_db: {snr_db}}}\n").with_sounds(sounds if with_folder else None)
    given = np.concatenate([np.zeros(RATE, np.float32), 0.1 * voice(), np.zeros(RATE, np.float32)])
    done = noisy.apply(given, RATE, draws(0, 0, "a"))
    noise = done.samples - given
    reached = 10 * np.log10(speech_power(0.1 * voice(), RATE) / np.mean(noise.astype(np.float64) ** 2))
    assert reached == pytest.approx(snr_db, abs=0.1)
    assert done.applied[0].facts["snr_db"] == snr_db


def test_sounds_are_taken_by_their_kind_and_say_where_they_come_from(recipe, sounds):
    both = recipe("effects:\n  - {effect: noise, kinds: [ambience]}\n  - {effect: music}\n").with_sounds(sounds)
    noise, music = both.apply(voice(), RATE, draws(0, 0, "a")).applied
    assert (noise.facts["sound"], noise.facts["license"]) == ("rain", "CC0-1.0")
    assert (music.facts["sound"], music.facts["license"], music.facts["source"]) == ("band", "CC-BY-NC-4.0", "of band")


@pytest.mark.skipif(ffmpeg.program() is None, reason="no ffmpeg")
@pytest.mark.parametrize(("name", "said", "used"), [("opus", 320, 256), ("mp3", 16, 16)])
def test_real_codecs_leave_the_sound_in_its_place(recipe, name, said, used):
    real = recipe(f"effects:\n  - {{effect: codec, names: [{name}], kbps: {said}, real: true}}\n")
    given = voice()
    done = real.apply(given, RATE, draws(0, 0, "a"))
    assert done.applied[0].facts == {"name": name, "kbps": used, "real": True}
    assert abs(codecs.lag(given, done.samples)) < 16
    assert 0 < np.std(done.samples - given) < 0.5 * np.std(given)


def test_impulse_responses_of_the_folder_are_rooms(recipe, tmp_path):
    folder = tmp_path / "rooms"
    folder.mkdir()
    response = np.zeros(RATE // 2, np.float32)
    response[[100, 4100]] = 0.8, 0.4  # an echo a quarter of a second after the direct sound
    soundfile.write(folder / "hall.wav", response, RATE)
    (folder / "manifest.jsonl").write_text('{"id": "hall", "audio": "hall.wav", "kind": "room"}', encoding="utf-8")
    echoing = recipe("effects:\n  - {effect: reverb, kinds: [room]}\n")
    click = np.zeros(RATE, np.float32)
    click[500] = 0.5
    done = echoing.with_sounds(Sounds.prepare(folder, tmp_path / "cache")).apply(click, RATE, draws(0, 0, "a"))
    assert set(np.flatnonzero(np.abs(done.samples) > 0.01)) == {500, 4500}
    assert done.samples[4500] / done.samples[500] == pytest.approx(0.5, rel=1e-3)
    assert done.applied[0].facts["sound"] == "hall"


def test_kinds_that_the_folder_lacks_become_coloured_noise(recipe, sounds):
    done = recipe("effects:\n  - {effect: noise, kinds: [zoo], colours: [pink]}\n").with_sounds(sounds)
    assert done.apply(voice(), RATE, draws(0, 0, "a")).applied[0].facts["sound"] == "pink noise"


def test_silence_gets_no_noise(recipe):
    done = recipe("effects:\n  - {effect: noise}\n").apply(np.zeros(RATE, np.float32), RATE, draws(0, 0, "a"))
    assert done.applied == ()
    assert not done.samples.any()


def test_changes_of_time_are_multiplied(recipe):
    both = recipe("effects:\n  - {effect: speed, factor: 1.25}\n  - {effect: tempo, factor: 0.8}\n")
    done = both.apply(voice(), RATE, draws(0, 0, "a"))
    assert done.time_scale == pytest.approx(1.0)
    faster = recipe("effects:\n  - {effect: speed, factor: 1.25}\n").apply(voice(), RATE, draws(0, 0, "a"))
    assert faster.time_scale == pytest.approx(0.8)
    assert len(faster.samples) == round(0.8 * len(voice()))


@pytest.mark.parametrize("n", [0, 1, 3, 50, 399, 401])
def test_no_length_is_too_short(n):
    standard = Recipe.read(STANDARD)
    for k in range(20):
        done = standard.apply(np.full(n, 0.1, np.float32), RATE, draws(0, 0, str(k)))
        assert np.isfinite(done.samples).all()
        assert (len(done.samples) > 0) == (n > 0)


def test_the_fingerprint_knows_effects_ranges_order_and_sounds(recipe, sounds):
    a, b = "  - {effect: gain, db: 3}\n", "  - {effect: pitch}\n"
    prints = {
        recipe("effects:\n" + a).fingerprint(),
        recipe("effects:\n" + a.replace("3", "4")).fingerprint(),
        recipe("effects:\n" + a + b).fingerprint(),
        recipe("effects:\n" + b + a).fingerprint(),
        recipe("clean: 0.1\neffects:\n" + a).fingerprint(),
        recipe("effects:\n" + a).with_sounds(sounds).fingerprint(),
    }
    assert len(prints) == 6
    assert (
        recipe("effects:\n" + a).fingerprint()
        == recipe("# said otherwise\neffects: [{db: [3, 3.0], effect: gain}]").fingerprint()
    )


def test_a_recipe_travels_to_other_processes_small(sounds):
    there = pickle.dumps(Recipe.read(STANDARD).with_sounds(sounds))
    assert len(there) < 20000
    assert pickle.loads(there).fingerprint() == Recipe.read(STANDARD).with_sounds(sounds).fingerprint()


def test_sounds_of_another_rate_are_refused(recipe, sounds):
    with pytest.raises(InputError, match="prepared at 16000 Hz, the recording is at 8000 Hz"):
        recipe("effects:\n  - {effect: noise}\n").with_sounds(sounds).apply(voice(), 8000, draws(0, 0, "a"))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "is no recipe"),
        ("- effect: gain\n", "is no recipe"),
        ("effects: []\n", "effects: List should have at least 1 item"),
        ("effects:\n  - {effect: echo}\n", r"effect 1: Input tag 'echo' .* 'noise', 'music', 'speed'"),
        ("effects:\n  - {db: 3}\n", "effect 1: it must say which effect it is, such as `effect: noise`"),
        ("effects:\n  - {effect: gain}\n  - {effect: gain, dB: 3}\n", r"effect 2 \(gain\): dB: Extra inputs"),
        ("effects:\n  - {effect: gain, db: [6, -6]}\n", r"effect 1 \(gain\): db: .*a range rises"),
        ("effects:\n  - {effect: gain, db: [0, 900]}\n", "lies within -60 and 40"),
        ("effects:\n  - {effect: gain, db: .nan}\n", "lies within -60 and 40"),
        ("effects:\n  - {effect: gain, db: [1, 2, 3]}\n", "db: Tuple should have at most 2 items"),
        ("effects:\n  - {effect: speed, factor: 0}\n", "lies within 0.5 and 2"),
        ("effects:\n  - {effect: gain, probability: 1.5}\n", "probability: Input should be less than or equal to 1"),
        ("effects:\n  - {effect: codec, names: [flac]}\n", "names: Input should be 'mp3'"),
        ("clean: 2\neffects:\n  - {effect: gain}\n", "clean: Input should be less than"),
        ("effect:\n  - {effect: gain}\n", "effects: Field required"),
    ],
)
def test_a_faulty_recipe_is_refused_in_one_sentence(recipe, text, fault):
    with pytest.raises(InputError, match=fault):
        recipe(text)
