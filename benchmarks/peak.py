"""The peak memory of a program, as a process of its own.

What the kernel says to a parent about its ended child (``ru_maxrss``) begins with the peak of the
parent itself where the child was spawned without a copy of it, as `os.posix_spawn` does: beside a
large parent every child looks large. So the child says itself what it took, in its last moment.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

_PROGRAM = """
import os, sys
from pathlib import Path
from repo_tools.cli import main
code = main(sys.argv[2:])
status = Path("/proc/self/status").read_text()
os.write(int(sys.argv[1]), status.partition("VmHWM:")[2].split()[0].encode())
sys.exit(code)
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """What one run took.

    Attributes:
        seconds: wall time.
        mib: peak resident memory.
        busy: seconds of processor time, which nobody else's work makes longer.
    """

    seconds: float
    mib: float
    busy: float


def run(words: Sequence[str]) -> Taken:
    """Run ``updog-repo`` with these words, start of Python included; it has to end with 0."""
    ours, theirs = os.pipe()
    before, begin = os.times(), time.perf_counter()
    command = [sys.executable, "-c", _PROGRAM, str(theirs), *words]
    with os.fdopen(ours, "rb") as said:
        try:
            subprocess.run(command, stdout=subprocess.DEVNULL, pass_fds=(theirs,), check=True)
        finally:
            os.close(theirs)
        seconds, after = time.perf_counter() - begin, os.times()
        busy = after.children_user + after.children_system
        busy -= before.children_user + before.children_system
        return Taken(seconds, int(said.read()) / 1024, busy)
