from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from melisma.core.errors import InputError
from melisma.data.balance import Tally, spread, temperature_weights
from melisma.data.balance_advice import Advice, advise, hours_to_share, repeats_to_share
from melisma.data.balance_plot import draw
from melisma.data.balance_run import measure, report, write_weights
from melisma.data.levels import levels
from melisma.data.manifest import Utterance, write
from melisma.data.noise import CLEANEST_DB, snr_db
from melisma.scale.local import LocalExecutor


def utterance(number: int, **fields) -> Utterance:
    return Utterance(id=f"u{number}", audio=f"u{number}.wav", **{"duration": 3600.0, **fields})


def tally(*utterances: Utterance, snr: float | None = None, by: tuple[str, ...] = ()) -> Tally:
    found = Tally()
    for each in utterances:
        found.add(each, snr, by)
    return found


def about(found: Tally, kind: str) -> dict[str, Advice]:
    return {advice.about: advice for advice in advise(found) if advice.kind == kind}


@given(st.lists(st.floats(0.01, 1000.0), min_size=1, max_size=50))
def test_effective_numbers_and_gini_stay_in_their_bounds(amounts):
    found = spread(amounts)
    assert 0.999 <= found.effective <= found.n * 1.001
    assert 0.0 <= found.gini < 1.0
    assert 1 / found.n - 1e-3 <= found.largest <= 1.0


def test_gini_against_its_definition():
    amounts = np.array([1.0, 2.0, 3.0, 10.0])
    differences = np.abs(amounts[:, None] - amounts[None]).mean()
    assert spread(amounts).gini == pytest.approx(differences / (2 * amounts.mean()), abs=1e-4)
    assert spread([5.0]).effective == 1.0
    assert spread([]).n == 0


@given(
    st.dictionaries(st.text(min_size=1), st.floats(0.01, 1000.0), min_size=1, max_size=8),
    st.floats(0.0, 1.0),
)
def test_weights_are_one_on_the_average_and_even_out(hours, temperature):
    weights = temperature_weights(hours, temperature)
    total = sum(hours.values())
    assert sum(weights[name] * hours[name] for name in hours) == pytest.approx(total)
    drawn = {name: weights[name] * hours[name] for name in hours}
    wanted = {name: (hours[name] / total) ** temperature for name in hours}
    scale = sum(wanted.values())
    assert all(drawn[name] / total == pytest.approx(wanted[name] / scale) for name in hours)


def test_what_is_asked_for_reaches_the_share_that_it_promises():
    more, often = hours_to_share(2.0, 50.0, 0.1), repeats_to_share(2.0, 50.0, 0.1)
    assert (2.0 + more) / (50.0 + more) == pytest.approx(0.1)
    assert 2.0 * often / (48.0 + 2.0 * often) == pytest.approx(0.1)


def test_a_language_that_is_drowned_is_told_how_much_it_needs():
    found = tally(*(utterance(n, language="hr") for n in range(9)), utterance(9, language="bs"))
    advice = about(found, "language")
    assert set(advice) == {"bs", "hr"}
    assert advice["bs"].numbers["hours_more"] == pytest.approx(2.0)  # (1 + 2) / (10 + 2) = 1/4
    assert "collect 2.0 h more, or draw its clips 3.0 times as often" in advice["bs"].sentence
    assert "--temperature 0.5 brings it to 75 %" in advice["hr"].sentence


def test_an_even_corpus_of_many_voices_gets_no_advice():
    texts = {"hr": "lijepa djevojka", "sr": "lepa devojka"}
    found = Tally()
    for n in range(60):
        language = "hr" if n % 2 else "sr"
        each = utterance(n, language=language, speaker_id=f"s{n}", transcript=texts[language], duration=8.0)
        found.add(each, 12.0 if n % 4 == 0 else 28.0)
    assert advise(found) == []


