import json

import pytest
import soundfile

from melisma.core.errors import InputError, OutputError, UnknownName
from melisma.text.g2p import EspeakG2P
from melisma.text.phones import INVENTORY
from melisma.train import synthetic
from melisma.train.espeak_voices import Mismatch, Reader
from melisma.train.synthetic import synthesise
from melisma.train.texts import Text

TEXTS = [Text("hr", "more i nebo"), Text("hr", "tiha noć"), Text("sk", "biely kôň", "CC0-1.0", "a corpus")]
SECONDS = 12 / 3600  # in hours


def rows_of(manifest):
    return [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]


def test_the_folder_holds_what_the_manifest_says(tmp_path):
    told = []
    manifest = synthesise(TEXTS, tmp_path / "out", hours=SECONDS, seed=1, progress=lambda *a: told.append(a))
    rows = rows_of(manifest)
    g2p = EspeakG2P()
    for row in rows:
        info = soundfile.info(manifest.parent / row["audio"])
        assert (info.samplerate, info.channels, info.format) == (16000, 1, "FLAC")
        assert info.duration == pytest.approx(row["duration"], abs=1e-3)
        spelt = [label for word in row["transcript"].split() for label in g2p.phones(word, row["language"])]
        assert [label for label, _, _ in row["phones"]] == spelt
        assert set(spelt) <= set(INVENTORY)
        assert row["speaker_id"].startswith(f"espeak:{row['language']}+")
    assert {row["language"]: row["license"] for row in rows} == {"hr": "Apache-2.0", "sk": "CC0-1.0"}
    assert len({row["id"] for row in rows}) == len(rows)
    assert sum(row["duration"] for row in rows) == pytest.approx(told[-1][0], abs=0.01)
    assert told[-1][0] >= 12 == told[-1][1]


def voices_of(manifest):
    return [(row["id"], row["transcript"], row["speaker_id"], row["sung"]) for row in rows_of(manifest)]


def test_the_same_seed_gives_the_same_voices_and_another_others(tmp_path):
    runs = [synthesise(TEXTS[:2], tmp_path / str(i), hours=SECONDS / 2, seed=s) for i, s in enumerate((1, 1, 2))]
    first, again, other = map(voices_of, runs)
    assert first == again
    assert {row[0] for row in first}.isdisjoint(row[0] for row in other)


def test_shares_are_of_the_whole_and_the_rest_is_even(tmp_path):
    texts = [Text(language, "x") for language in ("hr", "de", "fr")]
    jobs = list(synthetic._jobs(texts, 3600.0, 1, {"hr": 0.5, "sr": 0.2}, tmp_path))
    seconds = {lang: sum(j.seconds for j in jobs if j.language == lang) for lang in ("hr", "de", "fr")}
    assert seconds == pytest.approx({"hr": 1800, "de": 900, "fr": 900})


def test_named_languages_alone_fill_the_hours(tmp_path):
    jobs = list(synthetic._jobs([Text("hr", "x"), Text("sr", "y")], 3600.0, 1, {"hr": 0.1, "sr": 0.3}, tmp_path))
    assert sum(j.seconds for j in jobs) == pytest.approx(3600)
    assert sum(j.seconds for j in jobs if j.language == "hr") == pytest.approx(900)


def test_takes_that_are_left_out_are_counted_with_an_example(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(Reader, "say", _refuse)
    synthesise(TEXTS[:1], tmp_path / "out", hours=SECONDS / 3, seed=3)
    assert any("takes, such as: 'more' sounds otherwise" in r.getMessage() for r in caplog.records)


def test_a_language_of_which_nothing_comes_out_is_named(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(Reader, "say", _refuse)
    monkeypatch.setattr(Reader, "sing", _refuse)
    assert rows_of(synthesise(TEXTS[:1], tmp_path / "out", hours=SECONDS, seed=3)) == []
    assert any("hr: not a single take" in r.getMessage() for r in caplog.records)


def _refuse(self, words, voice, rng):
    raise Mismatch(f"{words[0]!r} sounds otherwise than spelt")


def test_a_folder_in_use_is_left_as_it_is(tmp_path):
    (tmp_path / "mine").write_text("kept")
    with pytest.raises(OutputError, match="is in use already"):
        synthesise(TEXTS, tmp_path, hours=SECONDS, seed=1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_nothing_half_written_is_left_behind(tmp_path, monkeypatch):
    def fail(path, samples):
        raise OutputError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr(synthetic, "write_audio", fail)
    with pytest.raises(OutputError, match="No space left"):
        synthesise(TEXTS, tmp_path / "out", hours=SECONDS, seed=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("texts", "hours", "error", "match"),
    [
        ([], 1.0, InputError, "there is no text to speak"),
        (TEXTS, 0.0, InputError, "0.0 hours of speech cannot be made"),
        (TEXTS, float("nan"), InputError, "nan hours"),
        ([Text("xx", "word")], 1.0, UnknownName, "no language is called 'xx'"),
    ],
)
def test_bad_requests_are_refused_before_anything_is_written(tmp_path, texts, hours, error, match):
    with pytest.raises(error, match=match):
        synthesise(texts, tmp_path / "out", hours=hours, seed=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_processes_give_the_same_voices(tmp_path):
    one, two = (synthesise(TEXTS, tmp_path / str(n), hours=SECONDS, seed=1, workers=n) for n in (1, 2))
    assert voices_of(one) == voices_of(two)
