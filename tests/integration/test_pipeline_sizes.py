"""Images around 2 and 4 GiB: over HTTP, whole and by their map, alone and one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from partitions.blockio import Extent
from partitions.bootcontrol import GptBootControl
from partitions.device import open_device
from partitions.image import create_image, seeded_guids
from partitions.layout import Slot
from partitions.plan import plan_for
from partitions.sysfs import from_image
from tests.fakes.images import medium
from tests.fakes.large_images import MIB, STEP, as_lz4, as_zstd, digest, make_sparse
from tests.fakes.rangeserver import Served, serving
from updog import install
from updog.blockmap import BlockMap
from updog.install import Image, ImageSet
from updog.pipeline import adaptive, full
from updog.pipeline.facts import Done, Signed, Way
from updog.pipeline.httpranges import HttpRanges
from updog.requestswire import RequestsWire
from updog.wire import FetchSettings

LONGEST = (4 << 30) + 4096
LENGTHS = [(2 << 30) - 1, 2 << 30, LONGEST]
PARTITION_MIB = 4100

Pack = Callable[[Path, Path], BlockMap]


@dataclass(frozen=True, slots=True)
class Large:
    """A published image of which only the packed form is kept.

    Attributes:
        content: what is served.
        blockmap: its map.
    """

    content: bytes
    blockmap: BlockMap

    @classmethod
    def make(cls, folder: Path, length: int, pack: Pack) -> Large:
        raw, packed = folder / "raw", folder / "packed"
        make_sparse(raw, length)
        blockmap = pack(raw, packed)
        raw.unlink()
        made = cls(packed.read_bytes(), blockmap)
        packed.unlink()
        return made

    @property
    def signed(self) -> Signed:
        whole = self.blockmap.whole
        return Signed(
            "large",
            whole.packed_length,
            {"sha256": whole.packed_sha256.hex()},
            whole.raw_length,
            whole.raw_sha256.hex(),
            whole.raw_blake3.hex(),
        )


def receive(served: Served) -> Iterator[bytes]:
    answer = RequestsWire(FetchSettings()).ask(served.url, {})
    while chunk := answer.read1(1 << 18):
        yield chunk


def ranges(served: Served) -> HttpRanges:
    wire = RequestsWire(FetchSettings())
    return HttpRanges(lambda wanted: wire.ask(served.url, {"Range": wanted}), "large")


def put(large: Large, way: Way, disk: Path) -> Done:
    with disk.open("wb") as file:
        file.truncate(large.blockmap.whole.raw_length)
    with serving(Served(large.content)) as served, medium(disk) as target:
        if way is Way.FULL:
            return full.install(large.signed, lambda: receive(served), target)
        return adaptive.install(large.signed, large.blockmap, ranges(served), target)


@pytest.mark.slow(seconds=45)
@pytest.mark.parametrize(
    ("length", "pack"), [*((length, as_zstd) for length in LENGTHS), (LONGEST, as_lz4)]
)
def test_large_images_pass_whole_and_by_their_map(tmp_path: Path, length: int, pack: Pack) -> None:
    large, disk = Large.make(tmp_path, length, pack), tmp_path / "partition"
    for way in (Way.FULL, Way.ADAPTIVE):
        done = put(large, way, disk)
        assert done.moved.received >= length // STEP * MIB
        assert done.moved.written >= length // STEP * MIB
        assert disk.stat().st_size == done.raw_length == length
        assert digest(disk) == large.blockmap.whole.raw_sha256.hex()
        disk.unlink()


def image(large: Large, served: Served, *, by_map: bool) -> Image:
    signed = large.signed
    made = Image(
        signed.name,
        signed.packed_length,
        signed.hashes,
        lambda: receive(served),
        signed.raw_length,
        signed.raw_sha256,
        signed.raw_blake3,
    )
    if by_map:
        return replace(made, source=lambda: ranges(served), blockmap=lambda: large.blockmap)
    return made


def is_zero(place: Extent, first: int) -> bool:
    """Whether a partition is blank from there to its end."""
    with place.path.open("rb") as file:
        file.seek(place.offset + first)
        assert place.size is not None
        left = place.size - first
        while left:
            piece = file.read(min(MIB, left))
            if piece.count(0) != len(piece):
                return False
            left -= len(piece)
    return True


@pytest.mark.slow(seconds=45)
def test_a_shorter_image_leaves_nothing_of_a_longer_one_behind_it(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    create_image(disk, plan_for(PARTITION_MIB, 1, 1), new_guid=seeded_guids("sizes"))
    control = GptBootControl(from_image(disk, Slot.A))
    small = Large.make(tmp_path, MIB, as_lz4)
    place = control.inactive_set().root
    for length, by_map in ((LONGEST, True), ((2 << 30) - 1, False)):
        large = Large.make(tmp_path, length, as_lz4)
        with serving(Served(large.content)) as served, serving(Served(small.content)) as other:
            root = image(large, served, by_map=by_map)
            images = ImageSet(
                boot=image(small, other, by_map=False),
                root=root,
                hash=image(small, other, by_map=False),
            )
            install.stage(images, control, open_device, tries=1, force=True)
        start = place.offset
        assert digest(disk, start, start + length) == large.blockmap.whole.raw_sha256.hex()
        assert is_zero(place, length)
