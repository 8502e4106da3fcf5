"""Windows: which clips they are made of, their samples and labels, and that any process makes the same."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import soundfile

from whisper_clips import RATE, TEXTS, group_rows, row, small_processor, write_clips

torch = pytest.importorskip("torch")

from melisma.core.errors import InputError  # noqa: E402
from melisma.data.augment.effects import Noise, Speed  # noqa: E402
from melisma.data.augment.recipe import Recipe  # noqa: E402
from melisma.models.quiet import quiet  # noqa: E402
from melisma.train.whisper.collate import IGNORED, Collate  # noqa: E402
from melisma.train.whisper.config import WhisperTrainingConfig  # noqa: E402
from melisma.train.whisper.packing import Window  # noqa: E402
from melisma.train.whisper.processor import Group, open_processor, save_processor, set_group  # noqa: E402
from melisma.train.whisper.tokenizer import tokens_of  # noqa: E402
from melisma.train.whisper.windows import REPORT, Windows, build, slowest  # noqa: E402

CONFIG = WhisperTrainingConfig(timestamps=0.5, pack_gap_s=0.5)


def built(folder, rows, config=CONFIG, processor=None, **more) -> Windows:
    manifest = write_clips(folder / "data" / "clips.jsonl", rows, **more)
    told: list[str] = []
    return build(manifest, folder / "prepared", config, processor or small_processor(), lambda s, _: told.append(s), 1)


def read_back(labels) -> str:
    return small_processor().tokenizer.decode(list(labels), decode_with_timestamps=True)


def test_clips_are_told_apart_by_id_language_speaker_and_text(tmp_path):
    clips = built(tmp_path, group_rows()).clips
    found = [(clips.id_of(i), clips.language_of(i), clips.speaker_of(i), clips.text_of(i)) for i in range(len(clips))]
    assert found == [
        (f"{language}-{i}", language, f"{language}{i % 2}", text)
        for language, texts in TEXTS.items()
        for i, text in enumerate(texts)
    ]
    assert clips.seconds.tolist() == [2.0] * 12


def test_a_window_is_its_clips_with_silence_between_them(tmp_path):
    windows = built(tmp_path, group_rows())
    example = windows[Window(0, 0, (2, 0))]
    one, _ = soundfile.read(tmp_path / "data" / "hr-2.wav", dtype="float32")
    other, _ = soundfile.read(tmp_path / "data" / "hr-0.wav", dtype="float32")
    assert np.array_equal(example.samples, np.concatenate([one, np.zeros(RATE // 2, np.float32), other]))
    assert example.seconds == 4.0


def test_labels_without_times(tmp_path):
    windows = built(tmp_path, group_rows())
    assert read_back(windows[Window(0, 0, (2, 0))].labels) == (
        f"<|hr|><|transcribe|><|notimestamps|> {TEXTS['hr'][2]} {TEXTS['hr'][0]}<|endoftext|>"
    )


def test_labels_with_times_say_when_each_clip_is_heard(tmp_path):
    windows = built(tmp_path, group_rows())
    assert read_back(windows[Window(0, 0, (8, 9), timed=True)].labels) == (
        f"<|sr|><|transcribe|><|0.00|> {TEXTS['sr'][0]}<|2.00|><|2.50|> {TEXTS['sr'][1]}<|4.50|><|endoftext|>"
    )


def test_words_with_times_give_finer_segments(tmp_path):
    words = [
        {"text": "dobar", "start": 0.1, "end": 0.4},
        {"text": "dan", "start": 0.5, "end": 0.8},
        {"text": "svima", "start": 1.5, "end": 1.9},
    ]
    windows = built(tmp_path, [row("a", "bs", "Dobar dan svima", 2.0, words=words), row("b", "bs", "Hvala", 2.0)])
    assert windows.clips.timed.tolist() == [True, False]
    assert (windows.report.timed, windows.report.times_unused) == (1, 0)
    assert read_back(windows[Window(0, 0, (1, 0), timed=True)].labels) == (
        "<|bs|><|transcribe|><|0.00|> Hvala<|2.00|><|2.60|> Dobar dan<|3.30|><|4.00|> svima<|4.40|><|endoftext|>"
    )


def test_the_share_of_windows_with_times_is_that_of_the_configuration(tmp_path):
    windows = built(tmp_path, group_rows(), CONFIG.model_copy(update={"pack": 0.0}))
    assert sum(window.timed for window in windows.plan(0)) == 6
    first = tokens_of(small_processor()).first_time
    assert sum(max(windows[i].labels) >= first for i in range(len(windows))) == 6


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_only_a_share_above_none_teaches_times(tmp_path, share):
    """The cause of word times that are gone after tuning: nothing that is learnt ever tells one."""
    windows = built(tmp_path, group_rows(), CONFIG.model_copy(update={"timestamps": share}))
    first = tokens_of(small_processor()).first_time
    for epoch in range(3):
        assert {max(windows[window].labels) >= first for window in windows.plan(epoch)} == {share > 0}


def test_targets_are_in_the_script_of_the_run(tmp_path):
    windows = built(tmp_path, group_rows(), CONFIG.model_copy(update={"script": "latin"}))
    assert windows.clips.text_of(8) == "Dobar dan, svete!"
    windows = built(tmp_path, group_rows(), CONFIG.model_copy(update={"script": "cyrillic"}))
    assert windows.clips.text_of(0) == "Добар дан, свијете!"


def test_the_group_of_the_processor_decides_which_languages_are_learnt(tmp_path):
    save_processor(small_processor(), tmp_path / "processor")
    processor = open_processor(tmp_path / "processor")
    set_group(processor, Group(languages=("hr", "sr"), read_as={"cnr": "sr"}, script="latin"))
    rows = [row("a", "hr", "Da", 1.0), row("b", "cnr", "Не", 1.0), row("c", "bs", "Možda", 1.0)]
    windows = built(tmp_path, rows, processor=processor)
    found = [(windows.clips.language_of(i), windows.clips.text_of(i)) for i in range(len(windows.clips))]
    assert found == [("hr", "Da"), ("sr", "Ne")]
    assert windows.report.left_out == {"the language bs is not of the group (hr, sr)": 1}


def test_what_cannot_be_learnt_from_is_left_out_with_a_reason(tmp_path):
    rows = [
        row("good", "hr", "Dobar dan", 2.0),
        row("short", "hr", "Da", 0.5),
        row("long", "hr", "Da", 31.0),
        row("silent", "hr", " ", 2.0),
        row("klingon", "tlh", "Da", 2.0),
        row("wordy", "hr", "šćžđ " * 200, 2.0),
        row("gone", "hr", "Da", 2.0),
        row("broken", "hr", "Da", 2.0),
        row("ended", "hr", "Da", 2.0),
    ]
    manifest = write_clips(tmp_path / "clips.jsonl", rows)
    (tmp_path / "gone.wav").unlink()
    (tmp_path / "broken.wav").write_bytes(b"RIFF and nothing more")
    soundfile.write(tmp_path / "ended.wav", np.zeros(RATE, np.float32), RATE)
    windows = build(manifest, tmp_path / "prepared", CONFIG, small_processor(), lambda *_: None, 1)
    assert [windows.clips.id_of(i) for i in range(len(windows.clips))] == ["good"]
    assert windows.report.left_out == {
        "shorter than 1 s": 1,
        "longer than 30 s: `melisma data segment` cuts it": 1,
        "no transcript": 1,
        "Whisper has no token for the language 'tlh': melisma train whisper-processor --read-as tlh=CODE "
        "names one that it is read as": 1,
        "its text takes more than 444 tokens": 1,
        "the audio file is not there": 1,
        "the audio cannot be read": 1,
        "its file ends before it does": 1,
    }
    assert windows.report.such_as["shorter than 1 s"] == ["short"]


def test_a_manifest_without_languages_is_left_out_unless_it_is_said_how_to_read_it(tmp_path):
    rows = [row("a", "und", "Da", 2.0), row("b", "und", "Ne", 2.0)]
    with pytest.raises(InputError, match="no token for the language 'und'"):
        built(tmp_path, rows)
    save_processor(small_processor(), tmp_path / "processor")
    processor = open_processor(tmp_path / "processor")
    set_group(processor, Group(read_as={"und": "hr"}, script="cyrillic"))
    clips = built(tmp_path, rows, processor=processor).clips
    assert [(clips.language_of(i), clips.text_of(i)) for i in range(2)] == [("hr", "Да"), ("hr", "Не")]


def test_copies_are_learnt_once(tmp_path):
    rows = [
        row("a", "hr", "Da", 2.0),
        row("again", "hr", "Da", 2.0, audio="a.wav"),
        row("copied", "hr", "Da", 2.0),
        row("other words", "hr", "Ne", 2.0, audio="a.wav"),
        row("other sound", "hr", "Da", 2.0),
    ]
    write_clips(tmp_path / "clips.jsonl", rows)
    (tmp_path / "copied.wav").write_bytes((tmp_path / "a.wav").read_bytes())
    windows = build(tmp_path / "clips.jsonl", tmp_path / "prepared", CONFIG, small_processor(), lambda *_: None, 1)
    assert windows.report.left_out == {"a copy: another clip has its audio and its text": 2}
    assert windows.report.such_as == {"a copy: another clip has its audio and its text": ["again", "copied"]}
    assert [windows.clips.id_of(i) for i in range(3)] == ["a", "other words", "other sound"]


def test_nothing_to_learn_from_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"holds no clip that can be learnt from: a and others are left out, no tr"):
        built(tmp_path, [row("a", "hr", "", 2.0)])


def test_audio_of_which_nothing_can_be_learnt_is_not_decoded(tmp_path):
    manifest = write_clips(tmp_path / "clips.jsonl", [row("a", "und", "Da", 2.0), row("b", "hr", "Da", 40.0)])
    soundfile.write(tmp_path / "a.wav", np.zeros(2 * 8000, np.float32), 8000)
    with pytest.raises(InputError, match="a and others are left out, Whisper has no token for the language 'und'"):
        build(manifest, tmp_path / "prepared", CONFIG, small_processor(), lambda *_: None, 1)
    assert list((tmp_path / "prepared").iterdir()) == []


def test_text_with_too_many_times_is_learnt_with_those_of_the_clip(tmp_path):
    words = [{"text": "da.", "start": i * 0.01, "end": i * 0.01 + 0.01} for i in range(100)]
    windows = built(tmp_path, [row("a", "hr", "da. " * 100, 2.0, words=words)])
    example = windows[Window(0, 0, (0,), timed=True)]
    assert read_back(example.labels) == f"<|hr|><|transcribe|><|0.00|>{' da.' * 100}<|2.00|><|endoftext|>"
    assert (windows.report.timed, windows.report.times_unused) == (0, 1)


@pytest.mark.parametrize("most", [60, 120, 448])
def test_no_window_of_any_pass_has_more_labels_than_are_allowed(tmp_path, most):
    rows = [row(f"{i}", "hr", TEXTS["hr"][i % 4], 1.0, speaker_id=str(i % 3)) for i in range(40)]
    config = CONFIG.model_copy(update={"max_labels": most, "timestamps": 1.0})
    windows = built(tmp_path, rows, config)
    longest = max(len(windows[w].labels) for epoch in range(3) for w in windows.plan(epoch))
    assert longest <= most
    assert all(len(windows[w].samples) <= 30 * RATE for w in windows.plan(0))


def test_audio_of_another_rate_is_decoded_once(tmp_path):
    rows = [row("a", "hr", "Dobar dan", 2.0)]
    windows = built(tmp_path, rows, rate=44_100)
    made = windows.clips.path_of(0)
    assert made.is_relative_to(tmp_path / "prepared")
    assert soundfile.info(made).samplerate == RATE
    assert len(windows[0].samples) == pytest.approx(2 * RATE, abs=2)


def test_what_was_prepared_is_used_again_until_something_else_is_asked_for(tmp_path):
    built(tmp_path, group_rows())
    before = (tmp_path / "prepared" / "clips").stat().st_ino
    again = built(tmp_path, group_rows())
    assert (tmp_path / "prepared" / "clips").stat().st_ino == before
    assert again.report.clips == 12
    built(tmp_path, group_rows(), CONFIG.model_copy(update={"script": "latin"}))
    assert (tmp_path / "prepared" / "clips").stat().st_ino != before


@pytest.mark.parametrize("name", ["clips/labels.npy", "clips/key.json", "report.json"])
def test_what_was_prepared_and_damaged_is_made_anew(tmp_path, name):
    expected = built(tmp_path, group_rows())[0]
    path = tmp_path / "prepared" / name
    path.write_bytes(path.read_bytes()[:-7])
    found = built(tmp_path, group_rows())[0]
    assert found.labels == expected.labels


def test_the_report_is_kept_beside_the_clips(tmp_path):
    rows = [*group_rows(), row("short", "hr", "Da", 0.5)]
    windows = built(tmp_path, rows)
    said = json.loads((tmp_path / "prepared" / REPORT).read_text(encoding="utf-8"))
    assert said["by_language"] == {code: {"clips": 4, "hours": 0.0022} for code in ("hr", "bs", "sr")}
    assert said["left_out"] == built(tmp_path, rows).report.left_out == {"shorter than 1 s": 1}
    assert said["windows"] == len(windows) == 3
    assert said["fill"] == pytest.approx(24 / 90, abs=1e-4)


def test_clips_alone_are_in_the_order_of_the_manifest_and_as_they_are(tmp_path):
    windows = built(tmp_path, group_rows(), CONFIG.model_copy(update={"timestamps": 1.0}))
    alone = windows.with_recipe(_noisy()).alone()
    assert [window.clips for window in alone.plan(0)] == [(i,) for i in range(12)] == [w.clips for w in alone.plan(5)]
    assert len(alone) == 12
    assert read_back(alone[3].labels) == f"<|hr|><|transcribe|><|notimestamps|> {TEXTS['hr'][3]}<|endoftext|>"
    assert np.array_equal(alone[3].samples, soundfile.read(tmp_path / "data" / "hr-3.wav", dtype="float32")[0])


def _noisy(*effects) -> Recipe:
    return Recipe((Noise(effect="noise", probability=1.0), *effects))


def _faster(low: float, high: float) -> Speed:
    return Speed(effect="speed", probability=1.0, factor=(low, high))


def test_augmentation_is_drawn_by_seed_pass_and_place_alone(tmp_path):
    windows = built(tmp_path, group_rows()).with_recipe(_noisy())
    window = windows.plan(0)[0]
    other = Window(1, window.index, window.clips, window.timed)
    assert np.array_equal(windows[window].samples, windows[window].samples)
    assert not np.array_equal(windows[window].samples, windows[other].samples)
    reseeded = built(tmp_path, group_rows(), CONFIG.model_copy(update={"seed": 2})).with_recipe(_noisy())
    assert not np.array_equal(windows[window].samples, reseeded[window].samples)


def test_times_follow_what_an_augmentation_makes_longer(tmp_path):
    windows = built(tmp_path, group_rows()).with_recipe(Recipe((_faster(0.8, 0.8),)))
    example = windows[Window(0, 0, (8, 9), timed=True)]
    assert len(example.samples) == pytest.approx(4.5 / 0.8 * RATE, abs=3)
    assert read_back(example.labels) == (
        f"<|sr|><|transcribe|><|0.00|> {TEXTS['sr'][0]}<|2.50|><|3.12|> {TEXTS['sr'][1]}<|5.62|><|endoftext|>"
    )


def test_room_is_kept_for_what_an_augmentation_makes_longer(tmp_path):
    rows = [row(f"{i}", "hr", "Da", 5.0, speaker_id="s") for i in range(12)]
    windows = built(tmp_path, rows).with_recipe(Recipe((_faster(0.8, 1.2),)))
    assert slowest(windows.recipe) == pytest.approx(1.25)
    assert max(len(window.clips) for window in windows.plan(0)) == 4
    assert all(len(windows[window].samples) <= 30 * RATE for window in windows.plan(0))


def test_a_clip_that_would_outgrow_its_window_is_learnt_as_it_is(tmp_path):
    windows = built(tmp_path, [row("a", "hr", "Da", 28.0)]).with_recipe(Recipe((_faster(0.8, 0.8),)))
    example = windows[Window(0, 0, (0,), timed=True)]
    assert len(example.samples) == 28 * RATE
    assert read_back(example.labels) == "<|hr|><|transcribe|><|0.00|> Da<|28.00|><|endoftext|>"


def test_translation_has_its_own_token(tmp_path):
    windows = built(tmp_path, group_rows(), CONFIG.model_copy(update={"task": "translate"}))
    assert read_back(windows[Window(0, 0, (0,))].labels).startswith("<|hr|><|translate|><|notimestamps|>")


def test_workers_that_are_spawned_make_the_same_batches(tmp_path):
    windows = built(tmp_path, group_rows(), CONFIG.model_copy(update={"pack": 0.0})).with_recipe(_noisy())
    assert len(pickle.dumps(windows)) < 20_000  # the arrays stay on the disk
    plan = windows.plan(1)
    batches = [list(plan[i : i + 2]) for i in range(0, 6, 2)]
    collate = Collate(small_processor(), CONFIG)
    loader = torch.utils.data.DataLoader(
        windows, batch_sampler=batches, collate_fn=collate, num_workers=1, multiprocessing_context="spawn"
    )
    for found, asked in zip(loader, batches, strict=True):
        expected = collate([windows[window] for window in asked])
        assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_batch_is_what_the_network_takes(tmp_path):
    windows = built(tmp_path, group_rows())
    examples = [windows[Window(0, 0, (0, 1))], windows[Window(0, 1, (8,), timed=True)]]
    processor = small_processor()
    tokens, batch = tokens_of(processor), Collate(processor, CONFIG)(examples)
    n, m = (len(example.labels) for example in examples)
    assert batch["labels"].tolist() == [list(examples[0].labels), [*examples[1].labels, *[IGNORED] * (n - m)]]
    assert batch["decoder_input_ids"].tolist() == [
        [tokens.start, *examples[0].labels[:-1]],
        [tokens.start, *examples[1].labels[:-1], *[tokens.end] * (n - m)],
    ]
    assert batch["input_features"].shape == (2, 80, 3000)
    alone = processor.feature_extractor(examples[1].samples, sampling_rate=RATE, return_tensors="pt")
    assert torch.allclose(batch["input_features"][1], alone["input_features"][0], atol=1e-5)


def test_the_decoder_is_given_what_transformers_would_give_it(tmp_path):
    """The collator's own inputs are those that the network makes of the labels: nothing begins twice."""
    from transformers.models.whisper.modeling_whisper import shift_tokens_right

    windows = built(tmp_path, group_rows())
    processor = small_processor()
    tokens = tokens_of(processor)
    with quiet():
        batch = Collate(processor, CONFIG)([windows[Window(0, 0, (0, 1))], windows[Window(0, 1, (8,))]])
        shifted = shift_tokens_right(batch["labels"], tokens.end, tokens.start)
    assert torch.equal(batch["decoder_input_ids"], shifted)
    assert (batch["decoder_input_ids"] == tokens.start).sum(dim=1).tolist() == [1, 1]


def test_more_labels_than_are_allowed_are_never_cut_off(tmp_path):
    windows = built(tmp_path, group_rows())
    with pytest.raises(ValueError, match="and 8 are allowed"):
        Collate(small_processor(), CONFIG.model_copy(update={"max_labels": 8}))([windows[0]])
