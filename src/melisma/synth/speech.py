"""espeak-ng's sound, in process: samples, and the sample at which each phoneme begins to be heard."""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np

from melisma.core.errors import InputError
from melisma.core.records import Float32
from melisma.synth import borders
from melisma.text import espeak

SAMPLE_RATE = 22050  # Hz; what espeak-ng's formant synthesiser produces

# speak_lib.h, version 1.52: parameters, a flag of espeak_Synth, the event that names a phoneme.
_RATE, _PITCH, _RANGE, _WORD_GAP = 1, 3, 4, 7
_CHARS_UTF8 = 1
_EVENT_PHONEME = 7
_RINGING = "klatt"  # what the names of these timbres begin with


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class _Recorder:
    """Collects what espeak-ng hands to its callback; one for the process, since the library keeps only one."""

    def __init__(self) -> None:
        self.blocks: list[bytes] = []
        self.events: list[tuple[str, int]] = []
        self.callback = _Callback(self._take)

    def _take(self, wav: ctypes._Pointer[ctypes.c_short], n: int, events: ctypes._Pointer[_Event]) -> int:
        if wav and n > 0:
            self.blocks.append(ctypes.string_at(wav, 2 * n))
        i = 0
        while events[i].type:
            if events[i].type == _EVENT_PHONEME:
                self.events.append((events[i].id.decode("utf-8", "ignore"), events[i].sample))
            i += 1
        return 0

    def flush(self) -> tuple[bytes, tuple[tuple[str, int], ...]]:
        taken = b"".join(self.blocks), tuple(self.events)
        self.blocks.clear()
        self.events.clear()
        return taken


@cache
def _recorder() -> _Recorder:
    lib = espeak.library()
    lib.espeak_SetSynthCallback.argtypes = (_Callback,)
    lib.espeak_SetParameter.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int)
    lib.espeak_Synth.argtypes = (
        *(ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint, ctypes.c_uint),
        *(ctypes.c_void_p, ctypes.c_void_p),
    )
    recorder = _Recorder()
    lib.espeak_SetSynthCallback(recorder.callback)
    return recorder


def utter(
    text: str, code: str, variant: str, speed: int, pitch: int, *, pitch_range: int = 0, word_gap: int = 0
) -> tuple[Float32, tuple[tuple[str, int], ...]]:
    """Speak a text, cleaned as for `espeak.ipa` and in pieces as short, one after the other.

    Parameters
    ----------
    text : str
        Any text.
    code : str
        A code that `espeak.voice_code` returned.
    variant : str
        One of espeak-ng's timbres. Those with flutter or roughness do not repeat themselves.
    speed : int
        Words a minute.
    pitch : int
        From 0 to 99, on a scale of espeak-ng's own.
    pitch_range : int
        How far the pitch moves, from 0 (not at all) to 99.
    word_gap : int
        Pause between words in units of 10 ms at the usual speed.

    Returns
    -------
    samples : float32 [n_samples]
        Within ±1 at `SAMPLE_RATE`, the same for the same text every time if the timbre has no flutter.
    events : tuple of (str, int)
        IPA and the sample at which each phoneme begins to be heard (`borders.as_heard`); a pause has an empty name.
    """
    settings = (_RATE, speed), (_PITCH, pitch), (_RANGE, pitch_range), (_WORD_GAP, word_gap)
    parts = [np.zeros(0, np.float32)]
    events: list[tuple[str, int]] = []
    at = 0
    for piece in espeak.pieces(espeak.harmless(text)):
        data, found = _take(piece, code, variant, settings)
        parts.append(np.asarray(np.frombuffer(data, np.int16) / 32768, np.float32))
        events += [(name, at + sample) for name, sample in found]
        at += len(parts[-1])
    samples = np.concatenate(parts)
    return samples, borders.as_heard(samples, tuple(events), SAMPLE_RATE)


def _take(
    text: str, code: str, variant: str, settings: tuple[tuple[int, int], ...]
) -> tuple[bytes, tuple[tuple[str, int], ...]]:
    """Speak one piece: 16 bit samples, and the events as espeak-ng gives them."""
    raw = text.encode("utf-8", "replace")
    # Trills run through a counter modulo four that espeak-ng never resets: of the four ways to say the word take the
    # first in byte order, whatever was said before. Resonators of Klatt's timbres still ring from the word before:
    # there a round of takes goes by first, so that they ring from the word itself.
    rounds = 2 if variant.startswith(_RINGING) else 1
    with espeak.LOCK:
        recorder, lib = _recorder(), espeak.library()
        espeak.set_voice(code, variant)
        for parameter, value in settings:
            lib.espeak_SetParameter(parameter, value, 0)
        takes = []
        for _ in range(4 * rounds):
            recorder.flush()
            if lib.espeak_Synth(raw, len(raw) + 1, 0, 1, 0, _CHARS_UTF8, None, None) != 0:
                raise InputError(f"espeak-ng cannot speak {text!r}")
            takes.append(recorder.flush())
    return min(takes[-4:])
