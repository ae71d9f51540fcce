"""Commands by Systems Manager."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.updog.fleet.ecs.stubs import stubbed_commands
from updog.errors import ConfigError
from updog.fleet.ecs.errors import NotManaged, Throttled
from updog.fleet.ecs.runcommand import Answer, Ended

SEND = {
    "DocumentName": "check",
    "DocumentVersion": "$DEFAULT",
    "TimeoutSeconds": 600,
    "Comment": "updog-ecs",
}


def sent(stub: Any, machines: list[str], name: str) -> None:
    command = {"Command": {"CommandId": name.ljust(36, "0")}}
    stub.add_response("send_command", command, {**SEND, "InstanceIds": machines})


def test_upstream_more_than_fifty_machines_are_sent_to_in_pages() -> None:
    commands, stub = stubbed_commands()
    names = [f"i-{number:03}" for number in range(120)]
    for start in (0, 50, 100):
        sent(stub, names[start : start + 50], str(start))
    found = commands.send_all("check", names)
    assert list(found) == names
    assert len(set(found.values())) == 3


def test_upstream_one_unknown_machine_does_not_cost_its_page() -> None:
    commands, stub = stubbed_commands()
    names = ["i-a", "i-b", "i-bad", "i-c"]
    stub.add_client_error("send_command", "InvalidInstanceId")
    sent(stub, names[:2], "1")
    stub.add_client_error("send_command", "InvalidInstanceId")
    stub.add_client_error("send_command", "InvalidInstanceId")
    sent(stub, names[3:], "2")
    found = commands.send_all("check", names)
    assert isinstance(found.pop("i-bad"), NotManaged)
    assert sorted(found) == ["i-a", "i-b", "i-c"]
    stub.assert_no_pending_responses()


def test_a_document_that_is_not_there_is_a_wrong_configuration() -> None:
    commands, stub = stubbed_commands()
    stub.add_client_error("send_command", "InvalidDocument")
    with pytest.raises(ConfigError, match="check"):
        commands.send("check", "i-a")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("Pending", Answer(Ended.NOT_YET)),
        ("InProgress", Answer(Ended.NOT_YET)),
        ("Success", Answer(Ended.WELL, "out")),
        ("Failed", Answer(Ended.BADLY, "out", "Undelivered: err")),
        ("TimedOut", Answer(Ended.BADLY, "out", "Undelivered: err")),
        ("Cancelled", Answer(Ended.BADLY, "out", "Undelivered: err")),
    ],
)
def test_the_outcome_of_a_command(status: str, expected: Answer) -> None:
    commands, stub = stubbed_commands()
    got = {
        "Status": status,
        "StatusDetails": "Undelivered",
        "StandardOutputContent": "out",
        "StandardErrorContent": "err\n",
    }
    asked = {"CommandId": "c" * 36, "InstanceId": "i-0123456789"}
    stub.add_response("get_command_invocation", got, asked)
    assert commands.answer("c" * 36, "i-0123456789") == expected


def test_a_command_that_cannot_be_asked_for_yet_has_not_ended() -> None:
    commands, stub = stubbed_commands()
    stub.add_client_error("get_command_invocation", "InvocationDoesNotExist")
    assert commands.answer("c" * 36, "i-0123456789") == Answer(Ended.NOT_YET)


def test_throttling_is_no_outcome() -> None:
    commands, stub = stubbed_commands()
    stub.add_client_error("get_command_invocation", "ThrottlingException")
    with pytest.raises(Throttled):
        commands.answer("c" * 36, "i-0123456789")


def test_a_failure_without_words_is_told_by_its_kind() -> None:
    commands, stub = stubbed_commands()
    stub.add_response("get_command_invocation", {"Status": "Failed"})
    assert commands.answer("c" * 36, "i-0123456789").why == "Failed"
