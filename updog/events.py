"""What happens to a machine that somebody may want to find again, each under an id of its own.

Journals and JSON lines get these records with their fields; at a terminal the commands say the same
in remarks and results, so there these records are left out.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

LOGGER = "updog.events"
ATTRIBUTE = "updog"
"""Under this name a record of `logging` carries its `Told`."""


class Event(NamedTuple):
    """A kind of thing that happens.

    Attributes:
        message_id: of the journal, 32 hexadecimal digits; never changed once published.
        phase: of an update.
        text: for people, with the names of its facts in braces.
        level: as `logging` numbers them.
    """

    message_id: str
    phase: str
    text: str
    level: int = 20


class Told(NamedTuple):
    """What a record is about.

    Attributes:
        event: what happened.
        facts: by name, such as ``version``.
    """

    event: Event
    facts: dict[str, str]

    def fields(self) -> dict[str, str]:
        """As fields of the journal."""
        facts = {f"UPDOG_{name.upper()}": value for name, value in self.facts.items()}
        return {"MESSAGE_ID": self.event.message_id, "UPDOG_PHASE": self.event.phase, **facts}


STARTED = Event("9e81c201bb9942bf967eb1e88725abcc", "install", "Update to {version} begins.")
INSTALLED = Event(
    "ed352631645648f6af180277e45bf68b", "install", "{version} stands on set {slot}, read back."
)
ACTIVATED = Event("c71e45aa1b1d41a3be216e0c6c9fcaeb", "activate", "Set {slot} boots next.")
TAKEN_BACK = Event(
    "77ac2c8ad9774e6ba2432cc3c677cae8",
    "activate",
    "The activation is taken back; {slot} boots next.",
)
ROLLED_BACK = Event(
    "d8c1a3c4f9b741d7bf874d56468ed548", "rollback", "Rolled back; set {slot} boots next.", 30
)
CONFIRMED = Event("3b0e464bec11467fbb44e1d8126c6df6", "confirm", "Set {slot} is confirmed.")
UNHEALTHY = Event(
    "40fa8c25621b4fc9af09abf7702b3cbe", "confirm", "Set {slot} is not confirmed: {why}.", 40
)
BAD_VERSION = Event(
    "5db502ccae5a4e86938b13431c8fe0fd", "confirm", "Version {version} is noted as bad: {why}.", 30
)
ENDED = Event(
    "5bee2a5c9ca2435cbcf7763249490f71", "service", "{order}: {status} (exit status {exit_code})"
)
MIGRATED = Event(
    "766c0557a729465883e8b076c7f9558c", "migrate", "The settings went from {start} to {version}."
)
REBOOTING = Event("c7cfa75210314794907903374aadff25", "reboot", "The machine restarts.", 25)
FAILED = Event("50cd3669d7a3412fa145b81284edcce6", "failed", "{why}", 40)
EVENTS = (
    *(STARTED, INSTALLED, ACTIVATED, TAKEN_BACK, ROLLED_BACK, CONFIRMED),
    *(UNHEALTHY, BAD_VERSION, ENDED, MIGRATED, REBOOTING, FAILED),
)


def about(event: Event, **facts: object) -> dict[str, Told]:
    """What makes a record of `logging` that of an event: its ``extra``."""
    return {ATTRIBUTE: Told(event, {name: str(value) for name, value in facts.items()})}


def tell(event: Event, **facts: object) -> None:
    """Log that something happened.

    Args:
        event: what.
        facts: what its text names, and more.
    """
    # A command that has not loaded this has nobody who listens.
    logging = sys.modules.get("logging")
    if logging is not None:
        text = event.text.format(**facts)
        logging.getLogger(LOGGER).log(event.level, "%s", text, extra=about(event, **facts))
