"""`melisma eval asr`, on planted errors, on tones, and on a real, tiny Whisper with random weights."""

from __future__ import annotations

import json

import pytest
import soundfile

import asr_files
import tone_engine
from melisma.cli.main import app
from melisma.evaluate import asr_result


@pytest.fixture
def planted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MELISMA_ROOT", raising=False)
    return asr_files.plant(tmp_path, 40)


@pytest.fixture
def tones(tmp_path, monkeypatch):
    """A manifest of tones with their true times, and the engine that hears them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MELISMA_ROOT", raising=False)
    rows = []
    for number, words in enumerate((("low", "high"), ("high", "low", "low"), ("low", "low"))):
        samples, times = tone_engine.bursts(*words)
        soundfile.write(tmp_path / f"{number}.wav", samples, tone_engine.RATE, subtype="FLOAT")
        said = [{"text": word, "start": start, "end": end} for word, start, end in times]
        row = {"id": f"t{number}", "audio": f"{number}.wav", "duration": len(samples) / tone_engine.RATE, "words": said}
        rows.append(row | {"transcript": " ".join(words), "language": "hr"})
    path = tmp_path / "tones.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    tone_engine.install(monkeypatch)
    yield path
    monkeypatch.undo()
    tone_engine.uninstall()


def test_hypotheses_are_measured_into_the_folder_of_manifests(runner, planted, tmp_path):
    manifest, hypotheses, counts = planted
    got = runner.invoke(app, ["eval", "asr", manifest.name, "--hypotheses", hypotheses.name, "--variants"])
    assert got.exit_code == 0, got.output
    place = tmp_path / "manifests" / "eval_model-a.json"
    found = asr_result.read(place)
    assert found.models["model-a"].overall.scores.words.insertions == counts.words["i"]
    assert found.models["model-a"].source.kind == "hypotheses"
    assert (place.parent / found.manifest).resolve() == manifest.resolve()
    assert str(tmp_path) not in place.read_text(encoding="utf-8")
    assert "variants of yat: 4" in got.stdout
    assert [path.name for path in place.parent.iterdir()] == [place.name]


def test_the_root_and_the_name_are_the_callers(runner, planted, tmp_path, monkeypatch):
    manifest, hypotheses, _ = planted
    monkeypatch.setenv("MELISMA_ROOT", str(tmp_path / "root"))
    got = runner.invoke(app, ["eval", "asr", str(manifest), "--hypotheses", str(hypotheses), "--run", "run7", "--json"])
    assert got.exit_code == 0, got.output
    written = (tmp_path / "root" / "manifests" / "eval_run7.json").read_text(encoding="utf-8")
    assert json.loads(written) == json.loads(got.stdout)
    assert json.loads(written)["run"] == "run7"


def test_a_model_is_heard_timed_and_accepted(runner, tones, tmp_path):
    asked = ["eval", "asr", str(tones), "--model", tone_engine.NAME, "-o", "out/eval.json", "--save", "heard"]
    got = runner.invoke(app, [*asked, "--accept", "baseline", "-j", "1"])
    assert got.exit_code == 0, got.output
    model = asr_result.read(tmp_path / "out" / "eval.json").models["tones"]
    assert model.overall.scores.wer == 0.0
    assert (model.timing.coverage, model.source.model_id) == (1.0, "tones")
    assert model.acceptance.passed
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["eval.json"]  # no journal is left
    # What was kept is read back, and is the same.
    again = ["eval", "asr", str(tones), "--hypotheses", "heard/tones.jsonl", "-o", "out/again.json", "-j", "1"]
    assert runner.invoke(app, again).exit_code == 0
    kept = asr_result.read(tmp_path / "out" / "again.json").models["tones"]
    assert kept.model_copy(update={"source": model.source}) == model


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ([], 0),
        (["--accept", "baseline"], 1),
        (["--accept", "initial", "--max-wer", "2", "--min-coverage", "0"], 0),
        (["--accept", "initial", "--max-wer", "2"], 1),
        (["--accept", "initial", "--max-wer", "0.45", "--view", "folded", "--min-coverage", "0"], 0),
        (["--accept", "initial", "--max-wer", "0.45", "--min-coverage", "0"], 1),
    ],
)
def test_only_accept_decides_the_exit_code(runner, planted, more, code):
    manifest, hypotheses, _ = planted
    got = runner.invoke(app, ["eval", "asr", str(manifest), "--hypotheses", str(hypotheses), "--no-noise", *more])
    assert got.exit_code == code, got.output
    assert ("NOT ACCEPTED" in got.stdout) == (code == 1 or not more)


def test_two_files_are_compared(runner, planted, tmp_path):
    manifest, hypotheses, _ = planted
    kept = [json.loads(line) for line in hypotheses.read_text(encoding="utf-8").splitlines()][:20]
    (tmp_path / "half.jsonl").write_text("".join(json.dumps(each) + "\n" for each in kept), encoding="utf-8")
    asked = ["eval", "asr", str(manifest), "--hypotheses", str(hypotheses), "--hypotheses", "half.jsonl", "--no-noise"]
    got = runner.invoke(app, asked)
    assert got.exit_code == 0, got.output
    assert "model-a less half: CER" in got.stdout
    found = asr_result.read(tmp_path / "manifests" / "eval_model-a.json")
    assert {(each.unit, each.rate) for each in found.differences} == {
        (unit, rate) for unit in ("utterance", "speaker") for rate in ("wer", "cer")
    }


def test_outputs_of_transcribe_are_measured_with_their_aligned_times(runner, tones, tmp_path):
    from melisma.core.records import Alignment, Line, Word
    from melisma.pipeline import transcript_files

    words = (Word("low", 0, 300, 500), Word("high", 0, 800, 1000))
    timed = Alignment(words, (Line(0, 2),), 1250, language="hr")
    transcript_files.write(
        tmp_path / "outputs" / "0", transcript_files.files(timed, transcript_files.About("0", "0.wav"))
    )
    got = runner.invoke(app, ["eval", "asr", str(tones), "--hypotheses", "outputs", "--no-noise"])
    assert got.exit_code == 0, got.output
    model = asr_result.read(tmp_path / "manifests" / "eval_outputs.json").models["outputs"]
    assert (model.overall.n_missing, model.timing.n_matched) == (2, 2)
    assert model.timing.mean == pytest.approx(0.05)


def test_files_of_one_name_are_told_apart_by_their_folders(runner, planted, tmp_path):
    manifest, hypotheses, _ = planted
    other = tmp_path / "theirs" / "deep" / hypotheses.name
    other.parent.mkdir(parents=True)
    other.write_bytes(hypotheses.read_bytes())
    asked = ["eval", "asr", str(manifest), "--hypotheses", str(hypotheses), "--hypotheses", str(other), "--no-noise"]
    got = runner.invoke(app, [*asked, "--run", "both"])
    assert got.exit_code == 0, got.output
    models = asr_result.read(tmp_path / "manifests" / "eval_both.json").models
    assert list(models) == [f"{tmp_path.name}/model-a", "deep/model-a"]


def test_a_real_whisper_is_asked(runner, tones, tmp_path, monkeypatch):
    pytest.importorskip("faster_whisper")
    pytest.importorskip("transformers")
    from melisma.testing.whisper_checkpoints import save_random_whisper

    monkeypatch.setenv("MELISMA_DEVICE", "cpu")
    monkeypatch.setenv("MELISMA_ROOT", str(tmp_path))
    folder = tmp_path / "models" / "whisper" / "run1"
    save_random_whisper(tmp_path / "made").parent.joinpath("transformers").rename(tmp_path / "run1")
    folder.parent.mkdir(parents=True)
    (tmp_path / "run1").rename(folder)
    got = runner.invoke(app, ["eval", "asr", str(tones), "--model", "run1", "--limit", "1", "--no-noise", "-j", "1"])
    assert got.exit_code == 0, got.output
    model = asr_result.read(tmp_path / "manifests" / "eval_run1.json").models["run1"]
    assert model.source.model_id == "run1"
    assert model.overall.scores.words.insertions + model.overall.scores.words.substitutions > 0
    assert model.seconds > 0


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ([], "nothing to measure: name a model with --model, or a file with --hypotheses"),
        (["--model", "nobody"], "no engine is called 'nobody'"),
        (["--model", "phone"], "hears no words by itself"),
        (["--model", "path:gone"], "there is no model at "),
        (["--hypotheses", "gone.jsonl"], "gone.jsonl: cannot be read"),
        (["--hypotheses", "model-a.jsonl", "--accept", "perfect"], "no level is called 'perfect'"),
        (["--hypotheses", "model-a.jsonl", "--run", "../up"], "is no name for a folder"),
        (["--hypotheses", "model-a.jsonl", "--hypotheses", "model-a.jsonl"], "two models have the same name"),
        (["--hypotheses", "strange.jsonl"], "for none of the utterances"),
        (["--hypotheses", "model-a.jsonl", "-o", "planted.jsonl"], "planted.jsonl is what is read"),
        (["--hypotheses", "model-a.jsonl", "-o", "model-a.jsonl"], "model-a.jsonl is what is read"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence_and_writes_nothing(runner, planted, tmp_path, more, sentence):
    (tmp_path / "strange.jsonl").write_text('{"id": "strange"}\n', encoding="utf-8")
    got = runner.invoke(app, ["eval", "asr", "planted.jsonl", *more])
    assert got.exit_code == 2, got.output
    assert got.stderr.startswith("error: ")
    assert sentence in got.stderr
    assert not (tmp_path / "manifests").exists()
