"""What a block map shows to be missing, before anything is fetched or written."""

from __future__ import annotations

from updog.blockmap import BLOCK, BlockMap
from updog.pipeline.asking import requests_for
from updog.pipeline.columns import Slices
from updog.pipeline.counters import Counters
from updog.pipeline.direct import Medium
from updog.pipeline.frontier import Frontier
from updog.pipeline.local import zero_runs
from updog.pipeline.lookup import copy_runs
from updog.pipeline.plan import Survey
from updog.pipeline.resume import find_fetched
from updog.pipeline.scan import find_right


def survey(blockmap: BlockMap, inactive: Medium | None, active: Slices | None) -> Survey:
    """Look at both partitions through the eyes of a map.

    Args:
        blockmap: of the wanted image.
        inactive: the partition to write to; None to count on nothing there.
        active: hashes of the active partition, kept or scanned; None for none.

    Raises:
        DeviceError: a device failed.
    """
    frontier = Frontier(blockmap.blocks)
    if inactive is not None:
        find_right(inactive, blockmap, frontier, Counters(), blanks=True)
    written = frontier.count_missing() * BLOCK
    for first, count in zero_runs(blockmap, frontier):
        frontier.mark(first, count)
    copied = 0
    for run in copy_runs(blockmap, frontier, active) if active is not None else ():
        frontier.mark(run.target, run.count)
        copied += run.count * BLOCK
    if inactive is not None:
        written -= _skip_fetched(inactive, blockmap, frontier)
    fetched = requests = 0
    for request in requests_for(blockmap, frontier, together=False):
        fetched += sum(item.length for item in request.ranges)
        requests += 1
    return Survey(fetched, written, copied, requests)


def _skip_fetched(inactive: Medium, blockmap: BlockMap, frontier: Frontier) -> int:
    """Mark what an interrupted run has fetched; returns its bytes."""
    asked = requests_for(blockmap, frontier, together=False)
    begins = [frontier.missing(request.place.first) for request in asked]
    skipped = 0
    for first, count in find_fetched(inactive, blockmap, frontier, begins, Counters()):
        frontier.mark(first, count)
        skipped += count * BLOCK
    return skipped
