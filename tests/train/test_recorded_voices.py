import shutil
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from melisma.core.errors import InputError, MissingDependency
from melisma.text.phones import INVENTORY
from melisma.train import recorded_voices
from melisma.train.recorded_voices import VOICES, say, speak_texts
from melisma.train.takes import SAMPLE_RATE
from melisma.train.texts import Text

FLITE, FESTIVAL = VOICES[0], next(voice for voice in VOICES if voice.program == "festival")
needs_flite = pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")


@pytest.mark.parametrize("voice", VOICES, ids=lambda voice: voice.name)
def test_every_phone_is_spelt_in_labels_of_the_inventory(voice):
    assert all(label in INVENTORY for spelt in voice.phones.values() for label in spelt.split())


@needs_flite
def test_flite_says_words_with_its_phones_in_order():
    take = say(FLITE, "tell me a story", 0.5, (0.1, 0.1))
    assert [p[0] for p in take.phones] == ["t", "ɛ", "l", "m", "i", "ə", "s", "t", "ɔ", "ɹ", "i"]
    assert all(start < end for _, start, end in take.phones)
    assert all(left[2] <= right[1] + 1e-9 for left, right in pairwise(take.phones))
    assert take.phones[-1][2] <= take.duration_s


@needs_flite
def test_a_stop_begins_at_its_burst_and_not_at_its_closure():
    take = say(FLITE, "tell me", 0.5)
    at, width = round(take.phones[0][1] * SAMPLE_RATE), SAMPLE_RATE // 125
    power = np.square(take.samples.astype(np.float64))
    assert power[at : at + width].mean() > 10 * power[at - 2 * width : at - width // 2].mean()


@needs_flite
def test_installed_voices_fill_a_folder_and_missing_ones_are_named(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(recorded_voices, "VOICES", (FLITE, replace(FLITE, name="nobody", package="flite-nobody")))
    manifest = speak_texts([Text("en", "see me, no tea!")], tmp_path / "out", hours=2 / 3600, seed=1)
    assert '"transcript": "see me no tea"' in manifest.read_text(encoding="utf-8")
    assert any("left out the voice nobody of flite: apt-get install flite-nobody" in r.message for r in caplog.records)


@pytest.mark.parametrize("words", ["", '") (system "ls', "a-b"])
def test_what_could_end_a_string_of_festival_is_refused(words):
    with pytest.raises(InputError, match="cannot say"):
        say(FESTIVAL, words)


def test_a_program_that_hangs_is_stopped(monkeypatch):
    monkeypatch.setattr(recorded_voices, "_TIMEOUT_S", 0.05)
    with pytest.raises(InputError, match="sleep takes longer than"):
        recorded_voices._run(["sleep", "5"])


def test_an_unknown_phone_is_named():
    with pytest.raises(InputError, match="a phone 'qq' that no table knows"):
        recorded_voices._spans([("qq", 0.1)], FLITE, np.ones(16000, np.float32), 16000)


def test_without_any_voice_the_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(MissingDependency, match="apt-get install flite"):
        speak_texts([Text("en", "see me")], tmp_path / "out", hours=1.0, seed=1)
    assert list(tmp_path.iterdir()) == []


def test_texts_in_other_languages_alone_are_refused(tmp_path):
    with pytest.raises(InputError, match="none of the texts is in a language of these voices: en, ru"):
        speak_texts([Text("hr", "more")], tmp_path / "out", hours=1.0, seed=1)


@pytest.mark.parametrize("hours", [0.0, -1.0, float("nan"), float("inf")])
def test_hours_that_cannot_be_filled_are_refused(tmp_path, hours):
    with pytest.raises(InputError, match=f"^{hours} hours of speech cannot be made: ask for a positive number$"):
        speak_texts([Text("en", "see me")], tmp_path / "out", hours=hours, seed=1)
    assert list(tmp_path.iterdir()) == []
