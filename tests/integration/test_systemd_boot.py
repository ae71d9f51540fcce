"""A machine in a folder that systemd-boot starts, and the commands that do not know it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fixtures.machine import Machine, make_machine
from fixtures.os_images import BLOCK, Release
from fixtures.publisher import Publisher
from tests.fakes.systemd_boot import efi_program, start
from tests.integration.conftest import SEED, Releases


@dataclass
class Stand:
    """A machine, its EFI system partition, and what its firmware started last."""

    machine: Machine
    esp: Path
    running: str = "A"

    def updog(self, *words: str) -> str:
        done = self.machine.updog(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def status(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.updog("status", "--json"))
        return found

    def restart(self) -> str:
        program = start(self.esp)
        assert program is not None
        self.running = program[-5].upper()
        self.configure()
        return self.running

    def configure(self) -> None:
        dropin = self.machine.home / "updog.d/running.toml"
        dropin.write_text(
            f'[boot]\nactive = "{self.running}"\nbackend = "systemd-boot"\nesp = "{self.esp}"\n'
        )

    def files(self) -> list[str]:
        return sorted(path.name for path in (self.esp / "loader/entries").iterdir())


def _with_program(release: Release, folder: Path) -> Release:
    """The same release with a unified kernel image, as far as that is an EFI program."""
    program = efi_program(release.version.encode() * 2000, signature=b"signed")
    boot = folder / f"{release.boot.stem}.efi"
    boot.write_bytes(program + bytes(-len(program) % BLOCK))
    return replace(release, boot=boot)


@contextmanager
def _stand(home: Path, releases: Releases) -> Iterator[Stand]:
    publisher = Publisher.create(home / "repository", datetime.now(UTC))
    publisher.release(_with_program(releases.second, home))
    with publisher.serving() as url:
        root = publisher.root_json()
        machine = make_machine(home / "machine", releases.first, seed=SEED, root_json=root, url=url)
        esp = home / "esp"
        (esp / "loader/entries").mkdir(parents=True)
        (esp / "EFI/updog").mkdir(parents=True)
        (esp / "EFI/updog/updog-a.efi").write_bytes(efi_program(b"1.0.0"))
        entry = "sort-key updog-14\ntitle A\nefi /EFI/updog/updog-a.efi\n"
        (esp / "loader/entries/updog-a-1.conf").write_text(entry)
        stand = Stand(machine, esp)
        stand.configure()
        yield stand


@pytest.fixture
def stand(tmp_path: Path, releases: Releases) -> Iterator[Stand]:
    with _stand(tmp_path, releases) as stand:
        yield stand


def test_update_confirm_and_roll_back(stand: Stand) -> None:
    stand.updog("update", "--now")
    assert stand.files() == ["updog-a-1.conf", "updog-b-2+1.conf"]
    assert stand.restart() == "B"
    assert stand.status()["confirmed"] is False
    stand.updog("mark-successful")
    assert stand.files() == ["updog-a-1.conf", "updog-b-2.conf"]
    assert stand.status()["next"] == "B"
    stand.updog("rollback")
    assert stand.restart() == "A"


def test_what_is_not_confirmed_falls_back(stand: Stand) -> None:
    stand.updog("update", "--now")
    assert stand.restart() == "B"
    assert stand.restart() == "A"
    assert stand.status()["confirmed"] is True


def test_apply_and_revert(stand: Stand) -> None:
    stand.updog("update-image", "--now")
    assert stand.files() == ["updog-a-1.conf"]
    stand.updog("update-apply")
    stand.updog("update-revert")
    assert stand.restart() == "A"
    stand.updog("update-apply")
    assert stand.restart() == "B"


def test_the_doctor_sees_the_machine_and_a_default_that_is_in_the_way(stand: Stand) -> None:
    assert "set A runs, A boots next" in stand.machine.updog("doctor").stdout
    (stand.esp / "loader/loader.conf").write_text("default updog-a-1.conf\n")
    assert "wins over boot counting" in stand.updog("status")


def test_signpost_asks_the_same_bootloader(stand: Stand) -> None:
    stand.updog("update", "--now")
    words = [sys.executable, "-m", "updog.signpost", "next", "--disk", str(stand.machine.disk)]
    told = subprocess.run(
        words,
        env={**os.environ, "UPDOG_CONFIG": str(stand.machine.config)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert told.splitlines() == [
        "Set B",
        (
            "set B has the first entry, updog-b-2+1.conf; it is not marked successful; this boot"
            " spends its last try"
        ),
    ]


def test_the_table_keeps_the_bits_it_had(stand: Stand) -> None:
    table = stand.machine.disk.read_bytes()[: 34 * 512]
    stand.updog("update", "--now")
    assert stand.machine.disk.read_bytes()[: 34 * 512] == table
