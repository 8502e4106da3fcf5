"""A trained vocoder to ONNX, held against torch before anybody hears it: `vocoder.onnx` and `vocoder.json`.

Beside them `vocoder.safetensors`, the same weights for torch, which other programs read without unpickling anything.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from melisma.core.errors import InputError, ModelError, OutputError
from melisma.core.files import make_folder, sha256_of, write_atomically
from melisma.core.records import Float32, Int64
from melisma.models.vocoder import file
from melisma.models.vocoder_onnx import F0, SAMPLES, SPEAKER, UNITS, OnnxNet, input_names
from melisma.models.vocoder_torch import TorchNet
from melisma.train.onnx_files import quiet_export
from melisma.units.clock import SAMPLE_RATE, STRIDE
from melisma.units.vocoders import FACTS, ONNX, SCHEMA, NetVocoder, facts_from
from melisma.units.voice import Spoken

WEIGHTS = f"vocoder{file.SAFETENSORS}"
_OPSET = 17
_TRACED = 37  # frames: none of the lengths that it is checked at
_LENGTHS = (1, 2, 50, 333)
_LARGEST = 2_000_000_000  # bytes of a protobuf file
LEAST_DB = 60.0  # of the network's sound over its difference from torch: a thousandth of the amplitude


@dataclass(frozen=True, slots=True)
class Parity:
    """How near an export is to torch: `whole_db` at once, `blocks_db` in blocks against at once; the least of cases."""

    whole_db: float
    blocks_db: float
    n_cases: int

    def as_dict(self) -> dict[str, Any]:
        """Return plain values; what is the same to the bit is null, for JSON knows no infinity."""
        return {name: value if np.isfinite(value) else None for name, value in asdict(self).items()}

    def check(self, least_db: float = LEAST_DB) -> None:
        """Refuse what is too far from torch.

        Raises
        ------
        ModelError
            The sentence says by how much.
        """
        for said, found in (("than torch says it", self.whole_db), ("in one piece than in blocks", self.blocks_db)):
            if not found >= least_db:
                raise ModelError(f"the export speaks otherwise {said}: {found:.1f} dB, and {least_db:g} are asked for")


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export has made: its file, its size in bytes, how many weights, and how near it is to torch."""

    path: Path
    size_bytes: int
    n_parameters: int
    parity: Parity


class _Graph(nn.Module):
    """A generator whose inputs are those that it looks at."""

    def __init__(self, net: nn.Module, names: list[str]) -> None:
        super().__init__()
        self.net, self.names = net, names

    def forward(self, *given: Tensor) -> Tensor:
        said = dict(zip(self.names, given, strict=True))
        samples: Tensor = self.net(said[UNITS], said.get(SPEAKER), said.get(F0))
        return samples


def export(checkpoint: Path, folder: Path) -> Exported:
    """Write `vocoder.onnx`, `vocoder.json` and `vocoder.safetensors` into a folder.

    Parameters
    ----------
    checkpoint : Path
        `vocoder_final.pt`, any checkpoint of a vocoder's training, or its safetensors.
    folder : Path
        Made where it is missing; an earlier export in it is replaced once the new one has been checked.

    Raises
    ------
    InputError
        If the checkpoint is none.
    ModelError
        If it cannot be exported, or the export does not say what torch says; nothing is left of it.
    OutputError
        If it cannot be written.
    """
    saved = file.read(checkpoint)
    facts = facts_from(saved.facts, checkpoint)
    n_parameters = sum(each.numel() for each in saved.net.parameters())
    if 4 * n_parameters > _LARGEST:
        raise InputError(f"the weights take {4e-9 * n_parameters:.1f} GB, and an ONNX file holds 2 GB")
    make_folder(folder)
    hidden = folder / f".melisma-{secrets.token_hex(8)}.onnx"
    try:
        trace(saved.net, hidden, speakers=bool(facts.speakers), with_f0=facts.with_f0)
        net = OnnxNet(hidden, speakers=bool(facts.speakers), with_f0=facts.with_f0)
        made = NetVocoder(facts, net, int(saved.net.context))
        parity = compare(NetVocoder(facts, TorchNet(saved.net), made.context), made)
        parity.check()
        about = {
            "schema": SCHEMA,
            "facts": facts.as_dict(),
            "context": made.context,
            "sha256": sha256_of(hidden),
            "source": sha256_of(checkpoint),
            "sample_rate": SAMPLE_RATE,
            "stride": STRIDE,
            "n_parameters": n_parameters,
            "shape": saved.shape.as_dict(),
            "parity": parity.as_dict(),
        }
        size = hidden.stat().st_size
        write_atomically(folder / WEIGHTS, file.as_safetensors(saved))
        os.replace(hidden, folder / ONNX)
    except OSError as error:
        raise OutputError(f"cannot write {folder / ONNX}: {error.strerror or error}") from error
    finally:
        hidden.unlink(missing_ok=True)
    said = json.dumps(about, ensure_ascii=False, indent=1) + "\n"
    write_atomically(folder / FACTS, said.encode("utf-8", "backslashreplace"))
    return Exported(folder / ONNX, size, n_parameters, parity)


