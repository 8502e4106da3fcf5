"""A Whisper training: what it writes, that it goes on exactly, and what it refuses."""

from __future__ import annotations

import json
import shutil
import signal
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")
pytest.importorskip("peft")

from filelock import FileLock  # noqa: E402

from melisma.core.errors import InputError, TrainingError  # noqa: E402
from melisma.core.files import sha256_of  # noqa: E402
from melisma.train.whisper.trained import load_trained  # noqa: E402


class Killed(Exception):
    """Stands for the end of a process; nothing of the training catches it."""


class Losses(transformers.TrainerCallback):
    """Notes what each step said, and ends the process after one of them."""

    def __init__(self, begun, found, kill_at=None):
        self.found, self.kill_at = found, kill_at
        begun.trainer.heard = lambda seconds, n: found.setdefault("heard", []).append((round(seconds, 3), n))

    def on_log(self, args, state, control, logs=None, **kwargs):
        if "loss" in logs:
            self.found[state.global_step] = (logs["loss"], logs["grad_norm"], logs["learning_rate"], state.epoch)

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step == self.kill_at:
            raise Killed


def steps(found):
    return {step: said for step, said in found.items() if isinstance(step, int)}


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def without_clock(said):
    return [{k: v for k, v in line.items() if k not in ("timestamp", "seconds", "run_id")} for line in said]


HARD = {  # all that draws at random or adds up
    "dropout": 0.1,
    "mask_time": 0.2,
    "mask_feature": 0.2,
    "accumulate": 2,
    "label_smoothing": 0.1,
    "timestamps": 0.5,
    "steps": 9,
    "log_steps": 2,
    "checkpoint_steps": 3,
    "validate_steps": 4,
    "patience": 5,
}


@pytest.mark.parametrize(("tuning", "kill_at"), [("full", 3), ("full", 7), ("lora", 5)])
def test_a_killed_training_goes_on_as_if_it_had_not_been(train_whisper, tuning, kill_at):
    whole, first, second = {}, {}, {}
    there = train_whisper("whole", callbacks=lambda begun: [Losses(begun, whole)], tuning=tuning, **HARD)
    with pytest.raises(Killed):
        train_whisper("killed", callbacks=lambda begun: [Losses(begun, first, kill_at)], tuning=tuning, **HARD)
    said: list[str] = []
    here = train_whisper("killed", callbacks=lambda begun: [Losses(begun, second)], said=said, tuning=tuning, **HARD)
    done = next(int(sentence.split()[4]) for sentence in said if sentence.startswith("going on after step "))
    assert kill_at - 3 <= done <= kill_at
    assert steps(first) | steps(second) == steps(whole)
    assert without_clock(lines(here / "training_history.jsonl")) == without_clock(
        lines(there / "training_history.jsonl")
    )
    weights = [
        transformers.WhisperForConditionalGeneration.from_pretrained(each).state_dict() for each in (here, there)
    ]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[1])


def test_a_training_leaves_a_model_that_transformers_loads_and_says_what_it_is(train_whisper, tones):
    folder = train_whisper()
    model = transformers.WhisperForConditionalGeneration.from_pretrained(folder)
    processor = transformers.WhisperProcessor.from_pretrained(folder)
    assert model.config.vocab_size == len(processor.tokenizer)
    assert (model.config.use_cache, model.config.apply_spec_augment) == (True, False)
    assert model.generation_config.task == "transcribe"
    said = json.loads((folder / "run_manifest.json").read_text())
    assert said["schema"] == "melisma.whisper-run/1"
    assert (said["run"], said["steps"], said["seed"]) == ("run", 6, 1)
    assert said["data"]["sha256"] == sha256_of(tones[0])
    assert (said["data"]["n"], said["data"]["licences"], said["data"]["sources"]) == (10, ["CC0-1.0"], ["tones"])
    assert said["languages"] == ["bs", "hr", "sr"]
    history = lines(folder / "training_history.jsonl")
    assert [line["step"] for line in history] == [3, 6]
    for line in history:
        assert line.keys() >= {
            "timestamp",
            "epoch",
            "train_loss",
            "loss",
            "wer",
            "cer",
            "by_language",
            "best",
            "run_id",
        }
        assert sum(each["n_words"] for each in line["by_language"].values()) == line["n_words"]
    best = next(line for line in reversed(history) if line["best"])
    metrics = json.loads((folder / "metrics.json").read_text())
    assert (metrics["step"], metrics["wer"], metrics["loss"]) == (best["step"], best["wer"], best["loss"])
    assert said["best_step"] == best["step"]
    assert not list(folder.rglob("training_args.bin"))  # a pickle


