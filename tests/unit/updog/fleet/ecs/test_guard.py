"""Who an updater is, and whether another one goes first."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.fakes.clock import NOW
from tests.fakes.httpserver import Exchange, serving
from tests.unit.updog.fleet.ecs.stubs import stubbed_cloud
from updog.fleet.ecs.guard import Identity, family_of, identify

DEFINITION = "arn:aws:ecs:eu-central-1:123456789012:task-definition/updog-updater:7"
TASK = "arn:aws:ecs:eu-central-1:123456789012:task/prod/0123456789abcdef0123456789abcdef"
OTHER = TASK.replace("0123456789abcdef0", "fedcba98765432100")


@pytest.fixture
def metadata() -> Iterator[str]:
    """ECS's metadata service for one task."""

    def answer(exchange: Exchange) -> None:
        said = {"TaskARN": TASK, "Family": "updog-updater", "Revision": "7"}
        there = exchange.path == "/v4/abc/task"
        exchange.reply(200 if there else 404, json.dumps(said).encode() if there else b"no")

    with serving(answer) as server:
        yield f"http://127.0.0.1:{server.server_address[1]}/v4/abc"


def test_a_task_of_ecs_knows_itself(metadata: str) -> None:
    found = identify({"ECS_CONTAINER_METADATA_URI_V4": metadata})
    assert found == Identity(f"task-{TASK.rpartition('/')[2]}", TASK, "updog-updater")


@pytest.mark.parametrize("address", ["", "nonsense", "file:///etc/passwd", "http://127.0.0.1:1/v4"])
def test_anything_else_has_a_name_by_chance(address: str) -> None:
    environment = {"ECS_CONTAINER_METADATA_URI_V4": address, "TASK_DEFINITION_ARN": DEFINITION}
    one, other = identify(environment), identify(environment)
    assert one.name.startswith("run-")
    assert one.name != other.name
    assert (one.task, one.family) == ("", "updog-updater")


def test_metadata_that_is_none_is_passed_by(metadata: str) -> None:
    found = identify({"ECS_CONTAINER_METADATA_URI_V4": f"{metadata}/elsewhere"})
    assert found.name.startswith("run-")


def test_the_family_stands_in_the_arn_of_a_definition() -> None:
    assert family_of(DEFINITION) == "updog-updater"
    assert family_of("updog-updater:7") == ""
    assert family_of("") == ""


@pytest.mark.parametrize(("own", "expected"), [(TASK, False), (OTHER, True), ("", True)])
def test_of_two_tasks_of_the_family_the_older_one_goes_on(own: str, *, expected: bool) -> None:
    cloud, ecs, _ = stubbed_cloud()
    ecs.add_response("list_tasks", {"taskArns": [OTHER, TASK]})
    trees = [
        {"taskArn": OTHER, "createdAt": NOW.replace(year=2032)},
        {"taskArn": TASK, "createdAt": NOW},
    ]
    ecs.add_response("describe_tasks", {"tasks": trees})
    assert Identity("task-x", own, "updog-updater").yields(cloud) is expected


def test_without_a_family_there_is_no_guard() -> None:
    cloud, _, _ = stubbed_cloud()
    assert not Identity("run-x").yields(cloud)


def test_doubt_about_another_run_is_no_proof_of_its_end() -> None:
    cloud, ecs, _ = stubbed_cloud()
    ecs.add_client_error("describe_tasks", "ThrottlingException")
    assert not Identity("run-x").knows_to_be_over(cloud, "task-1")
    assert not Identity("run-x").knows_to_be_over(cloud, "run-1")
