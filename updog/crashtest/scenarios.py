"""The operations under trial, each with the life of the machine that leads up to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from partitions.layout import Slot
from updog.crashtest.cases import Case, record
from updog.crashtest.images import Sizes
from updog.crashtest.machine import Agent, Machine, started
from updog.crashtest.overlay import Overlay
from updog.crashtest.recorder import RecordedDisk
from updog.errors import InternalError

Life: TypeAlias = Callable[[Machine], None]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One operation.

    Attributes:
        name: what the command line calls it.
        title: what the report calls it.
        before: what happens first, and is not explored.
        during: the operation, of which every power cut is explored.
    """

    name: str
    title: str
    before: Life
    during: Life


@dataclass(frozen=True, slots=True)
class Stand:
    """Where the scenarios are played.

    Attributes:
        path: the file that the real code shall believe to write.
        contents: its bytes.
        active: the running set; None: the one that the bootloader would boot next.
        sizes: how large the updates are.
        tries: how many boots an update is given.
        agent: the code under trial.
    """

    path: Path
    contents: Overlay
    active: Slot | None = None
    sizes: Sizes = field(default_factory=Sizes)
    tries: int = 1
    agent: Agent = field(default_factory=Agent)


def scenarios(names: Iterable[str]) -> tuple[Scenario, ...]:
    """The scenarios of these names, in the order of `updog.crashtest.flags.OPERATIONS`."""
    wanted = set(names)
    return tuple(each for each in _ALL if each.name in wanted)


def play(stand: Stand, scenario: Scenario) -> Case:
    """Play one scenario and record its operation.

    Raises:
        InternalError: the operation ended without doing what it is for.
        NoInactiveSet: the disk has one set only, and the operation needs two.
        PartitionError: the disk is not one of ours, or the operation was refused.
    """
    machine = started(stand.path, stand.contents, stand.active)
    machine.tries, machine.sizes = stand.tries, stand.sizes
    # What leads up to the operation is played by the real code, whatever is under trial.
    scenario.before(machine)

    def during(disk: RecordedDisk) -> None:
        under_trial = replace(machine, disk=disk, agent=stand.agent)
        disk.note("begin")
        scenario.during(under_trial)

    return record(scenario.title, stand.path, machine.disk.bytes, machine.running, during)


def _nothing(_machine: Machine) -> None:
    """The disk is taken as it is."""


def _update(machine: Machine) -> None:
    made = machine.stage("new")
    machine.control.activate()
    lacking = machine.lacks(made, machine.running.other)
    if lacking:
        raise InternalError(f"The update ended without an error, but {lacking}.")


def _stage(machine: Machine) -> None:
    machine.stage("staged")


def _staged_and_chosen(machine: Machine) -> None:
    machine.stage("staged")
    machine.control.activate()


def _updated(machine: Machine) -> None:
    _staged_and_chosen(machine)
    machine.reboot()


def _settled(machine: Machine) -> None:
    _updated(machine)
    machine.confirm()


def _all() -> Iterator[Scenario]:
    yield Scenario("update", "update", _nothing, _update)
    yield Scenario("update", "update over a proven set", _settled, _update)
    yield Scenario("activate", "activate", _stage, lambda machine: machine.control.activate())
    yield Scenario(
        "mark-successful",
        "mark-successful",
        _updated,
        lambda machine: machine.control.mark_successful(),
    )
    yield Scenario("rollback", "rollback", _settled, lambda machine: machine.control.rollback())
    yield Scenario("revert", "revert", _staged_and_chosen, lambda machine: machine.control.cancel())


_ALL = tuple(_all())
