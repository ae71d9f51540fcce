"""What goes wrong between power-on and the operating system."""

from __future__ import annotations

from partitions.errors import PartitionError


class StageError(PartitionError):
    """A step of the boot failed; the message says which and why. Another try may go better."""
