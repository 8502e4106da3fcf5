"""`melisma train plan`: from hours or a manifest to a page, by assumption or by what a run has measured."""

from __future__ import annotations

import json
import math

import pytest
from typer.testing import CliRunner

from melisma.cli.main import app
from melisma.train.plan import compute, hardware, shapes
from melisma.train.whisper.processor import save_processor
from whisper_clips import group_rows, row, small_processor, write_clips


def run(*arguments):
    return CliRunner().invoke(app, ["train", "plan", *map(str, arguments)])


def planned(*arguments):
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_hours_become_gpu_hours_and_money():
    said = planned("--hours", 100, "--model", "openai/whisper-small", "--precision", "bf16", "--hardware", "a100-80gb")
    shape, found = shapes.KNOWN["openai/whisper-small"], hardware.KNOWN["a100-80gb"]
    operations = compute.step_operations(shape, math.ceil(said["data"]["tokens"]))
    assert said["operations_per_window_1e12"] * 1e12 == pytest.approx(operations)
    assert said["step_s"][0] == pytest.approx(16 * operations / (found.half * 1e12 * found.efficiency[1]))
    assert said["step_s"][1] == pytest.approx(16 * operations / (found.half * 1e12 * found.efficiency[0]))
    hours = [sum(p["hours"][i] for p in said["phases"] if p["on_devices"]) for i in (0, 1)]
    assert said["gpu_hours"] == pytest.approx(hours)
    assert said["cost_usd"] == pytest.approx([hours[0] * found.price[0], hours[1] * found.price[1]])
    assert said["passes"] == pytest.approx(4000 * 16 / said["data"]["n_windows"])
    assert said["storage_rule_gb"] == [20.0, 80.0]  # the contract's own example has 40 to 80 for 10 to 20 of raw audio


def test_all_of_what_is_assumed_is_said():
    said = planned("--hours", 10, "--trials", 5, "--gpus", 4)
    text = " ".join(said["assumptions"])
    for word in ("tokens a second", "operations", "reaches", "US dollars", "doubling", "trial", "decodes", "Memory"):
        assert word in text


def test_a_manifest_is_packed_as_the_training_packs_it(tmp_path):
    from melisma.train.whisper.config import WhisperTrainingConfig
    from melisma.train.whisper.windows import build

    rows = [*group_rows(seconds=4.0, speakers=2), row("short", "hr", "Da.", 0.4), row("mute", "hr", "", 3.0)]
    manifest = write_clips(tmp_path / "train.jsonl", rows)
    save_processor(small_processor(), tmp_path / "processor")
    config = tmp_path / "a.toml"
    config.write_text(f'model = "random:tiny"\nprocessor = "{tmp_path}/processor"\nbatch_size = 1\n', encoding="utf-8")
    said = planned("--manifest", manifest, "--config", config)
    settings = WhisperTrainingConfig.read(config, {})
    windows = build(manifest, tmp_path / "prepared", settings, small_processor(), lambda *_: None)
    assert said["data"]["n_windows"] == len(windows.plan(0))
    assert said["data"]["n_clips"] == 12
    assert said["data"]["n_left_out"] == 2
    assert said["data"]["hours"] == pytest.approx(12 * 4.0 / 3600)
    tokens = [len(windows[window].labels) for window in windows.plan(0)]
    assert said["data"]["tokens"] == pytest.approx(sum(tokens) / len(tokens), rel=0.2)
    assert said["data"]["raw_bytes"] == sum((tmp_path / f"{each['id']}.wav").stat().st_size for each in rows[:12])
    assert said["model"]["vocabulary"] == len(small_processor().tokenizer)


def test_clips_that_are_not_packed_cost_a_window_each(tmp_path):
    manifest = write_clips(tmp_path / "train.jsonl", group_rows(seconds=2.0))
    config = tmp_path / "a.toml"
    config.write_text('model = "random:tiny"\npack = 0.0\n', encoding="utf-8")
    assert planned("--manifest", manifest, "--config", config)["data"]["n_windows"] == 12


def write_run(folder, speeds, *, processes=1, validation_s=30.0):
    """Write a run as a training leaves it, whose log says these windows a second."""
    folder.mkdir(parents=True)
    (folder / "training_config.json").write_text(
        json.dumps({"run_id": "a", "model": "random:custom", "shape": {"width": 64, "heads": 2}}), encoding="utf-8"
    )
    start = {"stage": "start", "step": 0, "processes": processes}
    steps = [{"stage": "train", "step": i, "windows_per_s": v, "wait_share": 0.1} for i, v in enumerate(speeds)]
    lines = [start, *steps, {"stage": "validate", "step": 9, "seconds": validation_s}]
    (folder / "training.log").write_text(
        "".join(json.dumps(line) + "\n" for line in lines) + '{"half', encoding="utf-8"
    )
    return folder


