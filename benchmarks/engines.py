"""How long CTC engines listen to a minute of audio, and in how much memory: networks of real size with random weights.

    python benchmarks/engines.py [--minutes 4] [--size base|large]

Random weights take as long as trained ones. Each size runs in a process of its own, whose peak memory is its own too.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# wav2vec 2.0's two sizes: facebook/wav2vec2-base-960h, and the large one of MMS-300M.
SIZES = {
    "base": {
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "feat_extract_norm": "group",
    },
    "large": {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
        "feat_extract_norm": "layer",
        "do_stable_layer_norm": True,
        "conv_bias": True,
    },
}
SHARED = {"conv_dim": (512,) * 7, "num_conv_pos_embeddings": 128, "num_conv_pos_embedding_groups": 16}


def measure(size: str, minutes: float) -> None:
    """Save a network, and listen with it in another process."""
    from melisma.testing.checkpoints import RandomCtc, save_random_ctc

    with tempfile.TemporaryDirectory() as folder:
        more = tuple({**SHARED, **SIZES[size]}.items())
        path = save_random_ctc(Path(folder) / size, RandomCtc(more=more))
        subprocess.run([sys.executable, __file__, "--listen", str(path), "--minutes", str(minutes)], check=True)


def listen(folder: str, minutes: float) -> None:
    """Load a network and listen; print seconds and peak memory."""
    import numpy as np

    from melisma.core.records import Waveform
    from melisma.engines.wav2vec2 import Wav2Vec2Engine

    engine = Wav2Vec2Engine(folder)
    begin = time.perf_counter()
    engine.load()
    loaded = time.perf_counter()
    samples = np.random.default_rng(0).normal(0, 0.1, round(minutes * 60 * 16000)).astype(np.float32)
    before = time.process_time()
    emission = engine.emit(Waveform(samples, 16000))
    spent, cpu = time.perf_counter() - loaded, time.process_time() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
    facts = engine.facts
    print(
        json.dumps(
            {
                "device": facts.device,
                "n_frames": len(emission.log_probs),
                "load_s": round(loaded - begin, 1),
                "s_per_minute": round(spent / minutes, 1),
                "cpu_s_per_minute": round(cpu / minutes, 1),
                "peak_mb": round(peak),
                "memory_mb_said": facts.memory_mb,
            }
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--size", choices=[*SIZES, "all"], default="base")
    parser.add_argument("--listen", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.listen:
        listen(given.listen, given.minutes)
        return
    for size in SIZES if given.size == "all" else [given.size]:
        print(f"{size}:", flush=True)
        measure(size, given.minutes)


if __name__ == "__main__":
    main()
