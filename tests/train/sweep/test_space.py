from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.core.errors import InputError
from melisma.train.sweep.objective import recipe_text
from melisma.train.sweep.space import Choice, Range, Space, toml_text
from sweep_objective import SPACE

ROOT = Path(__file__).parents[3]


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "space.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_example_is_a_space_of_all_that_is_tuned():
    space = Space.read(ROOT / "configs" / "sweep-whisper.toml")
    tuned = {"lr", "batch_size", "weight_decay", "warmup_steps", "accumulate", "augment", "lora.rank"}
    assert tuned <= set(space.dimensions)
    config = space.config({"lr": 1e-4, "lora.rank": 8, "augment": "none"})
    assert (config.lr, config.lora.rank, config.tuning) == (1e-4, 8, "lora")


def test_what_was_drawn_is_a_file_that_a_training_reads(tmp_path):
    space = Space.read(written(tmp_path, SPACE + '\n[space."lora.rank"]\nchoices = [4, 8]\n'))
    drawn = {"lr": 0.00012345678901234567, "batch_size": 4, "warmup_steps": 10, "weight_decay": 0.1, "lora.rank": 8}
    text = toml_text(space.tables(drawn))
    again = type(space.config(drawn)).read(written(tmp_path, text), {})
    assert again == space.config(drawn)
    assert again.lr == drawn["lr"]
    assert again.model == "random:tiny"


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('model = "random:tiny"', 'modle = "random:tiny"', "modle: Extra inputs are not permitted"),
        ("low = 1e-4", "low = -1.0", "space.lr.*: .*a range of logarithms begins above 0"),
        ("low = 1e-4", "low = 2.0", r"space.lr.*: .*a range rises, unlike 2 to 1"),
        ("choices = [2, 4, 8]", "choices = [0, 4]", "space.batch_size: Input should be greater than or equal to 1"),
        ("choices = [2, 4, 8]", 'choices = ["many", "few"]', "space.batch_size: Input should be a valid integer"),
        ("choices = [2, 4, 8]", "choices = [4]", "space.batch_size"),
        ("choices = [2, 4, 8]", "choices = [4, 4]", "a choice stands here twice"),
        ("[space.batch_size]", "[space.batch]", "space.batch: Extra inputs are not permitted"),
        ("[space.batch_size]", "[space.steps]", r"space.steps: it stands in \[base\] too"),
        ("[space.batch_size]", '[space."lora.rnk"]', "space.lora.rnk"),
        ("[space.batch_size]", '[space."lr.x"]', "space.lr"),
        ("high = 20", "high = 20\nlog = true", "space.warmup_steps"),
        ("startup_trials = 4", "startup = 4", "sweep.startup: Extra inputs"),
        ("startup_trials = 4", 'pruner = "hypeband"', "sweep.pruner"),
        ("high = 0.5", "high = nan", "space.weight_decay"),
        ("high = 0.5", "", "space.weight_decay"),
        ("[sweep]", "[space.augment]\nchoices = ['none', 'gone.yaml']\n[sweep]", "cannot read the recipe .*gone.yaml"),
        ("[sweep]", "[space.augment]\nlow = 0\nhigh = 1\n[sweep]", "space.augment: it is a choice of recipes"),
        ("[sweep]", "[space.augment_strength]\nlow = 0.0\nhigh = 1.0\n[sweep]", "there is no space.augment with"),
        ("[space.lr]", "[space.lr", "is no TOML"),
    ],
)
def test_what_could_draw_no_configuration_is_refused_before_any_work(tmp_path, old, new, why):
    assert old in SPACE
    with pytest.raises(InputError, match=why):
        Space.read(written(tmp_path, SPACE.replace(old, new)))


def test_a_file_that_is_not_there_or_no_text_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="cannot read the space"):
        Space.read(tmp_path / "gone.toml")
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="no TOML"):
        Space.read(tmp_path / "x.toml")


def test_a_changed_recipe_makes_another_space(tmp_path):
    shutil.copy(ROOT / "configs" / "augment.yaml", tmp_path / "a.yaml")
    path = written(tmp_path, SPACE + "\n[space.augment]\nchoices = ['none', 'a.yaml']\n")
    first = Space.read(path).fingerprint()
    assert Space.read(path).with_settings(99, 7).fingerprint() == first
    recipe = tmp_path / "a.yaml"
    recipe.write_text(recipe.read_text(encoding="utf-8").replace("clean: 0.15", "clean: 0.2"), encoding="utf-8")
    assert Space.read(path).fingerprint() != first


def test_a_strength_multiplies_what_is_likely_and_never_exceeds_certainty(tmp_path):
    from melisma.data.augment.recipe import Recipe

    source = ROOT / "configs" / "augment.yaml"
    made = tmp_path / "made.yaml"
    whole = Recipe.read(source)
    for strength in (0.5, 3.0, None):
        made.write_bytes(recipe_text(source, strength))
        found = Recipe.read(made)
        assert found.clean == whole.clean
        wanted = [min(1.0, each.probability * (1.0 if strength is None else strength)) for each in whole.effects]
        assert [each.probability for each in found.effects] == pytest.approx(wanted)
        assert [each.effect for each in found.effects] == [each.effect for each in whole.effects]


names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
scalars = (
    st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8"))
)
values = st.recursive(scalars | st.lists(st.integers(0, 9)), lambda inner: st.dictionaries(names, inner), max_leaves=8)


@given(st.dictionaries(names, values))
def test_what_is_written_as_toml_is_read_as_it_was(tables):
    assert tomllib.loads(toml_text(tables)) == tables


def test_whole_numbers_and_fractions_are_told_apart():
    assert Range(low=1, high=8).whole
    assert not Range(low=0, high=0.5).whole
    assert not Range(low=0.0, high=1.0).whole
    assert Choice(choices=(True, "a", 1, 2.5)).choices == (True, "a", 1, 2.5)
