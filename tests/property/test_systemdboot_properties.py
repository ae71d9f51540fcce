"""Both backends live the same life, and no step between two entries leaves nothing to start."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partitions.boot import choose_next
from partitions.bootcontrol import GptBootControl
from partitions.bootflags import BootFlags
from partitions.disk import read_table, write_table
from partitions.errors import TransitionRefused
from partitions.slot import Slot
from partitions.sysfs import Located
from partitions.systemdboot.control import SystemdBootControl
from partitions.systemdboot.entries import EntryName, after_start, counted_best, started_first
from partitions.systemdboot.esp import Esp
from partitions.systemdboot.plan import plan
from tests.fakes.systemd_boot import efi_program, entries, start
from tests.fakes.two_sets import DISK, two_sets

pytestmark = pytest.mark.property

STEMS = ("os-a", "os-b")
_VERBS = ("clear", "valid", "activate", "cancel", "rollback", "success", "restart")
_flags = st.builds(BootFlags, st.integers(0, 2), st.integers(0, 3), st.booleans())


class _World:
    """One machine twice: boot bits in its partition table, and in names on its ESP."""

    def __init__(self, folder: Path) -> None:
        self.sets = two_sets()
        self.esp = folder
        (folder / "loader/entries").mkdir(parents=True)
        (folder / "EFI/updog").mkdir(parents=True)
        for stem in STEMS:
            (folder / f"EFI/updog/{stem}.efi").write_bytes(efi_program(b"x"))
        place = self.sets.places["boot"]
        program = efi_program(b"new")
        self.sets.disk.data[place.start : place.start + len(program)] = program
        entry = "sort-key updog-14\nefi /EFI/updog/os-a.efi\n"
        (folder / "loader/entries/os-a-1.conf").write_text(entry)
        self.running = Slot.A

    def controls(self) -> tuple[GptBootControl, SystemdBootControl]:
        located = Located(DISK, active=self.running)
        esp = Esp(self.esp, STEMS, lambda _number: None)
        return (
            GptBootControl(located, self.sets.opener),
            SystemdBootControl(located, esp, self.sets.opener),
        )

    def do(self, verb: str) -> list[type[BaseException] | None]:
        """Do the same with both and say how each took it."""
        told: list[type[BaseException] | None] = []
        for control in self.controls():
            if verb == "valid" and control.status().flags(self.running.other).successful:
                continue  # granting tries to a proven set: only one of the two remembers them
            try:
                _do(control, verb)
            except TransitionRefused as error:
                told.append(type(error))
            else:
                told.append(None)
        return told

    def restart(self) -> None:
        program = start(self.esp)
        assert program is not None
        self.running = Slot.A if program.endswith("a.efi") else Slot.B


def _do(control: GptBootControl, verb: str) -> None:
    match verb:
        case "clear":
            control.clear_inactive()
        case "valid":
            control.mark_inactive_valid(1)
        case "activate":
            control.activate()
        case "cancel":
            control.cancel()
        case "rollback":
            control.rollback()
        case _:
            control.mark_successful()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(_VERBS), max_size=14))
def test_the_same_life_in_names_and_in_bits(verbs: list[str]) -> None:
    with TemporaryDirectory() as folder:
        world = _World(Path(folder))
        for verb in verbs:
            gpt, named = world.controls()
            if verb == "restart":
                if gpt.status().next is None:
                    return
                _spend(world)
                continue
            assert len(set(world.do(verb))) <= 1, verb
            one, two = gpt.status(), named.status()
            assert [each.flags for each in one.sets] == [each.flags for each in two.sets]
            assert one.next in {two.next, None}
            assert one.ever_succeeded == two.ever_succeeded


def _spend(world: _World) -> None:
    """Both bootloaders start the same set."""
    gpt, _ = world.controls()
    expected = gpt.status().next
    world.restart()
    assert world.running is expected
    choice = choose_next(read_table(world.sets.disk).table)
    assert choice is not None
    assert choice.slot is expected
    write_table(world.sets.disk, choice.table)


@settings(max_examples=300, deadline=None)
@given(_flags, _flags, _flags, _flags)
def test_no_step_leaves_nothing_to_start_where_there_was_and_will_be_something(
    a: BootFlags, b: BootFlags, a_after: BootFlags, b_after: BootFlags
) -> None:
    present = {
        name
        for stem, flags in zip(STEMS, (a, b), strict=True)
        for name in [_named(stem, flags)]
        if name
    }
    wanted = dict(zip(STEMS, (a_after, b_after), strict=True))
    steps = plan(present, wanted)
    seen, now = [], set(present)
    for step in steps:
        now = now | {step.name} if step.put else now - {step.name}
        seen.append(_stem(started_first(now)))
    assert {stem: (counted_best(now, stem) or _NONE).flags for stem in STEMS} == {
        stem: _NONE.flags if flags == BootFlags() else _kept(flags)
        for stem, flags in wanted.items()
    }
    if _proven(present) and _proven(now):
        assert None not in seen


_NONE = EntryName("", 0, 0)


def _kept(flags: BootFlags) -> BootFlags:
    return flags.but(tries_left=0) if flags.successful else flags


def _named(stem: str, flags: BootFlags) -> EntryName | None:
    if flags == BootFlags():
        return None
    return EntryName(stem, flags.priority, None if flags.successful else flags.tries_left)


def _stem(name: EntryName | None) -> str | None:
    return name.stem if name else None


def _proven(names: set[EntryName]) -> bool:
    return any(name.rank and name.left is None for name in names)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(STEMS), _flags), max_size=4))
def test_our_order_is_that_of_the_bootloader(sets: list[tuple[str, BootFlags]]) -> None:
    names = [name for stem, flags in sets for name in [_named(stem, flags)] if name and name.rank]
    with TemporaryDirectory() as folder:
        esp = Path(folder)
        (esp / "loader/entries").mkdir(parents=True)
        for name in names:
            key = f"sort-key updog-{15 - name.rank:02}\nefi /x.efi\n"
            (esp / "loader/entries" / name.file).write_text(key)
        (esp / "x.efi").touch()
        menu = entries(esp)
        first = started_first(names)
        assert (menu[0].name if menu else None) == (first.file if first else None)
        if first:
            start(esp)
            assert (esp / "loader/entries" / after_start(first).file).exists()
        shutil.rmtree(esp / "loader")
