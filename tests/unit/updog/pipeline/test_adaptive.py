from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from blake3 import blake3

from tests.fakes.images import changed, image, medium
from tests.fakes.published import MemorySource, Published, as_lz4, as_zstd
from updog.blockmap import BLOCK, BlockMap, parse
from updog.digests import BLAKE3, SHA256, Digest
from updog.errors import CutShort, TargetMismatch
from updog.pipeline.adaptive import Base, MisledError, install
from updog.pipeline.asking import requests_for
from updog.pipeline.columns import Slices
from updog.pipeline.facts import Done, Way
from updog.pipeline.frontier import Frontier
from updog.pipeline.multipart import Piece
from updog.pipeline.ranges import Range
from updog.pipeline.source import RangeSource

OLD = image(900, seed=3, tail=500)
NEW = changed(OLD)


@pytest.fixture
def new(tmp_path: Path) -> Published:
    return as_zstd(tmp_path, NEW, [OLD])


def partition(tmp_path: Path, content: bytes, name: str = "partition") -> Path:
    path = tmp_path / name
    path.write_bytes(content + bytes(5 * BLOCK))
    return path


def put(
    new: Published,
    disk: Path,
    *,
    active: Path | None = None,
    hashes: Slices | None = None,
    source: RangeSource | None = None,
) -> Done:
    with medium(disk) as target:
        source = source or new.source
        if active is None:
            return install(new.signed, new.blockmap, source, target)
        with medium(active) as base:
            return install(new.signed, new.blockmap, source, target, base=Base(base, hashes))


@pytest.mark.parametrize("publish", [as_zstd, as_lz4])
def test_with_nothing_at_hand_everything_is_fetched(
    tmp_path: Path, publish: Callable[[Path, bytes], Published]
) -> None:
    new = publish(tmp_path, NEW)
    disk = partition(tmp_path, b"\xee" * len(NEW))
    done = put(new, disk)
    assert disk.read_bytes()[: len(NEW)] == NEW
    assert done.way is Way.ADAPTIVE
    assert done.read_back == Digest(BLAKE3, blake3(NEW).hexdigest())
    assert done.moved.kept == done.moved.copied == 0
    assert done.moved.zeroed % BLOCK == 0 < done.moved.zeroed


def test_what_the_active_partition_has_anywhere_is_not_fetched(
    tmp_path: Path, new: Published
) -> None:
    disk = partition(tmp_path, b"\xee" * len(NEW))
    done = put(new, disk, active=partition(tmp_path, OLD, "active"))
    assert disk.read_bytes()[: len(NEW)] == NEW
    assert done.moved.received < 0.3 * len(new.packed)
    assert done.moved.copied > 0.5 * len(NEW)


def test_hashes_kept_from_its_installation_spare_the_scan(tmp_path: Path, new: Published) -> None:
    old = as_zstd(tmp_path, OLD)
    disk = partition(tmp_path, b"\xee" * len(NEW))
    active = partition(tmp_path, OLD, "active")
    done = put(new, disk, active=active, hashes=old.blockmap.hashes)
    assert disk.read_bytes()[: len(NEW)] == NEW
    assert done.moved.copied > 0.5 * len(NEW)


def test_kept_hashes_that_are_wrong_cost_bytes_and_nothing_else(
    tmp_path: Path, new: Published
) -> None:
    old = as_zstd(tmp_path, OLD)
    disk = partition(tmp_path, b"\xee" * len(NEW))
    active = partition(tmp_path, image(900, seed=77), "active")
    done = put(new, disk, active=active, hashes=old.blockmap.hashes)
    assert disk.read_bytes()[: len(NEW)] == NEW
    assert done.moved.copied == 0


def test_one_block_that_changed_since_its_hash_was_kept_is_found_and_fetched(
    tmp_path: Path, new: Published
) -> None:
    old = as_zstd(tmp_path, OLD)
    disk = partition(tmp_path, b"\xee" * len(NEW))
    active = partition(tmp_path, OLD, "active")
    with medium(active) as base, medium(disk) as target:
        clean = install(new.signed, new.blockmap, new.source, target, base=Base(base))
    disk.write_bytes(b"\xee" * disk.stat().st_size)
    place = middle_of_what_is_shared()
    with active.open("r+b") as file:
        file.seek(place)
        file.write(b"\xff\xfe")
    done = put(new, disk, active=active, hashes=old.blockmap.hashes)
    assert disk.read_bytes()[: len(NEW)] == NEW
    assert done.read_back == Digest(BLAKE3, blake3(NEW).hexdigest())
    # The block, and what is packed together with it.
    assert done.moved.received - clean.moved.received < 2 * 32 * BLOCK
    assert done.moved.written - clean.moved.written == BLOCK
    assert done.moved.kept == clean.moved.kept


