"""What can go wrong between us and the API server.

UpdogError
 └── ApiFailure                 69   the API server answered with an error, or not at all
"""

from __future__ import annotations

from typing import NamedTuple

from updog.errors import UnreachableError

CONFLICT = 409
NOT_FOUND = 404
TOO_MANY = 429
FORBIDDEN = 403
SERVER_ERROR = 500


class Cause(NamedTuple):
    """A cause that the server named.

    Attributes:
        reason: in one word, for programs; empty where it has none.
        message: for people.
    """

    reason: str
    message: str


class ApiFailure(UnreachableError):
    """A request to the API server that did not succeed.

    Attributes:
        status: of the answer; 0 if there was none.
        said: the server's own words.
        causes: the causes that it named.
    """

    usual_hint = "See whether the cluster can be reached, and what this account may do there."

    def __init__(self, what: str, status: int, said: str, causes: tuple[Cause, ...] = ()) -> None:
        super().__init__(f"{what}: {said}" if said else f"{what}: no answer")
        self.status = status
        self.said = said
        self.causes = causes

    @property
    def unsure(self) -> bool:
        """Whether a write may have been carried out all the same."""
        return self.status == 0 or self.status >= SERVER_ERROR
