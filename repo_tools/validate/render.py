"""Reports for people and for programs (docs/schemas/validate.json)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from repo_tools.findings import Level, worst
from repo_tools.validate.run import Report
from waves.duration import format_moment

_SIGNS = {Level.ERROR: "FAIL ", Level.WARNING: "warn ", Level.NOTE: "note "}


def as_json(spec: str, reports: Sequence[Report], now: datetime) -> dict[str, object]:
    """The whole document of ``validate --json``."""
    return {
        "repository": spec,
        "now": format_moment(now),
        "level": _level(worst(f for report in reports for f in report.findings)),
        "editions": [_edition(report) for report in reports],
    }


def as_lines(report: Report) -> Iterator[str]:
    """One place for people: every finding, then one line that sums up."""
    for finding in report.findings:
        yield f"{_SIGNS[finding.level]} {finding.check:12} {finding}"
    counts = Counter(finding.level for finding in report.findings)
    told = ", ".join(f"{counts[level]} {level}s" for level in reversed(Level))
    targets, size = report.listed
    yield f"{report.place.name}: {targets} targets, {size} bytes: {told}"


def _edition(report: Report) -> dict[str, object]:
    targets, size = report.listed
    return {
        "place": report.place.name,
        "metadata": report.place.urls.metadata,
        "targets": report.place.urls.targets,
        "level": _level(report.level),
        "versions": dict(sorted(report.versions.items())),
        "listed": {"targets": targets, "bytes": size},
        "findings": [finding.as_json() for finding in report.findings],
    }


def _level(found: Level | None) -> str:
    return "ok" if found is None else str(found)
