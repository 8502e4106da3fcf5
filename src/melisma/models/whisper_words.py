"""Times of words from what Whisper's decoder looks at: cross-attention of chosen heads, and dynamic time warping.

The heads are the model's own `alignment_heads`. What is here is NumPy alone, for any program that runs the decoder.

References
----------
As in openai/whisper, `timing.py`; the warping is that of Giorgino, Computing and Visualizing Dynamic Time Warping
Alignments in R, J. Stat. Softw. 31 (7), 2009.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from melisma.core.records import Float32, Int64
from melisma.models.whisper_features import STATE_S

MEDIAN_WIDTH = 7  # states of the encoder that a weight is smoothed over
_PREPENDED = "\"'“¿([{-„‚«»"
_APPENDED = "\"'.。,，!！?？:：”)]}、…“’»"
_ENDS = ".。!！?？"
# Languages that are written without spaces: a word is a character there.
UNSPACED = frozenset(("zh", "ja", "th", "lo", "my", "yue"))
_LONGEST = 2.0  # times the median word, of a word beside the end of a sentence; pauses lie there
_USUAL_S = 0.7  # the median is no more than that


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word: its text without spaces around it, times in seconds of its window, mean probability of its tokens."""

    text: str
    start: float
    end: float
    probability: float


def word_times(
    attention: Float32, pieces: Sequence[bytes], probabilities: Sequence[float], first: int, language: str = ""
) -> tuple[TimedWord, ...]:
    """Time the words that a decoder has said.

    Parameters
    ----------
    attention : float32 [n_heads, n_rows, n_states]
        Weights of the alignment heads: a row for each token that went into the decoder, from the first of the prompt to
        the last of the text; states of the encoder as far as there is sound, 0.02 s each.
    pieces : sequence of bytes
        UTF-8 of each token of text, in order, without special tokens and times.
    probabilities : sequence of float
        Of each of them.
    first : int
        The row that foretells the first token of text: the last token of the prompt.
    language : str
        Whisper's code, for those that are written without spaces.

    Returns
    -------
    tuple of TimedWord
        In order; never going back in time.
    """
    if not len(pieces) or not attention.shape[2]:
        return ()
    starts = token_starts(attention, first, len(pieces) + 1)
    return words_at(starts, attention.shape[2], pieces, probabilities, language)


def words_at(
    states: Int64, n_states: int, pieces: Sequence[bytes], probabilities: Sequence[float], language: str = ""
) -> tuple[TimedWord, ...]:
    """Put tokens whose times are known together to words.

    Parameters
    ----------
    states : int64 [n_tokens + 1]
        State of the encoder at which each token begins, and the last one ends; what is missing lies at the end.
    n_states : int
        Of the encoder for which there is sound.
    pieces, probabilities, language
        As for `word_times`.
    """
    missing = max(0, len(pieces) + 1 - len(states))  # cut off: what comes behind the last token is not known
    starts = np.append(states, [n_states] * missing) * STATE_S
    found = []
    for begin, end in split_words(pieces, language):
        text = b"".join(pieces[begin:end]).decode("utf-8", "replace").strip()
        if text:
            probability = float(np.mean(probabilities[begin:end]))
            found.append(TimedWord(text, float(starts[begin]), float(starts[end]), probability))
    return _joined(_shortened(found))


