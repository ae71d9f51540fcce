"""What can be wrong with a rollout: one error, because one person acts on it, the operator.

``exit_code`` follows sysexits.h (bad data), so that a command line treats it like the other trees.
"""

from __future__ import annotations

from typing import ClassVar


class WaveError(ValueError):
    """A moment, an offset, a policy or a schedule is unusable; the message names file and entry."""

    exit_code: ClassVar[int] = 65
