"""What machines by the hour cost: assumptions with a date, not facts; look at the provider's page before a big run."""

from __future__ import annotations

from dataclasses import dataclass, field

AS_OF = "June 2026"
SOURCE = "list prices of modal.com/pricing as third parties quoted them in May and June 2026, in US dollars"


@dataclass(frozen=True, slots=True)
class Prices:
    """Of one provider, per hour of use; what is billed by the second is cut to seconds there.

    Parameters
    ----------
    core, gib : float
        Of a physical core and of a GiB of memory, in US dollars an hour.
    gpus : dict of str to float
        Of a GPU by its kind, in US dollars an hour.
    start_s, idle_s : float
        How long a container is paid for before its first task and after its last, in seconds: assumed.
    """

    core: float = 0.0000131 * 3600
    gib: float = 0.00000222 * 3600
    gpus: dict[str, float] = field(
        default_factory=lambda: {
            "T4": 0.5904,
            "L4": 0.7992,
            "A10": 1.1016,
            "L40S": 1.9512,
            "A100-40GB": 2.0988,
            "A100-80GB": 2.4984,
            "H100": 3.9492,
        }
    )
    start_s: float = 20.0
    idle_s: float = 60.0

    def hour(self, cpus: float, memory_mb: float, gpu: str | None, n_gpus: int = 1) -> float:
        """Return what an hour of a container costs; one of a GPU that is not in the list counts as an H100.

        Examples
        --------
        >>> round(Prices().hour(1, 1024, None), 4), round(Prices().hour(1, 1024, "T4"), 3)
        (0.0552, 0.646)
        """
        cost = cpus * self.core + memory_mb / 1024 * self.gib
        return cost + (n_gpus * self.gpus.get(gpu, max(self.gpus.values())) if gpu else 0.0)


MODAL = Prices()
