from __future__ import annotations

from tests.fakes.tiny_stand import overlay
from updog.crashtest.overlay import BLOCK

BASE = bytes(range(250)) * 40


def test_an_untouched_overlay_reads_what_lies_beneath() -> None:
    assert overlay(BASE).read(7, 5000) == BASE[7:5007]


def test_writes_lie_on_top() -> None:
    disk = overlay(BASE)
    disk.write(4090, b"0123456789ab")
    assert disk.read(4085, 22) == BASE[4085:4090] + b"0123456789ab" + BASE[4102:4107]


def test_the_last_short_block_can_be_written() -> None:
    disk = overlay(BASE)
    disk.write(len(BASE) - 3, b"end")
    assert disk.read(len(BASE) - 5, 5) == BASE[-5:-3] + b"end"
    assert len(disk.read(0, len(BASE))) == len(BASE)


def test_a_later_write_wins() -> None:
    disk = overlay(BASE)
    disk.write(10, b"first")
    disk.write(12, b"2nd")
    assert disk.read(9, 8) == BASE[9:10] + b"fi2nd" + BASE[15:17]


def test_a_fork_leaves_its_origin_alone() -> None:
    disk = overlay(BASE)
    disk.write(0, b"one")
    fork = disk.fork()
    fork.write(1, b"X")
    assert (disk.read(0, 3), fork.read(0, 3)) == (b"one", b"oXe")


def test_blocks_of_zeros_are_one_object() -> None:
    disk = overlay(BASE)
    disk.write(0, bytes(2 * BLOCK))
    assert disk._blocks[0] is disk._blocks[1]
