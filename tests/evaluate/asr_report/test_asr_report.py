"""What a report is made of: markup, curves, words against words, maps, the choice of clips, and what is read."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from melisma.core.artifacts import Artifacts
from melisma.core.errors import AudioError, InputError
from melisma.evaluate import asr_result, asr_scores
from melisma.evaluate.asr_report import (
    behaviour,
    charts,
    clips,
    confusions,
    diffs,
    evaluations,
    paired,
    rates,
    run_files,
    runs,
    sound,
)
from melisma.evaluate.asr_report.markup import element, text
from melisma.evaluate.asr_result import UtteranceScore
from melisma.evaluate.asr_scores import Confusion, Tally
from melisma.metrics.transcription import counts
from melisma.text.scoring import normalised


class Reader(HTMLParser):
    """Reads a page as a browser would: its elements with their attributes, and its text."""

    def __init__(self, document: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("br", "hr", "input", "link", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


# ---- markup ----


@given(st.text(), st.text())
def test_whatever_is_written_is_text_and_attribute(child, value):
    read = Reader(element("p", child, title=value))
    ((tag, attributes),) = read.tags
    assert tag == "p"
    assert read.open == []
    assert read.text == text_of(child)
    assert attributes == {"title": text_of(value)}


def text_of(written: str) -> str:
    """Return what is left of a text on a page: unprintable characters are marks."""
    return re.sub("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", "\ufffd", written)


def test_a_strange_name_of_an_attribute_is_a_fault_of_ours():
    with pytest.raises(ValueError, match="is no name of an attribute"):
        element("p", **{"x onload=": "1"})


def test_markup_is_not_escaped_twice():
    assert element("p", element("b", "<"), text("&")) == "<p><b>&lt;</b>&amp;</p>"


# ---- curves ----


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=3000))
def test_thinned_curves_keep_their_ends_and_their_peaks(values):
    points = [(float(x), y) for x, y in enumerate(values)]
    kept = charts.thinned(points)
    assert len(kept) <= 400
    assert set(kept) <= set(points)
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert (min(y for _, y in kept), max(y for _, y in kept)) == (min(values), max(values))


@given(st.floats(-1e9, 1e9), st.floats(1e-9, 1e9))
def test_ticks_cover_what_is_shown_and_are_few(low, size):
    high = low + size
    if high - low < 1e-9 * max(1.0, abs(low), abs(high)):
        return
    ticks = charts.nice_ticks(low, high)
    assert ticks[0] <= low + 1e-6 * size
    assert ticks[-1] >= high - 1e-6 * size
    assert 2 <= len(ticks) <= 9


@pytest.mark.parametrize("points", [[(5.0, 0.3)], [(1.0, 0.0), (2.0, 0.0)], [(1.0, -2.0), (9.0, 1e-12)]])
def test_few_and_flat_curves_are_drawn_within_their_frame(points):
    drawn = charts.draw(charts.Chart("a", [charts.Series("b", points)], mark=(points[0][0], "here")))
    read = Reader(drawn)
    line = next(attributes for tag, attributes in read.tags if tag == "polyline")
    for place in line["points"].split():
        x, y = map(float, place.split(","))
        assert 0 <= x <= 420
        assert 0 <= y <= 250
    assert json.loads(line["data-points"]) == [[x, pytest.approx(y, rel=1e-5)] for x, y in points]


def test_a_chart_without_points_is_none():
    assert charts.draw(charts.Chart("a", [charts.Series("b", [])])) is None


def test_a_whisker_stays_on_its_line():
    read = Reader(charts.whisker(1.5, (0.2, 9.0), 1.0))
    dot = next(attributes for tag, attributes in read.tags if tag == "circle")
    range_ = next(attributes for tag, attributes in read.tags if attributes.get("class") == "range")
    assert (dot["cx"], range_["x1"], range_["x2"]) == ("100", "20", "100")
    assert charts.whisker(None, None, 1.0) == ""


# ---- words against words ----

SPOKEN = st.text(st.sampled_from("ab čБ.,–-'A"), max_size=30)


@given(SPOKEN, SPOKEN)
def test_words_are_aligned_as_they_are_counted(reference, hypothesis):
    found = diffs.cells(reference, hypothesis, "hr")
    counted = counts(normalised(reference, "hr"), normalised(hypothesis, "hr"))
    kinds = [
        sum(cell.equal for cell in found),
        sum(not cell.equal and cell.said is not None and cell.heard is not None for cell in found),
        sum(cell.heard is None for cell in found),
        sum(cell.said is None for cell in found),
    ]
    assert kinds == [counted.hits, counted.substitutions, counted.deletions, counted.insertions]
    for side, given_text in (("said", reference), ("heard", hypothesis)):
        shown = " ".join(getattr(cell, side) for cell in found if getattr(cell, side) is not None)
        assert normalised(shown, "hr") == normalised(given_text, "hr")


def test_words_are_shown_as_they_are_written():
    assert diffs.words("Dobar dan – „Ana“!", "hr")[1] == ["Dobar", "dan –", "„Ana“!"]


def test_words_that_are_normalised_together_are_shown_so():
    # "&" is said "i" between words, and nothing of it is left where it is the whole text.
    normal, shown = diffs.words("R&B 21", "hr")
    assert normal == normalised("R&B 21", "hr").split()
    assert len(shown) == len(normal)


def test_loops_are_folded():
    found = diffs.cells("da", "da " + "hvala " * 100, "hr")
    read = Reader(diffs.draw(found))
    assert read.text.count("hvala") == diffs.MOST_ALONE
    assert "60 more" in read.text


def test_letters_that_differ_are_marked():
    said, heard = diffs.marked("čaša,", "Casa.")
    assert (said, heard) == ("<mark>č</mark>a<mark>š</mark>a,", "<mark>C</mark>a<mark>s</mark>a.")


# ---- confusions ----


def test_a_map_holds_every_pair_of_its_rows_and_columns():
    pairs = [Confusion(reference="č", hypothesis="ć", n=7), Confusion(reference="š", hypothesis="", n=90)]
    pairs += [Confusion(reference="", hypothesis="a", n=5), Confusion(reference="č", hypothesis="ć", n=1)]
    found = confusions.matrix(pairs)
    assert found == confusions.Map(("č", "š", ""), ("a", "ć", ""), ((0, 8, 0), (0, 0, 90), (5, 0, 0)))
    assert found.most == 8  # nothing does not fade what was changed


def test_a_map_takes_what_is_changed_before_what_is_missing():
    pairs = [Confusion(reference=each, hypothesis="", n=50) for each in "abcdef"]
    pairs += [Confusion(reference="č", hypothesis="ć", n=1), Confusion(reference="ž", hypothesis="z", n=2)]
    found = confusions.matrix(pairs, most=2)
    assert found.rows == ("č", "ž")
    assert found.columns == ("z", "ć")


def test_cells_say_how_often_of_how_many():
    pairs = [Confusion(reference="č", hypothesis="ć", n=3)]
    read = Reader(confusions.heat_map("characters", confusions.matrix(pairs), {"č": 12}))
    cell = next(attributes for tag, attributes in read.tags if attributes.get("data-said"))
    assert cell["data-said"] == "č heard as ć: 3 times, 25.0 % of 12"
    assert cell["class"] == "h9"


# ---- clips ----


def utterance(name: str, errors: int, n_words: int, flags: tuple[str, ...] = ()) -> UtteranceScore:
    hits = max(0, n_words - errors)
    rate = errors / n_words if n_words else None
    insertions = errors - (n_words - hits)
    tally = Tally(
        n_reference=n_words, hits=hits, substitutions=n_words - hits, deletions=0, insertions=insertions, rate=rate
    )
    return UtteranceScore(
        id=name, audio="x.wav", start=0, duration=2, language="hr", length="2 to 5 s", noise="unknown", reference="a",
        hypothesis="b", words=tally, characters=tally, flags=list(flags),
    )  # fmt: skip


def test_the_worst_are_those_with_most_errors_highest_rates_and_flags():
    many = [utterance(f"long-{k}", 10 + k, 100) for k in range(9)]
    short = [utterance(f"short-{k}", 2, 2) for k in range(9)]
    odd, fine = utterance("odd", 1, 50, ("loop",)), [utterance(f"fine-{k}", 0, 5) for k in range(50)]
    chosen = [each.id for each in clips.worst([*fine, *short, *many, odd], 7)]
    assert {"odd", "long-8", "long-7", "short-0", "short-1"} <= set(chosen)
    assert len(chosen) == 7
    errors = [each for each in chosen if each.startswith("long")]
    assert chosen[: len(errors)] == errors
    assert clips.worst(fine, 7) == []


def test_every_clip_with_errors_is_shown_where_there_are_few():
    given_ = [utterance("a", 1, 3), utterance("b", 0, 3), utterance("c", 4, 0)]
    assert [each.id for each in clips.worst(given_, 50)] == ["c", "a"]


def test_the_sound_of_a_clip_is_its_part_of_the_recording(tmp_path):
    rate = 44100
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    soundfile.write(tmp_path / "a.wav", np.concatenate([np.zeros(rate), tone, np.zeros(rate)]), rate)
    kind, _, data = sound.address(tmp_path / "a.wav", 1.0, 1.0).partition(";base64,")
    samples, found = soundfile.read(io.BytesIO(base64.b64decode(data)))
    assert (kind, found) == ("data:audio/mpeg", 16000)
    assert len(samples) / found == pytest.approx(1.0, abs=0.12)  # MP3 comes in frames, with a lead
    assert np.sqrt(np.mean(np.square(samples[4000:12000]))) == pytest.approx(0.3 / np.sqrt(2), rel=0.1)


def test_a_clip_behind_the_end_of_its_recording_has_no_sound(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(1600), 16000)
    with pytest.raises(AudioError, match="ends before 5 s"):
        sound.address(tmp_path / "a.wav", 5.0, 1.0)


# ---- what is read ----


def test_of_two_lines_of_a_step_the_last_holds_and_broken_ones_are_counted(tmp_path):
    lines = [
        '{"step": 10, "stage": "train", "loss": 3.0}',
        '{"step": 20, "stage": "train", "loss": 2.5}',
        '{"step": 20, "stage": "train", "loss": 2.0}',
        '{"step": 20, "stage": "validate", "loss": null}',
        '{"stage": "start", "steps": 40}',
        '{"step": 30, "stage": "train", "loss": NaN}',
        '{"step": 30, "sta',
        "[]",
    ]
    log = tmp_path / "run.log"
    log.write_text("\n".join(lines), encoding="utf-8")
    read = run_files.read("run", tmp_path / "none", log)
    assert [(each.step, each.loss) for each in read.log] == [(10, 3.0), (20, 2.0)]
    assert read.notes == ("3 lines of run.log could not be read.",)
    assert read.known
    assert not run_files.read("run", tmp_path, tmp_path / "none.log").known


def test_settings_that_are_only_in_the_facts_are_found_there(tmp_path):
    (tmp_path / "run_manifest.json").write_text('{"config": {"lr": 1e-5}}', encoding="utf-8")
    assert run_files.read("run", tmp_path, tmp_path / "none.log").config == {"lr": 1e-5}
    (tmp_path / "training_config.json").write_text('{"lr": 2e-5}', encoding="utf-8")
    assert run_files.read("run", tmp_path, tmp_path / "none.log").config == {"lr": 2e-5}


@pytest.mark.parametrize(("name", "data", "said"), [
    ("run_manifest.json", b"[1]", "holds no object"),
    ("training_config.json", b"{", "is no JSON"),
    ("training_config.json", b"\xff\xfe{}", "is no JSON"),
    ("training_config.json", b"[" * 200_000, "is no JSON"),
])  # fmt: skip
def test_facts_that_are_none_are_refused(tmp_path, name, data, said):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=said):
        run_files.read("run", tmp_path, tmp_path / "none.log")


def test_a_run_is_given_by_name_or_folder(tmp_path):
    artifacts = Artifacts(tmp_path)
    assert run_files.folder_of("run-1", artifacts) == ("run-1", tmp_path / "models" / "whisper" / "run-1")
    assert run_files.folder_of(str(tmp_path), artifacts) == (tmp_path.name, tmp_path)
    few = tmp_path / "run-1" / "fast-dev-run"
    few.mkdir(parents=True)
    assert run_files.folder_of(str(few), artifacts) == ("run-1.fast-dev-run", few)
    with pytest.raises(InputError, match="is no name for a folder"):
        run_files.folder_of("run 1", artifacts)


def test_the_best_validation_is_the_first_with_the_lowest_rate():
    judged = tuple(run_files.Validation(step=s, stage="validate", wer=w) for s, w in ((1, None), (2, 0.2), (3, 0.2)))
    best = run_files.RunFiles("run", validations=judged).best
    assert best is not None
    assert best.step == 2


def test_the_model_of_the_run_comes_first(root):
    both = [root.path / "manifests" / f"eval_run-{k}.json" for k in (0, 1)]
    assert [each.label for each in evaluations.read(both, "run-1")] == ["run-1", "run-0"]
    assert [each.label for each in evaluations.read(both, "run-0")] == ["run-0", "run-1"]


def test_models_of_one_name_are_told_apart(root, tmp_path):
    first = root.path / "manifests" / "eval_run-1.json"
    again = tmp_path / "eval_run-1.json"
    again.write_bytes(first.read_bytes())
    assert len({each.label for each in evaluations.read([first, again, first], "run-1")}) == 2


def test_an_evaluation_without_a_view_is_refused(root, tmp_path):
    said = json.loads((root.path / "manifests" / "eval_run-1.json").read_text(encoding="utf-8"))
    del next(iter(said["models"].values()))["by_language"]["hr"]["views"]["folded"]
    path = tmp_path / "eval.json"
    path.write_text(json.dumps(said), encoding="utf-8")
    with pytest.raises(InputError, match="a group lacks one of raw, normalised, folded"):
        evaluations.read([path], "run-1")


# ---- beside one another ----


def test_models_of_two_files_are_paired_as_those_of_one(root, tmp_path):
    heard = [str(root.path / f"run-{k}.jsonl") for k in (1, 0)]
    out = tmp_path / "eval_both.json"
    done = root.run(
        "eval", "asr", str(root.path / "manifests" / "test.jsonl"), "--hypotheses", heard[0], "--hypotheses", heard[1],
        "--run", "both", "-o", str(out), "-q",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    together = asr_result.read(out).differences
    apart = [root.path / "manifests" / f"eval_run-{k}.json" for k in (1, 0)]
    found = paired.differences(evaluations.read(apart, "run-1"))
    assert [each.model_dump() for each in found] == [each.model_dump() for each in together]
    assert len(found) == 4


def test_models_on_other_clips_are_not_paired(root, tmp_path):
    first = root.path / "manifests" / "eval_run-1.json"
    said = json.loads((root.path / "manifests" / "eval_run-0.json").read_text(encoding="utf-8"))
    next(iter(said["models"].values()))["utterances"][0]["id"] = "another"
    path = tmp_path / "eval.json"
    path.write_text(json.dumps(said), encoding="utf-8")
    assert paired.differences(evaluations.read([first, path], "run-1")) == []


def test_nested_settings_are_one_line_each_however_deep():
    deep: object = 1
    for _ in range(500):
        deep = {"a": deep}
    found = list(runs.flattened({"x": deep, "y": [{"z": 1}], "n": "w" * 10_000}))
    assert [name.split(".")[0] for name, _ in found] == ["x", "y", "n"]
    assert max(len(value) for _, value in found) <= 501


def test_speakers_beyond_thirty_are_those_with_the_most_wrong_words(root):
    (model,) = evaluations.read([root.path / "manifests" / "eval_run-1.json"], "run-1")
    group = model.result.by_speaker["ana"]
    many = {f"speaker-{k}": group for k in range(100)}
    crowded = model.result.model_copy(update={"by_speaker": many})
    shown = rates.section(evaluations.Evaluated("run-1", crowded, model.of, Path()))
    assert shown.count("speaker-") == 30
    assert "The 30 of 100 with the most wrong words." in shown


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=60), st.integers(0, 20))
def test_smoothed_curves_stay_within_what_they_smooth_and_on_a_line(values, half):
    points = [(float(x), y) for x, y in enumerate(values)]
    found = charts.smoothed(points, half)
    assert [x for x, _ in found] == [x for x, _ in points]
    assert min(values) - 1e-6 <= min(y for _, y in found) <= max(y for _, y in found) <= max(values) + 1e-6
    line = [(float(x), 3.0 * x) for x in range(len(values))]
    inner = slice(1, len(line) - 1)
    assert [y for _, y in charts.smoothed(line, half)[inner]] == pytest.approx([y for _, y in line[inner]])


def test_how_far_words_are_off_is_shown(root):
    (model,) = evaluations.read([root.path / "manifests" / "eval_run-1.json"], "run-1")
    found = asr_scores.Timing(
        n_utterances=4, n_words=40, n_matched=30, coverage=0.75, mean=0.1234, median=0.08, p90=0.31, bias=-0.02,
        within=0.9, limit=0.2, mean_end=None,
    )  # fmt: skip
    timed = model.result.model_copy(update={"timing": found})
    read = Reader(behaviour.section(evaluations.Evaluated("run-1", timed, model.of, Path())))
    for part in ("30 (75.0 %)", "123 ms", "-20 ms", "off by less than 200 ms", "90.0 %"):
        assert part in read.text
    assert "No reference has times of words" in Reader(behaviour.section(model)).text


def test_models_on_two_manifests_are_marked_and_settings_that_differ_are_listed(root):
    both = evaluations.read([root.path / "manifests" / f"eval_run-{k}.json" for k in (1, 0)], "run-1")
    trainings = [run_files.RunFiles(f"run-{k}", config={"lr": 1e-5 * k, "lora": {"rank": 8}}) for k in (1, 2)]
    alike = Reader(runs.comparison(both, trainings)).text
    assert "not measured on the same manifest" not in alike
    assert "lr1e-052e-05" in alike
    assert "lora.rank" not in alike
    other = evaluations.Evaluated("x", both[1].result, both[1].of.model_copy(update={"manifest_sha256": "0"}), Path())
    assert "not measured on the same manifest" in Reader(runs.comparison([both[0], other], [])).text
