"""How far the transfer of one target is: the value that everybody who shows progress gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from updog.pipeline.cancel import Cancel


class Phase(StrEnum):
    """What is being done with a target."""

    SURVEY = "survey"
    """Looking at what is on this machine already."""
    TRANSFER = "transfer"
    """Fetching, decoding and writing; reading back follows close behind."""
    VERIFY = "verify"
    """Everything is written; the rest of it is read back."""
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Moving:
    """How far one target is.

    Attributes:
        name: the target.
        phase: what is being done with it.
        done: bytes of it that are where they belong; never shrinks while `total` stays.
        total: bytes that will be done at the end.
        received: bytes that came from the repository.
        written: bytes that were written.
        kept: bytes that were right on the partition before.
        copied: bytes that were taken from the running set.
        way: how the target gets there, where it is an image: full, adaptive or delta.
    """

    name: str
    phase: Phase
    done: int
    total: int
    received: int
    written: int
    kept: int = 0
    copied: int = 0
    way: str = ""


Progress: TypeAlias = Callable[[Moving], None]
"""Told how far a target is, often and from any thread; must be quick."""


def silent(_moving: Moving) -> None:
    """A `Progress` that nobody watches."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Who looks on while an installation works, and may end it.

    Attributes:
        progress: told how far each target is.
        cancel: ends the work when it is given; None where nobody can.
    """

    progress: Progress = silent
    cancel: Cancel | None = None


UNWATCHED = Watch()
