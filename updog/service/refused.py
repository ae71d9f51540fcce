"""Commands that do not begin, and in which words that is told."""

from __future__ import annotations

from updog.errors import UpdogError
from updog.service.machine import Command, Refusal, State

_WORDS = {
    Refusal.NOT_NOW: "The command {command} is not allowed in the state {state}.",
    Refusal.NOTHING_CHOSEN: "No update is chosen; refresh first.",
    Refusal.NOTHING_STAGED: "No update is staged; prepare one first.",
}


class Refused(UpdogError):
    """A command that does not begin; nothing has changed."""

    def __init__(self, refusal: Refusal, message: str) -> None:
        super().__init__(message)
        self.refusal = refusal


def refused(refusal: Refusal, command: Command, state: State) -> Refused:
    """What is told of a command that a state does not allow."""
    return Refused(refusal, _WORDS[refusal].format(command=command, state=state))


def busy() -> Refused:
    """What is told while another command is at work."""
    return Refused(Refusal.BUSY, "Another command is at work; wait until it is done.")