def middle_of_what_is_shared() -> int:
    """Offset in `OLD` of a block that `NEW` has at the same place, with both its neighbours."""
    same = [
        OLD[at : at + BLOCK] == NEW[at : at + BLOCK] != bytes(BLOCK)
        for at in range(0, len(OLD) - BLOCK, BLOCK)
    ]
    place = next(at for at in range(2, len(same)) if all(same[at - 2 : at + 3]))
    return place * BLOCK


def test_kept_hashes_of_a_larger_partition_do_not_lead_outside(
    tmp_path: Path, new: Published
) -> None:
    disk = partition(tmp_path, b"\xee" * len(NEW))
    active = tmp_path / "active"
    active.write_bytes(OLD[: 300 * BLOCK])
    put(new, disk, active=active, hashes=as_zstd(tmp_path, OLD).blockmap.hashes)
    assert disk.read_bytes()[: len(NEW)] == NEW


def test_the_same_image_again_fetches_and_writes_nothing(tmp_path: Path, new: Published) -> None:
    disk = partition(tmp_path, NEW)
    done = put(new, disk)
    assert done.moved.written == done.moved.received == 0
    assert done.moved.kept == len(NEW)


def test_one_damaged_block_is_repaired_by_itself(tmp_path: Path, new: Published) -> None:
    disk = partition(tmp_path, NEW)
    with disk.open("r+b") as file:
        file.seek(401 * BLOCK + 9)
        file.write(b"\xff\xfe")
    done = put(new, disk)
    assert disk.read_bytes()[: len(NEW)] == NEW
    assert done.moved.written == BLOCK
    assert done.moved.received < 2 * 32 * BLOCK