def test_one_voice_that_is_most_of_a_language_is_named():
    many = [utterance(n, language="hr", speaker_id=f"s{n}") for n in range(12)]
    found = tally(*many, *(utterance(20 + n, language="hr", speaker_id="ana") for n in range(36)))
    (advice,) = about(found, "speaker").values()
    assert advice.about == "ana"
    assert advice.numbers == {"draw_one_of": 9.0, "share": 0.75}  # 4 h beside the others' 12: a quarter
    assert "or record 96.0 h more of other voices" in advice.sentence  # 36 of 144


def test_few_speakers_none_and_unknown_languages_are_told():
    found = tally(utterance(1, language="hr", speaker_id="ana"), utterance(2, language="hr"), utterance(3))
    assert about(found, "speakers")["hr"].numbers == {"speakers": 1, "speakers_more": 9}
    assert "2.0 h (67 %) name no speaker" in about(found, "speakers")["unknown"].sentence
    assert about(found, "language")["unknown"].numbers == {"clips": 1}


def test_dialects_are_guessed_by_voice_and_believed_where_they_are_said():
    found = tally(
        utterance(1, language="hr", speaker_id="ana", transcript="lijepa djevojka"),
        utterance(2, language="hr", speaker_id="ana", transcript="da"),
        utterance(3, language="sr", speaker_id="vera", transcript="Где је лепо млеко"),
        utterance(4, language="hr", speaker_id="ivo", transcript="lijepa djevojka", dialect="čakavian"),
        utterance(5, language="hr", recording_id="r", transcript="da"),
        utterance(6, language="en", transcript="dete"),
    )
    hours = {name: amount.hours for name, amount in found.dialects().items()}
    assert hours == {"hr ijekavian": 2.0, "sr ekavian": 1.0, "hr čakavian": 1.0, "hr unknown": 1.0}


def test_a_pronunciation_that_is_missing_is_told():
    found = tally(*(utterance(n, language="hr", speaker_id="a", transcript="lijepa djevojka") for n in range(8)))
    assert about(found, "dialect")["ekavian"].numbers == {"hours_more": 2.0}


def test_two_scripts_of_a_language_are_told_and_japanese_is_one():
    found = tally(
        utterance(1, language="sr", transcript="лепо"),
        utterance(2, language="sr", transcript="lepo"),
        utterance(3, language="ja", transcript="日本"),
        utterance(4, language="ja", transcript="にほん"),
    )
    assert set(about(found, "script")) == {"sr"}


def test_noise_and_lengths():
    clean = tally(*(utterance(n, duration=8.0) for n in range(10)), snr=40.0)
    assert about(clean, "noise")["clean"].numbers == {"augment_share": 0.2}
    bad = tally(*(utterance(n, duration=40.0) for n in range(10)), snr=3.0)
    assert about(bad, "noise")["noisy"].numbers["clips"] == 10
    assert about(bad, "length")["long"].numbers["clips"] == 10
    assert about(tally(utterance(1, duration=0.5)), "length")["short"].numbers == {"clips": 1}


@pytest.mark.parametrize("wanted_db", [5.0, 10.0, 15.0, 20.0])
def test_noise_of_a_known_level_is_found(wanted_db):
    rng = np.random.default_rng(3)
    loud = np.repeat(rng.random(100) > 0.4, 1600)  # words and pauses of a tenth of a second
    speech = np.where(loud, rng.standard_normal(len(loud)), 0.0)
    noise = rng.standard_normal(len(loud)) * np.sqrt(np.mean(speech**2)) * 10 ** (-wanted_db / 20)
    assert snr_db(levels([(0.1 * (speech + noise)).astype(np.float32)])) == pytest.approx(wanted_db, abs=1.5)


