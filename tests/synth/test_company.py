from dataclasses import replace

import numpy as np
import pytest

from melisma.core.errors import InputError, UnknownName
from melisma.synth import company, songs
from melisma.synth.score import SongConfig, write_score
from melisma.synth.speech import SAMPLE_RATE
from melisma.synth.voice import SINGERS

SMALL = SongConfig("en", ("silver rain", "", "on the hill"), tempo_bpm=120, intro_bars=1)


def hall(seconds=0.5):
    return company.Hall(seconds, np.random.default_rng(0))


def test_a_hall_answers_after_the_voice_and_dies_away():
    click = np.zeros(SAMPLE_RATE, np.float32)
    click[0] = 1
    heard = hall().feed(click)
    assert heard.shape == (SAMPLE_RATE, 2)
    power = np.square(heard).sum(axis=1)
    assert np.abs(heard[: round(0.014 * SAMPLE_RATE)]).max() < 1e-6
    early, late = (power[round(a * SAMPLE_RATE) : round((a + 0.1) * SAMPLE_RATE)].mean() for a in (0.02, 0.27))
    assert 10 * np.log10(early / late) == pytest.approx(30, abs=3)  # 60 dB in half a second


def test_a_hall_gives_the_same_in_blocks_as_in_one_piece():
    voice = np.random.default_rng(1).standard_normal(SAMPLE_RATE).astype(np.float32)
    room = hall()
    parts = [room.feed(part) for part in np.split(voice, [1, 700, 9000, 9001])]
    np.testing.assert_allclose(np.concatenate(parts), hall().feed(voice), atol=1e-4)


def test_the_choir_never_comes_before_the_lead_and_stands_on_both_sides():
    for line in write_score(SMALL).lines:
        sung = list(company.choir(line, SMALL))
        assert len(sung) == 2
        assert min(at for at, _, _ in sung) >= line.at + line.sung.spans[0][0] + 0.015 * SAMPLE_RATE
        assert min(position for _, position, _ in sung) < -0.5
        assert max(position for _, position, _ in sung) > 0.5


@pytest.mark.parametrize("singer", ["low", "alto"])
@pytest.mark.parametrize("midi", [30, 52, 80])
def test_choir_notes_stay_in_the_range(singer, midi):
    got = company._within(midi, singer)
    assert SINGERS[singer].lowest <= got <= SINGERS[singer].highest
    assert (got - midi) % 12 == 0


@pytest.mark.parametrize("change", [{"hall_s": 1.2}, {"choir": 0.5}])
def test_company_changes_the_sound_beside_the_voice_and_not_the_truth(change):
    alone, together = write_score(SMALL), write_score(replace(SMALL, **change))
    assert together.words == alone.words
    pairs = list(zip(songs.blocks(alone), songs.blocks(together), strict=True))
    scale = max(np.abs(b.voice).max() for _, b in pairs) / max(np.abs(a.voice).max() for a, _ in pairs)
    for a, b in pairs:
        np.testing.assert_allclose(b.voice, scale * a.voice, atol=1e-6)
    mixed = songs.render(together).stereo
    assert np.abs(mixed).max() <= 1
    assert not np.allclose(mixed, scale * songs.render(alone).stereo, atol=1e-3)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"hall_s": 9.0}, "a hall of 9.0 s is none to sing in"),
        ({"hall_s": float("nan")}, "a hall of nan s"),
        ({"choir": 2.0}, "a choir at 2.0 of the lead's level"),
    ],
)
def test_impossible_company_is_refused(change, sentence):
    with pytest.raises(InputError, match=sentence):
        replace(SMALL, **change)


def test_an_unknown_style_is_refused():
    with pytest.raises(UnknownName, match="no style of accompaniment is called 'polka'"):
        replace(SMALL, style="polka")
