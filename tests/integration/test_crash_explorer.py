"""The crash explorer on the real code, and on agents that each make one mistake."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from partitions.image import create_image, seeded_guids
from partitions.plan import plan_for
from tests.fakes.faulty_writers import Fault, faulty_agent, harmless_agent
from tests.fakes.tiny_stand import tiny_bytes, tiny_stand
from updog.crashtest.command import run
from updog.crashtest.doubt import Fineness
from updog.crashtest.explore import Bounds
from updog.crashtest.flags import OPERATIONS
from updog.crashtest.prove import Thoroughness
from updog.crashtest.report import Proof
from updog.crashtest.scenarios import scenarios
from updog.crashtest.trial import Trial
from updog.errors import DataError


def test_no_power_cut_breaks_the_real_code_on_a_small_disk() -> None:
    proof = Trial(tiny_stand(), scenarios(OPERATIONS)).run()
    assert proof.holds, proof.counterexample


def test_no_power_cut_breaks_the_real_code_on_a_disk_with_large_sectors() -> None:
    stand = tiny_stand(tiny_bytes(sector_size=4096))
    proof = Trial(stand, scenarios(OPERATIONS), (4096,)).run()
    assert proof.holds, proof.counterexample


def test_no_power_cut_breaks_updates_with_several_tries() -> None:
    proof = Trial(tiny_stand(tries=3), scenarios(OPERATIONS), (512,)).run()
    assert proof.holds, proof.counterexample


@dataclass(frozen=True, slots=True)
class Expected:
    """Where and how a planted mistake shows."""

    operation: str
    step: str
    problem: str


FOUND = {
    Fault.PRIMARY_FIRST: Expected("activate", "choose the other set", "no whole partition table"),
    Fault.NO_FLUSH_BEFORE_VALID: Expected("update", "", "set B"),
    Fault.VALID_TOO_EARLY: Expected(
        "update", "after the set was marked valid", "is marked as good (priority=0 tries_left=1"
    ),
    Fault.CLEAR_NOT_FLUSHED: Expected("update", "write the images", "successful=true), but holds"),
    Fault.HEADERS_FIRST: Expected("activate", "choose the other set", "no whole partition table"),
}
"""The five that were planted on purpose. What else `Fault` lists has a test of its own."""


@pytest.mark.parametrize("fault", FOUND)
def test_each_planted_mistake_is_found(fault: Fault) -> None:
    expected = FOUND[fault]
    proof = faulty_proof(fault, expected.operation)
    assert proof.failures
    assert proof.counterexample is not None
    assert proof.counterexample.step.startswith(expected.step)
    assert expected.problem in proof.counterexample.problem


@pytest.mark.parametrize("fault", [Fault.PRIMARY_FIRST, Fault.HEADERS_FIRST])
@pytest.mark.parametrize("operation", ["mark-successful", "rollback", "revert"])
def test_a_mistake_in_writing_the_table_is_found_in_every_operation(
    fault: Fault, operation: str
) -> None:
    assert faulty_proof(fault, operation).failures


def test_a_counterexample_is_as_small_as_it_gets() -> None:
    found = faulty_proof(Fault.HEADERS_FIRST, "activate").counterexample
    assert found is not None
    assert found.places == (
        "the backup GPT entries: none of 1 reached the disk",
        "the primary GPT entries: none of 1 reached the disk",
    )


def test_a_disk_that_jumps_back_two_steps_is_found() -> None:
    found = faulty_proof(Fault.RESTORED_ENTRIES_FIRST, "activate").counterexample
    assert found is not None
    assert "a second power cut is lost" in found.problem
    assert "no step of the operation wrote that" in found.problem


def test_a_header_before_its_entries_is_harmless_while_the_other_copy_is_whole() -> None:
    proof = Trial(tiny_stand(agent=harmless_agent()), scenarios(OPERATIONS), (512,)).run()
    assert proof.holds, proof.counterexample


def faulty_proof(fault: Fault, operation: str) -> Proof:
    """What is found with a part of what the command tries."""
    how = Thoroughness(Fineness(512), Bounds(complete=1 << 8, samples=32))
    stand = tiny_stand(agent=faulty_agent(fault))
    few = Bounds(complete=1 << 5, samples=4)
    return Trial(stand, scenarios([operation]), (512,), how, few).run()


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A disk of 33 MiB, as `partitions.image` makes them."""
    path = tmp_path_factory.mktemp("crash") / "disk.img"
    partitions = plan_for(root_mib=8, hash_mib=2, boot_mib=2)
    create_image(path, partitions, new_guid=seeded_guids("crash explorer"))
    yield path
    path.unlink()


@pytest.mark.slow(seconds=50)
def test_a_hundred_thousand_power_cuts_break_nothing(
    small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--image", str(small_disk), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["disks"] >= 100_000
    assert said["failures"] == 0
    operations = {row["operation"] for row in said["operations"]}
    assert operations >= {*OPERATIONS, "update over a proven set", "update, killed, run again"}


def test_a_grown_disk_is_refused_in_words(tmp_path: Path) -> None:
    disk = tmp_path / "grown.img"
    create_image(disk, plan_for(root_mib=2, hash_mib=1, boot_mib=1))
    os.truncate(disk, 2 * disk.stat().st_size)
    with pytest.raises(DataError, match="grown or moved"):
        run(["--image", str(disk), "--active", "A", "--scenario", "activate"])
