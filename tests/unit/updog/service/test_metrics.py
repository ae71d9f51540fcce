from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from tests.fakes.clock import NOW
from updog.service import metrics
from updog.service.machine import Command, State
from updog.service.metrics import Figures
from updog.service.record import ImageId, Record
from updog.service.view import Status

HOST = ImageId("x86_64", "1.0.0", 'edge"gw\\\n')
NEXT = HOST._replace(version="1.1.0")
RECORD = Record().begun(Command.REFRESH, NOW).ended(0, "", NOW).offered(HOST, ("1.1.0",), NEXT)
STATUS = Status(
    State.STAGED, HOST, running_next=True, staged=NEXT, record=RECORD, confirmed=True, healthy=False
)
ENDED = {(Command.REFRESH, "Success"): 3, (Command.PREPARE, "Failed"): 1}


def read(figures: Figures) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """What Prometheus makes of it."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.text(figures))
        for sample in family.samples
    }


def labels(**said: str) -> frozenset[tuple[str, str]]:
    return frozenset(said.items())


def test_prometheus_reads_the_state_and_what_runs() -> None:
    found = read(Figures(STATUS, RECORD, None, {}, ENDED))
    states = {state: found["updog_state", labels(state=state)] for state in State}
    assert states == {each: float(each is State.STAGED) for each in State}
    assert found["updog_running_info", labels(**HOST._asdict())] == 1
    assert found["updog_staged_info", labels(**NEXT._asdict())] == 1
    assert found["updog_boot_confirmed", labels()] == 1
    assert found["updog_disk_healthy", labels()] == 0
    assert found["updog_available", labels()] == 1


def test_commands_are_counted_by_how_they_ended() -> None:
    found = read(Figures(STATUS, RECORD, None, {}, ENDED))
    assert found["updog_commands_total", labels(command="refresh", status="Success")] == 3
    assert found["updog_commands_total", labels(command="prepare", status="Failed")] == 1
    ended = found["updog_command_ended_timestamp_seconds", labels(command="refresh")]
    assert ended == NOW.timestamp()


def test_while_a_command_works_its_image_is_told_and_the_disk_is_not() -> None:
    moving = {"done": 7, "total": 9, "received": 5}
    found = read(Figures(None, RECORD, Command.PREPARE, moving, {}))
    assert found["updog_command_running", labels(command="prepare")] == 1
    assert found["updog_command_running", labels(command="refresh")] == 0
    of_image = {name: found[f"updog_image_{name}_bytes", labels()] for name in moving}
    assert of_image == moving
    assert not [name for name, _ in found if name in {"updog_state", "updog_disk_healthy"}]


def test_where_nothing_moves_no_image_is_told() -> None:
    found = read(Figures(STATUS, RECORD, None, {"done": None}, {}))
    assert not [name for name, _ in found if name.startswith("updog_image")]
