"""The figures of one run as markdown."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.goals import MIB, SHELL, Goal, Runs, median, paired
from benchmarks.measure import Sample
from benchmarks.shell import answer, present

PACKAGES = ("rauc", "swupdate", "casync", "zchunk")


def show(runs: Runs, reached: Sequence[Goal], about: str) -> None:
    """Print everything."""
    print(about)
    print()
    print("| way | wall s | ÷ shell | busy s | ÷ shell | peak RSS MiB | received MB | requests |")
    print("|---|---|---|---|---|---|---|---|")
    for name, samples in runs.items():
        print(_row(name, samples, runs[SHELL]))
    print()
    print("| goal | limit | measured | |")
    print("|---|---|---|---|")
    for goal in reached:
        print(goal.row())


def _row(name: str, samples: Sequence[Sample], shell: Sequence[Sample]) -> str:
    busy = median(samples, "busy")
    cells = (
        name if len(samples) == len(shell) else f"{name} (1 run)",
        f"{median(samples, 'seconds'):.2f}",
        f"{paired(samples, shell):.2f}",
        f"{busy:.2f}",
        f"{busy / median(shell, 'busy'):.2f}",
        f"{median(samples, 'peak') / MIB:.0f}",
        f"{median(samples, 'received') / 1e6:.1f}",
        f"{median(samples, 'requests'):.0f}",
    )
    return f"| {' | '.join(cells)} |"


def describe(what: str, old: Path, new: Path, rounds: int) -> str:
    """The machine, the images and the day."""
    share = new_share(old, new)
    return (
        f"{time.strftime('%Y-%m-%d')}, {machine()}. Image of {new.stat().st_size // MIB} MiB,"
        f" {share:.1%} of its 4 KiB blocks new. {rounds} rounds, medians; {what}."
        f" {', '.join(_versions())}"
    ).rstrip()


def machine() -> str:
    """Processor, memory, system."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "?")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    debian = Path("/etc/debian_version")
    system = f"Debian {debian.read_text().strip()}" if debian.exists() else platform.platform()
    return (
        f"{os.cpu_count()} processors {model}, {memory} GiB, {system}, Linux {platform.release()}"
    )


def _versions() -> Iterator[str]:
    for package in PACKAGES:
        if present("dpkg-query"):
            found = answer(f"dpkg-query -f '${{Version}}' -W {package} 2>/dev/null || true")
            if found:
                yield f"{package} {found}"


def new_share(old: Path, new: Path) -> float:
    """The share of 4 KiB blocks of an image that another one has nowhere."""
    known = set(_blocks(old))
    total = fresh = 0
    for block in _blocks(new):
        total += 1
        fresh += block not in known
    return fresh / total


def _blocks(path: Path) -> Iterator[int]:
    with path.open("rb") as file:
        while block := file.read(4096):
            yield hash(block)
