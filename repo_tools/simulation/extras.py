"""What may not be installed, and what the terminal can do: where the commands meet the machine."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from repo_tools.simulation.chart import Paper
from repo_tools.simulation.figures import Simulation
from updog.errors import ConfigError, UsageError


def has_numpy() -> bool:
    """Whether fleets can be simulated here."""
    return _imported("numpy")


def simulator() -> Callable[..., Simulation]:
    """The function `repo_tools.simulation.run.simulate`.

    Raises:
        ConfigError: NumPy is not installed.
    """
    if not has_numpy():
        raise ConfigError(
            "Simulating a fleet needs NumPy, which is not installed.",
            hint="Install it with: pip install 'updog-agent[simulate]'",
        )
    found: Callable[..., Simulation] = importlib.import_module("repo_tools.simulation.run").simulate
    return found


def check_picture(path: Path) -> None:
    """Refuse a picture that could not be drawn, before the work is done.

    Raises:
        UsageError: another ending than ``.png`` or ``.svg``.
        ConfigError: matplotlib is not installed.
    """
    if path.suffix not in {".png", ".svg"}:
        raise UsageError(f"{path} is no picture that can be drawn.", hint="End it in .png or .svg.")
    if not _imported("matplotlib"):
        raise ConfigError(
            "Drawing a picture needs matplotlib, which is not installed.",
            hint="Install it with: pip install 'updog-agent[charts]'",
        )


def draw(found: Simulation, path: Path) -> None:
    """Draw a simulation; `check_picture` comes first."""
    importlib.import_module("repo_tools.simulation.picture").save(found, path)


def paper() -> Paper:
    """What stdout can show: colours only on a terminal, and not against the reader's wish."""
    terminal = sys.stdout.isatty()
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    try:
        "▁█".encode(sys.stdout.encoding or "ascii")
        unicode = True
    except (UnicodeEncodeError, LookupError):
        unicode = False
    width = shutil.get_terminal_size((80, 24)).columns if terminal else 80
    return Paper(width, unicode=unicode, colour=terminal and not plain)


def _imported(module: str) -> bool:
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True