def token_starts(attention: Float32, first: int, n_tokens: int) -> Int64:
    """Return the state of the encoder at which each of `n_tokens` tokens begins, int64 [n_tokens].

    Row `first` foretells the first of them; the last is what ends the text, so that the others have an end too.
    """
    weights = attention.astype(np.float64)
    weights /= np.maximum(weights.sum(axis=2, keepdims=True), 1e-12)  # as if there were nothing behind the sound
    spread = weights.std(axis=1, keepdims=True)
    weights = (weights - weights.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
    matrix = _smoothed(weights).mean(axis=0)[first : first + n_tokens]
    rows, states = warp(-matrix)
    begins = np.flatnonzero(np.diff(rows, prepend=-1))
    return states[begins]


def _smoothed(weights: Float32) -> Float32:
    """Return the running median along the states; what lies beyond the ends is mirrored."""
    beside = MEDIAN_WIDTH // 2
    if weights.shape[-1] <= beside:
        return weights
    padded = np.pad(weights, ((0, 0), (0, 0), (beside, beside)), mode="reflect")
    around = np.lib.stride_tricks.sliding_window_view(padded, MEDIAN_WIDTH, axis=-1)
    middle: Float32 = np.partition(around, beside, axis=-1)[..., beside]
    return middle


def warp(cost: Float32) -> tuple[Int64, Int64]:
    """Return rows and columns of the cheapest path through a table, from its first to its last cell.

    Of sums that are equal it takes what openai/whisper takes, so that times are the same to the last state.

    Parameters
    ----------
    cost : float [n_rows, n_columns]
        Filled diagonal by diagonal, in n_rows * n_columns bytes and a few diagonals beside them.
    """
    n, m = cost.shape
    came = np.full((n + 1, m + 1), 2, np.int8)  # 0: from both, 1: from the row above, 2: from the column before
    came[:, 0] = 1
    two, before = np.full(n + 1, np.inf), np.full(n + 1, np.inf)  # sums of the last two diagonals, by row
    two[0] = 0.0
    for diagonal in range(2, n + m + 1):
        low, high = max(1, diagonal - m), min(n, diagonal - 1)
        row = np.arange(low, high + 1)
        both, above, left = two[low - 1 : high], before[low - 1 : high], before[low : high + 1]
        step = np.where((both < above) & (both < left), 0, np.where((above < both) & (above < left), 1, 2))
        least = np.choose(step, (both, above, left))
        now = np.full(n + 1, np.inf)
        now[low : high + 1] = cost[row - 1, diagonal - row - 1] + least
        came[row, diagonal - row] = step
        two, before = before, now
    return _back(came)


def _back(came: np.ndarray[tuple[int, int], np.dtype[np.int8]]) -> tuple[Int64, Int64]:
    i, j = came.shape[0] - 1, came.shape[1] - 1
    rows, columns = [], []
    came[0, :] = 2
    while i > 0 or j > 0:
        rows.append(i - 1)
        columns.append(j - 1)
        step = came[i, j]
        i, j = i - (step != 2), j - (step != 1)
    return np.array(rows[::-1], np.int64), np.array(columns[::-1], np.int64)


def split_words(pieces: Sequence[bytes], language: str = "") -> tuple[tuple[int, int], ...]:
    r"""Return the tokens [first, stop) of each word; a mark belongs to the word that it stands at.

    Examples
    --------
    >>> split_words([b" \xc5\xa1", b"to", b",", b" \xe2\x80\x9c", b" da"])
    ((0, 3), (3, 5))
    """
    whole = _characters(pieces)
    words: list[tuple[int, int]] = []
    for begin, end in whole:
        text = b"".join(pieces[begin:end]).decode("utf-8", "replace")
        alone = language in UNSPACED or text.startswith(" ") or not words
        words.append((begin, end)) if alone else words.append((words.pop()[0], end))
    return _with_marks(pieces, words)


def _characters(pieces: Sequence[bytes]) -> list[tuple[int, int]]:
    """Return runs of tokens that hold whole characters of UTF-8 only, as short as can be."""
    found, first, held = [], 0, b""
    for number, piece in enumerate(pieces):
        held += piece
        try:
            held.decode("utf-8")
        except UnicodeDecodeError as error:
            if error.reason == "unexpected end of data":  # the next token may go on with it
                continue
        found.append((first, number + 1))
        first, held = number + 1, b""
    return [*found, (first, len(pieces))] if first < len(pieces) else found


def _with_marks(pieces: Sequence[bytes], words: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Give opening marks to the word behind them, and closing ones to that before."""

    def text(word: tuple[int, int]) -> str:
        return b"".join(pieces[word[0] : word[1]]).decode("utf-8", "replace")

    kept: list[tuple[int, int]] = []
    opening: int | None = None
    for word in words:
        said = text(word)
        if said.startswith(" ") and said.strip() and said.strip() in _PREPENDED:
            opening = word[0] if opening is None else opening
            continue
        if opening is None and kept and not said.startswith(" ") and said.strip() and said.strip() in _APPENDED:
            kept[-1] = (kept[-1][0], word[1])
            continue
        kept.append((word[0] if opening is None else opening, word[1]))
        opening = None
    return tuple(kept if opening is None else [*kept, (opening, words[-1][1])])


def _shortened(words: list[TimedWord]) -> list[TimedWord]:
    """Cut words beside the end of a sentence, and the first one, that are longer than words are: they hold a pause."""
    lengths = [word.end - word.start for word in words if word.end > word.start]
    if not lengths:
        return words
    longest = _LONGEST * min(_USUAL_S, float(np.median(lengths)))
    kept: list[TimedWord] = []
    for number, word in enumerate(words):
        if word.end - word.start > longest:
            if word.text[-1:] in _ENDS:
                word = TimedWord(word.text, word.start, word.start + longest, word.probability)
            elif number == 0 or words[number - 1].text[-1:] in _ENDS:
                word = TimedWord(word.text, word.end - longest, word.end, word.probability)
        kept.append(word)
    return kept


def _joined(words: list[TimedWord]) -> tuple[TimedWord, ...]:
    """Hold the times to go forward; rounding may have moved one by a hair."""
    kept: list[TimedWord] = []
    for word in words:
        start = max(word.start, kept[-1].end) if kept else max(0.0, word.start)
        kept.append(TimedWord(word.text, start, max(start, word.end), word.probability))
    return tuple(kept)
