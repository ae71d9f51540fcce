from __future__ import annotations

import threading
from hashlib import sha256

import pytest

from updog.digests import SHA256, Digest
from updog.errors import TargetMismatch
from updog.pipeline.order import Order
from updog.pipeline.stages import Stopped


def test_blocks_get_their_places_by_number() -> None:
    order = Order("x", 100, SHA256)
    places: dict[int, int] = {}
    contents = [b"abc", b"de", b"fghi"]

    def place(number: int) -> None:
        places[number] = order.place(number, contents[number])

    threads = [threading.Thread(target=place, args=(number,)) for number in (2, 1, 0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert places == {0: 0, 1: 3, 2: 5}
    assert order.length == 9
    assert order.digest() == Digest(SHA256, sha256(b"abcdefghi").hexdigest())


def test_an_image_longer_than_its_place_is_refused() -> None:
    order = Order("x", 4, None)
    order.place(0, b"abc")
    with pytest.raises(TargetMismatch, match="more than the 4 bytes"):
        order.place(1, b"de")
    assert order.digest() is None


def test_who_waits_for_a_place_is_let_go() -> None:
    order = Order("x", 4, None)
    order.stop()
    with pytest.raises(Stopped):
        order.place(1, b"a")
