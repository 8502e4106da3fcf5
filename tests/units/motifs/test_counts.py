"""Counts and the analysis of them, against a count by hand; samples that do not depend on how a corpus is read."""

from __future__ import annotations

import json
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import unit_words
from melisma.units.line import UnitLine
from melisma.units.motifs import analysis, counts, statistics
from melisma.units.motifs.analysis import analyse
from melisma.units.motifs.corpus import Corpus
from melisma.units.motifs.counts import PairCounts


@given(st.lists(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2**31 - 1)), max_size=20), max_size=5))
def test_pairs_are_counted(batches):
    pairs = PairCounts()
    for batch in batches:
        both = np.array(batch, dtype=np.int64).reshape(-1, 2)
        pairs.add(both[:, 0], both[:, 1])
    truth = Counter(pair for batch in batches for pair in batch)
    for first in range(7):
        seconds, n = pairs.of(first)
        expected = sorted((second, count) for (one, second), count in truth.items() if one == first)
        assert list(zip(seconds.tolist(), n.tolist(), strict=True)) == expected


def test_pairs_that_wait_are_counted_before_they_are_too_many(monkeypatch):
    monkeypatch.setattr(counts, "_PENDING", 10)
    pairs = PairCounts()
    for _ in range(100):
        pairs.add(np.array([1, 2]), np.array([3, 4]))
    assert sum(map(len, pairs._waiting)) <= 12
    assert [each.tolist() for each in pairs.of(2)] == [[4], [100]]


@pytest.fixture(scope="module")
def analysed(spoken, learnt):
    return analyse(Corpus.of(spoken), learnt.model)


def by_hand(said, model):
    """Cut each utterance by itself, and write down each piece with its place, its frames and its neighbours."""
    found = defaultdict(list)
    for line in said:
        (ids,) = model.encode([np.array(line.units)])
        at = frame = 0
        for k, piece in enumerate(ids.tolist()):
            n = len(model.pieces[piece])
            assert line.units[at : at + n] == model.pieces[piece]
            frames = sum(line.runs[at : at + n])
            before = int(ids[k - 1]) if k else None
            after = int(ids[k + 1]) if k + 1 < len(ids) else None
            found[piece].append((line, frame, frames, before, after))
            at, frame = at + n, frame + frames
    return found


def test_motifs_are_as_a_count_by_hand_says(analysed, said, learnt):
    truth = by_hand(said, learnt.model)
    assert {each.id for each in analysed.motifs if each.frequency} == set(truth)
    tokens = Counter(line.speaker_id for places in truth.values() for line, *_ in places)
    for each in analysed.motifs:
        places = truth.get(each.id, [])
        assert (each.frequency, each.units) == (len(places), learnt.model.pieces[each.id])
        assert each.utterances == len({line.id for line, *_ in places})
        if not places:
            continue
        ms = sorted(20 * frames for _, _, frames, _, _ in places)
        assert each.ms.mean == pytest.approx(np.mean(ms), abs=0.06)
        assert (each.ms.p10, each.ms.p90) == tuple(np.percentile(ms, [10, 90], method="inverted_cdf").tolist())
        speakers = Counter(line.speaker_id for line, *_ in places)
        assert {share.of: share.count for share in each.speakers} == speakers
        spread = statistics.dispersion(np.array([speakers[k] for k in tokens]), np.array(list(tokens.values())))
        assert each.dispersion == pytest.approx(spread, abs=1e-4)
        for side, neighbours in ((each.before, [p[3] for p in places]), (each.after, [p[4] for p in places])):
            others = Counter(k for k in neighbours if k is not None)
            assert side.edge == neighbours.count(None)
            assert [share.count for share in side.top] == [n for _, n in others.most_common(5)]
            assert all(others[share.of] == share.count for share in side.top)
            assert side.entropy == pytest.approx(statistics.entropy(np.array([*others.values(), 0])), abs=1e-4)


def test_examples_are_where_the_motif_is(analysed, said, learnt):
    truth = by_hand(said, learnt.model)
    for each in analysed.motifs:
        places = {(p[0].id, round(0.02 * p[1], 6), round(0.02 * (p[1] + p[2]), 6)) for p in truth.get(each.id, [])}
        found = [(example.id, round(example.start, 6), round(example.end, 6)) for example in each.examples]
        assert set(found) <= places
        assert len(set(found)) == len(found) == min(8, each.frequency)


def test_examples_are_of_many_speakers(analysed):
    for each in analysed.motifs:
        speakers = [share.count for share in each.speakers]
        if len(speakers) == 2 and min(speakers) * 3 > each.frequency:  # often enough that all remembered are not of one
            assert {example.speaker_id for example in each.examples} == {"ana", "bo"}


def test_figures_are_as_a_count_by_hand_says(analysed, said, learnt):
    truth = by_hand(said, learnt.model)
    n_tokens = sum(map(len, truth.values()))
    units = Counter(unit for line in said for unit in line.units)
    seconds = sum(line.n_frames for line in said) * 0.02
    inside = sum(
        len(learnt.model.pieces[i]) * len(places) for i, places in truth.items() if len(learnt.model.pieces[i]) > 1
    )
    figures = analysed.figures
    assert figures["corpus"] == {
        "utterances": len(said), "units": units.total(), "seconds": pytest.approx(seconds), "tokens": n_tokens,
        "speakers": 2, "languages": 2,
    }  # fmt: skip
    assert figures["coverage"]["units_in_motifs"] == pytest.approx(inside / units.total(), abs=1e-4)
    per_unit = statistics.entropy(np.array(list(units.values())))
    assert figures["entropy"]["bits_per_unit"] == pytest.approx(per_unit, abs=1e-4)
    assert figures["entropy"]["unit_bits_per_second"] == pytest.approx(per_unit * units.total() / seconds, abs=0.01)
    assert figures["rate"]["tokens_per_second"] == pytest.approx(n_tokens / seconds, abs=1e-3)


def test_the_analysis_does_not_depend_on_how_much_is_read_at_once(spoken, learnt, analysed, monkeypatch):
    monkeypatch.setattr(analysis, "_AT_ONCE", 300)
    assert analyse(Corpus.of(spoken), learnt.model).to_json({}) == analysed.to_json({})


def test_a_word_is_counted_inside_longer_motifs_too(analysed):
    (word,) = (each for each in analysed.motifs if each.units == unit_words.WORDS[0])
    assert word.frequency < word.occurrences == 30 * 12


def test_speakers_that_are_not_known_are_none(tmp_path, learnt):
    unit_words.write(tmp_path, [UnitLine("a", "a.wav", (1, 2, 3, 4), (1, 1, 1, 1))] * 3)
    found = analyse(Corpus.of(tmp_path), learnt.model)
    assert {(each.n_speakers, each.speakers, each.dispersion, each.languages) for each in found.motifs} == {
        (0, (), None, ())}  # fmt: skip
    assert found.figures["corpus"]["speakers"] == 0


def test_the_json_is_json(analysed):
    told = json.loads(analysed.to_json({"of": "units"}))
    assert (told["schema"], told["of"]) == ("melisma.motifs/1", "units")
    assert len(told["motifs"]) == len(analysed.motifs)
    assert [each["frequency"] for each in told["motifs"]] == sorted(
        (e.frequency for e in analysed.motifs), reverse=True
    )
