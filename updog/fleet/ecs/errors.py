"""What can go wrong between the updater and AWS.

UpdogError
 ├── UnreachableError
 │    └── Throttled       69   AWS does not answer, or not now; another try may help
 ├── Refused               1   AWS answered with an error that none of the others is
 ├── Gone                  1   the container instance is no longer in the cluster
 └── NotManaged            1   Systems Manager does not know the machine, or has lost it
"""

from __future__ import annotations

from updog.errors import UnreachableError, UpdogError


class Throttled(UnreachableError):
    """AWS did not answer, or asked us to come back later, more often than we try."""


class Refused(UpdogError):
    """AWS refused a request."""

    exit_code = 1


class Gone(UpdogError):
    """The container instance was taken out of the cluster."""

    exit_code = 1


class NotManaged(UpdogError):
    """Commands do not reach the machine."""

    exit_code = 1
