"""Errors in the words of `updog`: where a refusal names a command, the one of ours."""

from __future__ import annotations

from partitions.errors import TransitionRefused, Verbs

UPDOG = Verbs(
    confirm="updog mark-successful",
    apply="updog update-apply",
    cancel="updog update-revert",
    rollback="updog rollback",
)


def in_our_words(error: Exception) -> str:
    """The message of an error."""
    return error.told(UPDOG) if isinstance(error, TransitionRefused) else str(error)
