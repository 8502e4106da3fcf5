"""Any server that speaks OpenAI's transcription protocol: `POST /v1/audio/transcriptions`, times of words in seconds.

The recording leaves this machine: it goes to the server that MELISMA_OPENAI_URL names, and to no other.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from urllib.parse import urlsplit

from melisma.core.errors import EngineUnavailable
from melisma.core.records import Heard, Waveform
from melisma.core.timebase import SECONDS, Timebase
from melisma.core.units import Clocked, to_clock
from melisma.engines import chunks, http_answer
from melisma.engines.device import ON_HTTP
from melisma.engines.hallucinations import cleaned
from melisma.engines.http_client import ServerConfig, endpoint, upload, with_limits
from melisma.engines.prompts import head
from melisma.engines.protocol import EngineFacts, Licence, Progress, Task
from melisma.text.whisper_languages import LANGUAGES, iso_code, whisper_code

SAMPLE_RATE = 16_000


class OpenAIHTTPEngine:
    """Words that a transcription server hears."""

    name = "openai_http"
    version = "1"
    url_variable = "MELISMA_OPENAI_URL"

    def __init__(self, config: ServerConfig | None = None, *, model: str | None = None) -> None:
        """Take a server and a model, by default those that the environment names."""
        self._fault: str | None = None
        try:
            self.config = config or self.from_environment()
        except EngineUnavailable as error:
            self._fault = str(error)
            self.config = ServerConfig(self.name, "", self.model_from_environment())
        if model:
            self.config = replace(self.config, model=model)

    @classmethod
    def model_from_environment(cls) -> str:
        """Return the model that is asked for; `whisper-1` is OpenAI's name, and what others take for theirs."""
        return os.environ.get("MELISMA_OPENAI_MODEL", "").strip() or "whisper-1"

    @classmethod
    def from_environment(cls) -> ServerConfig:
        """Read the settings; EngineUnavailable, in one sentence, if one is missing or cannot be used."""
        base = os.environ.get(cls.url_variable, "").strip()
        if not base:
            raise EngineUnavailable(
                f"no transcription server is named: set {cls.url_variable}, and a key if it wants one"
            )
        return with_limits(
            ServerConfig(
                cls.name,
                endpoint(base),
                cls.model_from_environment(),
                os.environ.get("MELISMA_OPENAI_API_KEY", "").strip(),
                "MELISMA_OPENAI_API_KEY",
            ),
            "MELISMA_OPENAI",
        )

    @property
    def licence(self) -> Licence:
        """Terms of the service: those of whoever runs the server; MELISMA_OPENAI_LICENSE says it if its model is NC."""
        said = os.environ.get("MELISMA_OPENAI_LICENSE", "").strip() or "LicenseRef-service-terms"
        return Licence(said, commercial="-NC" not in said.upper())

    @property
    def facts(self) -> EngineFacts:
        """What it says of itself.

        What stands behind a server's model name is for the server to know: its address is all that tells two apart.
        """
        return EngineFacts(
            name=self.name,
            version=self.version,
            model_id=self.config.model,
            model_revision=self._address(),
            licence=self.licence,
            task=Task.TRANSCRIBE,
            sample_rate=SAMPLE_RATE,
            languages=LANGUAGES,
            device=ON_HTTP,
        )

    def _address(self) -> str:
        """Return host and port, and what of the path is the server's own: a gateway may have several behind it."""
        parts = urlsplit(self.config.url)
        return parts.netloc + parts.path.removesuffix("/audio/transcriptions").removesuffix("/v1")

    def missing(self) -> str | None:
        """Say which setting it lacks; asks no server."""
        return self._fault

    def load(self) -> None:
        """Check the settings; EngineUnavailable if one is missing."""
        if self._fault:
            raise EngineUnavailable(self._fault)

    def unload(self) -> None:
        """Do nothing: there is no model here."""

    def transcribe(
        self, waveform: Waveform, language: str | None = None, prompt: str = "", progress: Progress | None = None
    ) -> Heard:
        """Send a recording, in pieces where it is long, and return the words that the server heard.

        Raises
        ------
        UnknownName
            If Whisper was not taught the language.
        EngineUnavailable, EngineTimeout, EngineFailed
            See `melisma.engines.http_client.upload`.
        UnitsError
            If the times cannot be seconds of this recording.
        """
        if waveform.sample_rate != SAMPLE_RATE:
            raise ValueError(f"the engine takes {SAMPLE_RATE} Hz, not {waveform.sample_rate} Hz")
        whisper_code(language)
        self.load()
        deadline = time.monotonic() + self.config.total_s
        clock = Timebase(SAMPLE_RATE)
        longest = round(self.config.max_piece_s * SAMPLE_RATE)
        cuts = chunks.cut(waveform, min(longest, chunks.most_samples(self.config.max_upload)))
        parts: list[tuple[chunks.Piece, Clocked]] = []
        for number, piece in enumerate(cuts):
            part = Waveform(waveform.samples[piece.first : piece.stop], SAMPLE_RATE)
            hint = head(prompt) if number == 0 else ""
            if chunks.is_silent(part.samples):
                parts.append((piece, Clocked((), len(part.samples), clock)))
            else:
                body = upload(self.config, chunks.flac(part.samples, SAMPLE_RATE), self._form(language, hint), deadline)
                parts.append((piece, self._heard(body, part, prompt, clock)))
            if progress:
                progress((number + 1) / len(cuts))
        return chunks.join(parts, clock)

    def _form(self, language: str | None, hint: str) -> dict[str, str | list[str]]:
        form: dict[str, str | list[str]] = {
            "model": self.config.model,
            "response_format": "verbose_json",
            "timestamp_granularities[]": ["word", "segment"],
            "temperature": "0",
        }
        code = whisper_code(language)
        if code:
            form["language"] = code
        if hint:
            form["prompt"] = hint
        return form

    def _heard(self, body: bytes, part: Waveform, prompt: str, clock: Timebase) -> Clocked:
        """Read an answer; its times must be seconds of the piece that was sent."""
        segments, said = http_answer.read(body, self.name)
        return to_clock(cleaned(segments, SECONDS, iso_code(said), prompt), len(part.samples), clock)