def test_a_measured_run_is_what_the_plan_goes_by(tmp_path):
    measured = write_run(tmp_path / "run", [0.001, 4.0, 4.0, 4.0, 4.0], processes=2)  # the first line is warming up
    config = tmp_path / "a.toml"
    config.write_text('model = "random:custom"\nsteps = 900\nvalidate_steps = 300\n[shape]\nwidth = 64\nheads = 2\n')
    said = planned("--hours", 10, "--config", config, "--measured", measured, "--gpus", 2)
    # The same network on as many devices: 16 windows a step at 4 a second.
    assert said["step_s"][0] == pytest.approx(4.0)
    assert said["measured"]["windows_per_s"] == [4.0, 4.0]
    assert said["measured"]["devices"] == 2
    training = next(phase for phase in said["phases"] if phase["name"] == "training")
    assert training["hours"][0] == pytest.approx((900 * 4.0 + 3 * 0.9 * 30.0) / 3600)


@pytest.mark.parametrize("speeds", [[], [1.0, 2.0, 3.0]])
def test_a_run_that_says_too_little_is_refused(tmp_path, speeds):
    result = run("--hours", 1, "--model", "random:tiny", "--measured", write_run(tmp_path / "run", speeds))
    assert result.exit_code == 2
    assert "a plan wants three" in result.output


def test_a_folder_of_a_model_is_read_for_its_shape(tmp_path):
    from transformers import WhisperConfig

    WhisperConfig(d_model=48, encoder_layers=5, vocab_size=60_000).save_pretrained(tmp_path / "model")
    said = planned("--hours", 1, "--model", tmp_path / "model")
    assert (said["model"]["width"], said["model"]["encoder_layers"], said["model"]["vocabulary"]) == (48, 5, 60_000)


def test_passes_instead_of_steps():
    said = planned("--hours", 10, "--epochs", 3, "--batch-size", 4, "--accumulate", 1)
    assert said["training"]["steps"] == math.ceil(3 * said["data"]["n_windows"] / 4)
    assert said["passes"] == pytest.approx(3, rel=0.01)


def test_less_is_learnt_for_less():
    full, lora, half = (
        planned("--hours", 10, "--tuning", how, "--precision", "bf16") for how in ("full", "lora", "frozen-encoder")
    )
    assert lora["gpu_hours"][0] < full["gpu_hours"][0]
    assert half["gpu_hours"][0] < lora["gpu_hours"][0]
    assert lora["memory_gb"]["states"] < half["memory_gb"]["states"] < full["memory_gb"]["states"]
    assert not planned("--hours", 10, "--model", "openai/whisper-large-v3", "--hardware", "t4")["memory_gb"]["fits"]


def test_the_page_is_written_and_says_what_the_json_says(tmp_path):
    page = tmp_path / "PLANNING.md"
    result = run("--hours", 100, "--runs", 2, "--trials", 10, "--price", "1-2", "-o", page)
    assert result.exit_code == 0
    text = page.read_text(encoding="utf-8")
    for heading in ("Timeline of the machines", "Storage", "Timeline of the people", "What this assumes"):
        assert f"## {heading}" in text
    assert "| release and governance | 2–4 |\n| **together** | **22–48** |" in text
    assert "2 trainings" in text
    assert "**does not fit**" not in text
    assert "| the contract's rule, 2 to 4 times the recordings | 20–80 |" in text
    assert all(line.count("|") in (0, 3) for line in text.splitlines())
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "--hours of audio, or the --manifest"),
        (["--hours", "1", "--manifest", "x.jsonl"], "--hours of audio, or the --manifest"),
        (["--hours", "0"], "more than 0"),
        (["--hours", "nan"], "more than 0"),
        (["--hours", "1", "--epochs", "2", "--steps", "3"], "one of them"),
        (["--hours", "1", "--epochs", "-2"], "passes"),
        (["--hours", "1", "--hardware", "abacus"], "there are: a100-40gb"),
        (["--hours", "1", "--price", "2-1"], "lower number first"),
        (["--hours", "1", "--price", "cheap"], "a number"),
        (["--hours", "1", "--efficiency", "2"], "at most 1"),
        (["--hours", "1", "--gpus", "99999"], "devices are 1 to 4096"),
        (["--hours", "1", "--model", "nobody/whisper-x"], "nobody/whisper-x"),
        (["--hours", "1", "--model", "random:huge"], "there is no network"),
        (["--manifest", "nowhere.jsonl"], "nowhere.jsonl"),
        (["--hours", "1", "--measured", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_planned_is_one_sentence(arguments, why, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code in (2, 3)
    assert why in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
