"""What a sweep searches: a TOML file with what stays the same, and the range of each setting that does not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from melisma.core.errors import InputError
from melisma.core.toml_files import read_toml
from melisma.train.whisper.config import WhisperTrainingConfig

AUGMENT, STRENGTH = "augment", "augment_strength"  # settings of a trial that the configuration of a training has not
NO_RECIPE = "none"
Metric = Literal["wer", "cer", "loss"]
Value = bool | int | float | str
# `1.0` is a fraction in TOML and `1` a number, and a range of either draws such.
Number = Annotated[int, Field(strict=True)] | Annotated[float, Field(strict=True, allow_inf_nan=False)]


class Range(BaseModel):
    """Numbers from `low` to `high`, both included; evenly over their logarithms where `log` is set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    low: Number
    high: Number
    log: bool = False
    step: Number | None = None

    @property
    def whole(self) -> bool:
        """Whether it holds whole numbers only."""
        return all(isinstance(each, int) for each in (self.low, self.high) if each is not None)

    @model_validator(mode="after")
    def _holds_something(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"a range rises, unlike {self.low:g} to {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError("a range of logarithms begins above 0")
        if self.step is not None and (self.log or self.step <= 0):
            raise ValueError("a step is greater than 0, and there is none over logarithms")
        if self.whole and isinstance(self.step, float):
            raise ValueError("the step between whole numbers is one")
        return self

    def ends(self) -> tuple[Value, ...]:
        """Return the values that decide whether all of it may be drawn."""
        return (self.low, self.high)


class Choice(BaseModel):
    """One of a few values, in no order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    choices: Annotated[tuple[bool | Number | str, ...], Field(min_length=2, max_length=100)]

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if len({(type(each), each) for each in self.choices}) < len(self.choices):
            raise ValueError("a choice stands here twice")
        return self

    def ends(self) -> tuple[Value, ...]:
        """Return the values that decide whether all of it may be drawn."""
        return self.choices


class SweepSettings(BaseModel):
    """How a space is searched."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    trials: Annotated[int, Field(ge=1, le=100_000)] = 20
    metric: Metric = "wer"  # of validations, that is made low
    sampler: Literal["tpe", "random"] = "tpe"
    pruner: Literal["median", "hyperband", "none"] = "median"
    startup_trials: Annotated[int, Field(ge=1)] = 5  # that are drawn at random, and after which trials are ended early
    prune_after: Annotated[int, Field(ge=0)] = 0  # steps of a training before which it is not ended early
    seed: Annotated[int, Field(ge=0)] = 1
    tries: Annotated[int, Field(ge=1)] = 3  # of a trial whose process dies


def _kind(said: Any) -> str:
    """Tell which of both is meant, so that what is wrong with it is said of that one."""
    return "choices" if isinstance(said, Choice) or (isinstance(said, dict) and "choices" in said) else "range"


_Dimension = Annotated[Annotated[Range, Tag("range")] | Annotated[Choice, Tag("choices")], Discriminator(_kind)]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    base: dict[str, Any] = Field(default_factory=dict)
    space: Annotated[dict[str, _Dimension], Field(min_length=1, max_length=50)]
    sweep: SweepSettings = Field(default_factory=SweepSettings)


@dataclass(frozen=True, slots=True)
class Space:
    """A space, checked: whatever is drawn from it is a configuration.

    Parameters
    ----------
    base : mapping
        Settings of every trial.
    dimensions : mapping of str to Range or Choice
        By the name of the setting, with a dot for one in a table: `lora.rank`. `augment` chooses a recipe, `none` is
        no recipe; `augment_strength` multiplies its probabilities.
    settings : SweepSettings
        How it is searched.
    folder : Path
        What paths of recipes are relative to.
    """

    base: Mapping[str, Any]
    dimensions: Mapping[str, Range | Choice]
    settings: SweepSettings
    folder: Path

    @classmethod
    def read(cls, path: Path) -> Space:
        """Read a space from TOML.

        Raises
        ------
        InputError
            If it cannot be read, or could draw what is no configuration; the sentence names the key.
        """
        said = read_toml(path, _File, "space")
        space = cls(said.base, said.space, said.sweep, path.parent)
        try:
            space._check()
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        return space

    def with_settings(self, trials: int | None, seed: int | None) -> Space:
        """Return it searched otherwise than its file says, where something is given."""
        given = {key: value for key, value in (("trials", trials), ("seed", seed)) if value is not None}
        return replace(self, settings=self.settings.model_copy(update=given))

    def _check(self) -> None:
        WhisperTrainingConfig.read(None, dict(self.base))
        for name, dimension in self.dimensions.items():
            if name == STRENGTH:
                if not isinstance(dimension, Range) or dimension.low < 0:
                    raise InputError(f"space.{STRENGTH}: it is a range of numbers from 0 on")
                if AUGMENT not in self.dimensions:
                    raise InputError(f"space.{STRENGTH}: there is no space.{AUGMENT} with recipes to be changed by it")
            elif name == AUGMENT:
                self._check_recipes(dimension)
            else:
                self._check_setting(name, dimension)

    def _check_setting(self, name: str, dimension: Range | Choice) -> None:
        if _at(self.base, name) is not None:
            raise InputError(f"space.{name}: it stands in [base] too")
        for value in dimension.ends():
            try:
                self.config({name: value})
            except InputError as error:
                raise InputError(f"space.{error}") from error

    def _check_recipes(self, dimension: Range | Choice) -> None:
        from melisma.data.augment.recipe import Recipe

        if isinstance(dimension, Range):
            raise InputError(f"space.{AUGMENT}: it is a choice of recipes, files in YAML, and {NO_RECIPE!r}")
        for name in dimension.choices:
            if name != NO_RECIPE:
                Recipe.read(self.recipe_path(str(name)))

    def recipe_path(self, name: str) -> Path:
        """Return where a recipe lies."""
        return self.folder / Path(name).expanduser()

    def config(self, drawn: Mapping[str, Value]) -> WhisperTrainingConfig:
        """Return the configuration of a trial.

        Raises
        ------
        InputError
            If what was drawn does not fit together.
        """
        return WhisperTrainingConfig.read(None, self.tables(drawn))

    def tables(self, drawn: Mapping[str, Value]) -> dict[str, Any]:
        """Return what a file for `melisma train whisper --config` holds: what stays the same, and what was drawn."""
        tables: dict[str, Any] = json.loads(json.dumps(dict(self.base)))
        for name, value in drawn.items():
            if name in (AUGMENT, STRENGTH):
                continue
            *outer, last = name.split(".")
            inner = tables
            for key in outer:
                inner = inner.setdefault(key, {})
            inner[last] = value
        return tables

    def fingerprint(self) -> str:
        """Return what tells one space from another: a study holds trials of one alone."""
        said = {
            "base": dict(self.base),
            "metric": self.settings.metric,
            "space": {name: each.model_dump(mode="json") for name, each in sorted(self.dimensions.items())},
            "recipes": {
                str(name): hashlib.sha256(self.recipe_path(str(name)).read_bytes()).hexdigest()
                for name in getattr(self.dimensions.get(AUGMENT), "choices", ())
                if name != NO_RECIPE
            },
        }
        text = json.dumps(said, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def _at(tables: Mapping[str, Any], name: str) -> Any:
    found: Any = tables
    for key in name.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def toml_text(tables: Mapping[str, Any], within: str = "") -> str:
    """Write plain values as TOML: tables last, as TOML wants it.

    Examples
    --------
    >>> print(toml_text({"lr": 1e-05, "lora": {"rank": 8}, "name": "a"}), end="")
    lr = 1e-05
    name = "a"
    <BLANKLINE>
    [lora]
    rank = 8
    """
    text = "".join(f"{_key(k)} = {_value(v)}\n" for k, v in tables.items() if not isinstance(v, Mapping))
    for key, value in tables.items():
        if isinstance(value, Mapping):
            name = f"{within}{_key(key)}"
            text += f"{chr(10) if text else ''}[{name}]\n{toml_text(value, f'{name}.')}"
    return text


def _key(key: str) -> str:
    return key if key and key.isascii() and key.replace("_", "").replace("-", "").isalnum() else _quoted(key)


def _quoted(text: str) -> str:
    # JSON's escapes are TOML's too; TOML wants one more sign escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_value(each) for each in value)}]"
    return _quoted(str(value))
