"""Five hundred references with planted errors: every count is the planted one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import asr_files
from melisma.core.errors import InputError
from melisma.evaluate import asr_hypotheses, asr_result
from melisma.evaluate.asr import Entrant, EvalConfig, chosen, evaluate
from melisma.evaluate.asr_accept import Rules
from melisma.evaluate.asr_result import Source
from melisma.metrics.edit import edit_distance
from melisma.text.scoring import normalised

GOLDEN = Path(__file__).with_name("eval_planted.json")
FILE = Source(kind="hypotheses", name="model-a.jsonl")


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """The manifest, what was planted, and the result of the evaluation."""
    manifest, hypotheses, counts = asr_files.plant(tmp_path_factory.mktemp("planted"), 500)
    found, _ = asr_hypotheses.read(hypotheses)
    config = EvalConfig(run="planted", draws=200, variants=True)
    result = evaluate(manifest, chosen(manifest), [Entrant("a", found, FILE)], config)
    return manifest, counts, result


def figures(tally):
    return {
        "n": tally.n_reference,
        "s": tally.substitutions,
        "d": tally.deletions,
        "i": tally.insertions,
    }


def test_every_count_of_words_is_the_planted_one(planted):
    _, counts, result = planted
    overall = result.models["a"].overall
    assert overall.n_utterances == 500
    for view, wanted in (("normalised", counts.words), ("folded", counts.folded), ("raw", counts.raw)):
        assert figures(overall.views[view].words) == dict(wanted), view
        assert overall.views[view].wer == (wanted["s"] + wanted["d"] + wanted["i"]) / wanted["n"]


def test_every_count_of_characters_is_the_planted_one(planted):
    _, counts, result = planted
    scores = result.models["a"].overall.scores
    assert figures(scores.characters) == dict(counts.characters)
    wrong = counts.characters["s"] + counts.characters["d"] + counts.characters["i"]
    assert scores.cer == wrong / counts.characters["n"]


def test_counts_agree_with_an_independent_edit_distance(planted):
    _, _, result = planted
    for each in result.models["a"].utterances:
        said, heard = normalised(each.reference, each.language), normalised(each.hypothesis, each.language)
        number = {word: k for k, word in enumerate(sorted({*said.split(), *heard.split()}))}
        words = edit_distance([number[w] for w in said.split()], [number[w] for w in heard.split()])
        assert each.words.substitutions + each.words.deletions + each.words.insertions == words
        letters = edit_distance([ord(c) for c in said], [ord(c) for c in heard])
        found = each.characters
        assert found.substitutions + found.deletions + found.insertions == letters


@pytest.mark.parametrize("part", ["language", "speaker"])
def test_groups_hold_what_was_planted_in_them(planted, part):
    _, counts, result = planted
    wanted = {name.split()[1]: dict(each) for name, each in counts.by.items() if name.startswith(part)}
    groups = getattr(result.models["a"], f"by_{part}")
    assert {name: figures(each.scores.words) for name, each in groups.items()} == {
        name: {key: each.get(key, 0) for key in "nsdi"} for name, each in wanted.items()
    }


def test_noise_and_length_have_groups_in_order(planted):
    _, counts, result = planted
    model = result.models["a"]
    assert list(model.by_noise) == ["under 5 dB", "10 to 20 dB", "30 dB and more"]
    wanted = [counts.by[f"noise {level}"]["n"] for level in (3.0, 15.0, 35.0)]
    assert [each.scores.words.n_reference for each in model.by_noise.values()] == wanted
    assert list(model.by_length) == ["5 to 10 s"]


def test_groups_add_up_to_the_whole(planted):
    model = planted[2].models["a"]
    for groups in (model.by_language, model.by_speaker, model.by_length, model.by_noise):
        for view in ("raw", "normalised", "folded"):
            for unit in ("words", "characters"):
                parts = [figures(getattr(each.views[view], unit)) for each in groups.values()]
                whole = figures(getattr(model.overall.views[view], unit))
                assert {key: sum(part[key] for part in parts) for key in "nsdi"} == whole


def test_confusions_are_the_planted_ones(planted):
    _, counts, result = planted
    found = result.models["a"].confusions
    for pairs in (found.words, found.words_deleted, found.words_inserted):
        assert all(each.n == counts.pairs[each.reference, each.hypothesis] for each in pairs)
        assert [each.n for each in pairs] == sorted((each.n for each in pairs), reverse=True)
    assert {(e.reference, e.hypothesis) for e in found.words_inserted} == {("", "x"), ("", "xxx")}
    strange = {(e.reference, e.hypothesis): e.n for e in found.characters if e.hypothesis == "x"}
    assert strange == dict(counts.letters)
    assert sum(found.spoken.values()) == counts.characters["n"]


def test_variants_are_counted_by_themselves(planted):
    _, counts, result = planted
    model = result.models["a"]
    assert model.variants.n == counts.variants.total()
    assert model.variants.directions == dict(counts.variants)
    folded = model.overall.views["folded"].words
    errors = folded.substitutions + folded.deletions + folded.insertions
    assert model.variants.wer_without == pytest.approx((errors - model.variants.n) / folded.n_reference)


def test_loops_and_missing_hypotheses_are_counted(planted):
    _, counts, result = planted
    model = result.models["a"]
    assert model.hallucinations.reasons == dict(counts.flags)
    assert model.hallucinations.n_words == 20 * counts.flags["loop"]
    assert model.overall.n_missing == counts.missing == sum(each.missing for each in model.utterances)


def test_times_are_off_by_what_was_planted(planted):
    _, counts, result = planted
    timing = result.models["a"].timing
    sizes = [abs(off) for off in counts.offsets]
    assert (timing.n_words, timing.n_matched, timing.coverage) == (len(sizes), len(sizes), 1.0)
    assert timing.mean == pytest.approx(sum(sizes) / len(sizes))
    assert timing.within == pytest.approx(sum(size < 0.2 for size in sizes) / len(sizes))


def test_a_result_is_read_back_as_it_was_written(planted, tmp_path):
    path = tmp_path / "manifests" / "eval_planted.json"
    asr_result.write(path, planted[2])
    assert asr_result.read(path) == planted[2]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "is not what melisma eval asr writes"),
        ("[]", "is not what melisma eval asr writes"),
        ('{"schema": "melisma.eval-ctc/1"}', "schema: "),
        ("{}", "schema: "),
    ],
)
def test_another_file_is_refused(tmp_path, text, why):
    path = tmp_path / "eval.json"
    path.write_text(text)
    with pytest.raises(InputError, match=why):
        asr_result.read(path)


@pytest.mark.parametrize(
    ("field", "value"), [("start", 1e308), ("start", -1.0), ("duration", 1e300), ("audio", "a\x00b.wav"), ("audio", "")]
)
def test_clips_that_no_manifest_can_have_are_refused(tmp_path, planted, field, value):
    said = json.loads(planted[2].text())
    next(iter(said["models"].values()))["utterances"][0][field] = value
    path = tmp_path / "eval.json"
    path.write_text(json.dumps(said), encoding="utf-8")
    with pytest.raises(InputError, match=field):
        asr_result.read(path)


def test_hypotheses_of_another_manifest_are_refused(planted):
    manifest = planted[0]
    with pytest.raises(InputError, match="for none of the utterances"):
        evaluate(manifest, chosen(manifest), [Entrant("a", {}, FILE)])


def test_a_part_is_drawn_by_the_seed_in_the_order_of_the_manifest(planted):
    manifest = planted[0]
    part = chosen(manifest, 20, seed=3)
    numbers = [int(each.id[1:]) for each in part]
    assert numbers == sorted(numbers)
    assert len(part) == 20
    assert chosen(manifest, 20, seed=3) == part
    assert chosen(manifest, 20, seed=4) != part


def test_the_verdict_names_every_criterion(planted):
    manifest, _, result = planted
    verdict = result.models["a"].acceptance
    assert [(each.name, each.passed) for each in verdict.criteria] == [
        ("wer", False),
        ("coverage", False),
        ("offset", True),
    ]
    assert not verdict.passed
    assert not result.accepted
    every = chosen(manifest)
    spoken = {each.id: asr_hypotheses.Hypothesis(id=each.id, text=each.transcript) for each in every}
    lenient = EvalConfig(draws=0, rules=Rules.of("initial", min_coverage=0.0))
    assert evaluate(manifest, every, [Entrant("a", spoken, FILE)], lenient).models["a"].overall.scores.wer == 0


def test_the_schema_stays_what_it_is(tmp_path):
    """The file is read by reports and by other programs: what changes it is a new schema."""
    manifest, hypotheses, _ = asr_files.plant(tmp_path, 20)
    found, digest = asr_hypotheses.read(hypotheses)
    source = FILE.model_copy(update={"sha256": digest})
    config = EvalConfig(run="planted", draws=100, variants=True)
    fresh = evaluate(manifest, chosen(manifest), [Entrant("model-a", found, source)], config)
    kept = asr_result.read(GOLDEN)
    assert fresh.model_copy(update={"created": kept.created}) == kept
    assert kept.text() == GOLDEN.read_text(encoding="utf-8")


def test_single_figures_are_of_the_view_that_was_asked_for(planted):
    manifest, counts, result = planted
    found, _ = asr_hypotheses.read(manifest.with_name("model-a.jsonl"))
    config = EvalConfig(run="planted", draws=0, view="folded")
    folded = evaluate(manifest, chosen(manifest), [Entrant("a", found, FILE)], config).models["a"]
    assert figures(folded.overall.scores.words) == dict(counts.folded)
    assert folded.acceptance.criteria[0].value == folded.overall.views["folded"].wer
    assert sum(each.n for each in folded.confusions.words) == counts.folded["s"]
    assert sum(each.words.substitutions for each in folded.utterances) == counts.folded["s"]
    plain = result.models["a"].overall.views
    assert {name: each.words for name, each in folded.overall.views.items()} == {
        name: each.words for name, each in plain.items()
    }


def test_references_may_be_the_normalised_transcripts(tmp_path):
    manifest = tmp_path / "m.jsonl"
    row = {"audio": "a.wav", "duration": 1, "transcript": "Imam 2", "language": "hr"}
    rows = [{**row, "id": "a", "norm": "imam dva"}, {**row, "id": "b"}]
    manifest.write_text("".join(json.dumps(each) + "\n" for each in rows), encoding="utf-8")
    assert [each.transcript for each in chosen(manifest, text="norm")] == ["imam dva", "Imam 2"]
    assert [each.transcript for each in chosen(manifest)] == ["Imam 2", "Imam 2"]


def test_scores_of_a_view_that_is_not_there_are_refused(planted, tmp_path):
    text = planted[2].text().replace('"folded": {', '"bent": {').replace('"view": "normalised"', '"view": "folded"')
    (tmp_path / "eval.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="there are no scores of the view folded"):
        asr_result.read(tmp_path / "eval.json")
