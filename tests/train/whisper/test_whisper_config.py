import pytest

from melisma.core.errors import InputError
from melisma.train.whisper.config import WhisperTrainingConfig


def test_options_go_before_the_file(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text('model = "random:tiny"\nlr = 1e-4\n[lora]\nrank = 4\n', encoding="utf-8")
    config = WhisperTrainingConfig.read(file, {"lr": 2e-4})
    assert (config.model, config.lr, config.lora.rank) == ("random:tiny", 2e-4, 4)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"lr": 0}, "lr: "),
        ({"max_labels": 449}, "max_labels: "),
        ({"max_clip_s": 31}, "max_clip_s: "),
        ({"timestamps": 1.5}, "timestamps: "),
        ({"unknown": 1}, "unknown: "),
        ({"shape": {"width": 100}}, "3 heads cannot share"),
        ({"min_clip_s": 20, "max_clip_s": 10}, "min_clip_s is 20"),
    ],
)
def test_what_cannot_be_is_named(given, said):
    with pytest.raises(InputError, match=said):
        WhisperTrainingConfig.read(None, given)
