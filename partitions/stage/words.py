"""The kernel command lines of the boot stage: what they ask for, and the next one. PURE.

Every word of ours begins with ``updog.``. ``updog.disk`` and ``updog.watchdog`` may stand on the
stage's own command line; the root hash and what follows it belong to an operating system and stand
in the ``cmdline`` of its boot image:

==========================  ======================================================================
``updog.disk=GUID``         the disk, by the GUID in its partition table; else the first with sets
``updog.set=A``             set by the stage: this kernel was started for that set, open its root
``updog.root_hash=HEX``     dm-verity root hash of the set
``updog.verity=restart``    what the running system does on corruption: restart, panic or eio
``updog.watchdog=SECONDS``  start a watchdog, which the next in line has to take over in that time
``init=PATH``               what runs as the first process (/sbin/init)
==========================  ======================================================================
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from partitions.guid import Guid
from partitions.slot import Slot
from partitions.stage.errors import StageError

MOST_BYTES = 2047
"""What x86 and arm64 kernels take, without the zero at the end."""

_HASH_DIGITS = 64
_HEX = frozenset("0123456789abcdef")
_LONGEST_WATCHDOG = 3600


class OnCorruption(StrEnum):
    """What dm-verity does when a block is not what the root hash says."""

    RESTART = "restart"
    PANIC = "panic"
    EIO = "eio"

    @property
    def option(self) -> str | None:
        """The option of a dm-verity table; None for an error to the reader."""
        return None if self is OnCorruption.EIO else f"{self}_on_corruption"


class Words(NamedTuple):
    """What a command line says.

    Attributes:
        disk: GUID of the disk to take.
        slot: the set that this kernel was started for; None in the stage itself.
        root_hash: 64 hexadecimal digits.
        on_corruption: for the running system.
        watchdog: seconds; 0 for none.
        init: the first program of the system.
    """

    disk: Guid | None = None
    slot: Slot | None = None
    root_hash: str | None = None
    on_corruption: OnCorruption = OnCorruption.RESTART
    watchdog: int = 0
    init: str = "/sbin/init"


def parse(command_line: str) -> Words:
    """Read a command line; of a word given twice the last one counts, as in the kernel.

    Raises:
        StageError: one of our words has a value that means nothing.
    """
    said: dict[str, str] = {}
    for word in _before_dashes(command_line):
        name, _, value = word.partition("=")
        said[name] = value
    try:
        return Words(
            disk=Guid.from_text(said["updog.disk"]) if "updog.disk" in said else None,
            slot=Slot(said["updog.set"]) if "updog.set" in said else None,
            root_hash=_root_hash(said.get("updog.root_hash")),
            on_corruption=OnCorruption(said.get("updog.verity", "restart")),
            watchdog=_seconds(said.get("updog.watchdog", "0")),
            init=said.get("init") or "/sbin/init",
        )
    except ValueError as error:
        raise StageError(f"the kernel command line makes no sense: {error}") from error


def image_command_line(content: bytes) -> str:
    """Read the ``cmdline`` file of a boot image: ASCII; lines count as blanks, ``#`` lines as none.

    Raises:
        StageError: not ASCII, or empty.
    """
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError as error:
        raise StageError("'cmdline' of the boot image has bytes that are not ASCII") from error
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    words = " ".join(lines).split()
    if not words or not all(word.isprintable() for word in words):
        raise StageError("'cmdline' of the boot image is empty or has control characters")
    return " ".join(words)


def next_command_line(image: str, disk: Guid, slot: Slot) -> str:
    """Return the command line for the kernel of a set: ours in front, as ``--`` may end the rest.

    An image cannot say which disk or set it was read from: such words of it are left out.

    Raises:
        StageError: too long for a kernel.
    """
    ours = ("updog.set=", "updog.disk=")
    kept = [word for word in image.split() if not word.startswith(ours)]
    line = " ".join([f"updog.set={slot}", f"updog.disk={disk}", *kept])
    if len(line) > MOST_BYTES:
        raise StageError(f"the command line for the kernel has {len(line)} bytes of {MOST_BYTES}")
    return line


def _before_dashes(command_line: str) -> list[str]:
    words = command_line.split()
    return words[: words.index("--")] if "--" in words else words


def _root_hash(text: str | None) -> str | None:
    if text is None:
        return None
    digits = text.lower()
    if len(digits) != _HASH_DIGITS or not _HEX.issuperset(digits):
        raise ValueError(f"updog.root_hash={text!r} is not {_HASH_DIGITS} hexadecimal digits")
    return digits


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) <= _LONGEST_WATCHDOG):
        raise ValueError(f"updog.watchdog={text!r} is not 0 to {_LONGEST_WATCHDOG} seconds")
    return int(text)
