"""Restart the machine by the configured command."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from updog import events
from updog.errors import ConfigError


def reboot(command: Sequence[str]) -> None:
    """Run the reboot command and wait until it has accepted.

    Raises:
        ConfigError: it cannot be run or reports failure; what was done before stays done.
    """
    events.tell(events.REBOOTING)
    hint = "The change itself is done; restart the machine by hand."
    try:
        subprocess.run(command, check=True)  # noqa: S603 - the administrator's own, without a shell
    except OSError as error:
        raise ConfigError(f"{command[0]} cannot be run: {error.strerror}.", hint=hint) from error
    except subprocess.CalledProcessError as error:
        message = f"{' '.join(command)} ended with {error.returncode}."
        raise ConfigError(message, hint=hint) from error
