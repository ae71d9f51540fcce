"""What can go wrong for a client. Every one of them ends the command with exit code 1."""

from __future__ import annotations

from updog.errors import UpdogError


class ClientError(UpdogError):
    """The client cannot go on; never raised itself."""

    exit_code = 1


class NoService(ClientError):
    """Nobody answers on the socket."""


class Refused(ClientError):
    """The service answered with an error.

    Attributes:
        status: of the answer.
    """

    def __init__(self, status: int, method: str, uri: str, body: str) -> None:
        # The words that the Kubernetes operator looks for (formats 10.5).
        super().__init__(f"Status {status} when {method}ing {uri}: {body}")
        self.status = status


class CommandFailed(ClientError):
    """A command was begun and failed, or did not end in time."""