def test_a_training_of_adapters_leaves_plain_weights_and_the_adapters(train_whisper):
    folder = train_whisper(tuning="lora")
    assert (folder / "adapter" / "adapter_model.safetensors").is_file()
    best, plain = load_trained(folder), transformers.WhisperForConditionalGeneration.from_pretrained(folder)
    assert not any("lora" in name for name in plain.state_dict())
    (folder / "run_manifest.json").unlink()  # as if it had been killed before it was written out
    again = load_trained(folder)
    for name, weight in best.model.state_dict().items():
        assert torch.equal(weight, again.model.state_dict()[name])


def test_a_training_that_is_over_is_written_out_again_where_a_kill_left_it_half(train_whisper):
    folder = train_whisper()
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "run_manifest.json").unlink()
    (folder / "model.safetensors").write_bytes(weights[:100])
    said: list[str] = []
    train_whisper(said=said)
    assert said == [f"{folder} is done: all 6 steps are taken"]
    assert (folder / "model.safetensors").read_bytes() == weights


def test_a_model_whose_checkpoints_are_gone_is_not_trained_over(train_whisper):
    folder = train_whisper()
    shutil.rmtree(folder / "checkpoints")
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    with pytest.raises(InputError, match="holds a trained model without its checkpoints"):
        train_whisper()
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


def test_a_damaged_checkpoint_is_passed_over(train_whisper):
    folder = train_whisper()
    (folder / "checkpoints" / "checkpoint-6" / "optimizer.pt").write_bytes(b"")
    said: list[str] = []
    train_whisper(said=said)
    assert "checkpoint-6 is damaged (optimizer.pt is not whole): going back to an earlier one" in said


def test_a_best_checkpoint_that_is_gone_is_said_and_its_figures_are_not_those_of_another(train_whisper, tmp_path):
    class Judge(transformers.TrainerCallback):
        """Has the first validation be the best."""

        def __init__(self, begun):
            judge = begun.trainer.material.judge
            judged = judge.judge
            judge.judge = lambda *given: replace(judged(*given), wer=float(begun.trainer.progress.step))

    settings = {"steps": 9, "validate_steps": 3, "checkpoint_steps": 3}
    found = {}
    with pytest.raises(Killed):
        train_whisper(callbacks=lambda begun: [Judge(begun), Losses(begun, found, 7)], **settings)
    assert load_trained(tmp_path / "run", "last").facts["metrics"] == {}
    assert load_trained(tmp_path / "run").facts["metrics"]["wer"] == 3
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "checkpoint-3")
    said: list[str] = []
    folder = train_whisper(callbacks=lambda begun: [Judge(begun)], said=said, **settings)
    assert any(sentence.startswith("the best checkpoint, of step 3, is gone") for sentence in said)
    manifest = json.loads((folder / "run_manifest.json").read_text())
    assert (manifest["best_step"], manifest["metrics"]["wer"]) == (9, 9)


def test_clips_whose_words_are_longer_than_what_may_be_said_are_told(train_whisper):
    said: list[str] = []
    train_whisper("short", said=said, steps=1, max_new_tokens=2)
    assert any("of the 4 clips that are judged" in each and "max_new_tokens (2)" in each for each in said)
    said.clear()
    train_whisper("long", said=said, steps=1, max_new_tokens=60)
    assert not any("max_new_tokens" in each for each in said)


