from __future__ import annotations

from partitions.bootflags import BootFlags
from partitions.systemdboot.entries import EntryName, parse
from partitions.systemdboot.plan import plan

STEMS = ("os-a", "os-b")


def _told(present: list[str], **wanted: BootFlags) -> list[str]:
    names = [parse(file, STEMS) for file in present]
    steps = plan([name for name in names if name], {f"os-{key}": f for key, f in wanted.items()})
    return [("+ " if step.put else "- ") + step.name.file for step in steps]


def test_to_activate_the_running_set_is_lowered_before_the_other_one_is_raised() -> None:
    steps = _told(
        ["os-a-2.conf", "os-b-0+1.conf"], a=BootFlags(1, 0, successful=True), b=BootFlags(2, 1)
    )
    assert steps == ["+ os-a-1.conf", "- os-a-2.conf", "+ os-b-2+1.conf", "- os-b-0+1.conf"]


def test_to_cancel_the_running_set_is_raised_before_the_other_one_is_taken_out() -> None:
    steps = _told(
        ["os-a-1.conf", "os-b-2+1.conf"], a=BootFlags(2, 0, successful=True), b=BootFlags(0, 1)
    )
    assert steps == ["+ os-a-2.conf", "- os-a-1.conf", "+ os-b-0+1.conf", "- os-b-2+1.conf"]


def test_to_confirm_the_counter_goes_away_after_the_good_entry_is_there() -> None:
    steps = _told(
        ["os-a-1.conf", "os-b-2+0-1.conf"],
        a=BootFlags(1, 0, successful=True),
        b=BootFlags(2, 0, successful=True),
    )
    assert steps == ["+ os-b-2.conf", "- os-b-2+0-1.conf"]


def test_a_set_without_boot_bits_has_no_entry() -> None:
    assert _told(
        ["os-a-1.conf", "os-b-1.conf"], a=BootFlags(1, 0, successful=True), b=BootFlags()
    ) == ["- os-b-1.conf"]


def test_what_is_as_it_should_be_is_left_alone() -> None:
    assert _told(["os-a-1.conf"], a=BootFlags(1, 0, successful=True), b=BootFlags()) == []


def test_what_an_interrupted_change_left_is_dropped() -> None:
    assert _told(["os-a-1.conf", "os-a-2.conf"], a=BootFlags(2, 0, successful=True)) == [
        "- os-a-1.conf"
    ]


def test_tries_that_were_spent_are_remembered_when_the_rank_changes() -> None:
    assert _told(["os-b-2+1-2.conf"], b=BootFlags(1, 1)) == [
        "+ os-b-1+1-2.conf",
        "- os-b-2+1-2.conf",
    ]


def test_a_good_set_forgets_its_counter() -> None:
    assert _told(["os-b-2+1-2.conf"], b=BootFlags(2, 1, successful=True))[0] == "+ os-b-2.conf"


def test_nothing_is_put_twice() -> None:
    steps = plan([], {"os-a": BootFlags(1, 0, successful=True)})
    assert [step.name for step in steps] == [EntryName("os-a", 1)]
