"""The makers of real images run on any machine, for any user."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from fixtures.os_images import Recipe
from fixtures.publisher import EDITION

PROBE = """
import os, sys
from pathlib import Path
from fixtures.os_images import machine_files
if os.geteuid() == 0:
    os.setuid(65534)
print(*(path.name for path, _ in machine_files(Path(sys.argv[1]), 1000, 0)))
"""


def test_files_that_cannot_be_read_are_left_out() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for file in ("one", "roots-own", "two"):
            folder.joinpath(file).write_text("x")
        folder.joinpath("roots-own").chmod(0)
        done = subprocess.run(
            [sys.executable, "-c", PROBE, folder],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
    assert done.stdout == "one two\n"


def test_releases_and_repository_are_of_the_machines_own_architecture() -> None:
    assert Recipe("1.0.0", 1).arch == EDITION.arch == platform.machine()
