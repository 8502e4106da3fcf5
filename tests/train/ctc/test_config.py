"""Configurations: read with one sentence for what is wrong, and held to what a training was begun with."""

from __future__ import annotations

import pytest

from melisma.core.errors import InputError
from melisma.train.ctc.config import DEFAULT_MODEL, CtcTrainingConfig, check_same


def test_a_file_is_read_and_the_command_line_goes_before_it(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text('lr = 1e-4\nsteps = 50\nunits = "phones"\n[phone_net]\nchannels = 32\n')
    config = CtcTrainingConfig.read(path, {"steps": 7})
    assert (config.lr, config.steps, config.units, config.phone_net.channels) == (1e-4, 7, "phones", 32)
    assert CtcTrainingConfig.read(None, {}).model == DEFAULT_MODEL


@pytest.mark.parametrize(
    ("text", "given", "fault"),
    [
        ("lr = 0", {}, r"c\.toml: lr: "),
        ("lr = inf", {}, r"c\.toml: lr: .*finite"),
        ("speed = 1", {}, r"c\.toml: speed: Extra"),
        ("", {"precision": "fp8"}, r"^precision: "),
        ("[phone_net]\nstride = 9", {}, r"phone_net\.stride"),
        ("lr = ", {}, "no TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, given, fault):
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=fault):
        CtcTrainingConfig.read(path, given)


def test_what_only_decides_how_it_runs_may_change(tmp_path):
    begun = CtcTrainingConfig().model_dump(mode="json")
    check_same(begun, CtcTrainingConfig(checkpoint_steps=3, checkpoint_minutes=1, keep=1, log_steps=2), tmp_path)


@pytest.mark.parametrize(("key", "value"), [("seed", 2), ("units", "phones"), ("batch_s", 10.0), ("steps", 5)])
def test_what_decides_the_result_may_not(tmp_path, key, value):
    begun = CtcTrainingConfig().model_dump(mode="json")
    with pytest.raises(InputError, match=f"was begun with {key} = "):
        check_same(begun, CtcTrainingConfig.model_validate({key: value}), tmp_path)


def test_a_key_of_another_version_is_named(tmp_path):
    with pytest.raises(InputError, match="was begun with tempo = 1"):
        check_same({**CtcTrainingConfig().model_dump(mode="json"), "tempo": 1}, CtcTrainingConfig(), tmp_path)
