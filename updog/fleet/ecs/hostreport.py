"""What a machine says of itself: the output of ``apiclient update check``. PURE."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from updog.service.machine import State


@dataclass(frozen=True, slots=True)
class HostReport:
    """What matters of a status.

    Attributes:
        state: where the machine is.
        version: what runs.
        expected: what would run after the update; empty if the machine does not say.
    """

    state: State
    version: str
    expected: str = ""

    @property
    def has_update(self) -> bool:
        """Whether there is something to do."""
        return self.state is not State.IDLE


class Unreadable(ValueError):
    """The output is not what a machine says."""


def parse(output: str) -> HostReport:
    """Read what the check document printed.

    Raises:
        Unreadable: state or version are missing.
    """
    try:
        tree = json.loads(output)
        state = State(tree["update_state"])
        version = str(tree["active_partition"]["image"]["version"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        shown = output.strip()[:80]
        raise Unreadable(
            f"'apiclient update check' did not print a status but {shown!r} ({error!r}); is the"
            " system 1.0.5 or later, and is the check document ours?"
        ) from error
    return HostReport(state, version, _expected(tree, state))


def _expected(tree: Mapping[str, Any], state: State) -> str:
    """What is staged is what boots; before that, what was chosen is what will be staged."""
    chosen = _version(tree.get("chosen_update"))
    if state in {State.STAGED, State.READY}:
        staging = tree.get("staging_partition")
        staged = _version(staging.get("image")) if isinstance(staging, Mapping) else ""
        return staged or chosen
    return chosen if state is State.AVAILABLE else ""


def _version(image: object) -> str:
    version = image.get("version") if isinstance(image, Mapping) else None
    return version if isinstance(version, str) else ""
