"""Which server wrote a log, told by its first lines. PURE."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

CLOUDFRONT_FIELDS = (
    "date",
    "time",
    "c-ip",
    "cs-method",
    "cs-uri-stem",
    "cs-uri-query",
    "sc-status",
    "sc-bytes",
)
"""The columns that are needed; where they stand is told by each file."""

_FIELDS = "#Fields:"
_MOST_COLUMNS = 100
_TIME = r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"
_S3 = re.compile(rf"[0-9A-Za-z-]+ [^ ]+ {_TIME} [0-9A-Za-z.:_-]+ ")
_COMBINED = re.compile(rf'[0-9A-Za-z.:_-]+ [^ ]+ [^\[]*{_TIME} "')


class LogFormat(StrEnum):
    """What is understood; the value is the name for `--format` and of the file of SQL."""

    COMBINED = "combined"
    CLOUDFRONT = "cloudfront"
    S3 = "s3"


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read the lines of one file.

    Attributes:
        format: who wrote it.
        places: values for the holes of its SQL; empty where there are none.
    """

    format: LogFormat
    places: Mapping[str, int] = field(default_factory=dict)

    def fill(self, sql: str) -> str:
        """The SQL of the format with its holes filled."""
        for name, place in self.places.items():
            sql = sql.replace(f"{{{name}}}", str(place))
        return sql


def recognise(lines: Sequence[str], said: LogFormat | None = None) -> Layout | None:
    """How to read a file; None: nothing is known that looks like that.

    Args:
        lines: its first ones.
        said: the format, if somebody knows it.
    """
    if said in (None, LogFormat.CLOUDFRONT):
        found = next(filter(None, map(_cloudfront, lines)), None)
        if found or said:
            return found
    if said:
        return Layout(said)
    # S3 first: its lines begin with an owner and a bucket, and the other pattern takes more.
    for pattern, name in ((_S3, LogFormat.S3), (_COMBINED, LogFormat.COMBINED)):
        if any(map(pattern.match, lines)):
            return Layout(name)
    return None


def _cloudfront(line: str) -> Layout | None:
    if not line.startswith(_FIELDS):
        return None
    names = line.removeprefix(_FIELDS).split()
    if len(names) > _MOST_COLUMNS or not set(CLOUDFRONT_FIELDS) <= set(names):
        return None
    places = {name: names.index(name) + 1 for name in CLOUDFRONT_FIELDS}
    return Layout(LogFormat.CLOUDFRONT, {**places, "columns": len(names)})
