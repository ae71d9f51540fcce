"""Start-up: `updog check-update` beside a stock `tuf.ngclient` run, `updog status` beside `pass`.

Whole processes, run in turn (A B C A B C …), so that a drift of the machine's speed touches all.
Quoted are medians, and the medians of the ratios within one round. Wall time includes whatever else
the machine does; the processor time beside it hardly does.

Our command is `updog` as users have it: a wheel of this checkout is built and installed, with
compiled modules, into a virtual environment made for this run, and its console script is started.
An editable installation would pay for the finders of a developer's environment. The dependencies
are those of the environment that runs this; all contestants run on the new one's interpreter.

Stock is measured twice: a refresh alone, and with the manifest fetched, which is what a check
needs.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fixtures.machine import make_machine
from fixtures.os_images import Recipe, build_release
from fixtures.publisher import Publisher
from packaging_tools.wheel import build_wheel

RUNS = 15
STOCK = """
import os, sys
from pathlib import Path
from tuf.ngclient import Updater
home, url, whole = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "whole"
updater = Updater(
    metadata_dir=str(home), metadata_base_url=url + "/demo/" + os.uname().machine,
    target_base_url=url + "/targets", target_dir=str(home),
    bootstrap=(home / "shipped-root.json").read_bytes(),
)
updater.refresh()
if whole:
    updater.download_target(updater.get_targetinfo("manifest.json"))
"""


@dataclass(frozen=True)
class Contestant:
    """One command.

    Attributes:
        command: what to run; it has to end with 0.
        before: puts the state in place, outside of the measured time.
    """

    command: Sequence[str]
    before: Callable[[], object] = bool


@dataclass(frozen=True)
class Taken:
    """What one run took, in seconds."""

    wall: float
    processor: float


@dataclass(frozen=True)
class Goal:
    """A bound for the ratio of two contestants."""

    ours: str
    theirs: str
    most: float


GOALS = (
    Goal("check-update, unchanged", "ngclient refresh", 0.7),
    Goal("check-update, unchanged", "ngclient refresh + manifest", 0.7),
    Goal("check-update, changed", "ngclient refresh", 0.8),
    Goal("check-update, changed", "ngclient refresh + manifest", 0.8),
    Goal("status", "python -c pass", 5.0),
    Goal("status --json", "python -c pass", 5.0),
)


def run(contestant: Contestant) -> Taken:
    """Run a command once."""
    contestant.before()
    start, spent = time.perf_counter(), _children()
    ended = subprocess.run(
        contestant.command, capture_output=True, check=False, env=compiled_modules()
    )
    taken = Taken(time.perf_counter() - start, _children() - spent)
    if ended.returncode:
        sys.exit(f"{contestant.command} ended with {ended.returncode}: {ended.stderr.decode()}")
    return taken


def compiled_modules() -> dict[str, str]:
    """An environment in which Python keeps compiled modules, as an installed package has them."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


def installed(home: Path) -> Path:
    """Install a wheel of this checkout into a new environment; return where its programs are."""
    wheel = build_wheel(home)
    quietly([sys.executable, "-m", "venv", "--without-pip", str(home / "venv")])
    programs = home / "venv/bin"
    pip = ["-m", "pip", "--python", str(programs / "python"), "install", "--no-deps", str(wheel)]
    quietly([sys.executable, *pip])
    packages = sysconfig.get_path("purelib", vars={"base": str(home / "venv")})
    Path(packages, "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return programs


def quietly(command: Sequence[str]) -> None:
    """Run a command whose words matter only if it fails."""
    ended = subprocess.run(command, capture_output=True, check=False, env=compiled_modules())
    if ended.returncode:
        sys.exit(f"{command} ended with {ended.returncode}: {ended.stderr.decode()}")


def contestants(programs: Path, home: Path, config: Path, url: str) -> dict[str, Contestant]:
    """Everything that is compared, by name."""
    python = str(programs / "python")
    ours = [str(programs / "updog"), "--config", str(config)]
    stock = [python, "-c", STOCK, str(home / "stock"), url]
    state = home / "machine" / "state"
    return {
        "check-update, unchanged": Contestant([*ours, "check-update"]),
        "check-update, changed": Contestant(
            [*ours, "check-update"], lambda: forget_newest(home / "older", state)
        ),
        "ngclient refresh": Contestant([*stock, "refresh"]),
        "ngclient refresh + manifest": Contestant([*stock, "whole"]),
        "status": Contestant([*ours, "status"]),
        "status --json": Contestant([*ours, "status", "--json"]),
        "python -c pass": Contestant([python, "-c", "pass"]),
    }


def forget_newest(older: Path, state: Path) -> None:
    """Give a host the state of an earlier time, so that all but the root is new to it."""
    shutil.rmtree(state)
    shutil.copytree(older, state)


def main() -> None:
    """Set up a repository and a machine, run the rounds, print the table."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        releases = [
            build_release(home / version, Recipe(version, content_mib=2, skip=skip))
            for skip, version in enumerate(("1.0.0", "1.1.0", "1.2.0"))
        ]
        publisher = Publisher.create(home / "repository", datetime.now(UTC))
        publisher.release(releases[1])
        with publisher.serving() as url:
            machine = make_machine(
                home / "machine", releases[0], seed=1000, root_json=publisher.root_json(), url=url
            )
            (home / "stock").mkdir()
            (home / "stock" / "shipped-root.json").write_bytes(publisher.root_json())
            everyone = contestants(installed(home / "wheel"), home, machine.config, url)
            run(everyone["status"])
            run(everyone["check-update, unchanged"])
            shutil.copytree(home / "machine" / "state", home / "older")
            publisher.release(releases[2])
            compare(everyone)


def compare(everyone: Mapping[str, Contestant]) -> None:
    """Run all in turn, once unmeasured, and print times and ratios."""
    # Unchanged follows changed, whose run leaves the newest state; all are warm then.
    order = ["check-update, changed", *(n for n in everyone if n != "check-update, changed")]
    rounds = [{name: run(everyone[name]) for name in order} for _ in range(RUNS + 1)][1:]
    print(f"{RUNS} runs each, in turn; whole processes, warm caches, medians")
    print(f"{'':30}{'wall':>10}{'processor':>13}")
    for name in everyone:
        wall = statistics.median(one[name].wall for one in rounds)
        processor = statistics.median(one[name].processor for one in rounds)
        print(f"  {name:28}{wall * 1000:7.1f} ms{processor * 1000:10.1f} ms")
    print(f"\n{'ratio':58}{'wall':>6}{'processor':>11}   goal")
    for goal in GOALS:
        wall, processor = (
            statistics.median(
                getattr(one[goal.ours], kind) / getattr(one[goal.theirs], kind) for one in rounds
            )
            for kind in ("wall", "processor")
        )
        met = "met" if wall <= goal.most else "missed"
        pair = f"{goal.ours} / {goal.theirs}"
        print(f"  {pair:56}{wall:6.2f}{processor:11.2f}   {goal.most:g} {met}")


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
