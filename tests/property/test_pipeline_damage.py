"""One bit is wrong somewhere between the publisher and the partition: never taken for right."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partitions.errors import DeviceError
from tests.fakes.images import changed, chunks, image, medium, signed
from tests.fakes.published import MemorySource, Published, as_delta, as_lz4, as_zstd
from updog.errors import UpdogError
from updog.pipeline.adaptive import Base
from updog.pipeline.delta import Delta
from updog.pipeline.direct import Medium
from updog.pipeline.engine import Offer, install
from updog.pipeline.facts import Way
from updog.pipeline.scratch import receive_signed

pytestmark = pytest.mark.property

OLD = image(120, seed=3)
NEW = changed(OLD) + b"a short end"
EXAMPLES = settings(max_examples=40, deadline=None)
BITS = st.integers(0, (1 << 40) - 1)
WAYS = st.sampled_from(Way)


@dataclass(frozen=True)
class Files:
    """What a repository has for the image."""

    new: Published
    blockmap: bytes
    delta: bytes


@cache
def files(kind: str) -> Files:
    with TemporaryDirectory() as name:
        folder = Path(name)
        new = as_zstd(folder, NEW, [OLD]) if kind == "zstd" else as_lz4(folder, NEW)
        return Files(new, new.blockmap.dump(), as_delta(folder, NEW, OLD))


def flipped(content: bytes, bit: int) -> bytes:
    damaged = bytearray(content)
    bit %= len(damaged) * 8
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


class Flipping:
    """A medium that writes one bit wrong, once."""

    def __init__(self, real: Medium, bit: int) -> None:
        self.size = real.size
        self.past_cache = real.past_cache
        self.done = False
        self._real = real
        self._offset, self._bit = bit // 8, bit % 8
        self._lock = threading.Lock()

    def write(self, offset: int, data: memoryview) -> None:
        with self._lock:
            mine = not self.done and 0 <= self._offset - offset < len(data)
            self.done |= mine
        if mine:
            copy = bytearray(data)
            copy[self._offset - offset] ^= 1 << self._bit
            data = memoryview(copy)
        self._real.write(offset, data)

    def read(self, offset: int, length: int, buffer: memoryview) -> memoryview:
        return self._real.read(offset, length, buffer)

    def flush(self) -> None:
        self._real.flush()


def install_once(offer: Offer, way: Way, *, wrong_bit: int | None = None) -> bytes | None:
    """What the partition holds where the installation says that it is done; None otherwise."""
    with TemporaryDirectory() as name:
        disk, active = Path(name, "disk"), Path(name, "active")
        disk.write_bytes(b"\xee" * len(NEW))
        active.write_bytes(OLD)
        with medium(disk) as target, medium(active) as base:
            place = target if wrong_bit is None else Flipping(target, wrong_bit)
            try:
                done = install(offer, place, Base(base), [way])
            except (UpdogError, DeviceError):
                return None
            if isinstance(place, Flipping) and place.done:
                # By its map the wrong block was found; else another way wrote all of it again.
                assert done.way is not Way.DELTA
        assert done.read_back == done.expected
        return disk.read_bytes()


def offered(
    found: Files,
    *,
    packed: bytes | None = None,
    delta: bytes | None = None,
) -> Offer:
    content = found.new.packed if packed is None else packed
    changes = found.delta if delta is None else delta
    return Offer(
        found.new.signed,
        lambda: chunks(content),
        MemorySource(content),
        found.new.blockmap,
        Delta(signed(b"", found.delta, "delta"), lambda: chunks(changes)),
    )


@given(st.sampled_from(["zstd", "lz4"]), WAYS, BITS)
@EXAMPLES
def test_a_bit_of_the_image_on_its_way(kind: str, way: Way, bit: int) -> None:
    found = files(kind)
    offer = offered(found, packed=flipped(found.new.packed, bit))
    assert install_once(offer, way) in {None, NEW}


@given(BITS)
@EXAMPLES
def test_a_bit_of_the_delta_on_its_way(bit: int) -> None:
    found = files("zstd")
    assert install_once(offered(found, delta=flipped(found.delta, bit)), Way.DELTA) in {None, NEW}


@given(BITS)
@EXAMPLES
def test_a_bit_of_the_map_on_its_way(bit: int) -> None:
    content = files("zstd").blockmap
    with pytest.raises(UpdogError):
        receive_signed(signed(b"", content, "map"), lambda: chunks(flipped(content, bit)))


@given(st.sampled_from(["zstd", "lz4"]), WAYS, st.integers(0, len(NEW) * 8 - 1))
@EXAMPLES
def test_a_bit_on_the_partition(kind: str, way: Way, bit: int) -> None:
    assert install_once(offered(files(kind)), way, wrong_bit=bit) in {None, NEW}
