"""MMS-300M, a network of wav2vec 2.0's kind that was taught romanised speech in 1,130 languages, through transformers.

The checkpoint is the one of Pratap et al., "Scaling Speech Technology to 1,000+ Languages", 2023, as
MahmoudAshraf/mms-300m-1130-forced-aligner publishes it for transformers. Its weights are CC BY-NC 4.0.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from melisma.engines._pretrained import PretrainedEngine
from melisma.engines._windows import WindowConfig
from melisma.engines.protocol import EngineFacts, Licence, Task
from melisma.models.pretrained import Checkpoint
from melisma.text.letters import Romaniser
from melisma.text.romanise import iso639_3, romanise

DEFAULT_MODEL = "MahmoudAshraf/mms-300m-1130-forced-aligner"
_WEIGHTS_MB = 1262  # 315 million parameters of 32 bits


class MmsCtcEngine(PretrainedEngine):
    """Romanised letters of any language, on a recording of any length.

    `facts.languages` is None: uroman writes any script in the 26 letters and the apostrophe that the network knows, and
    which languages it was taught is no limit to what it can time. `spell` refuses what is no language at all.

    Parameters
    ----------
    model : str, optional
        Id on the hub, or a folder; MELISMA_MMS_MODEL, or the checkpoint above, without one.
    revision : str, optional
        Branch, tag or commit; MELISMA_MMS_REVISION, or the newest, without one.
    device : str, optional
        auto, cpu, cuda, cuda:1 …; MELISMA_DEVICE, or auto, without one. 16-bit floats on a GPU.
    windows : WindowConfig, optional
        How recordings are cut.
    """

    def __init__(
        self,
        model: str | None = None,
        revision: str | None = None,
        device: str | None = None,
        windows: WindowConfig | None = None,
    ) -> None:
        wanted = model or os.environ.get("MELISMA_MMS_MODEL") or DEFAULT_MODEL
        commit = revision or os.environ.get("MELISMA_MMS_REVISION") or ""
        super().__init__(Checkpoint(wanted, commit), device, windows)

    @property
    def facts(self) -> EngineFacts:
        """What it says of itself; the licence is MMS's, whatever folder the model lies in."""
        return EngineFacts(
            name="mms_ctc",
            version="1",
            model_id=self.checkpoint.name,
            model_revision=self.checkpoint.found_revision(),
            licence=Licence("CC-BY-NC-4.0", commercial=False),
            task=Task.EMIT,
            sample_rate=self._rate(),
            device=self.device.name,
            memory_mb=self._memory_mb(_WEIGHTS_MB),
        )

    def _packages(self) -> Iterable[str]:
        return (*super()._packages(), "uroman")

    def _is_onnx(self) -> bool:
        return False

    def _romaniser(self) -> Romaniser:
        return romanise

    def _always_romanised(self) -> bool:
        return True

    def spell(self, word: str, language: str) -> Sequence[str]:
        """Return a word in Latin letters; UnknownName if there is no such language."""
        iso639_3(language)
        return super().spell(word, language)