def trace(net: nn.Module, path: Path, *, speakers: bool, with_f0: bool) -> None:
    """Write the ONNX file of a generator, unchecked.

    Raises
    ------
    ModelError
        If torch cannot export it.
    """
    names = input_names(speakers=speakers, with_f0=with_f0)
    given: dict[str, Tensor] = {
        UNITS: torch.zeros((1, _TRACED), dtype=torch.int64),
        SPEAKER: torch.zeros(1, dtype=torch.int64),
        F0: torch.full((1, _TRACED), 100.0),
    }
    axes: dict[str, dict[int, str]] = {UNITS: {1: "frames"}, F0: {1: "frames"}, SAMPLES: {1: "samples"}}
    try:
        with quiet_export(), torch.inference_mode():
            torch.onnx.export(
                _Graph(net, names).eval(),
                tuple(given[name] for name in names),
                str(path),
                input_names=names,
                output_names=[SAMPLES],
                dynamic_axes={name: axis for name, axis in axes.items() if name in (*names, SAMPLES)},
                opset_version=_OPSET,
                dynamo=False,  # the newer exporter needs another package, and fixes lengths that are divided
            )
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError(f"this network cannot be exported: {said[0][:200]}") from error


def compare(wanted: NetVocoder, made: NetVocoder) -> Parity:
    """Say the same with both, at lengths that nobody traced, with each kind of speaker and pitch."""
    rng = np.random.default_rng(0)
    whole, pieces, n_cases = [np.inf], [np.inf], 0
    for n in _LENGTHS:
        for spoken in _said(wanted, n, rng):
            units, speaker, f0 = wanted.checked(spoken)
            expected, found = wanted.net(units, speaker, f0), made.net(units, speaker, f0)
            whole.append(_apart_db(expected, found))
            pieces.append(_apart_db(found, _in_blocks(made, units, speaker, f0)))
            n_cases += 1
    return Parity(min(whole), min(pieces), n_cases)


def _said(vocoder: NetVocoder, n: int, rng: np.random.Generator) -> list[Spoken]:
    units = rng.integers(vocoder.facts.k, size=n).tolist()
    found = [Spoken(units)]
    if vocoder.facts.speakers:
        found += [Spoken(units, vocoder.facts.speakers[0]), Spoken(units, vocoder.facts.speakers[-1])]
    if vocoder.facts.with_f0:
        f0 = np.where(rng.random(n) < 0.3, 0, rng.uniform(70, 400, n)).astype(np.float32)
        found += [Spoken(units, f0_hz=f0)]
    return found


def _in_blocks(vocoder: NetVocoder, units: Int64, speaker: int, f0: Float32) -> Float32:
    """Speak in blocks of a few frames, each with its surroundings."""
    return np.concatenate(list(vocoder.spoken(units, speaker, f0, block=23)))


def _apart_db(expected: Float32, found: Float32) -> float:
    noise = float(np.square(expected.astype(np.float64) - found).sum())
    power = float(np.square(expected.astype(np.float64)).sum())
    if not np.isfinite(noise):
        return -np.inf
    return np.inf if noise == 0 else float(10 * np.log10(max(power, 1e-30) / noise))
