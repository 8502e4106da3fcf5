"""What a test of a vocoder found: measures of every sample, their means, and the verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from statistics import fmean
from typing import Any

from melisma.metrics.synthesis import Scores
from melisma.units.voice import VocoderFacts

SCHEMA = "melisma.vocoder-test/1"
VOCODER, MEANS, SPOKEN_MEANS, NOISE, ORIGINAL = "vocoder", "copy_mean", "copy_mean_spoken", "noise", "original"
SNR_DB, MCD_DB, LENGTH = 5.0, 8.0, 0.05  # the document's limits: above, below, and this near to 1
# Share of a recording's own frames that may get another unit: float16 and other builds of a network change one or two
# in a hundred, another encoder or another recording nearly all.
MISHEARD = 0.1


@dataclass(frozen=True, slots=True)
class UnitTally:
    """What became of units that were said and encoded again: frames with another one, edits without repeats."""

    wrong: int
    frames: int
    edits: int
    units: int


@dataclass(frozen=True, slots=True)
class Rated:
    """One sound of a sample: how far it is from the recording, and what its units are; None where it has none."""

    scores: Scores | None = None
    units: UnitTally | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """A line that was said.

    Parameters
    ----------
    id : str
        Of the line.
    seconds : float
        Of the recording.
    speaker : str, optional
        Who said it.
    spoken_as : str, optional
        Which of the vocoder's speakers said it again.
    spoken_s, synthesis_s : float
        How long the synthesis lasts, and how long the vocoder took for it.
    rated : mapping
        By system.
    """

    id: str
    seconds: float
    speaker: str | None
    spoken_as: str | None
    spoken_s: float
    synthesis_s: float
    rated: dict[str, Rated]


@dataclass(frozen=True, slots=True)
class Criterion:
    """A limit, what was found, and whether it is met; not met where nothing was found."""

    name: str
    limit: str
    found: float | None
    met: bool


@dataclass(frozen=True, slots=True)
class Means:
    """Means over the samples that have a measure, the errors of units over all frames and units together."""

    n: int
    scores: dict[str, float | None]
    unit_error: float | None
    unit_edits: float | None


@dataclass(frozen=True, slots=True)
class Result:
    """All of a test.

    Parameters
    ----------
    facts : VocoderFacts
        Of the vocoder.
    file, sha256 : str
        Its file.
    samples : tuple of Sample
        In the order in which they were drawn.
    held_out : bool, optional
        Whether nothing was learnt from them; None if nobody knows.
    chance : float
        Error of units that are drawn as often as they are said.
    baseline_s : float
        Seconds that the copy-mean baseline was learnt from.
    threads : int
        Of the vocoder.
    """

    facts: VocoderFacts
    file: str
    sha256: str
    samples: tuple[Sample, ...]
    held_out: bool | None
    chance: float
    baseline_s: float
    threads: int

    @property
    def real_time_factor(self) -> float:
        """Seconds of work for a second of speech."""
        return sum(each.synthesis_s for each in self.samples) / sum(each.spoken_s for each in self.samples)

    def means(self, system: str) -> Means:
        """Return the means of a system."""
        rated = [each.rated[system] for each in self.samples if system in each.rated]
        scores = [each.scores for each in rated if each.scores is not None]
        tallies = [each.units for each in rated if each.units is not None]
        frames, units = sum(each.frames for each in tallies), sum(each.units for each in tallies)
        return Means(
            n=len(rated),
            scores={name: _mean(scores, name) for name in (field.name for field in fields(Scores))},
            unit_error=sum(each.wrong for each in tallies) / frames if frames else None,
            unit_edits=sum(each.edits for each in tallies) / units if units else None,
        )

    @property
    def verdict(self) -> tuple[Criterion, ...]:
        """The document's three limits, and ours: better than what knows no neighbours in two forms, and than chance."""
        ours, half = self.means(VOCODER), self.chance / 2
        return (
            _criterion("SNR", f"> {SNR_DB:g} dB", ours.scores["snr_db"], lambda found: found > SNR_DB),
            _criterion("MCD", f"< {MCD_DB:g} dB", ours.scores["mcd_db"], lambda found: found < MCD_DB),
            _criterion("length", "~ 1.0", ours.scores["length_ratio"], lambda found: abs(found - 1) <= LENGTH),
            self._against(MEANS, "MCD against copy-mean as spectra"),
            self._against(SPOKEN_MEANS, "MCD against copy-mean spoken"),
            _criterion("units heard again", f"error < {half:.2f}", ours.unit_error, lambda found: found < half),
        )

    def _against(self, system: str, name: str) -> Criterion:
        """Hold the distance against that of another system; not met where that has none."""
        ours, theirs = (self.means(each).scores["mcd_db"] for each in (VOCODER, system))
        limit = "" if theirs is None else f"< {theirs:.2f} dB"
        return _criterion(name, limit, ours, lambda found: theirs is not None and found < theirs)

    @property
    def remarks(self) -> tuple[str, ...]:
        """Say what takes the errors of units their meaning: recordings that are not heard as the corpus says."""
        error = self.means(ORIGINAL).unit_error
        if error is None or error <= MISHEARD:
            return ()
        return (
            f"the recordings themselves get another unit in {error:.0%} of their frames ({self.chance:.0%} by chance): "
            "recordings or encoder are not those that the corpus was made with, and errors of units say nothing here",
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        systems = [name for name in (VOCODER, MEANS, SPOKEN_MEANS, NOISE, ORIGINAL) if self.means(name).n]
        return {
            "schema": SCHEMA,
            "vocoder": {"file": self.file, "sha256": self.sha256, **self.facts.as_dict()},
            "n_samples": len(self.samples),
            "held_out": self.held_out,
            "remarks": list(self.remarks),
            "verdict": [asdict(each) for each in self.verdict],
            "systems": {name: asdict(self.means(name)) for name in systems},
            "chance_unit_error": self.chance,
            "real_time_factor": self.real_time_factor,
            "threads": self.threads,
            "copy_mean_seconds": self.baseline_s,
            "samples": [asdict(each) | {"number": i} for i, each in enumerate(self.samples)],
        }


def _mean(scores: Sequence[Scores], name: str) -> float | None:
    found = [value for each in scores if (value := getattr(each, name)) is not None]
    return fmean(found) if found else None


def _criterion(name: str, limit: str, found: float | None, holds: Callable[[float], bool]) -> Criterion:
    return Criterion(name, limit, found, found is not None and holds(found))
