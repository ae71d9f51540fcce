"""Runs the command blocks of a page, in order, as somebody at a terminal would type them.

A block whose fence says ``sh NAME`` is run by bash in the folder NAME below ``home``, which stands
for a machine. Every question that is asked at the terminal is answered with yes.
"""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^```sh (\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ANSWERS = b"yes\n" * 50


@dataclass(frozen=True)
class Block:
    """One block of commands."""

    machine: str
    commands: str


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page that are meant to be run."""
    for machine, commands in _BLOCK.findall(page.read_text()):
        yield Block(machine, commands)


@dataclass(frozen=True)
class Machines:
    """Folders that stand for machines, and a stick that travels between them."""

    home: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def stick(self) -> Path:
        return self.home / "stick"

    def run(self, block: Block) -> str:
        """Run a block; its output. Any command that fails ends it."""
        folder = self.home / block.machine
        folder.mkdir(exist_ok=True)
        self.stick.mkdir(exist_ok=True)
        ours, theirs = pty.openpty()
        os.write(ours, _ANSWERS)
        try:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block.commands],
                cwd=folder,
                env=self._environment(),
                stdin=theirs,
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
        finally:
            os.close(ours)
            os.close(theirs)
        assert done.returncode == 0, f"{block.commands}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def _environment(self) -> dict[str, str]:
        tools = Path(sys.executable).parent
        return {
            "PATH": f"{tools}:/usr/sbin:/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "STICK": str(self.stick),
            "HOME": str(self.home),
            **self.environment,
        }
