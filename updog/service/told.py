"""What a worker tells the service, and what it sees of the configuration."""

from __future__ import annotations

import json
import sys
from typing import TextIO

from updog.manifest import Update
from updog.settings import Settings


def result(out: TextIO, **members: object) -> None:
    """Tell what was found out or done, as one line."""
    out.write(json.dumps({"result": members}) + "\n")
    out.flush()


def said(*lines: str) -> None:
    """Tell people something, by way of the status."""
    sys.stderr.write("".join(f"{line}\n" for line in lines))


def named(update: Update) -> dict[str, str]:
    """An update, as the status names it."""
    return {"arch": update.arch, "version": str(update.version), "variant": update.variant}


def under_held_lock(settings: Settings) -> Settings:
    """Settings for functions that take the run lock, which this process has inherited already.

    They take another one beside it, which nobody else wants.
    """
    lock = settings.paths.lock
    beside = lock.with_name(f"{lock.name}.worker")
    return settings._replace(paths=settings.paths._replace(lock=beside))
