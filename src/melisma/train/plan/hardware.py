"""What machines can do at most, by their makers' data sheets, and what an hour of them costs by and large."""

from __future__ import annotations

from dataclasses import dataclass

from melisma.core.errors import InputError, UnknownName

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Hardware:
    """One device.

    Parameters
    ----------
    name : str
        As it is asked for.
    half, single : float
        10¹² operations a second of dense products at most: in bf16 or fp16, and in fp32 without TF32.
    memory_gb : float
        Of it.
    price : tuple of float
        US dollars an hour, from the cheapest to the dearest kind of offer, for one device.
    efficiency : tuple of float
        Share of the most that a training reaches.
    """

    name: str
    half: float
    single: float
    memory_gb: float
    price: Range
    efficiency: Range = (0.15, 0.40)


# Peaks: data sheets of the makers, dense, fp16 products added up in fp32 for GeForce cards. Prices: assumed, from what
# marketplaces and small clouds ask to what large clouds ask on demand; they move, so give your own.
KNOWN = {
    each.name: each
    for each in (
        Hardware("t4", 65, 8.1, 16, (0.15, 0.60)),
        Hardware("v100", 125, 15.7, 16, (0.25, 3.10)),
        Hardware("l4", 121, 30.3, 24, (0.40, 1.00)),
        Hardware("a10g", 70, 31.2, 24, (0.60, 1.65)),
        Hardware("rtx-3090", 71, 35.6, 24, (0.20, 0.50)),
        Hardware("rtx-4090", 165, 82.6, 24, (0.35, 0.80)),
        Hardware("rtx-a6000", 155, 38.7, 48, (0.45, 1.30)),
        Hardware("rtx-6000-ada", 364, 91.1, 48, (0.75, 1.60)),
        Hardware("l40s", 362, 91.6, 48, (0.80, 2.00)),
        Hardware("a100-40gb", 312, 19.5, 40, (0.90, 4.10)),
        Hardware("a100-80gb", 312, 19.5, 80, (1.20, 5.10)),
        Hardware("h100", 989, 67, 80, (1.90, 12.30)),
        Hardware("h200", 989, 67, 141, (2.20, 10.60)),
        # A core with AVX2 to AVX512: 16 to 64 operations a cycle at 2 to 3.5 GHz.
        Hardware("cpu-core", 0.09, 0.09, 4, (0.02, 0.06), (0.15, 0.60)),
    )
}
DEFAULT = "rtx-3090"  # the 24 GB that the contract recommends


def find(name: str) -> Hardware:
    """Return a device by its name.

    Raises
    ------
    UnknownName
        If there is none; it lists those that are known.
    """
    found = KNOWN.get(name.strip().lower().replace(" ", "-").replace("_", "-"))
    if found is None:
        raise UnknownName("hardware", name[:60], KNOWN)
    return found


def read_range(said: str, what: str, most: float) -> Range:
    """Read `0.2` or `0.2-0.5`.

    Raises
    ------
    InputError
        If it is none, or out of bounds.

    Examples
    --------
    >>> read_range("0.2-0.5", "a price", 100)
    (0.2, 0.5)
    """
    low, _, high = said.partition("-")
    try:
        found = float(low), float(high or low)
    except ValueError as error:
        raise InputError(f"{what} is a number or two with a hyphen between, not {said[:40]!r}") from error
    if not 0 < found[0] <= found[1] <= most:
        raise InputError(f"{what} is more than 0 and at most {most:g}, the lower number first, not {said[:40]!r}")
    return found
