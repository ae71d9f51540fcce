"""Where the active partition has the blocks of another image.

Two releases share long stretches, so the first look is coarse: a few thousand places of the active
partition, evenly spread, are known by their hashes, and what meets one of them is followed in both
directions. What that leaves is short pieces; they are looked up one by one, in a time that grows
with the two images and not with their product.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

from updog.blockmap import HASH_LENGTH, ZERO_WORD, BlockMap
from updog.pipeline.columns import Slices, words
from updog.pipeline.frontier import Frontier
from updog.pipeline.piles import Piles

PLACES = 1 << 13
"""Places of the active partition that are known at once: this bounds the memory."""
AT_ONCE = 1 << 12
"""Blocks that are looked up together afterwards, more or less: the same."""
LONGEST = 256
"""Blocks of a run at the most, as many as are copied at once: 1 MiB."""
_CLOSEST = 8
_MARKS = 1 << 20
_BITS = 8 * HASH_LENGTH


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive blocks of the image, and where the active partition has them.

    Attributes:
        target: first block in the image.
        source: first block on the active partition.
        count: how many.
    """

    target: int
    source: int
    count: int


def missing_runs(frontier: Frontier, blocks: int) -> Iterator[tuple[int, int]]:
    """First block and count of each gap."""
    first = frontier.missing()
    while 0 <= first < blocks:
        end = frontier.right(first)
        end = blocks if end < 0 else end
        yield first, end - first
        first = frontier.missing(end)


def copy_runs(blockmap: BlockMap, frontier: Frontier, active: Slices) -> Iterator[Run]:
    """Find the missing blocks on the active partition, by its hashes.

    Args:
        blockmap: of the wanted image.
        frontier: what is right already.
        active: 8 bytes for each block of the active partition; not trusted.
    """
    todo = frontier.copy()
    for run in _stretches(blockmap, todo, active):
        todo.mark(run.target, run.count)
        for at in range(0, run.count, LONGEST):
            yield Run(run.target + at, run.source + at, min(LONGEST, run.count - at))
    yield from _pieces(blockmap, todo, active)


# Long stretches ----------------------------------------------------------------------------------


def _stretches(blockmap: BlockMap, todo: Frontier, active: Slices) -> Iterator[Run]:
    known = _known_places(active)
    matcher = _Matcher(blockmap.hashes, active)
    for first, count in missing_runs(todo, blockmap.blocks):
        covered = first
        while covered < first + count:
            run = _next_stretch(matcher, known, (covered, first + count))
            if run is None:
                break
            yield run
            covered = run.target + run.count


def _known_places(active: Slices) -> dict[int, int]:
    """Evenly spread blocks of the active partition, by hash."""
    total = len(active) // HASH_LENGTH
    step = max(_CLOSEST, -(-total // PLACES))
    known: dict[int, int] = {}
    for first, portion in words(active, 0, total):
        skip = -first % step
        known.update(zip(portion[skip::step], range(first + skip, total, step), strict=False))
    known.pop(ZERO_WORD, None)
    return known


def _next_stretch(matcher: _Matcher, known: dict[int, int], between: tuple[int, int]) -> Run | None:
    """The next blocks between two of which one is known, with all those around it that agree."""
    first, stop = between
    for start, portion in words(matcher.wanted, first, stop - first):
        for block, word in enumerate(portion, start):
            place = known.get(word)
            if place is not None:
                back = matcher.before(block, place, block - first)
                on = matcher.after(block, place, stop - block)
                return Run(block - back, place - back, back + on)
    return None


class _Matcher:
    """Compares the hashes of an image with those of the active partition.

    Attributes:
        wanted: 8 bytes for each block of the image.
    """

    def __init__(self, wanted: Slices, active: Slices) -> None:
        self.wanted = wanted
        self._active = active
        self._places = len(active) // HASH_LENGTH

    def after(self, block: int, place: int, most: int) -> int:
        """How many blocks agree from there on."""
        most = min(most, self._places - place)
        done = 0
        while done < most:
            count = min(LONGEST, most - done)
            same = _same_from_start(*self._both(block + done, place + done, count))
            done += same
            if same < count:
                break
        return done

    def before(self, block: int, place: int, most: int) -> int:
        """How many blocks agree right before there."""
        most = min(most, place, LONGEST)
        return _same_to_end(*self._both(block - most, place - most, most))

    def _both(self, block: int, place: int, count: int) -> tuple[memoryview, memoryview]:
        return _cut(self.wanted, block, count), _cut(self._active, place, count)


def _cut(column: Slices, first: int, count: int) -> memoryview:
    return column[first * HASH_LENGTH : (first + count) * HASH_LENGTH]


def _same_from_start(one: memoryview, other: memoryview) -> int:
    """How many hashes agree before the first that do not."""
    unlike = int.from_bytes(one, "big") ^ int.from_bytes(other, "big")
    return len(one) // HASH_LENGTH - -(-unlike.bit_length() // _BITS)


def _same_to_end(one: memoryview, other: memoryview) -> int:
    """How many hashes agree behind the last that do not."""
    unlike = int.from_bytes(one, "little") ^ int.from_bytes(other, "little")
    return len(one) // HASH_LENGTH - -(-unlike.bit_length() // _BITS)


# Short pieces ------------------------------------------------------------------------------------


def _pieces(blockmap: BlockMap, todo: Frontier, active: Slices) -> Iterator[Run]:
    missing = todo.count_missing()
    if not missing:
        return
    piles = -(-missing // AT_ONCE)
    wanted, there = Piles(piles), Piles(piles)
    found = Piles(-(-blockmap.blocks // AT_ONCE), AT_ONCE)
    with closing(wanted), closing(there), closing(found):
        _sort_out(blockmap, todo, active, (wanted, there))
        for number in range(piles):
            places = dict(there.pile(number))
            if places:
                blocks = wanted.pile(number)
                met = ((block, places[word]) for word, block in blocks if word in places)
                # A part at a time: one block that an image repeats may make a pile of any size.
                while part := tuple(islice(met, AT_ONCE)):
                    found.add(part)
        for number in range(len(found)):
            yield from _joined(sorted(found.pile(number)))


def _sort_out(
    blockmap: BlockMap, todo: Frontier, active: Slices, piles: tuple[Piles, Piles]
) -> None:
    """Pile up the missing blocks, and those of the active partition that may be among them."""
    wanted, there = piles
    # Most places hold nothing that is missing; a look at a byte tells, and spares piling them up.
    marks = bytearray(_MARKS)
    for first, count in missing_runs(todo, blockmap.blocks):
        for start, portion in words(blockmap.hashes, first, count):
            for word in portion:
                marks[word % _MARKS] = 1
            wanted.add(zip(portion, range(start, start + len(portion)), strict=True))
    for first, portion in words(active, 0, len(active) // HASH_LENGTH):
        there.add((word, at) for at, word in enumerate(portion, first) if marks[word % _MARKS])


def _joined(found: Iterable[tuple[int, int]]) -> Iterator[Run]:
    run: Run | None = None
    for target, source in found:
        if run is not None and _continues(run, target, source):
            run = Run(run.target, run.source, run.count + 1)
            continue
        if run is not None:
            yield run
        run = Run(target, source, 1)
    if run is not None:
        yield run


def _continues(run: Run, target: int, source: int) -> bool:
    return (
        run.count < LONGEST
        and target == run.target + run.count
        and source == run.source + run.count
    )