def test_a_callback_may_end_a_training(train_whisper):
    class Prune(transformers.TrainerCallback):
        def on_evaluate(self, args, state, control, metrics=None, **kwargs):
            assert metrics["eval_wer"] >= 0
            control.should_training_stop = True

    folder = train_whisper(callbacks=lambda begun: [Prune()])
    assert [line["step"] for line in lines(folder / "training_history.jsonl")] == [3]


def test_a_training_ends_when_no_validation_is_better(train_whisper):
    said: list[str] = []
    settings = {"lr": 1e-9, "validate_steps": 1, "patience": 2, "steps": 6, "max_new_tokens": 1}
    folder = train_whisper(**settings)
    assert [line["step"] for line in lines(folder / "training_history.jsonl")] == [1, 2, 3]
    train_whisper(said=said, **settings)
    assert said[0].startswith(f"{folder} is done: 2 validations on end had no lower word error rate than ")


def test_a_fast_run_takes_ten_clips_and_leaves_the_training_alone(train_whisper, tmp_path):
    folder = train_whisper(request={"fast": True}, steps=100)
    assert folder == tmp_path / "run" / "fast-dev-run"
    assert json.loads((folder / "run_manifest.json").read_text())["steps"] == 4
    assert (folder / "checkpoints" / "checkpoint-4").is_dir()
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_another_configuration_is_refused_with_its_key(train_whisper):
    train_whisper()
    with pytest.raises(InputError, match=r"was begun with lr = 0\.003, not 0\.5"):
        train_whisper(lr=0.5)
    train_whisper(checkpoint_steps=5, keep=1)


def test_another_manifest_is_refused(train_whisper, tones):
    with pytest.raises(Killed):
        train_whisper(callbacks=lambda begun: [Losses(begun, {}, 3)])
    tones[0].write_text(tones[0].read_text(encoding="utf-8").replace("zora", "zove"), encoding="utf-8")
    with pytest.raises(InputError, match=r"is not the manifest that .* was begun with"):
        train_whisper()


@pytest.mark.parametrize("side", ["train", "valid"])
def test_a_training_does_not_go_on_without_a_recording_that_it_was_begun_with(train_whisper, tones, tmp_path, side):
    with pytest.raises(Killed):
        train_whisper(callbacks=lambda begun: [Losses(begun, {}, 3)])
    shutil.rmtree(tmp_path / "run" / "prepared" / side)  # as on another machine
    n, gone = (10, "a7.wav") if side == "train" else (4, "b3.wav")
    (tones[0].parent / gone).unlink()
    said = f"was begun with {n} clips of .*and here there are {n - 1} .*{gone[:2]}, the audio file is not there"
    with pytest.raises(InputError, match=said):
        train_whisper()


def test_sides_that_share_a_speaker_are_refused_and_nothing_is_written(train_whisper, tones, tmp_path):
    tones[1].write_text(tones[1].read_text(encoding="utf-8").replace("b-0", "a-0"), encoding="utf-8")
    with pytest.raises(InputError, match="training and validation share the speaker 'a-0'"):
        train_whisper()
    assert not (tmp_path / "run").exists()


def test_a_speaker_whom_the_network_has_heard_is_not_held_out(train_whisper, tones):
    train_whisper("first", steps=2, validate_steps=2)
    for path, before, after in ((tones[0], "a-", "c-"), (tones[1], "b-", "a-")):
        path.write_text(path.read_text(encoding="utf-8").replace(before, after), encoding="utf-8")
    with pytest.raises(InputError, match=r"the speaker a-0 is in the validation set, but .* was trained on"):
        train_whisper("second", model=str(tones[0].parent.parent / "first"), steps=2)


def test_two_trainings_do_not_share_a_folder(train_whisper, tmp_path):
    (tmp_path / "run").mkdir()
    with FileLock(tmp_path / "run" / ".training.lock"), pytest.raises(InputError, match="another training is under"):
        train_whisper()


