"""Each call to ECS and EC2, with the pages, limits and refusals that it has."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import NoCredentialsError

from tests.unit.updog.fleet.ecs.stubs import client, stubbed_cloud
from updog.errors import ConfigError, PermissionDenied, UpdogError
from updog.fleet.ecs.asking import TRIES, asking, config
from updog.fleet.ecs.cloud import Cloud, pages
from updog.fleet.ecs.decide import VARIANT, Updater
from updog.fleet.ecs.errors import Gone, Refused, Throttled
from updog.fleet.ecs.tasks import Task

ARN = "arn:aws:ecs:eu-central-1:1:container-instance/prod/{}"


def told(number: int, status: str = "ACTIVE", *, ours: bool = True) -> dict[str, Any]:
    attributes = [{"name": VARIANT, "value": "aws-ecs-2"}] if ours else [{"name": "ecs.os-type"}]
    return {
        "containerInstanceArn": ARN.format(number),
        "ec2InstanceId": f"i-{number}",
        "status": status,
        "agentConnected": True,
        "attributes": attributes,
    }


def test_instances_are_listed_in_pages_and_described_by_the_hundred() -> None:
    cloud, ecs, _ = stubbed_cloud()
    arns = [ARN.format(number) for number in range(150)]
    asked = {"cluster": "prod", "status": "ACTIVE"}
    listing = "list_container_instances"
    ecs.add_response(listing, {"containerInstanceArns": arns[:100], "nextToken": "x"}, asked)
    ecs.add_response(listing, {"containerInstanceArns": arns[100:]}, {**asked, "nextToken": "x"})
    ecs.add_response(
        listing, {"containerInstanceArns": arns[:1]}, {"cluster": "prod", "status": "DRAINING"}
    )
    for page in pages(sorted(arns), 100):
        trees = [told(int(arn.rpartition("/")[2])) for arn in page]
        ecs.add_response(
            "describe_container_instances",
            {"containerInstances": trees},
            {"cluster": "prod", "containerInstances": page},
        )
    assert {each.arn for each in cloud.instances()} == set(arns)
    ecs.assert_no_pending_responses()


def test_only_instances_of_our_kind_count() -> None:
    cloud, ecs, _ = stubbed_cloud()
    ecs.add_response("list_container_instances", {"containerInstanceArns": ["a", "b"]})
    ecs.add_response("list_container_instances", {"containerInstanceArns": []})
    trees = [told(1), told(2, ours=False)]
    ecs.add_response("describe_container_instances", {"containerInstances": trees})
    assert [each.machine for each in cloud.instances()] == ["i-1"]


@pytest.mark.parametrize("found", [[], [told(1, "INACTIVE")]])
def test_an_instance_that_left_is_gone(found: list[Any]) -> None:
    cloud, ecs, _ = stubbed_cloud()
    ecs.add_response("describe_container_instances", {"containerInstances": found})
    with pytest.raises(Gone, match="left the cluster"):
        cloud.instance(ARN.format(1))


def test_tasks_are_listed_in_pages_with_those_that_are_to_stop() -> None:
    cloud, ecs, _ = stubbed_cloud()
    asked = {"cluster": "prod", "containerInstance": "i", "desiredStatus": "RUNNING"}
    ecs.add_response("list_tasks", {"taskArns": ["t1"], "nextToken": "x"}, asked)
    ecs.add_response("list_tasks", {"taskArns": ["t2"]}, {**asked, "nextToken": "x"})
    ecs.add_response("list_tasks", {"taskArns": ["t3"]}, {**asked, "desiredStatus": "STOPPED"})
    trees = [
        {"taskArn": "t1", "startedBy": "ecs-svc/1", "lastStatus": "RUNNING", "group": "service:a"},
        {"taskArn": "t3", "lastStatus": "STOPPING", "group": "family:b"},
    ]
    ecs.add_response(
        "describe_tasks", {"tasks": trees}, {"cluster": "prod", "tasks": ["t1", "t2", "t3"]}
    )
    assert cloud.tasks("i") == (
        Task("t1", "ecs-svc/1", "RUNNING", "a"),
        Task("t3", "", "STOPPING"),
    )


def test_an_instance_without_tasks_is_not_asked_further() -> None:
    cloud, ecs, _ = stubbed_cloud()
    ecs.add_response("list_tasks", {"taskArns": []})
    ecs.add_response("list_tasks", {"taskArns": []})
    assert cloud.tasks("i") == ()


def test_updaters_are_those_of_the_family_that_run() -> None:
    cloud, ecs, _ = stubbed_cloud()
    asked = {"cluster": "prod", "family": "updog", "desiredStatus": "RUNNING"}
    ecs.add_response("list_tasks", {"taskArns": ["t1"]}, asked)
    ecs.add_response("describe_tasks", {"tasks": [{"taskArn": "t1"}]})
    assert cloud.updaters("updog") == (Updater("t1"),)


@pytest.mark.parametrize(
    ("trees", "expected"),
    [
        ([{"taskArn": "t", "lastStatus": "STOPPED"}], True),
        ([{"taskArn": "t", "lastStatus": "RUNNING"}], False),
        ([], False),
    ],
)
def test_only_a_task_that_ecs_knows_can_have_stopped(trees: list[Any], *, expected: bool) -> None:
    cloud, ecs, _ = stubbed_cloud()
    ecs.add_response("describe_tasks", {"tasks": trees, "failures": []})
    assert cloud.has_stopped("t") is expected


@pytest.mark.parametrize("reason", ["INACTIVE", "MISSING"])
def test_what_left_the_cluster_cannot_be_drained_and_need_not_be_given_back(reason: str) -> None:
    cloud, ecs, _ = stubbed_cloud()
    for _ in range(2):
        ecs.add_response(
            "update_container_instances_state", {"failures": [{"arn": "i", "reason": reason}]}
        )
    with pytest.raises(Gone):
        cloud.drain("i")
    cloud.activate("i")


def test_another_reason_not_to_give_back_is_an_error() -> None:
    cloud, ecs, _ = stubbed_cloud()
    ecs.add_response("update_container_instances_state", {"failures": [{"reason": "ODD"}]})
    with pytest.raises(Refused, match="ODD"):
        cloud.activate("i")


def test_an_attribute_is_written_and_erased_by_the_arn_of_its_instance() -> None:
    cloud, ecs, _ = stubbed_cloud()
    there = {"name": "updog.update", "targetId": "i"}
    ecs.add_response(
        "put_attributes", {}, {"cluster": "prod", "attributes": [{**there, "value": "v"}]}
    )
    ecs.add_response("delete_attributes", {}, {"cluster": "prod", "attributes": [there]})
    cloud.write("i", "updog.update", "v")
    cloud.erase("i", "updog.update")
    ecs.assert_no_pending_responses()


def test_the_attributes_of_what_left_are_gone_with_it() -> None:
    cloud, ecs, _ = stubbed_cloud()
    ecs.add_client_error("delete_attributes", "TargetNotFoundException")
    ecs.add_client_error("put_attributes", "TargetNotFoundException")
    cloud.erase("i", "updog.update")
    with pytest.raises(Gone):
        cloud.write("i", "updog.update", "v")


@pytest.mark.parametrize(
    ("machine", "host", "expected"),
    [("ok", "ok", True), ("impaired", "ok", False), ("ok", "initializing", False)],
)
def test_a_machine_is_sound_if_it_and_its_host_are(
    machine: str, host: str, *, expected: bool
) -> None:
    cloud, _, ec2 = stubbed_cloud()
    status = {"InstanceStatus": {"Status": machine}, "SystemStatus": {"Status": host}}
    ec2.add_response(
        "describe_instance_status", {"InstanceStatuses": [status]}, {"InstanceIds": ["i-1"]}
    )
    assert cloud.is_sound("i-1") is expected


def test_a_machine_that_does_not_run_is_not_sound() -> None:
    cloud, _, ec2 = stubbed_cloud()
    ec2.add_response("describe_instance_status", {"InstanceStatuses": []})
    assert not cloud.is_sound("i-1")


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("ThrottlingException", 400, Throttled),
        ("ServerException", 500, Throttled),
        ("Nameless", 503, Throttled),
        ("AccessDeniedException", 400, PermissionDenied),
        ("ClusterNotFoundException", 400, ConfigError),
        ("InvalidParameterException", 400, Refused),
    ],
)
def test_refusals_say_who_has_to_act(code: str, status: int, kind: type[UpdogError]) -> None:
    cloud, ecs, _ = stubbed_cloud()
    ecs.add_client_error("describe_container_instances", code, http_status_code=status)
    with pytest.raises(kind, match="Cannot describe"):
        cloud.instance("i")


def test_missing_credentials_are_a_wrong_configuration() -> None:
    with pytest.raises(ConfigError, match="credentials"), asking("speak to AWS"):
        raise NoCredentialsError


def test_throttled_requests_are_tried_again_a_bounded_number_of_times() -> None:
    ecs, sent = client("ecs", tries=2), []

    def throttled(request: Any, **_words: Any) -> AWSResponse:
        sent.append(request)
        return _Refusal(request.url, 400, HTTPHeaders(), None)

    ecs.meta.events.register("before-send.ecs", throttled)
    with pytest.raises(Throttled, match="Rate exceeded"):
        Cloud(ecs, client("ec2"), "prod").instance("i")
    assert len(sent) == 2


def test_requests_are_bounded_in_time_and_tries() -> None:
    how: Any = config("eu-central-1")
    assert how.retries == {"mode": "standard", "total_max_attempts": TRIES}
    assert (how.connect_timeout, how.read_timeout) == (5, 20)
    nowhere: Any = config("")
    assert nowhere.region_name is None


class _Refusal(AWSResponse):
    @property
    def content(self) -> bytes:
        return b'{"__type": "ThrottlingException", "message": "Rate exceeded"}'

    @property
    def text(self) -> str:
        return self.content.decode()


def test_nobody_at_the_other_end_is_something_to_try_again() -> None:
    ecs = client("ecs", tries=1, endpoint="http://127.0.0.1:1")
    with pytest.raises(Throttled, match="did not answer"):
        Cloud(ecs, client("ec2"), "prod").instance("i")
