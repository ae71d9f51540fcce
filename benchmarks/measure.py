"""What one command costs: seconds, busy processors, memory, bytes and requests."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

EVERY = 50
"""Milliseconds between two looks at memory: looking takes processor time from who is looked at."""
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of one command.

    Attributes:
        seconds: from start to end.
        busy: seconds that all processors of the machine were busy meanwhile.
        peak: bytes of memory of all its processes together, at most.
        received: bytes that the server sent, heads included.
        requests: that it made.
        moved: what our pipeline said that it moved; empty for others.
    """

    seconds: float
    busy: float
    peak: int
    received: int
    requests: int
    moved: dict[str, int] = field(default_factory=dict)


def measure(command: str, work: Path, service: int | None = None) -> Sample:
    """Run a line of bash.

    Args:
        command: the line.
        work: the folder with the server's log.
        service: a process that does work for it, counted in.
    """
    sent, busy = _log_length(work), _busy()
    output = work / "output"
    start = time.perf_counter()
    with output.open("w") as sink:
        child = subprocess.Popen(
            ["bash", "-o", "pipefail", "-c", command],
            stdout=sink,
            stderr=subprocess.STDOUT,
            env={key: value for key, value in os.environ.items() if "BYTECODE" not in key},
        )
        peak = _watched(child, service)
    seconds, busy = time.perf_counter() - start, _busy() - busy
    if child.returncode:
        raise SystemExit(f"{command}\nfailed: {output.read_text()[-2000:]}")
    received, requests = _sent_since(work, sent)
    moved = _moved(output.read_text())
    return Sample(seconds, busy, max(peak, moved.get("peak", 0)), received, requests, moved)


def _watched(child: subprocess.Popen[bytes], service: int | None) -> int:
    peak = 0
    pids = [child.pid] if service is None else [child.pid, service]
    ended = select.poll()
    descriptor = os.pidfd_open(child.pid)
    try:
        ended.register(descriptor, select.POLLIN)
        while not ended.poll(EVERY):
            peak = max(peak, sum(_resident(pid) for one in pids for pid in _family(one)))
    finally:
        os.close(descriptor)
    child.wait()
    return peak


def _family(pid: int) -> Iterator[int]:
    yield pid
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _family(int(child))


def _resident(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    return 0


def _busy() -> float:
    """Seconds that all processors were busy since the machine started."""
    user, nice, system, _idle, _wait, irq, soft, *_ = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    )
    return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK")


def _log_length(work: Path) -> int:
    time.sleep(0.05)
    return (work / "sent").stat().st_size


def _sent_since(work: Path, start: int) -> tuple[int, int]:
    """Bytes and requests; the benchmark's own list of facts is no part of any update."""
    # A request is logged when its connection is done with it.
    time.sleep(0.1)
    with (work / "sent").open() as log:
        log.seek(start)
        lines = [line.split() for line in log if "/facts.json" not in line]
    return sum(int(count) for _, count in lines), len(lines)


def _moved(output: str) -> dict[str, int]:
    last = output.strip().rpartition("\n")[2]
    if not last.startswith("{"):
        return {}
    found: dict[str, int] = json.loads(last)
    return found
