"""What each way of getting an image would cost, and which is the cheapest. PURE.

Only signed sizes and what the map shows to be missing count; nothing is measured. Rates are for the
reader's expectation, the choice is made by bytes over the network: that is what a fleet pays for.
A map is fetched before there is anything to weigh, so every way costs it.
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
        bytes: over the network, the map included.
        written: to the partition, at most: what it holds already is not written again.
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
_ABOUT_ALL = 0.98
_AT_EQUAL_BYTES = (Way.ADAPTIVE, Way.FULL, Way.DELTA)
"""What comes by a map goes on after a cut, and two workers decode it; a delta needs its base."""


def estimates(
    sizes: Sizes, survey: Survey | None, rates: Rates = USUAL_RATES
) -> tuple[Estimate, ...]:
    """Every possible way, that of the fewest bytes first.

    Args:
        sizes: signed.
        survey: what the map shows, where there is a map.
        rates: to tell seconds by.
    """
    found = []
    if sizes.delta is not None:
        found.append(_delta(sizes, sizes.delta, _most_written(sizes, survey), rates))
    if survey is not None and sizes.blockmap is not None:
        found.append(_adaptive(sizes, sizes.blockmap, survey, rates))
    found.append(_full(sizes, _most_written(sizes, survey), rates))
    return tuple(sorted(found, key=lambda one: (one.bytes, _AT_EQUAL_BYTES.index(one.way))))


def _most_written(sizes: Sizes, survey: Survey | None) -> int:
    """What a way writes that has no map to tell it block by block what is there."""
    return 0 if survey is not None and not survey.written else sizes.raw


def _full(sizes: Sizes, written: int, rates: Rates) -> Estimate:
    size = sizes.packed + _map(sizes)
    seconds = max(size / rates.network, written / rates.write) + _proof(sizes, rates)
    why = f"the whole image, {_mb(sizes.packed)}{_and_map(sizes)}"
    return Estimate(Way.FULL, size, written, 1, seconds, why)


def _adaptive(sizes: Sizes, blockmap: int, survey: Survey, rates: Rates) -> Estimate:
    size = survey.fetched + blockmap
    # Copying and fetching go on at the same time; the slower of the two is waited for.
    local = survey.copied / rates.read + survey.written / rates.write
    why = f"{_mb(survey.fetched)} are nowhere on this machine{_and_map(sizes)}"
    if survey.fetched >= sizes.packed * _ABOUT_ALL:
        why += "; about the whole image, but it goes on after a cut, and two workers decode it"
    return Estimate(
        Way.ADAPTIVE,
        size,
        survey.written,
        survey.requests,
        max(size / rates.network, local) + _proof(sizes, rates),
        why,
    )


def _delta(sizes: Sizes, delta: int, written: int, rates: Rates) -> Estimate:
    size = delta + _map(sizes)
    local = sizes.raw / rates.read + written / rates.write
    seconds = max(size / rates.network, local) + _proof(sizes, rates)
    why = f"a delta from the running image, {_mb(delta)}{_and_map(sizes)}"
    return Estimate(Way.DELTA, size, written, 1, seconds, why)


def _map(sizes: Sizes) -> int:
    return sizes.blockmap or 0


def _and_map(sizes: Sizes) -> str:
    return f", and the map has {_mb(sizes.blockmap)}" if sizes.blockmap is not None else ""


def _proof(sizes: Sizes, rates: Rates) -> float:
    """Reading back overlaps with writing for the most part; a tenth of it is left."""
    return sizes.raw / rates.read / 10


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
