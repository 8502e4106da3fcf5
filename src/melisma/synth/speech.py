"""espeak-ng's sound, in process: samples, and the exact sample at which each phoneme begins."""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np

from melisma.core.errors import InputError
from melisma.core.records import Float32
from melisma.text import espeak

SAMPLE_RATE = 22050  # Hz; what espeak-ng's formant synthesiser produces

# speak_lib.h, version 1.52: parameters, a flag of espeak_Synth, the event that names a phoneme.
_RATE, _PITCH, _RANGE, _WORD_GAP = 1, 3, 4, 7
_CHARS_UTF8 = 1
_EVENT_PHONEME = 7


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


def utter(text: str, code: str, variant: str, speed: int, pitch: int) -> tuple[Float32, tuple[tuple[str, int], ...]]:
    """Speak a text on one pitch.

    Parameters
    ----------
    text : str
        Any text without NUL.
    code : str
        A code that `espeak.voice_code` returned.
    variant : str
        One of espeak-ng's timbres, without flutter or roughness: those are random and would not repeat.
    speed : int
        Words a minute.
    pitch : int
        From 0 to 99, on a scale of espeak-ng's own.

    Returns
    -------
    samples : float32 [n_samples]
        Within ±1 at `SAMPLE_RATE`, the same for the same text every time.
    events : tuple of (str, int)
        IPA and first sample of each phoneme; a pause has an empty name.
    """
    raw = text.replace("\0", " ").encode("utf-8", "replace")
    # Trills run through a counter modulo four that espeak-ng never resets: of the four ways to say the word take the
    # first in byte order, whatever was said before.
    with espeak.LOCK:
        recorder, lib = _recorder(), espeak.library()
        espeak.set_voice(code, variant)
        for parameter, value in ((_RATE, speed), (_PITCH, pitch), (_RANGE, 0), (_WORD_GAP, 0)):
            lib.espeak_SetParameter(parameter, value, 0)
        takes = []
        for _ in range(4):
            recorder.flush()
            if lib.espeak_Synth(raw, len(raw) + 1, 0, 1, 0, _CHARS_UTF8, None, None) != 0:
                raise InputError(f"espeak-ng cannot speak {text!r}")
            takes.append(recorder.flush())
    data, events = min(takes)
    return np.asarray(np.frombuffer(data, np.int16) / 32768, np.float32), events
