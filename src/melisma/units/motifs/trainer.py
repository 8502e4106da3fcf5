"""SentencePiece in a process of its own: its memory goes with it, and what it says of skipped lines can be read.

The parent speaks to `main` through standard input (lines of text in UTF-8), standard output (the model) and standard
error (what SentencePiece says).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec

from melisma.core.errors import MelismaError, MissingDependency

LONGEST = 16_384  # units of a line: SentencePiece leaves out longer ones than it is told, positions have 16 bits
_BYTES = 4  # of a private character in UTF-8, at most


@dataclass(frozen=True, slots=True)
class Request:
    """What SentencePiece is asked for.

    Parameters
    ----------
    vocab_size : int
        Pieces at most, among them `<unk>` and one for every unit.
    longest : int
        Units of a piece at most.
    """

    vocab_size: int
    longest: int

    def options(self) -> dict[str, object]:
        """Return the options of `SentencePieceTrainer.train` that make it count units, and nothing else.

        `escape_whitespaces` stays on, without which byte-pair encoding refuses to begin; no unit is a space.
        """
        return {
            "model_type": "bpe",
            "vocab_size": self.vocab_size,
            "hard_vocab_limit": False,
            "character_coverage": 1.0,
            "normalization_rule_name": "identity",
            "add_dummy_prefix": False,
            "remove_extra_whitespaces": False,
            "split_by_whitespace": False,
            "split_by_unicode_script": False,
            "split_by_number": False,
            "max_sentencepiece_length": self.longest,
            "max_sentence_length": _BYTES * LONGEST,
            "unk_id": 0,
            "bos_id": -1,
            "eos_id": -1,
            "pad_id": -1,
            "num_threads": 1,  # it is written into the model, which is to be the same on every machine
            "minloglevel": 0,
        }


def require() -> None:
    """Raise MissingDependency without SentencePiece."""
    if find_spec("sentencepiece") is None:
        raise MissingDependency("motifs need SentencePiece: pip install 'melisma[units]'")


def train(lines: Iterable[str], request: Request) -> bytes:
    """Return a SentencePiece model.

    Parameters
    ----------
    lines : iterable of str
        Of private characters, at most `LONGEST` each, none of them empty.
    request : Request
        What is asked for.

    Raises
    ------
    MissingDependency
        Without SentencePiece.
    MelismaError
        If it fails, is killed, or has not learnt from every line and every unit.
    """
    require()
    # -P: nothing that lies in the current folder is taken for a module.
    command = [sys.executable, "-P", "-m", "melisma.units.motifs.trainer", json.dumps(request.options())]
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as model:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=model, stderr=said)
        try:
            n_lines, n_units = _feed(process, lines)
            code = process.wait()
        finally:
            process.kill()
            _close(process)
            process.wait()
        said.seek(0)
        told = said.read().decode("utf-8", "replace")
        if code:
            raise MelismaError(_failure(code, told))
        _check(told, n_lines, n_units)
        model.seek(0)
        return model.read()


def _feed(process: subprocess.Popen[bytes], lines: Iterable[str]) -> tuple[int, int]:
    n_lines = n_units = 0
    assert process.stdin is not None  # noqa: S101 - a pipe was asked for
    try:
        for line in lines:
            process.stdin.write(f"{line}\n".encode())
            n_lines += 1
            n_units += len(line)
    except BrokenPipeError:  # it has ended; its code and its words say why
        pass
    _close(process)
    return n_lines, n_units


def _close(process: subprocess.Popen[bytes]) -> None:
    with suppress(BrokenPipeError):  # what was not yet written finds nobody to read it
        if process.stdin is not None:
            process.stdin.close()


def _failure(code: int, told: str) -> str:
    if code < 0:
        return f"SentencePiece was killed (signal {-code}): there may be too little memory; learn from fewer units"
    last = [line for line in told.splitlines() if line.strip()]
    return f"SentencePiece has failed: {last[-1] if last else f'it ended with {code}'}"


def _check(told: str, n_lines: int, n_units: int) -> None:
    """Refuse a model for which lines were left out: SentencePiece says so in passing, and goes on."""
    learnt = re.search(r"Done! preprocessed (\d+) sentences", told)
    counted = re.search(r"all chars count=(\d+)", told)
    if not learnt or not counted or (int(learnt[1]), int(counted[1])) != (n_lines, n_units):
        seen = f"{learnt[1] if learnt else '?'} lines with {counted[1] if counted else '?'} units"
        raise MelismaError(f"SentencePiece was given {n_lines} lines with {n_units} units, and has learnt from {seen}")


def main() -> None:
    """Train on standard input; a parent that goes away ends it."""
    import sentencepiece

    lines = (line.decode("utf-8").rstrip("\n") for line in sys.stdin.buffer)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=lines, model_writer=sys.stdout.buffer, **json.loads(sys.argv[1])
    )


if __name__ == "__main__":
    main()
