"""The service's figures, as Prometheus reads them. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from updog.service.machine import Command, State
from updog.service.record import ImageId, Record
from updog.service.view import Status
from waves.duration import parse_moment

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Sample: TypeAlias = tuple[Mapping[str, str], float]


class Figures(NamedTuple):
    """What there is to tell.

    Attributes:
        status: how things are; None while a command is at work, or where the machine does not tell.
        record: what is remembered.
        running: the command under way.
        progress: how far it is.
        ended: commands that ended since the service began, by command and how.
    """

    status: Status | None
    record: Record
    running: Command | None
    progress: Mapping[str, object]
    ended: Mapping[tuple[Command, str], int]


def text(figures: Figures) -> str:
    """All metrics, in the text format of Prometheus."""
    return "".join(f"{line}\n" for line in _lines(figures))


def _lines(figures: Figures) -> Iterator[str]:
    if figures.status is not None:
        yield from _of_status(figures.status)
    running = [({"command": each}, float(figures.running is each)) for each in Command]
    yield from _metric("command_running", "Whether a command is at work.", running)
    ended = [
        ({"command": command, "status": status}, float(count))
        for (command, status), count in sorted(figures.ended.items())
    ]
    told = "Commands that ended since the service began."
    yield from _metric("commands_total", told, ended, kind="counter")
    last = {each.command: parse_moment(each.at).timestamp() for each in figures.record.recent}
    moments = [({"command": command}, at) for command, at in last.items()]
    told = "When a command last ended, in seconds since 1970."
    yield from _metric("command_ended_timestamp_seconds", told, moments)
    count = float(len(figures.record.available))
    yield from _metric("available", "Updates that the last refresh found.", _one(count))
    yield from _of_progress(figures.progress)


def _of_status(status: Status) -> Iterator[str]:
    states = [({"state": each}, float(status.state is each)) for each in State]
    yield from _metric("state", "The state of the update; 1 for the one that it is in.", states)
    yield from _metric("running_info", "What runs.", [(_labels(status.running), 1.0)])
    staged = [] if status.staged is None else [(_labels(status.staged), 1.0)]
    yield from _metric("staged_info", "What waits on the other set.", staged)
    told = "Whether the running boot is confirmed."
    yield from _metric("boot_confirmed", told, _one(float(status.confirmed)))
    told = "Whether the partition table is whole."
    yield from _metric("disk_healthy", told, _one(float(status.healthy)))


def _of_progress(progress: Mapping[str, object]) -> Iterator[str]:
    for member, unit in (("done", "bytes"), ("total", "bytes"), ("received", "bytes")):
        value = progress.get(member)
        samples = _one(float(value)) if isinstance(value, int) else []
        told = f"Of the image that moves: {member}, in {unit}."
        yield from _metric(f"image_{member}_{unit}", told, samples)


def _one(value: float) -> list[Sample]:
    """A value without labels."""
    return [({}, value)]


def _labels(image: ImageId) -> Mapping[str, str]:
    return image._asdict()


def _metric(name: str, told: str, samples: Iterable[Sample], kind: str = "gauge") -> Iterator[str]:
    yield f"# HELP updog_{name} {told}"
    yield f"# TYPE updog_{name} {kind}"
    for labels, value in samples:
        said = ",".join(f'{key}="{_escaped(each)}"' for key, each in labels.items())
        yield f"updog_{name}{{{said}}} {value:.16g}" if said else f"updog_{name} {value:.16g}"


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
