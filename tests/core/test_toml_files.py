from __future__ import annotations

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from melisma.core.errors import InputError
from melisma.core.toml_files import read_tables, read_toml


class Row(BaseModel):
    model_config = ConfigDict(extra="forbid")

    weight: float = Field(1.0, gt=0)


class Recipe(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: str
    row: tuple[Row, ...] = ()

    @model_validator(mode="after")
    def _not_alone(self) -> Recipe:
        if len(self.row) == 1:
            raise ValueError("one row is too few")
        return self


@pytest.fixture
def path(tmp_path):
    return tmp_path / "recipe.toml"


def fault_of(path, text: str | bytes) -> str:
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    with pytest.raises(InputError) as caught:
        read_toml(path, Recipe, "recipe")
    return str(caught.value)


def test_a_file_that_fits_is_a_record(path):
    path.write_text('title = "čao"\n[[row]]\n[[row]]\nweight = 2\n', encoding="utf-8")
    assert read_toml(path, Recipe, "recipe") == Recipe(title="čao", row=(Row(), Row(weight=2)))


def test_tables_are_read_as_they_are(path):
    path.write_text("a.b = [1, 2.5]\n")
    assert read_tables(path, "recipe") == {"a": {"b": [1, 2.5]}}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "title: Field required"),
        ("title = 3", "title: Input should be a valid string"),
        ('title = "a"\ncolour = 1', "colour: Extra inputs are not permitted"),
        ('title = "a"\n[[row]]\n[[row]]\nweight = -1', "row.1.weight: Input should be greater than 0"),
        ('title = "a"\n[[row]]', "Value error, one row is too few"),
    ],
)
def test_what_does_not_fit_is_named_with_its_file_its_key_and_its_fault(path, text, fault):
    assert fault_of(path, text) == f"{path}: {fault}"


def test_the_first_of_two_faults_is_the_one_that_is_named(path):
    assert fault_of(path, "title = 1\ncolour = 1") == f"{path}: title: Input should be a valid string"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("title = ", "{} is no TOML: Invalid value (at end of document)"),
        ('title = "a"\ntitle = "b"', "{} is no TOML: Cannot overwrite a value (at end of document)"),
        ('title = "é"'.encode("latin-1"), "{} is no TOML: 'utf-8' codec can't decode byte 0xe9 in position 9"),
        ("title = " + 5000 * "9", "{} is no TOML: Exceeds the limit (4300 digits)"),
        ("title = " + 5000 * "[", "{} is no TOML that can be read: it is nested too deeply"),
    ],
    ids=["broken off", "twice", "encoding", "digits", "nested"],
)
def test_a_file_that_is_no_toml_is_one_sentence(path, text, sentence):
    fault = fault_of(path, text)
    assert fault.startswith(sentence.format(path))
    assert "\n" not in fault


def test_a_file_that_is_not_there_is_one_sentence_that_says_what_it_was_to_be(path):
    with pytest.raises(InputError, match=r"^cannot read the recipe .*/recipe\.toml: No such file or directory$"):
        read_toml(path, Recipe, "recipe")
