"""What one look came to, and what all of them together mean. PURE."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from partitions.errors import PartitionError
from updog.errors import UpdogError


class Verdict(StrEnum):
    """How bad it is; a failure stands out on a screen full of lines."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what was looked at: ``dns``, ``tls``, ``timestamp.json``.
        verdict: how it is.
        said: what was found, naming the thing.
        todo: what to do about it; empty where nothing is to be done.
        exit_code: of a failure, its class (formats 5.3); 0 otherwise.
    """

    name: str
    verdict: Verdict
    said: str
    todo: str = ""
    exit_code: int = 0

    @property
    def failed(self) -> bool:
        """Whether this stands in the way of updates."""
        return self.verdict is Verdict.FAIL


def ok(name: str, said: str) -> Check:
    """All is well."""
    return Check(name, Verdict.OK, said)


def warn(name: str, said: str, todo: str = "") -> Check:
    """It works, but somebody should look at it."""
    return Check(name, Verdict.WARN, said, todo)


def fail(name: str, said: str, todo: str, kind: type[UpdogError]) -> Check:
    """Updates fail because of this; `kind` is how."""
    return Check(name, Verdict.FAIL, said, todo, kind.exit_code)


def failed_by(name: str, error: UpdogError | PartitionError, todo: str = "") -> Check:
    """An error that an update would meet too."""
    hint = str(getattr(error, "hint", "")) or todo
    return Check(name, Verdict.FAIL, str(error), hint, error.exit_code)


def exit_code(checks: Iterable[Check]) -> int:
    """The exit code of the first failure; 0 where nothing worse than warnings was found."""
    return next((check.exit_code for check in checks if check.failed), 0)
