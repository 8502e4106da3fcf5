"""Every format of a Whisper model on windows of 30 s: size, memory and seconds of each, as a Markdown table.

Run it on a package: python benchmarks/whisper_packages.py FOLDER. Without a folder it makes one of random weights in
the shape of whisper-tiny, or another (--shape width,heads,layers): it says nothing, and takes as long as any.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from melisma.evaluate.whisper_formats import (
    CTRANSLATE2_FOLDER,
    FLOAT32,
    INT8,
    ONNX,
    ONNX_FOLDER,
    STOCK,
    formats_of,
    opened,
)


def made(folder: Path, shape: str) -> Path:
    """Write a model of random weights with its conversions."""
    import transformers

    from melisma.train.whisper.ctranslate2_export import write_ctranslate2
    from melisma.train.whisper.generation import settle
    from melisma.train.whisper.network import load
    from melisma.train.whisper.onnx_export import write_onnx
    from melisma.train.whisper.processor import NewVocabulary, new_processor, save_processor

    width, heads, layers = map(int, shape.split(","))
    processor = new_processor(["dobar dan svijete, čekam te na kolodvoru"] * 4, NewVocabulary(400))
    tokenizer = processor.tokenizer
    end, start = (tokenizer.convert_tokens_to_ids(f"<|{each}|>") for each in ("endoftext", "startoftranscript"))
    sizes = {f"{side}_{name}": n for side in ("encoder", "decoder") for name, n in (("layers", layers),)}
    sizes |= {f"{side}_attention_heads": heads for side in ("encoder", "decoder")}
    sizes |= {f"{side}_ffn_dim": 4 * width for side in ("encoder", "decoder")}
    marks = {"pad_token_id": end, "bos_token_id": end, "eos_token_id": end, "decoder_start_token_id": start}
    config = transformers.WhisperConfig(vocab_size=len(tokenizer), d_model=width, **sizes, **marks)
    model = transformers.WhisperForConditionalGeneration(config)
    settle(model, processor, ["hr"], "transcribe")
    model.save_pretrained(folder)
    save_processor(processor, folder)
    write_ctranslate2(folder)
    write_onnx(load(folder).eval(), folder)
    return folder


def size_mb(folder: Path, name: str) -> float:
    """Return the bytes that a format needs on the disk, in MB."""
    inside = {FLOAT32: CTRANSLATE2_FOLDER, INT8: CTRANSLATE2_FOLDER, STOCK: CTRANSLATE2_FOLDER, ONNX: ONNX_FOLDER}
    files = (folder / inside[name]).glob("*") if name in inside else folder.glob("*.safetensors")
    return sum(path.stat().st_size for path in files) / 1e6


def one(folder: Path, name: str, n: int) -> None:
    """Hear n windows with one format, and print its row; a process of its own, so that its memory is its own."""
    sound = np.random.default_rng(0).normal(0, 0.1, 480_000).astype(np.float32)
    since = time.perf_counter()
    with opened(name, folder) as hear:
        hear(sound[:16_000], "hr")
        loaded = time.perf_counter() - since
        since = time.perf_counter()
        for _ in range(n):
            hear(sound, "hr")
        took = (time.perf_counter() - since) / n
    status = Path("/proc/self/status").read_text(encoding="ascii")  # getrusage would tell the peak of the parent too
    peak = int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1]) / 1024
    print(f"| {name} | {size_mb(folder, name):.0f} | {loaded:.1f} | {took:.2f} | {30 / took:.1f} | {peak:.0f} |")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("-n", type=int, default=3)
    parser.add_argument("--shape", default="384,6,4")
    parser.add_argument("--format", default="")
    given = parser.parse_args()
    if given.format:
        one(given.folder, given.format, given.n)
        return
    with tempfile.TemporaryDirectory() as place:
        folder = given.folder or made(Path(place), given.shape)
        print("| format | MB on disk | s to load | s a window of 30 s | times real time | MB of memory |")
        print("|---|---|---|---|---|---|", flush=True)
        for name in formats_of(folder):
            command = [sys.executable, __file__, str(folder), "-n", str(given.n), "--format", name]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
