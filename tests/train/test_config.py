from __future__ import annotations

from pathlib import Path

import pytest

from melisma.core.errors import InputError
from melisma.train.augment import AugmentConfig
from melisma.train.config import PhoneTrainingConfig
from melisma.train.texts import own_texts


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("chanels = 8", "chanels: Extra inputs are not permitted"),
        ("channels = 4", "channels: Input should be greater than or equal to 8"),
        ('lr = "fast"', "lr: Input should be a valid number"),
        ("dilations = [1, 0]", r"dilations\.1: Input should be greater than or equal to 1"),
        ("[augment]\nmusik = 1", r"augment\.musik: Unexpected keyword argument"),
        ("[augment]\nmusic = 1.5", r"augment\.music: Input should be less than or equal to 1"),
        ("[augment]\nfreq_mask_max = 65", r"augment\.freq_mask_max: Input should be less than or equal to 64"),
        ('[card]\nmodel_id = "../up"', r"card\.model_id: String should match pattern"),
        ("[card]\nauthor = 1", r"card\.author: Extra inputs are not permitted"),
        (
            '[card]\nlanguages = ["fr", "hr"]\nsynthetic_languages = ["hr"]',
            "card: Value error, hr cannot be heard from recordings and from synthesised voices only",
        ),
        ("channels = ", r"config\.toml is no TOML"),
    ],
)
def test_a_wrong_configuration_names_the_file_and_the_key(tmp_path, text, sentence):
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=f"config.toml.*{sentence}" if "TOML" not in sentence else sentence):
        PhoneTrainingConfig.read(path)


def test_a_configuration_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"cannot read the configuration .*none\.toml: No such file"):
        PhoneTrainingConfig.read(tmp_path / "none.toml")


def test_a_configuration_in_another_encoding_is_one_sentence(tmp_path):
    (tmp_path / "config.toml").write_bytes('x = "é"'.encode("latin-1"))
    with pytest.raises(InputError, match=r"config\.toml is no TOML"):
        PhoneTrainingConfig.read(tmp_path / "config.toml")


def test_a_table_of_augmentation_is_read(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text("[augment]\nmusic = 0.5\nsnr_db = [0, 10]\n", encoding="utf-8")
    assert PhoneTrainingConfig.read(path).augment == AugmentConfig(music=0.5, snr_db=(0.0, 10.0))


def test_the_configurations_that_ship_can_be_read(pytestconfig):
    paths = sorted((pytestconfig.rootpath / "configs").glob("phone-*.toml"))
    paths = [path for path in paths if not path.stem.endswith("-release")]
    assert paths
    for path in paths:
        assert PhoneTrainingConfig.read(path).card.model_id == path.stem


HEARD = [
    path for path in sorted((Path(__file__).parents[2] / "configs").glob("*.toml")) if "espeak = " in path.read_text()
]


@pytest.mark.parametrize("path", HEARD, ids=lambda path: path.name)
def test_the_card_of_a_model_that_hears_our_own_sentences_names_their_languages(path):
    card = PhoneTrainingConfig.read(path).card
    assert {text.language for text in own_texts()} <= {*card.languages, *card.synthetic_languages}
    assert {"hr", "sr", "bs"} <= set(card.synthetic_languages)  # there are no recordings of them at hand


def test_some_released_model_hears_them():
    assert HEARD
