"""The process is killed in the middle of an operation, and the power fails during its next run.

What the killed run wrote and did not flush is still in the page cache: the next run reads it as if
it were on the disk, and builds on it. It must not lean on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from updog.crashtest.cases import Case, record
from updog.crashtest.images import Sizes
from updog.crashtest.machine import Agent, Machine
from updog.crashtest.recorder import RecordedDisk
from updog.crashtest.writelog import Event, Flush, Note, Write


def kill_points(case: Case) -> Iterator[int]:
    """The places in a log where a process can be killed with a difference."""
    for position, event in enumerate(case.log, 1):
        if not isinstance(event, Note):
            yield position


def killed(case: Case, position: int, title: str, agent: Agent, sizes: Sizes) -> Case:
    """Kill a recorded operation at one place of its log, and run the agent again.

    Args:
        case: the operation.
        position: how many events of its log happen before the kill.
        title: what the report calls this.
        agent: the code that runs again.
        sizes: how large the next update is.

    Returns:
        The log of the killed run and of the next one; that begins at `position`.

    Raises:
        PartitionError: the next run was refused, or failed.
        UpdogError: the same.
    """
    run_again = partial(_run_again, case, case.log[:position], agent, sizes)
    again = record(title, case.path, case.before, case.running, run_again)
    return replace(again, between=(case.after,))


def _run_again(
    case: Case, begun: tuple[Event, ...], agent: Agent, sizes: Sizes, disk: RecordedDisk
) -> None:
    for event in begun:
        _repeat(event, disk)
    disk.note("the next run begins")
    machine = Machine(disk, case.running, sizes=sizes, agent=agent)
    machine.confirm()
    machine.stage("next")
    machine.control.activate()


def _repeat(event: Event, disk: RecordedDisk) -> None:
    """Do again what the killed run did."""
    match event:
        case Write():
            disk.bytes.write(event.offset, event.data)
        case Flush() | Note():
            pass
    disk.record(event)
