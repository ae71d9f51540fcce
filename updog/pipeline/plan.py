"""What each way of getting an image would cost, and which is the cheapest. PURE.

Only signed sizes and what the map shows to be missing count; nothing is measured. Rates are for the
reader's expectation, the choice is made by bytes over the network: that is what a fleet pays for.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from updog.pipeline.facts import Way


@dataclass(frozen=True, slots=True)
class Rates:
    """Bytes per second.

    Attributes:
        network: from the repository.
        read: from a partition, hashed.
        write: to a partition.
    """

    network: float = 12.5e6
    read: float = 400e6
    write: float = 200e6


@dataclass(frozen=True, slots=True)
class Survey:
    """What a block map shows to be missing on this machine.

    Attributes:
        fetched: bytes of the spans to fetch.
        written: bytes of the image that are not on the inactive partition, zeros included.
        copied: bytes of the image that the active partition has.
        requests: to the server.
    """

    fetched: int
    written: int
    copied: int
    requests: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """The signed sizes of one image, in bytes.

    Attributes:
        packed: the published file.
        raw: the image.
        blockmap: its map; None where there is none.
        delta: the delta from exactly the running image; None where there is none.
    """

    packed: int
    raw: int
    blockmap: int | None = None
    delta: int | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """One way of getting the image.

    Attributes:
        way: which.
        bytes: over the network.
        written: to the partition.
        requests: to the server.
        seconds: expected.
        why: in words.
    """

    way: Way
    bytes: int
    written: int
    requests: int
    seconds: float
    why: str

    def as_json(self) -> dict[str, object]:
        """A JSON object, in member order."""
        return asdict(self) | {"way": self.way.value, "seconds": round(self.seconds, 1)}


USUAL_RATES = Rates()


def estimates(
    sizes: Sizes, survey: Survey | None, rates: Rates = USUAL_RATES
) -> tuple[Estimate, ...]:
    """Every possible way in the order of preference: the cheaper of delta and adaptive, then full.

    The whole file comes last even where a map saves nothing: with a map each part is checked before
    it is written, and a run that is cut short goes on where it was.

    Args:
        sizes: signed.
        survey: what the map shows, where there is a map.
        rates: to tell seconds by.
    """
    found = []
    if sizes.delta is not None:
        found.append(_delta(sizes, sizes.delta, rates))
    if survey is not None and sizes.blockmap is not None:
        found.append(_adaptive(sizes, sizes.blockmap, survey, rates))
    found.append(_full(sizes, rates))
    return tuple(sorted(found, key=lambda one: (one.way is Way.FULL, one.bytes)))


def _full(sizes: Sizes, rates: Rates) -> Estimate:
    seconds = max(sizes.packed / rates.network, sizes.raw / rates.write)
    why = f"the whole image, {_mb(sizes.packed)}"
    return Estimate(Way.FULL, sizes.packed, sizes.raw, 1, seconds + _proof(sizes, rates), why)


def _adaptive(sizes: Sizes, blockmap: int, survey: Survey, rates: Rates) -> Estimate:
    size = survey.fetched + blockmap
    local = (sizes.raw + survey.copied) / rates.read + survey.written / rates.write
    why = f"{_mb(survey.fetched)} are nowhere on this machine, and the map has {_mb(blockmap)}"
    return Estimate(
        Way.ADAPTIVE,
        size,
        survey.written,
        survey.requests,
        local + size / rates.network + _proof(sizes, rates),
        why,
    )


def _delta(sizes: Sizes, delta: int, rates: Rates) -> Estimate:
    local = sizes.raw / rates.read + sizes.raw / rates.write
    seconds = max(delta / rates.network, local) + _proof(sizes, rates)
    why = f"a delta from the running image, {_mb(delta)}"
    return Estimate(Way.DELTA, delta, sizes.raw, 1, seconds, why)


def _proof(sizes: Sizes, rates: Rates) -> float:
    """Reading back overlaps with writing for the most part; a tenth of it is left."""
    return sizes.raw / rates.read / 10


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
