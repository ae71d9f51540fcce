"""Who keeps the machine from restarting: the inhibitor locks of logind."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
from collections.abc import Sequence

ASK = (
    "busctl",
    "--json=short",
    "call",
    "org.freedesktop.login1",
    "/org/freedesktop/login1",
    "org.freedesktop.login1.Manager",
    "ListInhibitors",
)
TIMEOUT = 10.0

log = logging.getLogger(__name__)


def blocking(ask: Sequence[str] = ASK, timeout: float = TIMEOUT) -> tuple[str, ...]:
    """Return who inhibits a shutdown; nobody, where no logind can be asked.

    Args:
        ask: the command that lists the inhibitors, as JSON of logind's ``a(ssssuu)``.
        timeout: seconds that it may take.
    """
    if shutil.which(ask[0]) is None:
        return ()
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command, without a shell
            ask, capture_output=True, check=True, timeout=timeout, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        # It is there, so somebody may have asked it to keep the machine from restarting.
        log.warning("logind did not list its inhibitors within %g seconds", timeout)
        return ("logind, which does not answer",)
    except (OSError, subprocess.SubprocessError) as error:
        log.debug("logind does not list inhibitors: %s", error)
        return ()
    return parse(done.stdout)


def parse(answer: bytes) -> tuple[str, ...]:
    """Return who blocks a shutdown, each with the reason, from logind's answer.

    Locks that only delay are left out: logind waits for them itself.
    """
    try:
        (rows,) = json.loads(answer)["data"]
        found = [
            f"{who} ({why})"
            for what, who, why, mode, _user, _process in rows
            if "shutdown" in what.split(":") and mode.startswith("block")
        ]
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        # A machine that restarts although somebody forbade it is worse than one that waits.
        log.warning("the inhibitors of logind cannot be understood: %s", error)
        return ("something that cannot be read",)
    return tuple(sorted(found))
