"""The judge of Whisper trainings: what it hears, what it counts, and that it hears each clip once."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
accelerate = pytest.importorskip("accelerate")
pytest.importorskip("peft")

from melisma.core.errors import InputError  # noqa: E402
from melisma.metrics.transcription import counts  # noqa: E402
from melisma.train.whisper.config import WhisperTrainingConfig  # noqa: E402
from melisma.train.whisper.judge import Judge, chosen  # noqa: E402
from melisma.train.whisper.trained import load_trained  # noqa: E402
from melisma.train.whisper.trainer import token_loss  # noqa: E402
from melisma.train.whisper.windows import build  # noqa: E402


@pytest.fixture
def heard(train_whisper, tones, tmp_path):
    """A network that says some words, and a judge of its validation set."""
    folder = train_whisper(steps=12, validate_steps=12, lr=1e-2, timestamps=0.0)
    trained = load_trained(folder)
    config = WhisperTrainingConfig(validation_batch=3, max_new_tokens=12)
    windows = build(tones[1], tmp_path / "judged", config, trained.processor, lambda stage, share: None)
    return trained, Judge(windows, trained.processor, config), windows


def test_it_hears_what_transformers_hears_and_counts_its_edits(heard):
    trained, judge, windows = heard
    accelerator = accelerate.Accelerator(cpu=True)
    found = list(judge.hypotheses(trained.model, accelerator))
    assert {each[0] for each in found} == {"b0", "b1", "b2", "b3"}
    assert any(each[2] for each in found)  # else nothing is compared
    alone, n_words, errors = windows.alone(), 0, 0
    for clip in range(len(windows.clips)):
        features = judge.collate([alone[clip]])["input_features"]
        ids = trained.model.generate(
            features, language=windows.clips.language_of(clip), task="transcribe", max_new_tokens=12
        )
        text = trained.processor.batch_decode(ids, skip_special_tokens=True)[0]
        name, said = windows.clips.id_of(clip), windows.clips.text_of(clip)
        assert next(each for each in found if each[0] == name)[1:] == (said, text)
        counted = counts(said, text.strip())
        n_words, errors = n_words + counted.n_reference, errors + counted.errors
    verdict = judge.judge(trained.model, accelerator)
    assert (verdict.n_clips, verdict.n_words) == (4, n_words)
    assert verdict.wer == pytest.approx(errors / n_words)
    assert sum(each["n_words"] for each in verdict.by_language.values()) == n_words
    assert not trained.model.training


def test_the_loss_does_not_depend_on_who_is_heard_together(heard):
    trained, judge, _ = heard
    accelerator = accelerate.Accelerator(cpu=True)
    together = judge.judge(trained.model, accelerator)
    judge.config = judge.config.model_copy(update={"validation_batch": 1})
    alone = judge.judge(trained.model, accelerator)
    assert replace(alone, seconds=0, loss=0) == replace(together, seconds=0, loss=0)
    assert alone.loss == pytest.approx(together.loss, rel=1e-5)


def test_a_network_that_says_timestamps_hears_each_clip_once(heard, monkeypatch):
    trained, judge, _ = heard
    calls = []
    encode = type(trained.model.model.encoder).forward
    monkeypatch.setattr(
        type(trained.model.model.encoder), "forward", lambda self, *a, **k: calls.append(1) or encode(self, *a, **k)
    )
    with torch.no_grad():  # every second token that it says is a time
        ids = range(*[trained.processor.tokenizer.convert_tokens_to_ids(f"<|{t}|>") for t in ("0.00", "30.00")])
        trained.model.get_input_embeddings().weight[list(ids)] *= 50
    verdict = judge.judge(trained.model, accelerate.Accelerator(cpu=True))
    assert verdict.n_clips == 4
    assert len(calls) == 4  # two batches, each with the right labels given and by itself


def test_a_validation_set_without_words_judges_nothing(train_whisper, tones):
    text = tones[1].read_text(encoding="utf-8")
    rows = [json.loads(line) | {"transcript": "…", "words": None} for line in text.splitlines()]
    tones[1].write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with pytest.raises(InputError, match="says a word"):
        train_whisper()


def test_clips_are_chosen_evenly():
    assert chosen(3, 5) == [0, 1, 2]
    assert chosen(101, 3) == [0, 50, 100]


def test_the_loss_is_that_of_transformers_for_one_batch(heard):
    trained, judge, windows = heard
    batch = judge.collate([windows.alone()[0], windows.alone()[2]])
    with torch.no_grad():
        out = trained.model(input_features=batch["input_features"], labels=batch["labels"])
        own = trained.model(input_features=batch["input_features"], decoder_input_ids=batch["decoder_input_ids"])
    loss = token_loss(own.logits, batch["labels"], None)
    assert float(loss) == pytest.approx(float(out.loss), rel=1e-5)
    n = int(batch["labels"].ne(-100).sum())
    assert float(token_loss(own.logits, batch["labels"], 2 * n)) == pytest.approx(float(out.loss) / 2, rel=1e-5)
