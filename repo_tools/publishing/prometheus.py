"""What was seen of a repository, as Prometheus reads it. PURE."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

from repo_tools.publishing.expiry import Expiry, Sight

Sample: TypeAlias = tuple[Mapping[str, str], float]
Gauge: TypeAlias = tuple[str, str, Iterable[Sample]]


def text(sights: Sequence[Sight], now: datetime) -> str:
    """All metrics, in the text format of Prometheus.

    Args:
        sights: of the editions.
        now: when they were seen.
    """
    lines = [line for gauge in _gauges(sights, now) for line in _lines(*gauge)]
    return "\n".join(lines) + "\n"


def tree(sights: Sequence[Sight], now: datetime) -> dict[str, object]:
    """The same for other programs; docs/schemas/metrics.json describes it."""
    told = [
        {
            "name": name,
            "help": said,
            "samples": [{"labels": dict(labels), "value": value} for labels, value in samples],
        }
        for name, said, samples in _gauges(sights, now)
    ]
    return {"metrics": told}


def _gauges(sights: Sequence[Sight], now: datetime) -> Iterator[Gauge]:
    yield (
        "updog_repo_up",
        "Whether the metadata is there and signed throughout, expired or not.",
        ((_labels(sight), float(not sight.problem)) for sight in sights),
    )
    yield (
        "updog_repo_expires_timestamp_seconds",
        "When the metadata of a role expires, in seconds since 1970.",
        _by_role(sights, lambda each: each.expires.timestamp()),
    )
    yield (
        "updog_repo_metadata_version",
        "Version of the metadata of a role.",
        _by_role(sights, lambda each: float(each.version)),
    )
    yield (
        "updog_repo_targets",
        "How many target files are signed.",
        ((_labels(sight), float(sight.targets)) for sight in sights if not sight.problem),
    )
    yield (
        "updog_repo_target_bytes",
        "Bytes of all signed target files.",
        ((_labels(sight), float(sight.target_bytes)) for sight in sights if not sight.problem),
    )
    yield (
        "updog_repo_checked_timestamp_seconds",
        "When all this was seen, in seconds since 1970.",
        [({}, now.timestamp())],
    )


def _lines(name: str, said: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP {name} {said}"
    yield f"# TYPE {name} gauge"
    for labels, value in samples:
        named = ",".join(f'{key}="{_escaped(each)}"' for key, each in labels.items())
        yield f"{name}{{{named}}} {value:.16g}" if named else f"{name} {value:.16g}"


def _by_role(sights: Sequence[Sight], value: Callable[[Expiry], float]) -> Iterator[Sample]:
    for sight in sights:
        for each in sight.expiries:
            yield {**_labels(sight), "role": each.role}, value(each)


def _labels(sight: Sight) -> dict[str, str]:
    return {"variant": sight.variant, "arch": sight.arch}


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
