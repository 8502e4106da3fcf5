"""Voices built on recordings, from Debian's flite and festival: spoken takes with the phone times that they report.

Only voices whose licence lets anyone use, change and pass on without a condition on what is made with them: see the
table in the documentation of the training. Their phones are their own dictionaries', not those of the
grapheme-to-phoneme step, and are what is heard; times are the programs', with the closure before a stop cut off.
"""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from melisma.core.errors import InputError, MissingDependency
from melisma.core.records import Float32
from melisma.train.aligned_folder import Utterance, check_hours, write_audio, write_manifest
from melisma.train.fresh_folder import fresh_folder
from melisma.train.takes import Span, Take, take_of
from melisma.train.texts import Text

log = logging.getLogger(__name__)

_TIMEOUT_S = 60.0
_PAUSES = frozenset(("pau", "h#", "brth", "ssil"))
_LEFT_OUT_MOST = 0.5  # of the takes: more than this says that the program is broken

# The phones of CMU's American English voices.
_ENGLISH = {
    **{"aa": "ɑ", "ae": "æ", "ah": "ʌ", "ao": "ɔ", "aw": "a ʊ", "ax": "ə", "axr": "ɚ", "ay": "a ɪ", "eh": "ɛ"},
    **{"er": "ɚ", "ey": "e ɪ", "ih": "ɪ", "ix": "ɪ", "iy": "i", "ow": "o ʊ", "oy": "ɔ ɪ", "uh": "ʊ", "uw": "u"},
    **{"b": "b", "ch": "t ʃ", "d": "d", "dh": "ð", "dx": "ɾ", "el": "ə l", "em": "ə m", "en": "ə n", "f": "f"},
    **{"g": "ɡ", "hh": "h", "hv": "h", "jh": "d ʒ", "k": "k", "l": "l", "m": "m", "n": "n", "nx": "n", "ng": "ŋ"},
    **{"p": "p", "r": "ɹ", "s": "s", "sh": "ʃ", "t": "t", "th": "θ", "v": "v", "w": "w", "y": "j", "z": "z", "zh": "ʒ"},
}
# The phones of festvox-ru: soft consonants are doubled, as are stressed vowels.
_RUSSIAN = {
    **{"ii": "i", "yy": "ɨ", "uu": "u", "ee": "ɛ", "oo": "o", "aa": "a", "a": "ʌ", "e": "ɪ", "i": "i", "y": "ɨ"},
    **{"u": "u", "ae": "ə", "ay": "ɪ", "ur": "ʊ", "c": "t s", "ch": "t ɕ", "sh": "ʃ", "sch": "ɕ", "zh": "ʒ", "j": "j"},
    **{"g": "ɡ", "gg": "ɡ", "h": "x", "hh": "x"},
    **{c: c for c in "pbtdkfvszmnlr"},
    **{2 * c: c for c in "pbtdkfvszmnlr"},
}
_STOPS = frozenset("ptkbdɡ")


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice of one of the two programs.

    `package` is Debian's; `phones` spells the voice's phones in labels, several with a space between.
    """

    program: str  # flite or festival
    name: str
    language: str
    package: str
    license: str
    phones: Mapping[str, str]


_FREE = "permissive (CMU)"
VOICES = (
    *(Voice("flite", name, "en", "flite", _FREE, _ENGLISH) for name in ("kal16", "awb", "rms", "slt")),
    Voice("festival", "kal_diphone", "en", "festvox-kallpc16k", _FREE, _ENGLISH),
    Voice("festival", "ked_diphone", "en", "festvox-kdlpc16k", "permissive (CSTR)", _ENGLISH),
    Voice(
        "festival", "cmu_us_slt_arctic_hts", "en", "festvox-us-slt-hts", "permissive (CMU) and BSD-3-Clause", _ENGLISH
    ),
    Voice("festival", "msu_ru_nsh_clunits", "ru", "festvox-ru", "permissive (N. Shmyrev)", _RUSSIAN),
)

# Festival reads a program: only what cannot end a string goes into it.
_SPEAKABLE = {"en": re.compile(r"[^A-Za-z' ]+"), "ru": re.compile(r"[^А-Яа-яЁё ]+")}
_SCRIPT = """(voice_{name})
(let ((utterance (utt.synth (eval (list 'Utterance 'Text "{text}")))))
  (utt.save.segs utterance "{folder}/take.lab")
  (utt.save.wave utterance "{folder}/take.wav" 'riff))
"""


def speak_texts(texts: Sequence[Text], out: Path, *, hours: float, seed: int) -> Path:
    """Let the voices that are installed read texts, each voice as long as the others, and write an aligned folder.

    A voice that is not installed is left out with a warning that names its package.

    Parameters
    ----------
    texts : sequence of Text
        Those in English and Russian are read.
    out : Path
        The folder to make; it must not exist, or be empty.
    hours : float
        Of speech.
    seed : int

    Returns
    -------
    Path
        The manifest.

    Raises
    ------
    InputError
        If no text is in a language of a voice, the hours are no positive number, or most takes come to nothing.
    MissingDependency
        If no voice is installed.
    OutputError
        If the folder is in use or cannot be written.
    """
    check_hours(hours)
    of = {language: [text for text in texts if text.language == language] for language in _SPEAKABLE}
    voices = [voice for voice in VOICES if of[voice.language] and _installed(voice)]
    if not any(of.values()):
        raise InputError(f"none of the texts is in a language of these voices: {', '.join(sorted(_SPEAKABLE))}")
    if not voices:
        raise MissingDependency("no voice of flite or festival is installed: apt-get install flite festvox-kallpc16k")
    with fresh_folder(out) as folder:
        rows: list[Utterance] = []
        for k, voice in enumerate(voices):
            rng = np.random.default_rng([seed, k])
            rows += _read(voice, of[voice.language], hours * 3600 / len(voices), folder, rng)
        write_manifest(folder, rows)
    return out / "manifest.jsonl"


def _installed(voice: Voice) -> bool:
    """Tell whether a voice can be had; say so where it cannot."""
    try:
        if voice.program == "flite":
            found = voice.name in _run(["flite", "-lv"]).split()
        else:
            found = voice.name in _run(["festival", "--batch", "(print (voice.list))"])
    except InputError:
        found = False
    if not found:
        log.warning("left out the voice %s of %s: apt-get install %s", voice.name, voice.program, voice.package)
    return found


def _read(
    voice: Voice, texts: Sequence[Text], seconds: float, folder: Path, rng: np.random.Generator
) -> list[Utterance]:
    rows: list[Utterance] = []
    done, left_out = 0.0, 0
    while done < seconds:
        text = texts[int(rng.integers(len(texts)))]
        words = " ".join(_SPEAKABLE[voice.language].sub(" ", text.words).split())
        margins = float(rng.uniform(0.0, 0.3)), float(rng.uniform(0.0, 0.3))
        try:
            take = say(voice, words, float(10 ** (rng.uniform(-12, -1) / 20)), margins)
        except InputError as error:
            left_out += 1
            log.debug("left out %r: %s", words, error)
            if left_out > 10 and left_out > _LEFT_OUT_MOST * (len(rows) + left_out):
                raise InputError(f"most takes of the voice {voice.name} come to nothing: {error}") from error
            continue
        name = f"{voice.program}-{voice.name}-{len(rows):04d}"
        rows.append(
            Utterance(
                id=f"{voice.program}/{name}",
                audio=f"{voice.name}/{name}.flac",
                transcript=words,
                duration=take.duration_s,
                language=voice.language,
                speaker_id=f"{voice.program}:{voice.name}",
                license=f"{voice.license}; words: {text.license}",
                source=f"Debian's {voice.package}; words: {text.source}",
                sung=False,
                phones=take.phones,
            )
        )
        write_audio(folder / rows[-1].audio, take.samples)
        done += take.duration_s
    if left_out:
        log.warning("%s: left out %d of %d takes", voice.name, left_out, left_out + len(rows))
    return rows


def say(voice: Voice, words: str, peak: float = 0.5, margins: tuple[float, float] = (0.0, 0.0)) -> Take:
    """Let a voice say words of letters and spaces.

    Raises
    ------
    InputError
        If there is nothing to say, the program fails or takes too long, or names a phone that no table knows.
    """
    if not words.strip() or _SPEAKABLE[voice.language].search(words):
        raise InputError(f"the voice {voice.name} cannot say {words!r}: give words of letters")
    with tempfile.TemporaryDirectory(prefix="melisma-") as scratch:
        wave = Path(scratch) / "take.wav"
        if voice.program == "flite":
            printed = _run(["flite", "-voice", voice.name, "-t", words, "-psdur", "-o", str(wave)])
            ends = [(label, float(end)) for label, _, end in (pair.rpartition(":") for pair in printed.split())]
        else:
            script = Path(scratch) / "take.scm"
            script.write_text(_SCRIPT.format(name=voice.name, text=words, folder=scratch), encoding="utf-8")
            _run(["festival", "--batch", str(script)])
            rows = [line.split() for line in _text(Path(scratch) / "take.lab").splitlines()]
            ends = [(row[2], float(row[0])) for row in rows if len(row) == 3]
        try:
            samples, rate = soundfile.read(wave, dtype="float32")
        except (OSError, soundfile.SoundFileError) as error:
            raise InputError(f"{voice.program} made no sound of {words!r}") from error
    if not np.any(samples) or not ends:
        raise InputError(f"{voice.program} made no sound of {words!r}")
    return take_of(samples, _spans(ends, voice, samples, rate), rate, peak, margins)


def _run(command: list[str]) -> str:
    """Run a program and return what it prints."""
    if shutil.which(command[0]) is None:
        raise InputError(f"{command[0]} is not installed: apt-get install {command[0]}")
    try:
        done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=True, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired as error:
        raise InputError(f"{command[0]} takes longer than {_TIMEOUT_S:.0f} s") from error
    except (OSError, subprocess.CalledProcessError) as error:
        raise InputError(f"{command[0]} failed: {error}") from error
    return done.stdout.decode("utf-8", "replace")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("festival wrote no phones") from error


def _spans(ends: Sequence[tuple[str, float]], voice: Voice, samples: Float32, rate: int) -> list[Span]:
    """Spell the voice's phones in labels; a stop's closure becomes silence."""
    spans: list[Span] = []
    at = 0.0
    for phone, end in ends:
        start, at = at, min(end * rate, float(len(samples)))
        if phone in _PAUSES or at <= start:
            continue
        if phone not in voice.phones:
            raise InputError(f"the voice {voice.name} says a phone {phone!r} that no table knows")
        labels = voice.phones[phone].split()
        if labels[0] in _STOPS:
            start = float(_burst(samples, round(start), round(at), rate))
        step = (at - start) / len(labels)
        spans += [Span(label, start + i * step, start + (i + 1) * step) for i, label in enumerate(labels)]
    return spans


def _burst(samples: Float32, first: int, last: int, rate: int) -> int:
    """Return where a stop's burst begins: where its power, without the lows of a voice bar, rises most in 4 ms."""
    hop = max(1, round(0.002 * rate))
    sound = np.diff(samples[first:last].astype(np.float64), prepend=0.0)
    n = len(sound) // hop
    if n < 5:
        return first
    level = 10 * np.log10(np.square(sound[: n * hop]).reshape(n, hop).mean(axis=1) + 1e-9)
    # The last tenth belongs to what follows: a vowel's first swing rises as much.
    rise = (level[2:] - level[:-2])[: max(1, round(0.9 * n) - 2)]
    k = int(rise.argmax())
    return first + (k + 1) * hop if rise[k] > 6 else first
