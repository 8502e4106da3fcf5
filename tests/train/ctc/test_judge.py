"""The judge: onsets of held-out clips against known ones, or those of the embedded engine."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

from melisma.core.errors import InputError
from melisma.text.phones import INVENTORY
from melisma.train.clip_audio import Sounds
from melisma.train.ctc.collate import Hearing
from melisma.train.ctc.config import CtcTrainingConfig
from melisma.train.ctc.dataset import Limits, find_clips
from melisma.train.ctc.judge import Judge, find_cases
from melisma.train.ctc.model import LyricAlignmentModel
from melisma.train.ctc.network import Shape
from melisma.train.ctc.trained import Kind, Units
from melisma.train.ctc.vocabulary import PHONES, Speller

HEARING = Hearing(Kind.PHONE_NET, True, 320)


class Tones(nn.Module):
    """Knows the tone of every phone by heart: it answers with the band that sounds; late by some frames."""

    def __init__(self, late: int = 0) -> None:
        super().__init__()
        self.late, self.anchor = late, nn.Parameter(torch.zeros(1))

    def trunk(self, features, lengths):
        return features

    def spell(self, features):
        from melisma.models.features import filterbank

        bank = torch.from_numpy(np.ascontiguousarray(filterbank()))
        hz = torch.tensor([200 + 130 * k for k in range(len(INVENTORY))])
        bands = bank[(hz * 512 / 16000).round().long()].argmax(1)
        loud = features[:, :, : features.shape[2] // 2 * 2].unflatten(2, (-1, 2)).mean(3)
        scores = loud[:, bands]
        sounding = loud.max(1, keepdim=True).values > 1.0
        blank = torch.where(sounding, -5.0, 9.0)
        logits = torch.cat([blank, 4 * scores], 1)
        return torch.roll(logits, self.late, 2), logits[:, 0]


@pytest.fixture
def held_out(manifests, tmp_path):
    speller = Speller(PHONES, Units.PHONES)
    sounds = Sounds(manifests[1], tmp_path / "valid")
    clips, _ = find_clips(speller, Limits(0.4, 20, 0.02), sounds, lambda share: None)
    return manifests[1], clips, speller


def cases_of(held_out, tmp_path, n=10, key="k"):
    return find_cases(held_out[0], held_out[1], n, tmp_path / "cases.json", key, lambda stage, share: None)


def judged(held_out, cases, net):
    shape = Shape(Kind.PHONE_NET, {"stride": 2}, True, False)
    module = LyricAlignmentModel(net, shape, PHONES, CtcTrainingConfig(model="phone-net"))
    return Judge(held_out[1], cases, held_out[2], HEARING).judge(module)


def test_a_network_that_hears_right_is_judged_right_and_a_late_one_by_how_late_it_is(held_out, tmp_path):
    cases = cases_of(held_out, tmp_path)
    right, late = judged(held_out, cases, Tones()), judged(held_out, cases, Tones(late=10))
    assert right.n_words == 7
    assert right.aae_s < 0.05
    assert right.coverage == 1.0
    assert late.aae_s == pytest.approx(right.aae_s + 0.2, abs=0.06)
    assert right.error_s == right.aae_s


def test_a_network_that_says_no_numbers_places_no_word(held_out, tmp_path):
    class Broken(Tones):
        def spell(self, features):
            logits, _ = super().spell(features)
            return logits * float("nan"), logits[:, 0]

    cases = cases_of(held_out, tmp_path)
    found = judged(held_out, cases, Broken())
    seconds = [held_out[1].lengths_s[case.clip] for case in cases for _ in case.words]
    assert found.error_s == pytest.approx(np.mean(seconds), rel=1e-4)
    assert found.coverage == 0


def test_the_truth_is_that_of_the_manifest_and_kept_by_its_key(held_out, tmp_path):
    cases = cases_of(held_out, tmp_path)
    lines = [json.loads(line) for line in held_out[0].read_text().splitlines()]
    assert [case.onsets_s for case in cases] == [tuple(w["start"] for w in line["words"]) for line in lines]
    held_out[0].unlink()
    assert cases_of(held_out, tmp_path) == cases
    with pytest.raises(InputError):
        cases_of(held_out, tmp_path, key="another")


def test_without_words_the_embedded_engine_tells_the_truth(held_out, tmp_path):
    lines = [json.loads(line) for line in held_out[0].read_text().splitlines()]
    held_out[0].write_text("".join(json.dumps({**line, "words": None}) + "\n" for line in lines))
    cases = cases_of(held_out, tmp_path)
    assert len(cases) <= len(lines)
    for case in cases:
        assert len(case.words) == len(case.onsets_s)
        assert list(case.onsets_s) == sorted(case.onsets_s)


def test_clips_are_chosen_evenly(held_out, tmp_path):
    assert [case.clip for case in cases_of(held_out, tmp_path, n=2)] == [0, 3]


def test_nothing_to_judge_by_is_one_sentence(held_out):
    with pytest.raises(InputError, match="no clip of the validation set"):
        Judge(held_out[1], [], held_out[2], HEARING)
