"""Speak a few sentences into files with a manifest, so that a training can be tried where there is no corpus yet.

`python scripts/sample_corpus.py FOLDER` writes train.jsonl (8 utterances) and valid.jsonl (4, of other voices) there:
Bosnian, Croatian and Serbian, by espeak-ng. A model learns nothing of use from them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import soundfile

from melisma.core.files import make_folder
from melisma.data import manifest
from melisma.data.manifest import Utterance
from melisma.synth.speech import SAMPLE_RATE, utter
from melisma.text import espeak

SENTENCES = (
    ("hr", "Dobar dan, kako ste danas?"),
    ("hr", "Lijepo vrijeme traje već tri dana."),
    ("sr", "Lepo vreme traje već tri dana."),
    ("sr", "Добар дан, како сте данас?"),
    ("bs", "Vidimo se sutra u devet sati."),
    ("bs", "Rijeka teče kroz naš grad."),
    ("hr", "Tko pjeva, zlo ne misli."),
    ("sr", "Ко пева, зло не мисли."),
    ("hr", "Čaša vode i komad kruha."),
    ("sr", "Чаша воде и комад хлеба."),
    ("bs", "Sutra idemo na more."),
    ("bs", "Knjiga je na stolu."),
)
N_TRAIN = 8
VOICES = (("m1", 150, 40), ("f2", 160, 65), ("m3", 140, 35), ("f4", 170, 70))  # timbre, words a minute, pitch


def utterances(folder: Path) -> list[Utterance]:
    """Speak all sentences; those to validate on have voices of their own."""
    found = []
    for n, (language, text) in enumerate(SENTENCES):
        timbre, speed, pitch = VOICES[n % 2 + (2 if n >= N_TRAIN else 0)]
        samples, _ = utter(text, espeak.voice_code(language), timbre, speed, pitch, pitch_range=40)
        name = f"{n:02d}-{language}.wav"
        soundfile.write(folder / name, samples, SAMPLE_RATE, subtype="PCM_16")
        said = {"id": f"sample-{n:02d}", "audio": name, "duration": len(samples) / SAMPLE_RATE, "transcript": text}
        said |= {"language": language, "speaker_id": f"espeak-{timbre}", "license": "CC0-1.0", "source": "espeak-ng"}
        found.append(Utterance.model_validate(said))
    return found


def main(given: list[str]) -> None:
    """Write the corpus."""
    if len(given) != 1:
        sys.exit("usage: sample_corpus.py FOLDER")
    folder = Path(given[0])
    make_folder(folder)
    found = utterances(folder)
    manifest.write(folder / "train.jsonl", found[:N_TRAIN])
    manifest.write(folder / "valid.jsonl", found[N_TRAIN:])


if __name__ == "__main__":
    main(sys.argv[1:])
