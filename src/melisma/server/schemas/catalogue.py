"""What a service can do, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from pydantic import Field

from melisma.models.embedded import ModelCard
from melisma.pipeline import tiers
from melisma.pipeline.survey import Standing
from melisma.server.names import without_paths
from melisma.server.rendering import PAGE, Offer
from melisma.server.schemas.common import Moment, Shown


class Failure(Shown):
    """The last failure of an engine that its breaker counts."""

    kind: str = Field(examples=["out of memory"])
    detail: str
    at: Moment | None


class BreakerOut(Shown):
    """A circuit breaker: an engine that keeps failing is left alone for a while."""

    state: str = Field(description="closed, open or half-open.")
    failures: int = Field(description="Of late.")
    last_failure: Failure | None
    opens_until: Moment | None = Field(description="When the next song may try it again, where it is open.")


class EngineOut(Shown):
    """An engine: what it does, and how it stands."""

    name: str
    task: str | None = Field(description="emit, place or transcribe; null where it cannot be loaded.")
    version: str | None
    model_id: str | None
    model_revision: str | None
    licence: str | None = Field(description="Of the weights, as SPDX spells it.")
    commercial: bool | None
    device: str | None
    baseline: bool = Field(description="For comparisons only: `auto` never takes it.")
    installed: bool = Field(description="Whether it lacks nothing to run here.")
    missing: str | None = Field(description="What it lacks, in a sentence.")
    switched_on: bool
    breaker: BreakerOut
    languages: list[str] | None = Field(description="ISO 639 codes; null for any.")

    @classmethod
    def of(cls, standing: Standing, now: datetime) -> EngineOut:
        """Spell how an engine stands; folders of this machine stay out of it."""
        facts = standing.facts
        return cls(
            name=standing.name,
            task=facts.task.value if facts else None,
            version=facts.version if facts else None,
            model_id=without_paths(facts.model_id) if facts else None,
            model_revision=facts.model_revision if facts else None,
            licence=facts.licence.spdx if facts else None,
            commercial=facts.licence.commercial if facts else None,
            device=facts.device if facts else None,
            baseline=facts.baseline if facts else False,
            installed=not standing.lacking,
            missing=without_paths(standing.lacking) or None,
            switched_on=standing.enabled,
            breaker=_breaker(standing, now),
            languages=sorted(facts.languages) if facts and facts.languages is not None else None,
        )


class Engines(Shown):
    """Every installed engine, in the order in which `auto` tries them."""

    licence_mode: str = Field(description="non_commercial or commercial.")
    engines: list[EngineOut]


class ModelOut(Shown):
    """A model that ships inside the package."""

    model_id: str
    revision: str
    title: str
    licence: str
    languages: list[str]
    synthetic_languages: list[str] = Field(description="Learnt from synthesised voices only.")
    n_parameters: int
    size_bytes: int

    @classmethod
    def of(cls, card: ModelCard) -> ModelOut:
        """Spell a model's card."""
        return cls(
            model_id=card.model_id,
            revision=card.revision,
            title=card.title,
            licence=card.licence,
            languages=list(card.languages),
            synthetic_languages=list(card.synthetic_languages),
            n_parameters=card.n_parameters,
            size_bytes=card.size_bytes,
        )


class Choice(Shown):
    """A model of an engine that a caller may name."""

    name: str = Field(description="For `model` or `engine` of a call.", examples=["whisper:small"])
    engine: str
    model_id: str | None
    task: str | None
    licence: str | None = Field(description="Of the weights, as SPDX spells it.")
    commercial: bool | None
    languages: list[str] | None = Field(description="ISO 639 codes; null for any.")
    default_for: list[str] = Field(description="Languages that it transcribes unless told otherwise; any for the rest.")
    missing: str | None = Field(description="What it lacks to run here, in a sentence.")

    @classmethod
    def of(cls, standing: Standing, defaults: Mapping[str, str]) -> Choice:
        """Spell how an engine with a model stands; folders of this machine stay out of it."""
        facts = standing.facts
        return cls(
            name=standing.name,
            engine=tiers.split(standing.name)[0],
            model_id=without_paths(facts.model_id) if facts else None,
            task=facts.task.value if facts else None,
            licence=facts.licence.spdx if facts else None,
            commercial=facts.licence.commercial if facts else None,
            languages=sorted(facts.languages) if facts and facts.languages is not None else None,
            default_for=sorted(language for language, name in defaults.items() if name == standing.name),
            missing=without_paths(standing.lacking) or None,
        )


class Models(Shown):
    """Models that ship inside the package, and those that a caller may choose by name."""

    models: list[ModelOut]
    choices: list[Choice] = Field(
        description="The usual model of each engine, those that the service names, and those that were added."
    )
    defaults: dict[str, str] = Field(
        description="By language: the choice that transcribes it unless told otherwise; `any` for all others.",
        examples=[{"hr": "our-whisper"}],
    )


class FormatOut(Shown):
    """A format that an alignment can be had in."""

    name: str = Field(description="For `?format=`.")
    media_type: str = Field(description="For the header Accept.")
    suffixes: list[str]
    reads: bool = Field(description="Whether lyrics can be given in it, with their times.")
    needs_audio: bool = Field(description="Whether the recording is inside.")
    description: str

    @classmethod
    def of(cls, offer: Offer) -> FormatOut:
        """Spell a format."""
        return cls(
            name=offer.name,
            media_type=offer.media_type,
            suffixes=list(offer.suffixes),
            reads=offer.reads,
            needs_audio=offer.name == PAGE,
            description=offer.description,
        )


class Formats(Shown):
    """Formats that an alignment can be had in, JSON first."""

    formats: list[FormatOut]


class LanguageOut(Shown):
    """A language whose words can be spelt in phones."""

    code: str
    name: str


class Languages(Shown):
    """Languages whose words can be spelt in phones."""

    languages: list[LanguageOut]


class Service(Shown):
    """What this service is, and what it takes."""

    version: str
    token_needed: bool
    upload_bytes: int = Field(description="The largest recording.")
    duration_s: float = Field(description="The longest recording.")
    lyrics_chars: int
    library: bool = Field(description="Whether there is a library folder.")
    stems: bool = Field(description="Whether voices can be separated.")
    video: bool = Field(description="Whether videos can be made.")
    lyrics_providers: list[str]


def _breaker(standing: Standing, now: datetime) -> BreakerOut:
    health, last = standing.breaker, standing.last_failure
    failure = None
    if last is not None:
        at, kind = last
        moment = datetime.fromtimestamp(at, UTC)
        failure = Failure(kind=kind.value, detail=str(health), at=moment)
    until = datetime.fromtimestamp(now.timestamp() + health.wait_s, UTC) if health.wait_s > 0 else None
    return BreakerOut(state=health.state.value, failures=health.n_failures, last_failure=failure, opens_until=until)
