"""The boot side as text and JSON (formats 9.5): each set by its own letter, paths, bits (D11)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from partitions.bootstatus import BootStatus, SetStatus


class Labels(NamedTuple):
    """What is known about the contents of the sets.

    Attributes:
        running: version that runs, or None if os-release does not tell.
        staged: version that was written last, by the letter of the set.
    """

    running: str | None = None
    staged: Mapping[str, str] = MappingProxyType({})

    def version_in(self, each: SetStatus, active: str) -> str | None:
        """The version that a set holds, where it is known."""
        if each.slot == active:
            return self.running
        # A set that was cleared holds nothing whole, whatever the label says.
        bootable = each.flags.tries_left > 0 or each.flags.successful
        return self.staged.get(each.slot) if bootable else None


def status_lines(status: BootStatus) -> tuple[str, ...]:
    """What upstream's ``signpost status`` prints, and no more (formats 9.5)."""
    return (
        f"OS disk: {status.disk}",
        *(f"Set {each.slot}:   {_set_text(each)}" for each in status.sets),
        f"Active:  Set {status.active}",
        f"Next:    {'None' if status.next is None else f'Set {status.next}'}",
    )


def version_lines(status: BootStatus, labels: Labels) -> tuple[str, ...]:
    """The version of each set whose content is known."""
    found = ((each.slot, labels.version_in(each, status.active)) for each in status.sets)
    return tuple(f"Version: {version} in set {slot}" for slot, version in found if version)


def boot_lines(status: BootStatus, labels: Labels) -> tuple[str, ...]:
    """The boot side for people."""
    return (
        *status_lines(status),
        f"Boot:    {'confirmed' if status.confirmed else 'not confirmed yet'}",
        *version_lines(status, labels),
        *(f"Note:    {note}" for note in status.notes),
    )


def boot_tree(status: BootStatus, labels: Labels) -> Mapping[str, object]:
    """The boot side for programs."""
    return {
        "disk": str(status.disk),
        "sets": {each.slot.value: _set_tree(each, status, labels) for each in status.sets},
        "active": status.active.value,
        "next": None if status.next is None else status.next.value,
        "confirmed": status.confirmed,
        "ever_succeeded": status.ever_succeeded,
        "healthy": status.healthy,
        "notes": list(status.notes),
    }


def boot_json(status: BootStatus, labels: Labels) -> str:
    """The boot side for programs, as the text of a JSON object."""
    import json  # noqa: PLC0415 - start-up: most ask for the lines

    return json.dumps(boot_tree(status, labels), indent=2)


def _set_text(each: SetStatus) -> str:
    flags = each.flags
    return (
        f"boot={each.boot} root={each.root} hash={each.hash} priority={flags.priority}"
        f" tries_left={flags.tries_left} successful={str(flags.successful).lower()}"
    )


def _set_tree(each: SetStatus, status: BootStatus, labels: Labels) -> Mapping[str, object]:
    return {
        "boot": each.boot,
        "root": each.root,
        "hash": each.hash,
        "priority": each.flags.priority,
        "tries_left": each.flags.tries_left,
        "successful": each.flags.successful,
        "version": labels.version_in(each, status.active),
    }
