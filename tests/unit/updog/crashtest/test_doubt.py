from __future__ import annotations

from tests.unit.updog.crashtest.logs import DISK, PART, doubt_of, flush, last_moment, old, sectors
from tests.unit.updog.crashtest.logs import write as written
from updog.crashtest.doubt import Fineness, find_doubt
from updog.crashtest.moments import moments


def test_a_write_is_torn_at_each_sector() -> None:
    doubt = doubt_of(sectors(0, 3))
    assert [(atom.start - PART.offset, atom.end - PART.offset) for atom in doubt.atoms] == [
        (0, 512),
        (512, 1024),
        (1024, 1536),
    ]


def test_larger_sectors_make_fewer_atoms() -> None:
    assert len(doubt_of(sectors(0, 16), sector=4096).atoms) == 2


def test_a_sector_is_torn_at_its_edges_and_not_where_the_write_begins() -> None:
    doubt = doubt_of(written(PART.offset + 500, b"n" * 24))
    assert [(a.start - PART.offset, a.end - PART.offset) for a in doubt.atoms] == [
        (500, 512),
        (512, 524),
    ]


def test_bytes_that_were_there_before_are_in_no_doubt() -> None:
    doubt = doubt_of(sectors(0, 2, b"o"), sectors(2, 1, b"n"))
    assert [atom.write for atom in doubt.atoms] == [1]


def test_a_sector_written_twice_has_a_history() -> None:
    doubt = doubt_of(sectors(0, 1, b"m"), sectors(0, 1, b"n"))
    assert doubt.histories == ((0, 1),)


def test_two_writes_into_one_sector_share_a_cell() -> None:
    doubt = doubt_of(written(PART.offset + 300, b"nn"), written(PART.offset + 2, b"nn"))
    assert len(doubt.cells) == 1
    assert doubt.cells[0].start == PART.offset + 2


def test_only_writes_through_the_disk_are_critical() -> None:
    doubt = doubt_of(sectors(1, 1, channel=DISK), sectors(0, 1))
    assert doubt.critical == 0b01


def test_a_very_large_moment_is_torn_at_runs_of_sectors() -> None:
    doubt = doubt_of(sectors(0, 16), most_atoms=4)
    assert len(doubt.atoms) == 4


def test_the_partition_table_is_torn_at_sectors_however_large_the_moment() -> None:
    doubt = doubt_of(sectors(1, 2, channel=DISK), sectors(0, 16), most_atoms=2)
    assert doubt.critical.bit_count() == 2


def test_flushing_marks_what_the_next_flush_makes_durable() -> None:
    log = (sectors(1, 1, channel=DISK), sectors(0, 1), flush())
    doubt = find_doubt(log, next(moments(log)), Fineness(512), old)
    assert doubt.flushing == 0b10


def test_cells_say_which_version_equals_a_disk_they_are_compared_with() -> None:
    log = (sectors(0, 1, b"n"),)
    doubt = find_doubt(log, last_moment(*log), Fineness(512), old, (old, new))
    assert doubt.cells[0].equal == ((True, False), (False, True))


def test_a_rewritten_sector_is_compared_as_well() -> None:
    log = (sectors(0, 1, b"o"),)
    doubt = find_doubt(log, last_moment(*log), Fineness(512), old, (old, new))
    assert [cell.equal for cell in doubt.cells] == [((True,), (False,))]


def test_the_atoms_of_a_mask_come_in_the_order_of_issue() -> None:
    doubt = doubt_of(sectors(3, 1), sectors(0, 1), sectors(1, 1))
    assert [atom.write for atom in doubt.chosen(0b101)] == [0, 2]


def new(_offset: int, length: int) -> bytes:
    return b"n" * length