def test_a_run_that_was_cut_off_goes_on_where_it_was(tmp_path: Path, new: Published) -> None:
    disk = partition(tmp_path, NEW[: len(NEW) // 2] + b"\xee" * (len(NEW) // 2))
    done = put(new, disk)
    assert disk.read_bytes()[: len(NEW)] == NEW
    assert done.moved.received < 0.65 * len(new.packed)


@pytest.mark.parametrize("publish", [as_zstd, as_lz4])
def test_a_flipped_bit_in_the_published_file_is_refused_before_it_is_written(
    tmp_path: Path, publish: Callable[[Path, bytes], Published]
) -> None:
    new = publish(tmp_path, NEW)
    disk = partition(tmp_path, NEW[: 100 * BLOCK] + b"\xee" * (len(NEW) - 100 * BLOCK))
    damaged = bytearray(new.packed)
    damaged[len(damaged) // 2] ^= 1
    with pytest.raises(TargetMismatch, match="not the signed ones"):
        put(new, disk, source=MemorySource(bytes(damaged)))


def collided(new: Published) -> Published:
    """A map whose cut hash of one block fits another block: what a collision would look like."""
    wrong = bytearray(new.raw)
    wrong[7 * BLOCK : 8 * BLOCK] = b"\x11" * BLOCK
    digest = blake3(b"\x11" * BLOCK).digest(8)
    content = bytearray(new.blockmap.dump())
    place = len(content) - new.blockmap.blocks * 8 + 7 * 8
    content[place : place + 8] = digest
    return replace_map(new, parse(bytes(content), "m"))


def replace_map(new: Published, blockmap: BlockMap) -> Published:
    return Published(new.raw, new.packed, blockmap)


def test_a_collision_of_cut_hashes_is_found_by_the_whole_digest(
    tmp_path: Path, new: Published
) -> None:
    wrong = bytearray(NEW)
    wrong[7 * BLOCK : 8 * BLOCK] = b"\x11" * BLOCK
    disk = partition(tmp_path, bytes(wrong))
    with pytest.raises(MisledError):
        put(collided(new), disk)


def test_an_image_that_is_signed_by_sha256_alone_is_read_back_by_that(
    tmp_path: Path, new: Published
) -> None:
    new.signed = replace(new.signed, raw_blake3=None)
    done = put(new, partition(tmp_path, bytes(len(NEW))))
    assert done.read_back == Digest(SHA256, hashlib.sha256(NEW).hexdigest())


def test_a_map_of_another_content_does_not_vouch_for_itself(tmp_path: Path, new: Published) -> None:
    # Whoever signs maps alone can name the image's SHA-256 and describe something else.
    other = as_lz4(tmp_path, bytes(reversed(NEW)))
    whole = replace(
        other.blockmap.whole,
        raw_sha256=new.blockmap.whole.raw_sha256,
        packed_length=other.blockmap.whole.packed_length,
    )
    lying = replace_map(other, replace(other.blockmap, whole=whole))
    lying.signed = replace(
        other.signed, raw_sha256=hashlib.sha256(NEW).hexdigest(), raw_blake3=None
    )
    with pytest.raises(MisledError):
        put(lying, partition(tmp_path, bytes(len(NEW))))


@pytest.mark.parametrize(
    "facts",
    [
        {"packed_length": 5},
        {"hashes": {"sha256": "00" * 32}},
        {"raw_length": 5},
        {"raw_sha256": "00" * 32},
        {"raw_blake3": "00" * 32},
    ],
    ids=lambda facts: next(iter(facts)),
)
def test_a_map_of_another_file_is_refused(
    tmp_path: Path, new: Published, facts: dict[str, object]
) -> None:
    new.signed = replace(new.signed, **facts)  # type: ignore[arg-type]
    with pytest.raises(TargetMismatch, match="another file"):
        put(new, partition(tmp_path, NEW))


def test_an_image_that_does_not_fit_is_refused_before_a_write(
    tmp_path: Path, new: Published
) -> None:
    disk = tmp_path / "small"
    disk.write_bytes(b"\xee" * 100 * BLOCK)
    with pytest.raises(TargetMismatch, match="does not fit"):
        put(new, disk)
    assert disk.read_bytes() == b"\xee" * 100 * BLOCK


@dataclass
class Cutting(MemorySource):
    """Breaks off after a while, again and again."""

    left: int = 3
    each: int = 200_000

    def fetch(self, wanted: Sequence[Range]) -> Iterator[Piece]:
        sent = 0
        for piece in super().fetch(wanted):
            if self.left and sent > self.each:
                self.left -= 1
                raise CutShort("gone")
            sent += len(piece.data)
            yield piece


def test_a_transfer_that_breaks_off_goes_on_with_the_rest(tmp_path: Path, new: Published) -> None:
    disk = partition(tmp_path, b"\xee" * len(NEW))
    put(new, disk, source=Cutting(new.packed))
    assert disk.read_bytes()[: len(NEW)] == NEW


def test_a_transfer_that_never_gives_a_span_is_given_up(tmp_path: Path, new: Published) -> None:
    disk = partition(tmp_path, b"\xee" * len(NEW))
    with pytest.raises(CutShort):
        put(new, disk, source=Cutting(new.packed, left=1 << 30, each=0))


class Silent(MemorySource):
    def fetch(self, wanted: Sequence[Range]) -> Iterator[Piece]:
        del wanted
        return iter(())


def test_a_server_that_sends_nothing_is_given_up(tmp_path: Path, new: Published) -> None:
    disk = partition(tmp_path, b"\xee" * len(NEW))
    with pytest.raises(CutShort, match="does not send"):
        put(new, disk, source=Silent(new.packed))


def every_other_span(new: Published) -> Frontier:
    frontier = Frontier(new.blockmap.blocks)
    for span in list(new.blockmap.spans())[1::2]:
        frontier.mark(span.first, span.blocks)
    return frontier


def test_a_sparse_fetch_takes_few_requests_that_hold_every_missing_span(new: Published) -> None:
    frontier = every_other_span(new)
    requests = list(requests_for(new.blockmap, frontier, together=False))
    assert len(requests) <= 10
    found = [
        span
        for request in requests
        for span in new.blockmap.spans_from(
            request.place, request.stop, lambda first, _count: not frontier.is_right(first)
        )
    ]
    assert found == list(new.blockmap.spans())[::2]


def test_requests_name_every_byte_of_their_spans(new: Published) -> None:
    frontier = every_other_span(new)
    asked = [
        item
        for request in requests_for(new.blockmap, frontier, together=False)
        for item in request.ranges
    ]
    for span in list(new.blockmap.spans())[::2]:
        assert any(one.offset <= span.offset <= one.end - span.length for one in asked)


def test_a_server_without_ranges_is_asked_once(new: Published) -> None:
    frontier = Frontier(new.blockmap.blocks)
    assert len(list(requests_for(new.blockmap, frontier, together=True))) == 1
