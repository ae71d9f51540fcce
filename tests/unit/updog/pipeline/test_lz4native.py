from __future__ import annotations

from collections.abc import Callable

import pytest
from lz4 import block as lz4_block

from tests.fakes.images import image
from updog.pipeline import lz4native
from updog.pipeline.lz4native import decode_into

RAW = image(60)
PACKED = lz4_block.compress(RAW, store_size=False)

Decode = Callable[[memoryview, memoryview], int]


@pytest.fixture(params=["library", "package"])
def decode(request: pytest.FixtureRequest) -> Decode:
    if request.param == "library":
        return decode_into
    return lambda data, room: decode_into(data, room, None)


def test_the_library_is_found_in_the_package() -> None:
    assert lz4native._native is not None


def test_a_block_is_decoded_into_the_memory_that_is_given(decode: Decode) -> None:
    room = memoryview(bytearray(len(RAW) + 10))
    assert decode(memoryview(bytearray(PACKED)), room) == len(RAW)
    assert room[: len(RAW)] == RAW
    assert bytes(room[len(RAW) :]) == bytes(10)


def test_memory_that_cannot_be_written_can_be_read(decode: Decode) -> None:
    room = memoryview(bytearray(len(RAW)))
    assert decode(memoryview(PACKED), room) == len(RAW)


def test_nothing_is_written_behind_the_memory(decode: Decode) -> None:
    whole = memoryview(bytearray(b"\xaa" * (len(RAW) + 100)))
    with pytest.raises(ValueError, match=r"damaged|failed"):
        decode(memoryview(bytearray(PACKED)), whole[: len(RAW) - 1])
    assert bytes(whole[len(RAW) :]) == b"\xaa" * 100


def test_a_damaged_block_is_refused(decode: Decode) -> None:
    with pytest.raises(ValueError, match=r"damaged|failed"):
        decode(memoryview(bytearray(b"\xff" * 50)), memoryview(bytearray(10_000)))
