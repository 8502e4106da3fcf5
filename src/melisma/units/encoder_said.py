"""What a file says of an encoder, within bounds: codebooks and exported vocoders have it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from melisma.units.codebook import MAX_DIMS
from melisma.units.encoder import EncoderFacts

# A text in such a file: none needs to be longer.
Text = Annotated[str, Field(max_length=4096)]


class EncoderSaid(BaseModel):
    """`EncoderFacts`, as a stranger's JSON has them."""

    model_config = ConfigDict(frozen=True)

    name: Text
    kind: Text
    layer: Annotated[int, Field(ge=0, le=1000)] | None
    n_dims: Annotated[int, Field(gt=0, le=MAX_DIMS)]
    fingerprint: Text
    licence: Text = "unknown"

    def facts(self) -> EncoderFacts:
        """Return the record."""
        return EncoderFacts(**self.model_dump())
