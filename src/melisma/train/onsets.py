"""How far a model's onsets lie from where listeners hear a word begin, label by label, on speakers it never met.

People who time lyrics do not mark where the lips close for a p: they mark the beat of the syllable. Marcus (1981) put
it at 65 % of the way from the beginning of the syllable's consonants to its vowel. CTC speaks of a phone in one
spike, which comes late in a vowel and somewhere in a consonant. The difference is measured and taken off.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from melisma.aligner.viterbi import viterbi
from melisma.core.errors import InputError, TooFewFrames
from melisma.core.files import write_atomically
from melisma.core.records import Float32, Int64, Tokens
from melisma.text.g2p import EspeakG2P
from melisma.text.phones import INVENTORY, VOWELS
from melisma.train import augment
from melisma.train.corpus import Clip, Int16, Noise, UtteranceRow, load_speech, normalised, read_manifest
from melisma.train.rows import RowConfig, RowSampler, bend

BEAT = 0.65  # of the way from the first consonant to the vowel (Marcus, 1981, without the share of the vowel's length)
_LONGEST_S = 0.25  # from the first consonant to the beat
_FAR_S = 0.25  # further off is not late but lost
_SURE = 30.0  # words that weigh as much as what is known of the label's class

_CLASSES = {
    **dict.fromkeys(VOWELS, "vowel"),
    **dict.fromkeys("pbtdkɡʔ", "stop"),
    **dict.fromkeys("fvθðszʃʒçxɣhɕ", "fricative"),
    **dict.fromkeys("mnŋɲ", "nasal"),
}


def measure_onset_shifts(
    hear: Callable[[Float32], Float32],
    hops: int,
    manifest: Path,
    cache: Path,
    noises: Sequence[Noise],
    *,
    seed: int = 1,
    workers: int = 1,
) -> dict[str, float]:
    """Return the seconds to add to onsets, by the label that a word begins with.

    Parameters
    ----------
    hear : callable
        The model: normalised log-mels [n_frames, N_MELS] to log-probabilities [n_frames / hops, n_labels].
    hops : int
        Feature frames per frame of the model.
    manifest : Path
        Clips of held-out speakers, with phone times.
    cache : Path
        Folder of cached features.
    noises : sequence of Noise
        Music to hear them in.
    seed : int
        Of stretching and mixing.
    workers : int
        Processes that decode.

    Raises
    ------
    InputError
        If no word of the manifest could be timed.
    """
    config = RowConfig(stretch=1.0, music=1.0, snr_db=(0.0, 15.0))
    clips = {c.id: c for c in load_speech(manifest.parent, cache, frozenset(), workers, manifest.name)}
    sampler = RowSampler([(list(clips.values()), 1.0)], [(list(noises), 1.0)] if noises else [], config, seed)
    g2p = EspeakG2P()
    found: list[tuple[str, float]] = []
    for number, row in enumerate(read_manifest(manifest, UtteranceRow)):
        clip = clips.get(row.id)
        spelt = [len(g2p.phones(word, row.language)) for word in row.transcript.split()]
        if clip is None or clip.owners is None or sum(spelt) != len(clip.labels):
            continue  # a transcript spelt in another way than the times: nobody knows where its words begin
        rng = np.random.default_rng([seed, 17, number])
        log_power, owners = bend(clip, config, 1.0, rng)
        mixed = sampler.among_music(augment.power_of(log_power), augment.active_frames(log_power), 1.0, rng)
        starts = np.cumsum([0, *spelt[:-1]])[np.array(spelt) > 0]
        try:
            found += _late(hear(normalised(mixed)), hops, clip, owners, starts)
        except TooFewFrames:
            continue
    if not found:
        raise InputError(f"no word of {manifest} could be timed")
    return _shifts(found)


def _late(log_probs: Float32, hops: int, clip: Clip, owners: Int16, starts: Int64) -> list[tuple[str, float]]:
    """Return the label of every word's first phone, and by how many seconds its beat comes after the onset found."""
    labels = clip.labels
    path = viterbi(log_probs, Tokens(labels, np.zeros(len(labels), np.int64), np.zeros(1, np.int64)))
    heard = np.searchsorted(path.states, 2 * np.arange(len(labels)) + 1, "left") * hops / 100
    sounding = np.flatnonzero(owners >= 0)
    phones, first = np.unique(owners[sounding], return_index=True)
    begins = np.full(len(labels), np.nan)
    begins[phones] = sounding[first] / 100
    ends = np.append(starts[1:], len(labels))
    out: list[tuple[str, float]] = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        vowels = [k for k in range(start, end) if INVENTORY[labels[k] - 1] in VOWELS]
        to_vowel = begins[vowels[0]] - begins[start] if vowels else 0.0
        late = begins[start] + min(BEAT * to_vowel, _LONGEST_S) - heard[start]
        if abs(late) < _FAR_S:  # false for a phone that has no frame
            out.append((INVENTORY[labels[start] - 1], float(late)))
    return out


def _shifts(found: list[tuple[str, float]]) -> dict[str, float]:
    """Return the median per label, drawn towards that of its class where words are few."""
    by_class: dict[str, list[float]] = {}
    by_label: dict[str, list[float]] = {}
    for label, late in found:
        by_class.setdefault(_CLASSES.get(label, "approximant"), []).append(late)
        by_label.setdefault(label, []).append(late)
    out: dict[str, float] = {}
    for label in INVENTORY:
        kind = float(np.median(by_class.get(_CLASSES.get(label, "approximant"), [0.0])))
        own = by_label.get(label, [])
        weight = len(own) / (len(own) + _SURE)
        out[label] = round(weight * float(np.median(own or [0.0])) + (1 - weight) * kind, 4)
    return out


def write_onset_shifts(model: Path, shifts: dict[str, float]) -> None:
    """Put the shifts into the facts of a model, the JSON file beside `model`.

    Raises
    ------
    InputError
        If that file cannot be read.
    """
    path = model.with_suffix(".json")
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        facts["onset_shifts_s"] = shifts
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"cannot read the facts of the model, {path}: {error}") from error
    write_atomically(path, (json.dumps(facts, ensure_ascii=False, indent=1) + "\n").encode("utf-8"))
