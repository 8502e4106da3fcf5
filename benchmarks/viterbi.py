"""Our Viterbi beside torchaudio's `forced_align` in C++, in one process, on one thread: times and paths.

torchaudio wants an environment of its own, with a torch that matches it:

    python -m venv ta && ta/bin/pip install torchaudio==2.8.0 torch==2.8.0 numpy && ta/bin/pip install --no-deps -e .
    ta/bin/python benchmarks/viterbi.py

Both get the same emission: frames of blanks with a token's label standing out for one to three frames here and there,
as a trained CTC model gives them. Times are those of the processor, so that other work beside it counts for little.

Ties: of equally good ways into a state ours takes that of staying, then that through the blank, then the skip.
torchaudio 2.8 stays, too, where blank and skip score exactly alike and *better* than staying, which in float32 happens
now and then and makes its path the worse one. So paths are compared with torchaudio's in float64, where no two ways of
such an emission score alike, and must be equal, frame by frame; what its path in float32 loses is shown beside it.
"""

from __future__ import annotations

import argparse
import platform
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from melisma.aligner.viterbi import viterbi
from melisma.core.records import Float32, Int64, Tokens

MINUTES, TOKENS_PER_S = 3, 1500 / 180


def emission(n_frames: int, n_labels: int, n_tokens: int, seed: int) -> tuple[Float32, Int64]:
    """Make up what a CTC model hears of so many tokens, some of them twice in a row."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(1, n_labels, n_tokens)
    logits = rng.normal(0, 1.5, (n_frames, n_labels)).astype(np.float32)
    logits[:, 0] += 4
    for first, label in zip(np.sort(rng.choice(n_frames - 4, n_tokens, replace=False)), ids, strict=True):
        logits[first : first + rng.integers(1, 4), label] += 6 + rng.normal(0, 1.5)
    logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return logits, ids


def timed(run: Callable[[], Any], repeats: int) -> tuple[Any, float, float]:
    """Return the result, the least and the median time in milliseconds; one run before goes unmeasured."""
    found = run()
    spent = []
    for _ in range(repeats):
        begin = time.process_time()
        run()
        spent.append(1000 * (time.process_time() - begin))
    return found, min(spent), float(np.median(spent))


def labels_of(states: Int64, ids: Int64) -> Int64:
    """Return the label of every frame of a path."""
    return np.where(states % 2 == 0, 0, ids[np.minimum(states // 2, len(ids) - 1)])


def compare(stride_ms: int, n_labels: int, seed: int, repeats: int) -> str:
    """Run both on one emission and return a row of the table; AssertionError where the paths differ."""
    import torch
    from torchaudio.functional import forced_align

    seconds = 60 * MINUTES
    log_probs, ids = emission(1000 * seconds // stride_ms, n_labels, round(TOKENS_PER_S * seconds), seed)
    tokens = Tokens(ids, np.arange(len(ids)), np.zeros(len(ids), np.int64))
    batch, targets = torch.from_numpy(log_probs)[None], torch.from_numpy(ids)[None]
    (theirs, _), least, median = timed(lambda: forced_align(batch, targets, blank=0), repeats)
    ours, our_least, our_median = timed(lambda: viterbi(log_probs, tokens), repeats)
    found = labels_of(ours.states, ids)
    exact = forced_align(batch.double(), targets, blank=0)[0][0].numpy()
    if not np.array_equal(found, exact):
        raise AssertionError(f"the paths differ in {np.count_nonzero(found != exact)} frames")
    other = theirs[0].numpy() != found
    behind = log_probs[other, found[other]].sum() - log_probs[other, theirs[0].numpy()[other]].sum()
    if behind < 0:
        raise AssertionError("torchaudio's path is the better one")
    tie = f"{np.count_nonzero(other)} frames other, {behind:.3f} nats behind" if other.any() else "the same"
    return (
        f"| {len(log_probs):,} of {stride_ms} ms | {n_labels} | {seed} | {least:.1f} / {median:.1f} "
        f"| {our_least:.1f} / {our_median:.1f} | {our_least / least:.2f} | equal | {tie} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--seeds", type=int, default=3)
    wanted = parser.parse_args()
    import torch
    import torchaudio

    warnings.simplefilter("ignore")  # torchaudio says at every call that it is frozen
    torch.set_num_threads(1)
    print(f"torchaudio {torchaudio.__version__}, NumPy {np.__version__}, {platform.machine()}, one thread\n")
    print("| frames | labels | seed | torchaudio, ms: least / median | ours | ratio | paths | torchaudio in float32 |")
    print("|---|---|---|---|---|---|---|---|")
    for stride_ms, n_labels in ((20, 32), (20, 50), (30, 52)):
        for seed in range(wanted.seeds):
            print(compare(stride_ms, n_labels, seed, wanted.repeats), flush=True)


if __name__ == "__main__":
    main()
