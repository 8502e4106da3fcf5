"""What `melisma eval asr` finds, as it lies in `manifests/eval_<run>.json`, and read back from there.

Rates are shares (0.12 is 12 %), times are seconds, and what could not be measured is null. `views` compare texts as
they are written (`raw`), in small letters without punctuation (`normalised`), and with Cyrillic read as Latin besides
(`folded`); where a single figure stands, it is that of the view that the settings name: `normalised`, unless another
was asked for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError

from melisma.core.errors import InputError
from melisma.core.files import make_folder, write_atomically
from melisma.data.manifest import Seconds, fault
from melisma.evaluate.asr_scores import (
    NORMALISED,
    Confusions,
    Count,
    Group,
    Hallucinations,
    Interval,
    Real,
    Record,
    Size,
    Tally,
    Timing,
    Variants,
    View,
)

SCHEMA: Final = "melisma.eval-asr/1"
_LARGEST = 1 << 30  # bytes; 500,000 utterances take less


class Criterion(Record):
    """One condition of acceptance; `passed` is null where it could not be applied, and `note` says why."""

    name: str
    limit: Real
    value: Real | None
    passed: bool | None
    note: str = ""


class Acceptance(Record):
    """Whether a model is accepted: if no criterion fails, and its error rate could be measured."""

    level: str
    passed: bool
    criteria: list[Criterion]


class Source(Record):
    """Where hypotheses come from: a model that was asked here, or a file of another program's."""

    kind: Literal["model", "hypotheses"]
    name: str
    sha256: str = ""
    engine: str = ""
    engine_version: str = ""
    model_id: str = ""
    model_revision: str = ""
    licence: str = ""


class UtteranceScore(Record):
    """One utterance: what was said, what was heard, and the edits in the view that was asked for.

    `audio` is as the manifest has it, relative to the manifest's folder; `start` and `duration` say which part of it.
    `offset` is the mean size of the errors of its words' onsets in seconds, null where nothing was timed.
    """

    id: str
    audio: Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00]+$")]
    start: Seconds
    duration: Seconds
    language: str
    speaker_id: str = ""
    length: str
    noise: str
    snr_db: Real | None = None
    reference: str
    hypothesis: str
    heard_language: str = ""
    missing: bool = False
    fault: str = ""
    flags: list[str] = Field(default_factory=list)
    words: Tally
    characters: Tally
    offset: Size | None = None


class ModelResult(Record):
    """What one model did on the manifest.

    Parameters
    ----------
    source : Source
        Who.
    note : str
        What to know of its figures; empty where nothing is.
    n_strange : int
        Hypotheses for ids that the manifest does not have.
    seconds : float, optional
        That the work took, where it is known.
    overall : Group
        Of all utterances.
    by_language, by_speaker, by_length, by_noise : dict of Group
        Lengths and noises in their order, others by name; "unknown" where the manifest does not say.
    languages_heard : dict of dict of int
        By language of the reference, how often each language was heard, where hypotheses name one.
    utterances : list of UtteranceScore
        In the order of the manifest.
    """

    source: Source
    note: str = ""
    n_strange: Count = 0
    seconds: Size | None = None
    overall: Group
    by_language: dict[str, Group]
    by_speaker: dict[str, Group]
    by_length: dict[str, Group]
    by_noise: dict[str, Group]
    languages_heard: dict[str, dict[str, Count]] = Field(default_factory=dict)
    confusions: Confusions
    variants: Variants | None = None
    hallucinations: Hallucinations
    timing: Timing | None = None
    acceptance: Acceptance
    utterances: list[UtteranceScore]


class Difference(Record):
    """How much better or worse a model is than another on the same utterances, drawn together; below 0 is better.

    `unit` is what was drawn, "utterance" or "speaker"; `sure` says that the interval leaves out zero.
    """

    model: str
    other: str
    unit: Literal["utterance", "speaker"]
    rate: Literal["wer", "cer"]
    difference: Real
    interval: Interval
    sure: bool


class Settings(Record):
    """What decides the figures beside manifest and hypotheses.

    Parameters
    ----------
    seed, draws, level : int, int, float
        Of the bootstrap.
    view : str
        What single figures, confusions, differences and acceptance are of.
    text : str
        Field of the manifest that references are.
    numbers, variants : bool
        Whether figures were written in words, and variants of yat counted by themselves.
    limit : int, optional
        Of the utterances.
    """

    seed: int
    draws: Count
    level: Size = 0.95
    view: View = NORMALISED
    text: Literal["transcript", "norm"] = "transcript"
    numbers: bool = False
    variants: bool = False
    limit: Count | None = None


class EvalResult(Record):
    """All of it: one file.

    Parameters
    ----------
    run : str
        What it is called.
    created : str
        When, in ISO 8601, UTC.
    manifest : str
        The manifest, seen from the folder that this file lies in; its name alone where nothing was written.
    manifest_sha256 : str
        Of its bytes.
    n_utterances, seconds : int, float
        Of what was measured.
    n_timed : int
        Utterances whose words are timed.
    models : dict of ModelResult
        By label.
    differences : list of Difference
        Between all pairs of models.
    """

    schema_: Literal["melisma.eval-asr/1"] = Field(alias="schema")
    run: str
    created: str
    manifest: str
    manifest_sha256: str
    n_utterances: Count
    n_timed: Count
    seconds: Size
    settings: Settings
    models: dict[str, ModelResult]
    differences: list[Difference] = Field(default_factory=list)

    @property
    def accepted(self) -> bool:
        """Whether every model is."""
        return all(each.acceptance.passed for each in self.models.values())

    def text(self) -> str:
        """Return it as JSON."""
        return self.model_dump_json(by_alias=True, indent=1) + "\n"


def write(path: Path, result: EvalResult) -> None:
    """Write a result, whole or not at all.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    make_folder(path.parent)
    write_atomically(path, result.text().encode("utf-8"))


def read(path: Path) -> EvalResult:
    """Read a result back, as any stranger's file.

    Raises
    ------
    InputError
        If it cannot be read, or is no result of this schema; the sentence names the first field that is wrong.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(f"{path} is larger than an evaluation can be")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        return EvalResult.model_validate_json(data)
    except ValidationError as error:
        raise InputError(f"{path} is not what melisma eval asr writes: {fault(error)}") from error