def test_a_batch_is_not_shared_by_more_processes_than_it_has_windows(train_whisper, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(InputError, match="a batch of 2 cannot be shared by 3 processes"):
        train_whisper()


def test_a_loss_that_is_none_ends_the_training_with_advice(train_whisper, tmp_path):
    with pytest.raises(TrainingError, match="is no number: take a lower learning rate"):
        train_whisper(lr=1e30, warmup_steps=0, validate_steps=6, clip=1e30, steps=6)
    assert not (tmp_path / "run" / "run_manifest.json").exists()


def test_weights_that_are_no_numbers_are_never_kept(train_whisper, tmp_path):
    class Spoil(transformers.TrainerCallback):
        """Stands for gradients that overflow in a step, whose own loss is a number."""

        def on_step_end(self, args, state, control, model=None, **kwargs):
            if state.global_step == 3:
                next(each for each in model.parameters() if each.requires_grad).data.fill_(float("nan"))

    for at, name in ((3, "weight"), (4, "loss")):
        # No line of the log is due before the checkpoint is.
        settings = {"checkpoint_steps": at, "validate_steps": 100, "log_steps": 100}
        with pytest.raises(TrainingError, match=f"{name} of step {at} is no number: take a lower learning rate"):
            train_whisper(f"run{at}", callbacks=lambda begun: [Spoil()], **settings)
        assert list((tmp_path / f"run{at}" / "checkpoints").iterdir()) == []


def test_recomputing_activations_changes_nothing(train_whisper):
    plain, spared = {}, {}
    settings = {"steps": 2, "validate_steps": 2}
    train_whisper("plain", callbacks=lambda begun: [Losses(begun, plain)], **settings)
    train_whisper("spared", callbacks=lambda begun: [Losses(begun, spared)], gradient_checkpointing=True, **settings)
    for step, (loss, norm, *_) in steps(plain).items():
        assert spared[step][:2] == pytest.approx((loss, norm), rel=1e-4)


def test_batches_that_are_added_up_are_one_batch(train_whisper):
    one, four = {}, {}
    settings = {"steps": 2, "validate_steps": 2, "pack": 0.0}
    train_whisper("one", callbacks=lambda begun: [Losses(begun, one)], batch_size=4, **settings)
    train_whisper("four", callbacks=lambda begun: [Losses(begun, four)], batch_size=1, accumulate=4, **settings)
    for step, (loss, norm, *_) in steps(one).items():
        assert four[step][:2] == pytest.approx((loss, norm), rel=1e-4)


def test_a_training_in_bfloat16_learns(train_whisper):
    found = {}
    train_whisper(callbacks=lambda begun: [Losses(begun, found)], precision="bf16", steps=2, validate_steps=2)
    assert all(0 < said[0] < 100 for said in steps(found).values())


def test_fp16_is_not_for_a_cpu(train_whisper):
    with pytest.raises(InputError, match="a CPU does not train in fp16"):
        train_whisper(precision="fp16")


def test_an_interrupted_training_keeps_its_step_and_goes_on(train_whisper, tmp_path):
    class Interrupt(transformers.TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            if state.global_step == 0:
                signal.raise_signal(signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    settings = {"checkpoint_steps": 100, "validate_steps": 100, "steps": 3}
    with pytest.raises(KeyboardInterrupt):
        train_whisper(callbacks=lambda begun: [Interrupt()], **settings)
    assert signal.getsignal(signal.SIGTERM) is before
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["checkpoint-1"]
    said: list[str] = []
    train_whisper(said=said, **settings)
    assert "going on after step 1 of 3" in said


def test_what_is_augmented_goes_on_with_the_same_recipe_only(train_whisper, tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("effects:\n  - {effect: noise, probability: 1.0, snr_db: [5, 10]}\n", encoding="utf-8")
    request, found, plain = {"recipe": recipe}, {}, {}
    train_whisper("plain", callbacks=lambda begun: [Losses(begun, plain)], steps=1)
    with pytest.raises(Killed):
        train_whisper(request=request, callbacks=lambda begun: [Losses(begun, found, 3)])
    assert found[1][0] != plain[1][0]
    with pytest.raises(InputError, match="another augmentation: give the same recipe and noise"):
        train_whisper()
    train_whisper(request=request)
