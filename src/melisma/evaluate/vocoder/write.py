"""The folder of a test: sounds, the measures as JSON, and the page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from melisma.core.files import make_folder, write_atomically
from melisma.data import places, sound_file
from melisma.evaluate.vocoder import page
from melisma.evaluate.vocoder.result import ORIGINAL, SPOKEN_MEANS, VOCODER, Result
from melisma.evaluate.vocoder.run import Settings, Sounds, rate_vocoder
from melisma.scale.preview import on_this_machine
from melisma.scale.protocol import Executor

RESULT = "vocoder_test.json"
_FILES = {ORIGINAL: "orig", VOCODER: "synth", SPOKEN_MEANS: "copy"}
_OURS = re.compile(rf"({'|'.join(_FILES.values())})_\d{{4,}}\.wav")


def run(
    corpus: Path,
    vocoder: Path,
    out: Path,
    settings: Settings,
    tell: Callable[[str, float], None] = lambda *_: None,
    executor: Executor | None = None,
) -> Result:
    """Test a vocoder and write what came of it: `orig_0000.wav`, `synth_0000.wav`, …, `vocoder_test.json` and a page.

    Sounds of an earlier test in the folder are replaced, those with higher numbers removed.

    Raises
    ------
    InputError
        If there is nothing to test on.
    OutputError
        If the folder cannot be written.
    """
    places.check([corpus], out / RESULT, out / page.NAME)  # before hours of a baseline
    shelf = page.Shelf()
    written: set[str] = set()

    def keep(number: int, given: Sounds) -> None:
        for system, name in _FILES.items():
            place = out / f"{name}_{number:04}.wav"
            sound_file.write(place, [given.sounds[system]])
            written.add(place.name)
        shelf.keep(number, given)

    shared = None if executor is None or on_this_machine(executor) else out.absolute()
    if shared is not None:
        make_folder(shared)
    result = rate_vocoder(corpus, vocoder, settings, keep=keep, executor=executor, tell=tell, shared=shared)
    for path in out.iterdir():
        if _OURS.fullmatch(path.name) and path.name not in written:
            path.unlink(missing_ok=True)
    said = json.dumps(result.as_dict(), ensure_ascii=False, indent=1) + "\n"
    write_atomically(out / RESULT, said.encode("utf-8", "backslashreplace"))
    page.write(result, shelf, out)
    return result
