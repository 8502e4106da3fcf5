"""How a vocoder does on speech that it has not learnt from, and what that sounds and looks like."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from melisma.core.errors import MissingDependency
from melisma.core.files import write_atomically
from melisma.core.records import Float32, Int64
from melisma.models.vocoder.inputs import NOBODY
from melisma.models.vocoder.mel import JUDGED, LogMel, MelDistance
from melisma.train.vocoder.material import Material
from melisma.units.clock import SAMPLE_RATE

_LONGEST = 500  # frames of a recording that are listened to: ten seconds


class Judge:
    """Says held-out recordings and measures how far they are from the originals.

    Parameters
    ----------
    material : Material
        Whose first held-out recordings are taken.
    n_utterances : int
        How many at most.
    with_speaker : bool
        Whether the network is told who speaks, where it knows them.
    device : torch.device
        Where it runs.
    """

    def __init__(self, material: Material, n_utterances: int, with_speaker: bool, device: torch.device) -> None:
        self.material, self.device = material, device
        self.rows = material.held_out[:n_utterances]
        self.numbers = {name: n for n, name in enumerate(material.speakers, 1)} if with_speaker else {}
        self.distance = MelDistance((JUDGED,)).to(device)

    @torch.no_grad()
    def judge(self, net: Any) -> float:
        """Return the mean L1 distance of log-mels, weighted by length."""
        total = frames = 0.0
        for number in range(len(self.rows)):
            made, real = self.say(net, number)
            pair = [torch.from_numpy(each)[None].to(self.device) for each in (made, real)]
            total += float(self.distance(*pair)) * len(real)
            frames += len(real)
        return total / frames

    @torch.no_grad()
    def say(self, net: Any, number: int) -> tuple[Float32, Float32]:
        """Return what the network makes of a held-out recording, and the recording, float32 [n_samples] each."""
        row = self.rows[number]
        units, real, f0_hz = self.material.read(row, 0, min(row.n_frames, _LONGEST))
        who = np.array([self.numbers.get(row.speaker or "", NOBODY)], np.int64)
        told = [torch.from_numpy(each).to(self.device) for each in (units[None], who, f0_hz[None])]
        net.eval()
        made: Float32 = net(*told)[0].float().cpu().numpy()
        return made, real

    def frames(self, number: int) -> Int64:
        """Return the units of a held-out recording."""
        row = self.rows[number]
        return self.material.read(row, 0, min(row.n_frames, _LONGEST))[0]


def write_sample(folder: Path, name: str, made: Float32, real: Float32) -> None:
    """Write what was made as NAME.wav, and both spectrograms as NAME.png; without matplotlib there is no picture."""
    write_atomically(folder / f"{name}.wav", wav(made))
    try:
        picture = _picture((("made", made), ("recorded", real)))
    except MissingDependency:
        return
    write_atomically(folder / f"{name}.png", picture)


def wav(samples: Float32) -> bytes:
    """Return a 16-bit WAV file of samples at 16 kHz."""
    data = io.BytesIO()
    soundfile.write(data, np.clip(samples, -1, 1), SAMPLE_RATE, format="WAV", subtype="PCM_16")
    return data.getvalue()


def _picture(sounds: Sequence[tuple[str, Float32]]) -> bytes:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependency("pictures need matplotlib: pip install 'melisma[units]'") from error
    figure = Figure(figsize=(9, 5), dpi=100)
    figure.subplots_adjust(left=0.07, right=0.99, bottom=0.1, top=0.94, hspace=0.18)
    mel, shown = LogMel(*JUDGED), figure.subplots(len(sounds), 1, sharex=True)
    for axis, (title, samples) in zip(shown, sounds, strict=True):
        bands = mel(torch.from_numpy(samples)[None])[0].numpy()
        extent = (0, len(samples) / SAMPLE_RATE, 0, len(bands))
        axis.imshow(bands, origin="lower", aspect="auto", extent=extent, vmin=-11, vmax=2, cmap="magma")
        axis.set_title(title, loc="left", fontsize=10)
        axis.set_ylabel("mel band")
    shown[-1].set_xlabel("seconds")
    data = io.BytesIO()
    figure.savefig(data, format="png", metadata={"Software": None})
    return data.getvalue()
