from __future__ import annotations

from tests.unit.updog.crashtest.logs import DISK, doubt_of, sectors
from updog.crashtest.contents import Span
from updog.crashtest.regions import DiskMap, Region
from updog.crashtest.words import Counterexample, places, rank, smallest

MAP = DiskMap((Region("the header", Span(512, 1024)), Region("the images", Span(8192, 16384))))
DOUBT = doubt_of(sectors(1, 1, channel=DISK), sectors(0, 6))


def test_a_failure_by_one_landed_sector_is_cut_down_to_it() -> None:
    assert smallest(0b0001110, DOUBT, lambda mask: bool(mask & 0b1000)) == 0b1000


def test_a_failure_by_one_lost_sector_is_cut_down_to_it() -> None:
    everything = DOUBT.everything
    found = smallest(everything ^ 0b110, DOUBT, lambda mask: not mask & 0b100)
    assert found == everything ^ 0b100


def test_a_failure_that_needs_two_sectors_keeps_two() -> None:
    assert smallest(0b0010110, DOUBT, lambda mask: mask & 0b10010 == 0b10010) == 0b10010


def test_a_failure_among_many_sectors_is_cut_down_in_large_parts_first() -> None:
    doubt = doubt_of(sectors(0, 32))
    asked = []

    def fails(mask: int) -> bool:
        asked.append(mask)
        return bool(mask & 1 << 13)

    assert smallest(0xFFFF, doubt, fails) == 1 << 13
    assert len(asked) < 16


def test_fewer_sectors_are_simpler() -> None:
    assert rank(0b1, DOUBT) < rank(0b11, DOUBT)
    assert rank(DOUBT.everything ^ 0b1, DOUBT) < rank(0b11, DOUBT)


def test_each_place_is_told_by_name() -> None:
    assert places(0b0000001, DOUBT, MAP) == (
        "the header: all 1 reached the disk",
        "the images: none of 6 reached the disk",
    )


def test_the_smaller_part_of_a_place_is_told_by_byte() -> None:
    assert places(0b0000010, DOUBT, MAP)[1] == (
        "the images: of 6, only 1 (byte 8192) reached the disk"
    )
    assert places(0b1111010, DOUBT, MAP)[1] == (
        "the images: of 6, all but 1 (byte 8704) reached the disk"
    )


def test_many_sectors_are_counted_and_not_listed() -> None:
    doubt = doubt_of(sectors(0, 12))
    assert places(0b111110, doubt, MAP) == ("the images: of 12, only 5 reached the disk",)


def test_a_place_without_a_name_is_told_as_well() -> None:
    assert MAP.name_at(5000) == "space that nothing uses"


def test_a_counterexample_reads_as_a_story() -> None:
    told = Counterexample("update", "write", 512, 7, ("the header: none",), "nothing boots.", ())
    assert str(told) == (
        "update: the power is cut during the step 'write'.\n"
        "7 sectors of 512 bytes were written and not flushed:\n"
        "  - the header: none\n"
        "Then nothing boots."
    )
