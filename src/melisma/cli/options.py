"""Shell completion for names that plug-ins bring."""

from __future__ import annotations


def complete_formats(incomplete: str) -> list[str]:
    """Complete the last name of a comma-separated list of formats."""
    from melisma.cli.outputs import format_names

    done, comma, last = incomplete.rpartition(",")
    return [f"{done}{comma}{name}" for name in format_names() if name.startswith(last)]


def complete_engines(incomplete: str) -> list[str]:
    """Complete the name of an installed engine, or of a model that was added."""
    from melisma.core import plugins
    from melisma.pipeline import packages

    known = ("auto", *plugins.names(plugins.ENGINES), *packages.names())
    return [name for name in known if name.startswith(incomplete)]


def complete_added(incomplete: str) -> list[str]:
    """Complete the name of a model that was added."""
    from melisma.pipeline import packages

    return [name for name in packages.names() if name.startswith(incomplete)]


def complete_languages(incomplete: str) -> list[str]:
    """Complete a language code."""
    from melisma.text import espeak

    return sorted(code for code in espeak.languages() if code.startswith(incomplete))


def complete_models(incomplete: str) -> list[str]:
    """Complete the id of an embedded model, or the name of one that was added."""
    from melisma.models import embedded
    from melisma.pipeline import packages

    known = (*(card.model_id for card in embedded.cards()), *packages.names())
    return [name for name in known if name.startswith(incomplete)]


def complete_providers(incomplete: str) -> list[str]:
    """Complete the last name of a comma-separated list of lyrics providers."""
    from melisma.core import plugins
    from melisma.lyrics.search import GROUP

    done, comma, last = incomplete.rpartition(",")
    return [f"{done}{comma}{name}" for name in plugins.names(GROUP) if name.startswith(last)]


def complete_fonts(incomplete: str) -> list[str]:
    """Complete the name of an installed font."""
    from melisma.pipeline.video import fonts

    return [name for name in fonts.installed() if name.casefold().startswith(incomplete.casefold())]


def complete_separators(incomplete: str) -> list[str]:
    """Complete the name of an installed separator, or auto."""
    from melisma.core import plugins

    return [name for name in ("auto", *plugins.names(plugins.SEPARATORS)) if name.startswith(incomplete)]


def complete_refinements(incomplete: str) -> list[str]:
    """Complete the last name of a comma-separated list of refinements."""
    done, comma, last = incomplete.rpartition(",")
    return [f"{done}{comma}{name}" for name in ("onset", "beat", "ends") if name.startswith(last)]
