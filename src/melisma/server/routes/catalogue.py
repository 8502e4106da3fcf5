"""What the service can do: engines, models, formats, languages, and its limits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version

from fastapi import APIRouter

from melisma.core import plugins
from melisma.core.errors import MelismaError
from melisma.lyrics.search import GROUP
from melisma.models import embedded
from melisma.pipeline import packages
from melisma.pipeline.settings import RouterSettings
from melisma.pipeline.survey import survey
from melisma.pipeline.video import encode
from melisma.pipeline.video.config import Container
from melisma.server import rendering
from melisma.server.deps import Shared
from melisma.server.openapi import errors
from melisma.server.schemas.catalogue import (
    Choice,
    EngineOut,
    Engines,
    FormatOut,
    Formats,
    LanguageOut,
    Languages,
    ModelOut,
    Models,
    Service,
)
from melisma.server.work import stems
from melisma.text import espeak

router = APIRouter(prefix="/v1", tags=["catalogue"])


@router.get("/engines", summary="List engines", response_model=Engines, responses=errors())
def list_engines() -> Engines:
    """List the installed engines: what each does, what it lacks, its licence and its breaker. Loads no model."""
    settings, now = RouterSettings.from_env(), datetime.now(UTC)
    engines = [EngineOut.of(standing, now) for standing in survey(settings)]
    return Engines(licence_mode=settings.licence_mode.value, engines=engines)


@router.get("/models", summary="List models", response_model=Models, responses=errors())
def list_models(context: Shared) -> Models:
    """List the acoustic models that ship inside the package, those that a caller may choose, and the defaults."""
    defaults = packages.registry().defaults()
    found = survey(RouterSettings.from_env(), context.settings.models)
    choices = [Choice.of(standing, defaults) for standing in found]
    return Models(models=[ModelOut.of(card) for card in embedded.cards()], choices=choices, defaults=dict(defaults))


@router.get("/formats", summary="List formats", response_model=Formats, responses=errors())
def list_formats() -> Formats:
    """List the formats that an alignment can be had in."""
    return Formats(formats=[FormatOut.of(offer) for offer in rendering.offers().values()])


@router.get("/languages", summary="List languages", response_model=Languages, responses=errors())
def list_languages() -> Languages:
    """List the languages whose words can be spelt in phones."""
    found = sorted(espeak.languages().items())
    return Languages(languages=[LanguageOut(code=code, name=name) for code, name in found])


@router.get("/service", summary="Describe the service", response_model=Service, responses=errors())
def describe(context: Shared) -> Service:
    """Describe the service: its version, what it takes, what it can make."""
    settings = context.settings
    return Service(
        version=version("melisma"),
        token_needed=bool(settings.tokens),
        upload_bytes=settings.limits.upload_bytes,
        duration_s=settings.limits.duration_s,
        lyrics_chars=settings.limits.lyrics_chars,
        library=settings.library is not None,
        stems=_can(stems.maker),
        video=any(_can(partial(encode.encoders, container)) for container in Container),
        lyrics_providers=plugins.names(GROUP),
    )


def _can(look: Callable[[], object]) -> bool:
    """Tell whether what does something is there, and may be used."""
    try:
        look()
    except MelismaError:
        return False
    return True
