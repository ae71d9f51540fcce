"""A host that updates, restarts by the bootloader's rule, and has health checks; no real boot."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from partitions import boot
from partitions.blockio import Access, Extent
from partitions.bootcontrol import GptBootControl
from partitions.disk import read_table, write_table
from partitions.layout import Slot
from partitions.sysfs import Located
from tests.fakes.client_world import V1, V2, VARIANT, ClientWorld, release
from tests.fakes.two_sets import DISK
from updog import update
from updog.health import gate, record
from updog.health.gate import Machine, Verdict
from updog.health.record import Record
from updog.health.verdict import Arrival, Fate
from updog.select import Host
from updog.settings import Health, Isolation, Settings
from updog.update import Environment, Installed, Wish
from updog.version import Version

MOMENT = "2031-04-07T09:00:00Z"
MAX_RESETS = 20


@dataclass
class RebootingHost:
    """A host with two sets, and what is in each of them."""

    home: Path
    client: ClientWorld = field(init=False)
    slot: Slot = Slot.A
    boots: int = 1
    restarts: int = 0
    contents: dict[Slot, Version] = field(default_factory=lambda: {Slot.A: V1})
    stillborn: set[Version] = field(default_factory=set)
    health: Health = field(init=False)

    def __post_init__(self) -> None:
        self.client = ClientWorld(self.home)
        self.health = Health(
            required_dir=self.home / "required.d",
            wanted_dir=self.home / "wanted.d",
            before_dir=self.home / "before.d",
            after_dir=self.home / "after.d",
            timeout=10,
            isolation=Isolation.PROCESS,
        )
        for folder in (self.health.required_dir, self.health.wanted_dir):
            folder.mkdir()
        self.say_who()
        self.client.offer(release(V2))

    @property
    def settings(self) -> Settings:
        return self.client.settings._replace(health=self.health)

    @property
    def control(self) -> GptBootControl:
        return GptBootControl(Located(DISK, active=self.slot), self.client.machine.opener)

    @property
    def machine(self) -> Machine:
        return Machine(self.settings, self.control, f"boot-{self.boots}", MOMENT)

    @property
    def version(self) -> Version:
        return self.contents[self.slot]

    @property
    def record(self) -> Record:
        return record.load(self.settings.paths.health)

    @property
    def bad(self) -> list[str]:
        return [each.version for each in self.record.bad]

    @property
    def confirmed(self) -> bool:
        return self.control.status().confirmed

    def say_who(self) -> None:
        text = f"VERSION_ID={self.version}\nVARIANT_ID={VARIANT}\n"
        self.client.paths.os_release.write_text(text)

    def check(self, name: str, *, kind: str = "required") -> Path:
        """Install a check that passes while the file that is returned is there."""
        good = self.home / f"{kind}-{name}-is-good"
        good.touch()
        self.program(kind, name, f"test -e {good}")
        return good

    def program(self, kind: str, name: str, script: str) -> Path:
        path = self.home / f"{kind}.d" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    def environment(self) -> Environment:
        env = self.client.environment(self.settings)
        return replace(
            env,
            host=Host(VARIANT, env.host.arch, self.version, env.host.seed),
            control=self.control,
        )

    def stage(self) -> Version | None:
        """Write what the rules choose onto the other set; None if they choose nothing."""
        done = update.update_image(self.environment(), Wish())
        if not isinstance(done, Installed):
            return None
        self.contents[self.slot.other] = done.update.version
        return done.update.version

    def update(self) -> Version | None:
        """Stage, and choose it for the next boot."""
        version = self.stage()
        if version is not None:
            self.activate()
        return version

    def activate(self) -> None:
        gate.expect(self.machine)
        self.control.activate()

    def reboot(self) -> Slot:
        """Reset until a set comes up; what is stillborn does not, and the bootloader goes on."""
        self.boots += 1
        for _ in range(MAX_RESETS):
            with self.control.open_device(Extent(DISK), Access.WRITE_SHARED) as io:
                choice = boot.choose_next(read_table(io).table)
                assert choice is not None, "nothing boots"
                write_table(io, choice.table)
            self.slot = choice.slot
            if self.version not in self.stillborn:
                self.say_who()
                return self.slot
        raise AssertionError("no set comes up")

    def judge(self) -> Verdict:
        """Run the gate, and restart if it says so."""
        verdict = gate.judge_boot(self.machine)
        if verdict.fate is Fate.ROLL_BACK:
            self.restarts += 1
            self.reboot()
        return verdict

    def arrive(self) -> Arrival:
        return gate.arrive(self.machine)
