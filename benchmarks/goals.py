"""What the pipeline is meant to reach, and whether one run has shown it."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.measure import Sample

SHELL = "fair shell, lz4"
STREAM = "updog, one stream, lz4"
STREAM_BLIND = "updog, one stream, lz4, not read back"
ZSTD = "updog, one stream, zstd-3"
MAPPED = "updog, block map, lz4"
MAPPED_BLIND = "updog, block map, lz4, not read back"
ADAPTIVE = "updog, adaptive, kept map"
SCANNING = "updog, adaptive, scanning"
DELTA = "updog, known-base delta"
AGAIN = "updog, same image again"
RAUC, SWUPDATE, CASYNC = "rauc install, lz4 bundle", "SWUpdate, zstd-3", "casync, seeded"
ZCHUNK, SWUPDATE_DELTA = "zchunk", "SWUpdate, delta"

NOT_OVER_LINK = {STREAM_BLIND, MAPPED_BLIND, AGAIN}
"""Ways that tell nothing where the network is what everybody waits for."""

Runs = Mapping[str, Sequence[Sample]]
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure that is compared with a limit.

    Attributes:
        what: in words.
        limit: the most that it may be.
        found: what it is.
    """

    what: str
    limit: float
    found: float

    def row(self) -> str:
        """A line of a markdown table."""
        verdict = "met" if self.found <= self.limit else "**missed**"
        return f"| {self.what} | ≤ {self.limit:g} | {self.found:.3g} | {verdict} |"


def paired(one: Sequence[Sample], other: Sequence[Sample]) -> float:
    """The median of the ratios of times of the same rounds."""
    pairs = zip(one, other, strict=False)
    return statistics.median(a.seconds / b.seconds for a, b in pairs)


def median(samples: Sequence[Sample], name: str) -> float:
    """The median of one figure."""
    return float(statistics.median(getattr(sample, name) for sample in samples))


_WALL = (
    (STREAM, SHELL, 0.55),
    (STREAM_BLIND, SHELL, 0.55),
    (MAPPED, SHELL, 0.40),
    (MAPPED_BLIND, SHELL, 0.40),
    (STREAM, RAUC, 0.40),
    (STREAM_BLIND, RAUC, 0.40),
    (MAPPED, RAUC, 0.28),
    (MAPPED_BLIND, RAUC, 0.28),
    (ZSTD, SWUPDATE, 0.45),
    (STREAM, STREAM_BLIND, 1.5),
    (MAPPED, MAPPED_BLIND, 1.5),
    (ADAPTIVE, SHELL, 0.95),
    (ADAPTIVE, ZCHUNK, 0.25),
    (ADAPTIVE, CASYNC, 0.25),
)


def loopback(runs: Runs) -> Iterator[Goal]:
    """The goals that need no slow link."""
    for one, other, limit in _WALL:
        if one in runs and other in runs:
            yield Goal(f"wall: {one} ÷ {other}", limit, paired(runs[one], runs[other]))
    for one in (STREAM, STREAM_BLIND, MAPPED, MAPPED_BLIND):
        busy = median(runs[one], "busy") / median(runs[SHELL], "busy")
        yield Goal(f"busy: {one} ÷ {SHELL}", 0.55, busy)
    ours = [samples for name, samples in runs.items() if name.startswith("updog")]
    yield Goal("peak RSS of ours, MiB", 64, max(median(one, "peak") for one in ours) / MIB)
    yield Goal("bytes written by the same image again", 0, _written(runs[AGAIN]))
    received = median(runs[ADAPTIVE], "received") / 1e6
    yield Goal("adaptive: MB received", 20, received)
    yield Goal("adaptive: requests, map included", 10, median(runs[ADAPTIVE], "requests"))
    yield Goal("delta: MB received", 11, median(runs[DELTA], "received") / 1e6)
    for other in (ZCHUNK, CASYNC, SWUPDATE_DELTA):
        if other in runs:
            least = median(runs[other], "received") / 1e6
            yield Goal(f"adaptive: MB received, against {other}", round(least, 1), received)


def link(runs: Runs, rate: float) -> Iterator[Goal]:
    """The goals of the slow link."""
    for name in (STREAM, MAPPED, ZSTD):
        least = median(runs[name], "received") / rate
        yield Goal(f"{name}: time ÷ (bytes ÷ rate)", 1.03, median(runs[name], "seconds") / least)
    for name in (ADAPTIVE, DELTA):
        limit = 0.12 if name == ADAPTIVE else 0.95
        yield Goal(f"wall: {name} ÷ {SHELL}", limit, paired(runs[name], runs[SHELL]))


def _written(samples: Sequence[Sample]) -> float:
    return max(sample.moved.get("written", 1 << 62) for sample in samples)
