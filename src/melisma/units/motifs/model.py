"""A motif model: what a SentencePiece file says of units, which is hostile until it is parsed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from melisma.core.errors import InputError
from melisma.core.records import Int64
from melisma.units.motifs import trainer
from melisma.units.motifs.alphabet import Alphabet

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor

_MOST_BYTES = 64 << 20  # 65,534 pieces of 512 characters do not fill it


@dataclass(frozen=True, slots=True, eq=False)
class MotifModel:
    """Pieces of units and the order in which they were joined.

    Parameters
    ----------
    alphabet : Alphabet
        Of the units that it knows.
    pieces : tuple of tuple of int
        The units of each piece by its id; that of id 0, which stands for what is unknown, is empty. Joined ones come
        first, the earliest in front, single units behind them.
    processor : SentencePieceProcessor
        What cuts sequences into pieces.
    """

    alphabet: Alphabet
    pieces: tuple[tuple[int, ...], ...]
    processor: SentencePieceProcessor

    @classmethod
    def of(cls, data: bytes, where: str) -> MotifModel:
        """Read a model; `where` begins the sentence if it is none.

        Raises
        ------
        InputError
            If it is no SentencePiece model, or one of something else than units.
        MissingDependency
            Without SentencePiece.
        """
        trainer.require()
        import sentencepiece

        try:
            # Of nothing at all it makes a processor that complains to the terminal.
            processor = sentencepiece.SentencePieceProcessor(model_proto=data if data else b"\0")
        except RuntimeError as error:
            raise InputError(f"{where} is no SentencePiece model, or damaged") from error
        texts = [processor.id_to_piece(i) for i in range(processor.get_piece_size())]
        if processor.unk_id() != 0 or len(texts) < 2 or "" in texts:
            raise InputError(f"{where} is a SentencePiece model, but not one of units")
        try:
            pieces = ((), *map(Alphabet.units, texts[1:]))
        except InputError as error:
            raise InputError(f"{where} is a SentencePiece model, but not one of units: {error}") from error
        model = cls(Alphabet.of("".join(texts[1:])), pieces, processor)
        if any(len(piece) > 1 and not set(piece) <= model.units for piece in pieces):
            raise InputError(f"{where} has pieces of units that it does not know by themselves")
        return model

    @property
    def units(self) -> set[int]:
        """The units that it knows."""
        return {piece[0] for piece in self.pieces if len(piece) == 1}

    @property
    def n_joined(self) -> int:
        """How many pieces are of two units or more."""
        return sum(len(piece) > 1 for piece in self.pieces)

    @property
    def lengths(self) -> Int64:
        """How many units each piece has, int64 [n_pieces]."""
        return np.array([len(piece) for piece in self.pieces], dtype=np.int64)

    def encode(self, sequences: Sequence[Int64]) -> list[Int64]:
        """Cut sequences of units into pieces.

        Parameters
        ----------
        sequences : sequence of int64 [n]
            Units.

        Returns
        -------
        list of int64 [n_pieces]
            Their ids. The units of the pieces behind one another are the sequence.

        Raises
        ------
        InputError
            If there is a unit that the model does not know, or its pieces are not those of byte-pair encoding.
        """
        lengths = self.lengths
        known = np.zeros(max(self.units) + 1, dtype=bool)
        known[list(self.units)] = True
        for units in sequences:
            if len(units) and (units.max() >= len(known) or not known[units].all()):
                strange = sorted(set(units.tolist()) - self.units)
                raise InputError(f"the motifs are of other units: they know no unit {strange[0]}")
        found = self.processor.encode([self.alphabet.text(units) for units in sequences], out_type=int)
        cut = [np.array(ids, dtype=np.int64) for ids in found]
        if any(lengths[ids].sum() != len(units) for ids, units in zip(cut, sequences, strict=True)):
            raise InputError("the model of motifs changes what it is given: it was not trained as one of units is")
        return cut

    def occurrences(self, frequency: Int64) -> Int64:
        """Return how often each piece came to be, int64 [n_pieces]: by itself, and on the way to longer ones.

        Parameters
        ----------
        frequency : int64 [n_pieces]
            How often each is in the corpus after all are joined.
        """
        found = frequency.copy()
        ids = {piece: i for i, piece in enumerate(self.pieces) if piece}
        for i, piece in enumerate(self.pieces):
            if len(piece) > 1:
                for part in _joined_on_the_way(piece, ids):
                    found[part] += frequency[i]
        return found

    def table(self) -> str:
        """Return what `.vocab` says: piece, score and units of each, with tabs between."""
        rows = []
        for i, piece in enumerate(self.pieces):
            score = f"{self.processor.get_score(i):g}"
            rows.append(f"{self.processor.id_to_piece(i)}\t{score}\t{' '.join(map(str, piece))}\n")
        return "".join(rows)


def read_file(path: Path) -> bytes:
    """Return what is in the file of a model; InputError if it cannot be read, or is larger than one is."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(data) > _MOST_BYTES:
        raise InputError(f"{path} is larger than a model of motifs is")
    return data


def _joined_on_the_way(piece: tuple[int, ...], ids: dict[tuple[int, ...], int]) -> list[int]:
    """Return the pieces that a longer one is made of, the units among them, as byte-pair encoding joins them."""
    parts: list[tuple[int, ...]] = [(unit,) for unit in piece]
    made = [ids[part] for part in parts]
    while len(parts) > 2:
        neighbours = (one + other for one, other in pairwise(parts))
        joined = [(ids[both], i) for i, both in enumerate(neighbours) if both in ids]
        if not joined:
            break
        first, at = min(joined)
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
        made.append(first)
    return made