def test_silence_and_steady_sound_have_an_answer_too():
    assert snr_db(levels([np.zeros(16000, np.float32)])) is None
    assert snr_db(levels([np.full(16000, 0.1, np.float32)])) == pytest.approx(0.0, abs=0.1)
    pulse = np.tile(np.repeat(np.float32([0.5, 2e-5]), 1600), 10)
    assert snr_db(levels([pulse])) == CLEANEST_DB


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    lines = []
    for n in range(4):
        loud = np.repeat(rng.random(20) > 0.5, 1600)
        sound = 0.1 * np.where(loud, 1.0, 0.01) * rng.standard_normal(32000)
        soundfile.write(tmp_path / f"u{n}.wav", sound, 16000)
        lines.append(utterance(n, duration=2.0, language="hr" if n else "sr", speaker_id=f"s{n}"))
    lines.append(utterance(9, duration=2.0, language="hr"))  # its audio is not there
    write(tmp_path / "m.jsonl", lines)
    return tmp_path / "m.jsonl"


def test_a_manifest_is_listened_to_once(corpus, tmp_path):
    journal = tmp_path / ".journal"
    each, found = measure(corpus, journal, annotate=True, executor=LocalExecutor(1))
    first = list(each)
    assert [line.model_extra.get("snr_db") is not None for line in first] == [True] * 4 + [False]
    assert first[0].model_extra["snr_db"] == pytest.approx(37.0, abs=3.0)
    assert [problem.item for problem in found.problems] == ["u9"]
    each, again = measure(corpus, journal, annotate=True, executor=LocalExecutor(1))
    assert list(each) == first
    assert report(again, {}).as_dict() == report(found, {}).as_dict()


def test_what_a_manifest_says_of_noise_is_believed(tmp_path):
    write(tmp_path / "m.jsonl", [utterance(1, snr_db=12.0)])
    each, found = measure(tmp_path / "m.jsonl", None, executor=LocalExecutor(1))
    list(each)
    assert report(found, {}).details["noise_db"] == [{"name": "10–15 dB", "clips": 1, "hours": 1.0}]


@pytest.mark.parametrize("field", ["dialekt", "changed"])
def test_weights_by_what_nobody_says_are_refused(tmp_path, field):
    write(tmp_path / "m.jsonl", [Utterance(id="a", audio="a.wav", duration=1, language="hr")])
    with pytest.raises(InputError, match=f"says its {field}"):
        write_weights(tmp_path / "m.jsonl", tmp_path / "out" / "w.jsonl", ["language", field], 0.5)
    assert not (tmp_path / "out").exists()


def test_an_empty_manifest_is_no_fault(tmp_path):
    write(tmp_path / "m.jsonl", [])
    each, found = measure(tmp_path / "m.jsonl", None, executor=LocalExecutor(1))
    assert list(each) == []
    done = report(found, {})
    assert done.counts["utterances"] == 0
    draw(done.details, [], tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_who_speaks_two_languages_is_one_speaker(tmp_path):
    write(
        tmp_path / "m.jsonl", [utterance(n, language=of, speaker_id="ana") for n, of in enumerate(("hr", "sr", "sr"))]
    )
    each, found = measure(tmp_path / "m.jsonl", None, executor=LocalExecutor(1))
    list(each)
    done = report(found, {})
    assert (done.counts["speakers"], done.counts["effective_speakers"]) == (1, 1.0)
    assert done.details["speakers"]["spread"]["n"] == 1
    assert [(row["language"], row["hours"]) for row in done.details["speakers"]["largest"]] == [
        ("sr", 2.0),
        ("hr", 1.0),
    ]


def test_weights_draw_groups_alike(corpus, tmp_path):
    groups = write_weights(corpus, tmp_path / "w.jsonl", ["language"], 0.0)
    assert groups == {"hr": 0.625, "sr": 2.5}
    lines = [json.loads(line) for line in (tmp_path / "w.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["weight"] for line in lines] == [2.5, 0.625, 0.625, 0.625, 0.625]


def test_further_fields_are_counted(tmp_path):
    found = tally(utterance(1, genre="pop"), utterance(2, genre="pop"), utterance(3), by=("genre",))
    assert {name: amount.clips for name, amount in found.fields["genre"].items()} == {"pop": 2, "unknown": 1}
