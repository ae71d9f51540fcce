from __future__ import annotations

import pytest

from partitions.guid import Guid
from partitions.layout import Slot
from partitions.stage.errors import StageError
from partitions.stage.words import (
    MOST_BYTES,
    OnCorruption,
    Words,
    image_command_line,
    next_command_line,
    parse,
)

DISK = Guid.from_text("11111111-2222-4333-8444-555555555555")
HASH = "ab" * 32


def test_a_stage_without_words_takes_what_is_usual() -> None:
    assert parse("console=ttyS0 quiet") == Words()
    assert Words().init == "/sbin/init"
    assert Words().on_corruption is OnCorruption.RESTART


def test_every_word_is_read() -> None:
    line = (
        f"updog.disk={DISK} updog.set=B updog.root_hash={HASH.upper()} updog.verity=panic"
        " updog.watchdog=30 init=/bin/other"
    )
    expected = Words(DISK, Slot.B, HASH, OnCorruption.PANIC, 30, "/bin/other")
    assert parse(line) == expected


def test_the_last_of_two_equal_words_counts() -> None:
    assert parse("updog.set=A updog.set=B").slot is Slot.B


def test_what_follows_two_dashes_is_for_init() -> None:
    assert parse("quiet -- updog.set=A") == Words()


@pytest.mark.parametrize(
    "word",
    [
        "updog.disk=nonsense",
        "updog.set=C",
        "updog.set=",
        "updog.root_hash=abc",
        f"updog.root_hash={'g' * 64}",
        "updog.verity=maybe",
        "updog.watchdog=-1",
        "updog.watchdog=3601",
        "updog.watchdog=soon",
    ],
)
def test_a_word_that_means_nothing_is_refused(word: str) -> None:
    with pytest.raises(StageError, match="makes no sense"):
        parse(f"quiet {word}")


def test_lines_of_an_image_are_joined_and_remarks_left_out() -> None:
    assert image_command_line(b"# ours\nconsole=ttyS0\n  quiet\n") == "console=ttyS0 quiet"


@pytest.mark.parametrize("content", [b"", b"\n# only a remark\n", b"caf\xc3\xa9", b"a\x00b"])
def test_an_image_without_a_usable_command_line_is_refused(content: bytes) -> None:
    with pytest.raises(StageError, match="cmdline"):
        image_command_line(content)


def test_the_stage_says_which_set_and_disk_it_took() -> None:
    line = next_command_line(f"quiet updog.root_hash={HASH} -- more", DISK, Slot.B)
    assert line == f"updog.set=B updog.disk={DISK} quiet updog.root_hash={HASH} -- more"
    assert parse(line) == Words(DISK, Slot.B, HASH)


def test_an_image_cannot_say_that_it_is_another_set() -> None:
    line = next_command_line("updog.set=A updog.disk=x quiet", DISK, Slot.B)
    assert line == f"updog.set=B updog.disk={DISK} quiet"


def test_a_line_too_long_for_a_kernel_is_refused() -> None:
    room = MOST_BYTES - len(next_command_line("", DISK, Slot.A)) - 1
    assert len(next_command_line("x" * room, DISK, Slot.A)) == MOST_BYTES
    with pytest.raises(StageError, match=f"of {MOST_BYTES}"):
        next_command_line("x" * (room + 1), DISK, Slot.A)
