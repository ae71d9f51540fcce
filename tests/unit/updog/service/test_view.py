from __future__ import annotations

from pathlib import Path

import pytest

from partitions.bootflags import BootFlags
from partitions.bootstatus import BootStatus, SetStatus
from partitions.layout import Slot
from tests.fakes.clock import NOW
from updog.service.machine import Command, State
from updog.service.record import ImageId, Record
from updog.service.view import Label, look, tree

HOST = ImageId("x86_64", "1.0.0", "edge-gw")
NEXT = HOST._replace(version="1.1.0")
PROVEN = BootFlags(1, 0, successful=True)
VALID, CHOSEN, SPENT, CLEAR = BootFlags(0, 1), BootFlags(2, 1), BootFlags(2, 0), BootFlags()
FRESH = Record()
OFFERED = Record().begun(Command.REFRESH, NOW).ended(0, "", NOW).offered(HOST, ("1.1.0",), NEXT)


def boot(a: BootFlags, b: BootFlags | None, active: Slot, following: Slot | None) -> BootStatus:
    flags = {Slot.A: a} if b is None else {Slot.A: a, Slot.B: b}
    sets = tuple(SetStatus(slot, "", "", "", each) for slot, each in flags.items())
    return BootStatus(
        Path("/dev/disk"), sets, active, following, ever_succeeded=True, healthy=True, notes=()
    )


A, B = Slot.A, Slot.B
TO_B, TO_A = Label("B", NEXT), Label("A", NEXT)


@pytest.mark.parametrize(
    ("status", "label", "record", "state"),
    [
        (boot(PROVEN, CLEAR, A, A), None, FRESH, State.IDLE),
        (boot(PROVEN, CLEAR, A, A), None, OFFERED, State.AVAILABLE),
        (boot(PROVEN, VALID, A, A), TO_B, FRESH, State.STAGED),
        (boot(PROVEN, VALID, A, A), TO_B, OFFERED, State.STAGED),
        (boot(PROVEN, CHOSEN, A, B), TO_B, OFFERED, State.READY),
        # The trial boot failed, and the machine is back: there is something to do again.
        (boot(PROVEN, SPENT, A, A), TO_B, OFFERED, State.AVAILABLE),
        # The trial boot runs: what was written is what runs, and the other set the way back.
        (boot(PROVEN, SPENT, B, A), TO_B, FRESH, State.IDLE),
        (boot(PROVEN, PROVEN, B, B), TO_B, FRESH, State.IDLE),
        # Rolled back: the other set has booted before, so nothing waits there.
        (boot(PROVEN, PROVEN, A, A), TO_B, OFFERED, State.AVAILABLE),
        # A set that is valid, but of which nobody knows what it holds.
        (boot(PROVEN, VALID, A, A), None, OFFERED, State.AVAILABLE),
        (boot(PROVEN, VALID, A, A), TO_A, OFFERED, State.AVAILABLE),
        (boot(PROVEN, None, A, A), TO_B, FRESH, State.IDLE),
        # Nothing at all would boot: not Ready, whatever stands there.
        (boot(CLEAR, VALID, A, None), TO_B, FRESH, State.STAGED),
    ],
)
def test_the_state_is_what_the_disk_says(
    status: BootStatus, label: Label | None, record: Record, state: State
) -> None:
    assert look(status, label, HOST, record).state is state


def test_what_was_offered_before_the_reboot_is_not_available_after_it() -> None:
    assert look(boot(PROVEN, PROVEN, B, B), TO_B, NEXT, OFFERED).state is State.IDLE


def test_the_status_has_upstreams_members() -> None:
    ready = look(boot(PROVEN, CHOSEN, A, B), TO_B, HOST, OFFERED)
    image = {"arch": "x86_64", "version": "1.0.0", "variant": "edge-gw"}
    update = image | {"version": "1.1.0"}
    assert tree(ready) == {
        "update_state": "Ready",
        "available_updates": ["1.1.0"],
        "chosen_update": update,
        "active_partition": {"image": image, "next_to_boot": False},
        "staging_partition": {"image": update, "next_to_boot": True},
        "most_recent_command": {
            "cmd_type": "refresh",
            "cmd_status": "Success",
            "timestamp": "2031-04-07T09:00:00.000000Z",
            "exit_status": 0,
            "stderr": "",
        },
    }


def test_what_there_is_none_of_is_null() -> None:
    said = tree(look(boot(PROVEN, CLEAR, A, A), None, HOST, FRESH))
    assert said["chosen_update"] is None
    assert said["staging_partition"] is None
    assert said["most_recent_command"] is None
