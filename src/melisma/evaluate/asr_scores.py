"""Figures of a set of utterances that were transcribed: error rates, confusions, hallucinations, times of words.

They are parts of what `melisma eval asr` writes (`asr_result`): rates are shares (0.12 is 12 %), times are seconds, and
what could not be measured is null.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from melisma.metrics.transcription import Counts

NORMALISED: Final = "normalised"
UNKNOWN = "unknown"  # group of utterances of which nobody says where they belong

Count = Annotated[int, Field(ge=0)]
Real = Annotated[float, Field(allow_inf_nan=False)]
Size = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Interval = tuple[Real, Real]
View = Literal["raw", "normalised", "folded"]


class Record(BaseModel):
    """What is read back from a file: it is checked, and does not change."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)


class Tally(Record):
    """Edits between references and hypotheses; `rate` is null without a reference."""

    n_reference: Count
    hits: Count
    substitutions: Count
    deletions: Count
    insertions: Count
    rate: Size | None

    @classmethod
    def of(cls, counts: Counts) -> Tally:
        """Make it of counts."""
        return cls(
            n_reference=counts.n_reference,
            hits=counts.hits,
            substitutions=counts.substitutions,
            deletions=counts.deletions,
            insertions=counts.insertions,
            rate=counts.rate,
        )


class Scores(Record):
    """Error rates of a set of utterances in one view.

    Parameters
    ----------
    wer, cer : float, optional
        Rates of words and of characters.
    wer_interval, cer_interval : pair of float, optional
        Hold 95 % of the rates of utterances drawn with replacement; null where there are fewer than two.
    wer_interval_by_speaker : pair of float, optional
        The same with whole speakers drawn: wider where speakers differ. Null where fewer than two are known.
    words, characters : Tally
        What the rates are made of.
    """

    wer: Size | None
    cer: Size | None
    wer_interval: Interval | None = None
    cer_interval: Interval | None = None
    wer_interval_by_speaker: Interval | None = None
    words: Tally
    characters: Tally


class Group(Record):
    """Utterances that have something in common, or all of them.

    Parameters
    ----------
    n_utterances, n_missing, n_flagged : int
        How many; of how many there is no hypothesis (all their words are deletions); how many look hallucinated.
    seconds : float
        Of audio.
    views : dict of Scores
        By name of the view.
    view : str
        That `scores` are of.
    """

    n_utterances: Count
    n_missing: Count
    n_flagged: Count
    seconds: Size
    views: dict[str, Scores]
    view: View = NORMALISED

    @model_validator(mode="after")
    def _scored(self) -> Self:
        if self.view not in self.views:
            raise ValueError(f"there are no scores of the view {self.view}")
        return self

    @property
    def scores(self) -> Scores:
        """Those of the view that was asked for."""
        return self.views[self.view]


class Confusion(Record):
    """What was heard for what was said, and how often; "" stands for nothing: an insertion or a deletion."""

    reference: str
    hypothesis: str
    n: Count


class Confusions(Record):
    """The most frequent edits in the view that was asked for.

    Parameters
    ----------
    words, characters : list of Confusion
        Substitutions, the most frequent first.
    words_deleted, words_inserted, characters_deleted, characters_inserted : list of Confusion
        With "" on one side.
    spoken : dict of int
        How often each character stands in the references, hits included: what rows of a heat map are shares of.
    """

    words: list[Confusion]
    words_deleted: list[Confusion]
    words_inserted: list[Confusion]
    characters: list[Confusion]
    characters_deleted: list[Confusion]
    characters_inserted: list[Confusion]
    spoken: dict[str, Count]


class Variants(Record):
    """Substitutions that are one word in another pronunciation of yat (mlijeko, mleko), in the folded view.

    Parameters
    ----------
    n : int
        How many; they are part of the substitutions.
    directions : dict of int
        By "said > heard": "ijekavian > ekavian".
    wer_without : float, optional
        Rate of words if they counted as right.
    most : list of Confusion
        The most frequent ones.
    """

    n: Count
    directions: dict[str, Count]
    wer_without: Size | None
    most: list[Confusion]


class Hallucinations(Record):
    """Utterances whose hypothesis says more than was said.

    Parameters
    ----------
    n_utterances, n_words : int
        How many are flagged, and how many words were inserted in them.
    share : float
        Of the utterances.
    reasons : dict of int
        Utterances by reason; one may have several.
    """

    n_utterances: Count
    n_words: Count
    share: Size
    reasons: dict[str, Count]


class Timing(Record):
    """How far times of words are off, where references and hypotheses have them: hypothesis less reference, at onsets.

    Parameters
    ----------
    n_utterances : int
        Whose references are timed.
    n_words, n_matched : int
        Timed words of the references, and those of them that were heard rightly, with a time.
    coverage : float
        Their share.
    mean, median, p90 : float, optional
        Of the sizes of the errors of matched words, in seconds.
    bias : float, optional
        Median of the signed errors.
    within : float, optional
        Share of the matched words that are off by less than `limit`.
    limit : float
        Seconds.
    mean_end : float, optional
        Mean size of the errors of their ends.
    """

    n_utterances: Count
    n_words: Count
    n_matched: Count
    coverage: Size | None
    mean: Size | None
    median: Size | None
    p90: Size | None
    bias: Real | None
    within: Size | None
    limit: Size
    mean_end: Size | None
