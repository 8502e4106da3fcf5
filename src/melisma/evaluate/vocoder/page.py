"""The page of a test: verdict, measures, and every sample to be heard and seen beside its recording."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from string import Template

import numpy as np
import soundfile

from melisma.core.files import write_atomically
from melisma.core.page_head import page_head
from melisma.core.page_policy import page_policy
from melisma.core.records import Float32
from melisma.evaluate.asr_report.markup import Markup, clock, element, join, table, text
from melisma.evaluate.vocoder import picture
from melisma.evaluate.vocoder.result import MEANS, NOISE, ORIGINAL, SPOKEN_MEANS, VOCODER, Rated, Result, Sample
from melisma.evaluate.vocoder.run import Sounds
from melisma.metrics.synthesis import Scores
from melisma.units.clock import SAMPLE_RATE

NAME = "index.html"
SHOWN = 50  # samples; three sounds of five seconds take 400 kB
_LONGEST_S = 15.0  # of a sound inside the page
HEARD = {ORIGINAL: "Recording", VOCODER: "Vocoder", SPOKEN_MEANS: "Copy-mean"}
_SYSTEMS = {
    VOCODER: "vocoder",
    MEANS: "copy-mean, as spectra",
    SPOKEN_MEANS: "copy-mean, spoken",
    NOISE: "noise",
    ORIGINAL: "the recordings",
}
_COLUMNS = {
    "mcd_db": ("MCD, dB", 2),
    "mcd_dtw_db": ("with DTW", 2),
    "log_mel": ("log-mel", 3),
    "snr_db": ("SNR, dB", 1),
    "f0_cents": ("F0, cents", 0),
    "f0_hz": ("F0, Hz", 1),
    "f0_gross": ("F0 gross", 2),
    "voicing_error": ("voicing", 2),
    "length_ratio": ("length", 3),
}


@dataclass(slots=True)
class Shelf:
    """What is heard and seen of the first samples, as addresses, by number and system."""

    sounds: dict[int, dict[str, tuple[str, str]]] = field(default_factory=dict)

    def keep(self, number: int, given: Sounds) -> None:
        """Take the sounds of a sample."""
        if number >= SHOWN:
            return
        top = picture.loudest(given.sounds[ORIGINAL])
        self.sounds[number] = {
            name: (_sound(given.sounds[name]), picture.spectrogram(_cut(given.sounds[name]), top)) for name in HEARD
        }


def write(result: Result, shelf: Shelf, folder: Path) -> Path:
    """Write the page into a folder; return it.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    write_atomically(folder / NAME, page(result, shelf).encode("ascii", "xmlcharrefreplace"))
    return folder / NAME


def page(result: Result, shelf: Shelf) -> str:
    """Return one HTML document that fetches nothing; what others wrote is text in it."""
    style, script = _part("page.css"), _part("page.js")
    policy = text(page_policy(script, style, media_src="data:", img_src="data:"))
    return Template(_part("page.html")).substitute(
        head=page_head(policy, "Vocoder test", style, drawn="M3 11l3-4 3 2 4-5"),
        name="Vocoder test",
        script=script,
        lead=_lead(result),
        verdict=_verdict(result),
        measures=_measures(result),
        samples=_samples(result, shelf),
        how=_how(result),
    )


def _lead(result: Result) -> Markup:
    whose = "held out of the training" if result.held_out else "that may have been learnt from"
    seconds = sum(each.seconds for each in result.samples)
    said = (
        f"{result.facts.kind}, {result.facts.k} units of {result.facts.encoder.name}: {len(result.samples)} samples, "
        f"{clock(seconds)} of speech {whose}. One second takes {1000 * result.real_time_factor:.0f} ms "
        f"on {result.threads} thread{'s' * (result.threads != 1)}."
    )
    return element("p", said, class_="quiet")


def _verdict(result: Result) -> Markup:
    rows = [
        element(
            "tr",
            element("th", each.name, scope="row"),
            element("td", _chip(each.met)),
            element("td", _number(each.found, 2)),
            element("td", each.limit),
        )
        for each in result.verdict
    ]
    said = (
        "The first three limits are those of the pipeline's document. A vocoder makes its own phases, not those of "
        "the recording, so its SNR stays near 0 dB however well it sounds: the last three say more."
    )
    remarks = (element("p", f"{each[0].upper()}{each[1:]}.", class_="remark") for each in result.remarks)
    head = ("criterion", "verdict", "found", "limit")
    return join((*remarks, table(head, rows), element("p", said, class_="quiet small")))


def _chip(met: bool) -> Markup:
    return element("span", "met" if met else "not met", class_=f"chip {'good' if met else 'bad'}")


