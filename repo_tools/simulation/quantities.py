"""Spans and sizes as people write them: ``6h``, ``90m``, ``1.5GiB``. PURE."""

from __future__ import annotations

import re
from datetime import timedelta
from fractions import Fraction

from updog.errors import UsageError
from waves.duration import parse_offset, quoted

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SPAN = re.compile(r"([0-9]{1,9})([smhdw])", re.ASCII)
_BYTES = {
    "": 1,
    "b": 1,
    "k": 10**3, "kb": 10**3, "kib": 2**10,
    "m": 10**6, "mb": 10**6, "mib": 2**20,
    "g": 10**9, "gb": 10**9, "gib": 2**30,
    "t": 10**12, "tb": 10**12, "tib": 2**40,
}  # fmt: skip
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) *([A-Za-z]*)", re.ASCII)


def parse_span(text: str) -> int:
    """Seconds of ``6h``, ``30m``, ``90s``, ``1d`` or ``6 hours``.

    Raises:
        UsageError: another form, or nothing at all.
        WaveError: a number that no calendar holds.
    """
    match = _SPAN.fullmatch(text)
    if match is not None:
        seconds = int(match[1]) * _SECONDS[match[2]]
    else:
        seconds = parse_offset(text) // timedelta(seconds=1)
    if not 0 < seconds <= 366 * 86400:
        raise UsageError(f"{quoted(text)} is not a span from a second to a year.")
    return seconds


def parse_size(text: str) -> int:
    """Bytes of ``600MB``, ``1.5 GiB`` or ``123456``.

    Raises:
        UsageError: another form.
    """
    match = _SIZE.fullmatch(text)
    unit = _BYTES.get(match[2].lower()) if match else None
    if match is None or unit is None:
        raise UsageError(
            f"{quoted(text)} is not a size.", hint="Write for example 600MB, 1.5GiB or 123456."
        )
    return int(Fraction(match[1]) * unit)


def parse_factor(text: str) -> Fraction:
    """A positive number such as ``2``, ``1.5`` or ``2/3``.

    Raises:
        UsageError: another form.
    """
    try:
        factor = Fraction(text) if len(text) <= 20 else Fraction(0)  # noqa: PLR2004
    except (ValueError, ZeroDivisionError):
        factor = Fraction(0)
    if factor <= 0:
        raise UsageError(
            f"{quoted(text)} is not a factor.", hint="Write for example 2, 0.5 or 2/3."
        )
    return factor


def span_text(seconds: int) -> str:
    """``seconds`` in its two greatest units: ``2 d 4 h``."""
    parts = []
    rest = seconds
    for unit in ("d", "h", "m", "s"):
        count, rest = divmod(rest, _SECONDS[unit])
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def size_text(size: float) -> str:
    """Bytes in decimal units, three digits: ``1.23 TB``."""
    return _scaled(size, "B")


def rate_text(bits: float) -> str:
    """Bits a second in decimal units: ``4.2 Gbit/s``."""
    return _scaled(bits, "bit/s")


def _scaled(value: float, unit: str) -> str:
    for prefix in ("", "k", "M", "G", "T", "P"):
        if value < 1000 or prefix == "P":  # noqa: PLR2004 - decimal steps
            break
        value /= 1000
    digits = 0 if not prefix else 2 if value < 10 else 1 if value < 100 else 0  # noqa: PLR2004
    return f"{value:.{digits}f} {prefix}{unit}"
