"""The boot bits in the 64-bit attribute word of a GPT entry (formats 9.2).

On a BOOT partition: bits 48-51 priority, 52-55 tries left, 56 successful. On PRIVATE: bit 57, a
boot has succeeded once on this disk. Every other bit belongs to someone else and is kept.
"""

from __future__ import annotations

from typing import NamedTuple, Self

MAX_PRIORITY = 15
MAX_TRIES = 15

_PRIORITY_SHIFT = 48
_TRIES_SHIFT = 52
_SUCCESSFUL = 1 << 56
_EVER_SUCCEEDED = 1 << 57
_NIBBLE = 0xF
_ALL_FLAGS = (_NIBBLE << _PRIORITY_SHIFT) | (_NIBBLE << _TRIES_SHIFT) | _SUCCESSFUL
_WORD = (1 << 64) - 1


class _Bits(NamedTuple):
    priority: int
    tries_left: int
    successful: bool


class BootFlags(_Bits):
    """What the bootloader knows about one partition set.

    Attributes:
        priority: 0-15; 0 is never booted, the highest bootable one is booted.
        tries_left: 0-15; how often the bootloader may still try a set that is not successful.
        successful: the set has booted and was confirmed.
    """

    __slots__ = ()

    def __new__(cls, priority: int = 0, tries_left: int = 0, successful: bool = False) -> Self:  # noqa: FBT001, FBT002
        """Check that the numbers have room in their bits."""
        if not 0 <= priority <= MAX_PRIORITY:
            raise ValueError(f"priority {priority} is not in 0..{MAX_PRIORITY}")
        if not 0 <= tries_left <= MAX_TRIES:
            raise ValueError(f"tries left {tries_left} is not in 0..{MAX_TRIES}")
        return super().__new__(cls, priority, tries_left, successful)

    def but(self, **changes: int) -> Self:
        """Return other flags with these fields changed, checked like any."""
        return type(self)(**(self._asdict() | changes))

    @property
    def will_boot(self) -> bool:
        """Whether the bootloader would take this set if it stood alone (formats 9.2, D9)."""
        return self.priority > 0 and (self.tries_left > 0 or self.successful)

    @classmethod
    def from_attributes(cls, attributes: int) -> Self:
        """Take the boot bits out of an attribute word."""
        return cls(
            priority=attributes >> _PRIORITY_SHIFT & _NIBBLE,
            tries_left=attributes >> _TRIES_SHIFT & _NIBBLE,
            successful=bool(attributes & _SUCCESSFUL),
        )

    def apply_to(self, attributes: int) -> int:
        """Return ``attributes`` with the nine boot bits replaced and all others kept."""
        kept = _checked(attributes) & ~_ALL_FLAGS
        bits = self.priority << _PRIORITY_SHIFT | self.tries_left << _TRIES_SHIFT
        return kept | bits | (_SUCCESSFUL if self.successful else 0)

    def __str__(self) -> str:
        successful = "true" if self.successful else "false"
        return f"priority={self.priority} tries_left={self.tries_left} successful={successful}"


def has_ever_succeeded(attributes: int) -> bool:
    """Tell whether PRIVATE's word says that a boot has succeeded on this disk."""
    return bool(attributes & _EVER_SUCCEEDED)


def with_ever_succeeded(attributes: int) -> int:
    """Return PRIVATE's word with the "a boot has succeeded" bit set; nothing ever clears it."""
    return _checked(attributes) | _EVER_SUCCEEDED


def _checked(attributes: int) -> int:
    if not 0 <= attributes <= _WORD:
        raise ValueError(f"attribute word {attributes:#x} does not fit in 64 bits")
    return attributes
