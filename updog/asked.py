"""What becomes of a version that was asked for by name and cannot be had. PURE."""

from __future__ import annotations

from updog.errors import UsageError
from updog.select import Declined, Reason
from updog.version import Version

NEVER = frozenset(
    {
        Reason.NO_UPDATE_FOR_VARIANT_ARCH,
        Reason.NOT_IN_REPOSITORY,
        Reason.ABOVE_MAX,
        Reason.BLOCKED,
    }
)
"""What no waiting changes."""


def refuse_unobtainable(image: Version | None, declined: Declined) -> None:
    """See that "nothing to install" is not the answer to a wish that cannot be granted.

    Args:
        image: the version that ``--image`` names, if any.
        declined: why there is nothing to install.

    Raises:
        UsageError: there is no such version, or this host must not have it.
    """
    if image is not None and declined.reason in NEVER:
        raise UsageError(
            f"{image} cannot be installed: {declined.message}.",
            hint="'updog why' lists what there is, and what speaks against it.",
        )
