"""Groq's transcription service: OpenAI's protocol at a fixed address, with Whisper large-v3-turbo.

The recording leaves this machine, for a company's servers.
"""

from __future__ import annotations

import os

from melisma.core.errors import EngineUnavailable
from melisma.engines.http_client import ServerConfig, endpoint, with_limits
from melisma.engines.openai_http import OpenAIHTTPEngine
from melisma.engines.protocol import Licence

# Source: console.groq.com/docs/speech-to-text; files up to 25 MB are taken from every account.
URL = "https://api.groq.com/openai/v1"
MODEL = "whisper-large-v3-turbo"
KEYS = ("MELISMA_GROQ_API_KEY", "GROQ_API_KEY")


class GroqEngine(OpenAIHTTPEngine):
    """Words that Groq's service hears."""

    name = "groq"
    url_variable = "MELISMA_GROQ_URL"

    @classmethod
    def model_from_environment(cls) -> str:
        """Return the model that is asked for."""
        return os.environ.get("MELISMA_GROQ_MODEL", "").strip() or MODEL

    @classmethod
    def from_environment(cls) -> ServerConfig:
        """Read the settings; EngineUnavailable, in one sentence, if the key is missing or a setting cannot be used."""
        key = next((said for name in KEYS if (said := os.environ.get(name, "").strip())), "")
        if not key:
            raise EngineUnavailable(f"Groq wants a key: set {KEYS[0]} or {KEYS[1]}")
        base = os.environ.get(cls.url_variable, "").strip() or URL
        config = ServerConfig(cls.name, endpoint(base), cls.model_from_environment(), key, " or ".join(KEYS))
        return with_limits(config, "MELISMA_GROQ")

    @property
    def asked_for(self) -> bool:
        """Whether somebody wants Melisma to send recordings there: GROQ_API_KEY may be set for another program."""
        return bool(os.environ.get(KEYS[0], "").strip())

    @property
    def licence(self) -> Licence:
        """Whisper's weights, which the service runs, are MIT; its own terms of use come on top."""
        return Licence("MIT", commercial=True)
