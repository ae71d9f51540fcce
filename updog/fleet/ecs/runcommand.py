"""Commands on machines, by documents of AWS Systems Manager."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from updog.fleet.ecs.asking import asking, code_of
from updog.fleet.ecs.cloud import pages
from updog.fleet.ecs.errors import NotManaged

if TYPE_CHECKING:
    from types_boto3_ssm import SSMClient
    from types_boto3_ssm.type_defs import GetCommandInvocationResultTypeDef

SENT = 50
"""Most machines in one command."""
DELIVERY = 600
"""Seconds after which Systems Manager gives up to bring a command to its machine."""
PENDING = frozenset({"Pending", "InProgress", "Delayed", "Cancelling"})
SHOWN = 400
"""Characters of an error output that are passed on."""


class Ended(Enum):
    """How a command is."""

    NOT_YET = "not yet"
    WELL = "well"
    BADLY = "badly"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of a command on one machine.

    Attributes:
        ended: how it is.
        output: what it printed; at most 24 000 characters reach us.
        why: for people, where it ended badly.
    """

    ended: Ended
    output: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class RunCommand:
    """Systems Manager.

    Attributes:
        ssm: of boto3.
    """

    ssm: SSMClient

    def send(self, document: str, machine: str) -> str:
        """Send a document to one machine and return the name of the command.

        Raises:
            NotManaged: the machine is not there.
            UpdogError: it cannot be sent.
        """
        return self._send(document, [machine])

    def send_all(self, document: str, machines: Sequence[str]) -> dict[str, str | NotManaged]:
        """Send a document to many machines; for each, the name of its command or what is wrong.

        One machine that Systems Manager does not know makes it refuse a whole page; the page is
        halved until the others are free of it.

        Raises:
            UpdogError: it cannot be sent to any.
        """
        sent: dict[str, str | NotManaged] = {}
        for page in pages(machines, SENT):
            sent.update(self._page(document, page))
        return sent

    def answer(self, command: str, machine: str) -> Answer:
        """How a command is on a machine.

        Raises:
            UpdogError: Systems Manager cannot be asked.
        """
        with asking(f"see the command on {machine}"):
            try:
                got = self.ssm.get_command_invocation(CommandId=command, InstanceId=machine)
            except ClientError as error:
                # It may take a moment until a command that was sent can be asked for.
                if code_of(error) == "InvocationDoesNotExist":
                    return Answer(Ended.NOT_YET)
                raise
        return _answer(got)

    def _page(
        self, document: str, machines: Sequence[str]
    ) -> Iterator[tuple[str, str | NotManaged]]:
        try:
            command = self._send(document, machines)
        except NotManaged as error:
            if len(machines) == 1:
                yield machines[0], error
                return
            for half in pages(machines, (len(machines) + 1) // 2):
                yield from self._page(document, half)
        else:
            yield from ((machine, command) for machine in machines)

    def _send(self, document: str, machines: Sequence[str]) -> str:
        with asking(f"send {document} to {len(machines)} machines"):
            sent = self.ssm.send_command(
                DocumentName=document,
                DocumentVersion="$DEFAULT",
                InstanceIds=list(machines),
                TimeoutSeconds=DELIVERY,
                Comment="updog-ecs",
            )
        return sent["Command"]["CommandId"]


def _answer(got: GetCommandInvocationResultTypeDef) -> Answer:
    status = str(got["Status"])
    if status in PENDING:
        return Answer(Ended.NOT_YET)
    output = got.get("StandardOutputContent", "")
    if status == "Success":
        return Answer(Ended.WELL, output)
    said = (got.get("StandardErrorContent", "") or output).strip()[-SHOWN:]
    detail = got.get("StatusDetails", status)
    return Answer(Ended.BADLY, output, f"{detail}{': ' if said else ''}{said}")
