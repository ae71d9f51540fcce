"""What can go wrong in an update, split by who has to act.

    UpdogError                     exit  HTTP
     ├── UsageError                 64   400   the command line
     ├── DataError                  65   500   bytes we were given
     │    ├── ManifestError         65   500   manifest.json does not say what it must
     │    ├── TrustError            65   500   a signature, version, hash or expiry rule of TUF
     │    │    ├── Expired          65   500   signed, but too old to be believed
     │    │    ├── RolledBack       65   500   older than what this host has already seen
     │    │    └── TargetMismatch   65   500   a target's bytes are not the signed ones
     │    └── MigrationError        65   500   no chain of migrations, or a loop
     ├── UnreachableError           69   500   the repository did not answer
     │    ├── NotThere              69   500   it answered: no such file
     │    └── CutShort              69   500   it stopped in mid-body, or stalled
     ├── InternalError              70   500   our own mistake
     ├── StorageError               74   500   the state directory or a cache failed
     ├── BusyError                  75   423   another run holds the lock, or it is not yet time
     │    ├── BudgetSpent           75   423   the bytes of the day are used up
     │    └── UnconfirmedBoot       75   409   the running set is not marked successful
     ├── Unhealthy                  76   500   a required health check became worse
     ├── PermissionDenied           77   500   the process may not
     └── ConfigError                78   500   the configuration, or the host's own identity

`partitions.errors.PartitionError` is the disk's own tree with exit codes of its own; the CLI treats
both alike. Exit codes follow sysexits.h. ``hint`` says what to do next; the CLI prints it on a line
of its own.
"""

from __future__ import annotations

from typing import ClassVar


class UpdogError(Exception):
    """Anything updog reports to a user; never raised itself.

    Args:
        message: what happened, to which thing.
        hint: what to do next, or empty for what helps with most errors of the kind.
    """

    exit_code: ClassVar[int] = 70
    http_status: ClassVar[int] = 500
    usual_hint: ClassVar[str] = ""
    """What to do next where the error itself does not say it; empty where messages do."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint or self.usual_hint


class UsageError(UpdogError):
    """The command line is wrong."""

    exit_code = 64
    http_status = 400


class DataError(UpdogError):
    """Bytes that were given to us are bad or not to be trusted."""

    exit_code = 65


class ManifestError(DataError):
    """manifest.json breaks its schema; the message names the JSON path."""


class TrustError(DataError):
    """A rule of The Update Framework was broken; the message names the file and the rule."""


class Expired(TrustError):
    """Validly signed metadata whose time is over."""


class RolledBack(TrustError):
    """Metadata older than what this host has already trusted."""


class TargetMismatch(TrustError):
    """The bytes of a target differ from the signed length or hash."""

    usual_hint = "The server or a mirror sent a damaged file; try again, or ask its operator."


class MigrationError(DataError):
    """There is no usable chain of migrations between two versions."""


class UnreachableError(UpdogError):
    """The repository could not be reached."""

    exit_code = 69


class NotThere(UnreachableError):
    """The repository answered that a file does not exist (403, 404, 410, missing local file)."""


class CutShort(UnreachableError):
    """A transfer broke off or stalled before its end."""


class InternalError(UpdogError):
    """A state that our own code promised never to reach."""


class StorageError(UpdogError):
    """The state directory or a cache failed."""

    exit_code = 74


class BusyError(UpdogError):
    """Another run is at work, or the moment has not come."""

    exit_code = 75
    http_status = 423


class BudgetSpent(BusyError):
    """As many bytes as may be fetched in a day were fetched."""


class UnconfirmedBoot(BusyError):
    """The running set is not marked successful, so nothing proven would remain to fall back to."""

    http_status = 409


class Unhealthy(UpdogError):
    """The running boot made a required check worse, and is not confirmed."""

    exit_code = 76


class PermissionDenied(UpdogError):
    """The process lacks a permission."""

    exit_code = 77


class ConfigError(UpdogError):
    """The configuration or the host's identity is unusable."""

    exit_code = 78