def _measures(result: Result) -> Markup:
    heads = ["system", *(head for head, _ in _COLUMNS.values()), "units wrong", "unit edits"]
    rows = []
    for name, label in _SYSTEMS.items():
        means = result.means(name)
        if not means.n:
            continue
        cells = [element("td", _number(means.scores[key], digits)) for key, (_, digits) in _COLUMNS.items()]
        cells += [element("td", _number(each, 3)) for each in (means.unit_error, means.unit_edits)]
        rows.append(element("tr", element("th", label, scope="row"), *cells))
    said = (
        f"Units drawn as often as they are said would be wrong in {result.chance:.3f} of the frames. Copy-mean is what "
        f"each unit is on average over {clock(result.baseline_s)} of other recordings: as spectra, which is the best "
        "that it can be, and spoken by WORLD."
    )
    return join((table(heads, rows), element("p", said, class_="quiet small")))


def _samples(result: Result, shelf: Shelf) -> Markup:
    keys = " ".join(f"{element('kbd', key)} {said}" for key, said in _KEYS)
    hint = element("p", Markup(keys), class_="quiet small needs-script", hidden=True)
    more = len(result.samples) - len(shelf.sounds)
    rest = element("p", f"{more} more are in the folder of this page.", class_="quiet") if more else None
    cards = (_card(each, i, shelf.sounds[i]) for i, each in enumerate(result.samples) if i in shelf.sounds)
    return join((hint, *cards, rest))


_KEYS = (
    ("j", "next"),
    ("k", "previous"),
    ("1", "recording"),
    ("2", "vocoder"),
    ("3", "copy-mean"),
    ("t", "light or dark"),
)


def _card(sample: Sample, number: int, sounds: dict[str, tuple[str, str]]) -> Markup:
    said = [clock(sample.seconds)]
    if sample.speaker:
        said.append(f"said by {sample.speaker}")
    if sample.spoken_as:
        said.append(f"said again as {sample.spoken_as}")
    figures = [
        element(
            "figure",
            element("figcaption", label),
            Markup(f'<img alt="{text(f"Spectrogram: {label}")}" src="{text(sounds[name][1])}">'),
            element("audio", controls=True, preload="none", src=sounds[name][0], aria_label=f"{label}, {sample.id}"),
            element("p", _figures(sample.rated.get(name)), class_="small quiet"),
        )
        for name, label in HEARD.items()
    ]
    head = element("h3", f"{number:04} ", element("bdi", sample.id))
    about = element("p", join(_spaced(said)), class_="small quiet")
    grid = element("div", *figures, class_="sounds")
    return element("article", head, about, grid, class_="sample", id=f"sample-{number}", tabindex=-1)


def _spaced(said: list[str]) -> list[Markup]:
    return [element("bdi", each) if i == 0 else join((" · ", element("bdi", each))) for i, each in enumerate(said)]


def _figures(rated: Rated | None) -> str:
    if rated is None:
        return ""
    said = []
    scores: Scores | None = rated.scores
    if scores is not None:
        said += [f"MCD {scores.mcd_db:.2f} dB", f"log-mel {scores.log_mel:.2f}"]
        said += [f"F0 {scores.f0_cents:.0f} cents"] if scores.f0_cents is not None else []
    if rated.units is not None and rated.units.frames:
        said.append(f"units wrong {rated.units.wrong / rated.units.frames:.0%}")
    return ", ".join(said)


def _how(result: Result) -> Markup:
    facts = {
        "vocoder": f"{result.file}, {result.sha256[:16]}",
        "codebook": result.facts.codebook[:16],
        "MCD": "mel-cepstra 1 to 24 of WORLD's envelope, alpha 0.41, every 5 ms; 10/ln 10 · √(2 · Σ Δ²), mean over "
        "frames; with DTW, over the cheapest way through both, a second off at most",
        "log-mel": "mean absolute difference of natural logs of 80 mel bands, every 20 ms; 0.115 is 1 dB",
        "SNR": "of the samples, 10 log₁₀(Σ x² / Σ (x − y)²)",
        "F0": "DIO and StoneMask, root mean square where both have a voice; gross: share off by more than 20 %; "
        "voicing: share of frames where just one has a voice",
        "units wrong": "frames that get another unit when the sound is encoded again; unit edits: edits of the "
        "sequence without repeats, over its length",
    }
    return element("dl", *(part for key, value in facts.items() for part in (element("dt", key), element("dd", value))))


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{round(value, digits) + 0.0:.{digits}f}"  # no minus before a nought


def _cut(samples: Float32) -> Float32:
    return samples[: round(_LONGEST_S * SAMPLE_RATE)]


def _sound(samples: Float32) -> str:
    out = io.BytesIO()
    soundfile.write(out, np.clip(_cut(samples), -1, 1), SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return f"data:audio/flac;base64,{base64.b64encode(out.getvalue()).decode('ascii')}"


def _part(name: str) -> str:
    return files("melisma.evaluate").joinpath("vocoder", "parts", name).read_text(encoding="ascii")
