"""A forecast: hours and money of a run, as a range, with what it rests on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from melisma.scale.prices import AS_OF, MODAL, Prices

_BIG_S, _BIG_COST = 3600.0, 1.0  # from which on a forecast is told unasked: an hour, a dollar
_CENT = 0.01
_SLOWER = 1.5  # how much slower, or faster, a core elsewhere may be: assumed


@dataclass(frozen=True, slots=True)
class Range:
    """A number that is not known exactly.

    Examples
    --------
    >>> Range(1.0, 2.0, 4.0).times(3)
    Range(low=3.0, middle=6.0, high=12.0)
    """

    low: float
    middle: float
    high: float

    def times(self, factor: float) -> Range:
        """Return it, multiplied."""
        return Range(self.low * factor, self.middle * factor, self.high * factor)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run will take.

    Parameters
    ----------
    where : {"local", "ray", "modal"}
        Executor.
    workers : int
        Processes or containers.
    cpus : float
        Cores of each.
    gpu : str, optional
        Kind of GPU of each.
    n_tasks, n_open : int
        Of the run, and those that are still to be done.
    n_measured, n_failed : int
        Tasks that were done to measure, and that could not be done.
    task_s : Range
        Of one task of average size on this machine, in seconds, with the 90 % interval of the sample.
    loading_s : float
        What a process loads before its first task, in seconds.
    peak_mb : float
        The largest process.
    prices : Prices
        Of Modal.
    """

    where: str
    workers: int
    cpus: float
    gpu: str | None
    n_tasks: int
    n_open: int
    n_measured: int
    n_failed: int
    task_s: Range
    loading_s: float
    peak_mb: float
    prices: Prices = MODAL

    @property
    def machine_s(self) -> Range:
        """Seconds of all processes together."""
        found = self.task_s.times(self.n_open)
        if self.where != "local":
            found = Range(found.low / _SLOWER, found.middle, found.high * _SLOWER)
        loading = self.loading_s * self._used
        return Range(found.low + loading, found.middle + loading, found.high + loading)

    @property
    def wall_s(self) -> Range:
        """Seconds from beginning to end, if n processes are n times as fast as one."""
        return self.machine_s.times(1 / max(1, self._used))

    @property
    def _used(self) -> int:
        return min(self.workers, self.n_open)

    @property
    def cost(self) -> Range | None:
        """US dollars; nothing where machines are not paid by the hour."""
        if self.where != "modal":
            return None
        hour = self.prices.hour(self.cpus, max(self.peak_mb, 128.0), self.gpu)
        beside = (self.prices.start_s + self.prices.idle_s) * self._used
        found = self.machine_s
        return Range(found.low, found.middle + beside, found.high + beside).times(hour / 3600)

    @property
    def big(self) -> bool:
        """Whether it is told before a run that did not ask for it."""
        return self.wall_s.middle >= _BIG_S or (self.cost is not None and self.cost.middle >= _BIG_COST)

    def lines(self) -> Iterator[str]:
        """Yield what to print."""
        if self.n_open:
            how = f"on {self.where} by {self._used} at a time"
            yield f"{self.n_open} of {self.n_tasks} tasks are to be done, {how}"
        else:
            yield f"of {self.n_tasks} tasks none is left to be done"
        if not self.n_measured:
            if self.n_failed:
                yield f"all {self.n_failed} that were tried failed: what the others take is not known"
            return
        yield self._measured()
        if self.n_failed:
            yield f"{self.n_failed} of {self.n_failed + self.n_measured} that were tried failed"
        if not self.n_open:
            return
        yield f"extrapolated: {_range(self.wall_s)} in all, {_range(self.machine_s)} of all processes together"
        if self.cost is not None and self.cost.high < _CENT:
            yield "cost: less than a cent"
        elif self.cost is not None:
            yield f"cost: ${self.cost.low:.2f} to ${self.cost.high:.2f}, rather ${self.cost.middle:.2f}"
        yield f"assumed: {'; '.join(self._assumed())}"

    def _measured(self) -> str:
        one = self.task_s
        tasks = "1 task" if self.n_measured == 1 else f"{self.n_measured} tasks"
        kept = " done just now" if self.where == "local" else ""  # as `foresee` has it
        loading = f", {_time(self.loading_s)} to load" if self.loading_s else ""
        return (
            f"measured on {tasks}{kept}, on one core here: {_time(one.middle)} a task "
            f"({_time(one.low)} to {_time(one.high)}){loading}, {self.peak_mb:.0f} MB"
        )

    def _assumed(self) -> Iterator[str]:
        yield "the tasks that were measured are like the others"
        yield "n processes are n times as fast as one, and start at once"
        if self.where != "local":
            yield f"a core there is as fast as one here, give or take a factor of {_SLOWER:g}"
        if self.gpu is not None:
            yield f"a {self.gpu} is as fast as what it was measured on here, which may be far from it"
        if self.cost is not None:
            hour = self.prices.hour(self.cpus, max(self.peak_mb, 128.0), self.gpu)
            yield f"prices of Modal in {AS_OF}, ${hour:.3f} an hour of a container; storage and transfer not counted"


def _time(seconds: float) -> str:
    """Return a time in the unit that suits it.

    Examples
    --------
    >>> _time(0.0123), _time(4.2), _time(90), _time(5400), _time(400000)
    ('12 ms', '4.2 s', '90 s', '90 min', '111 h')
    """
    for limit, unit, factor, digits in (
        (1, "ms", 1000, 0),
        (60, "s", 1, 1),
        (120, "s", 1, 0),
        (7200, "min", 1 / 60, 0),
    ):
        if seconds < limit:
            return f"{seconds * factor:.{digits}f} {unit}"
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 100 else f"{hours:.0f} h"


def _range(found: Range) -> str:
    return f"{_time(found.middle)} ({_time(found.low)} to {_time(found.high)})"
