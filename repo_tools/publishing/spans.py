"""Time spans as they are typed and told. PURE."""

from __future__ import annotations

import argparse
import re
from datetime import timedelta

from waves.duration import parse_offset
from waves.errors import WaveError

_SHORT = re.compile(r"([0-9]+)([mhdw])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def span(text: str) -> timedelta:
    """A time span: ``3d``, ``12h``, ``30m``, ``2w``, or as in policies, ``3 days``.

    Raises:
        argparse.ArgumentTypeError: another form; argparse shows its text.
    """
    match = _SHORT.fullmatch(text)
    try:
        return parse_offset(f"{match[1]} {_UNITS[match[2]]}" if match else text)
    except WaveError as error:
        raise argparse.ArgumentTypeError(f"{error}, or '3d' for short") from None


def told(left: timedelta) -> str:
    """A span for people, in its two largest units: ``6 days 3 hours``; ``over`` if it is past."""
    if left <= timedelta(0):
        return "over"
    minutes = int(left.total_seconds()) // 60
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    units = (("day", days), ("hour", hours), ("minute", minutes))
    parts = [f"{count} {unit}{'s' if count > 1 else ''}" for unit, count in units if count]
    return " ".join(parts[:2]) or "less than a minute"
