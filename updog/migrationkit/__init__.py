"""Writing migrations: say what a release changed in the settings, and both ways follow from it.

A migration is a program of a few lines::

    #!/usr/bin/env python3
    from updog.migrationkit import Add, Migration, Rename, main

    main(Migration("ntp-pool", [Add("settings.ntp.pool", "pool.example.com"), Rename(...)]))

`docs/migrations.md` tells how it is built, signed and run. Nothing outside the standard library is
needed on the way.
"""

from __future__ import annotations

from updog.migrationkit.migration import Direction, Migration
from updog.migrationkit.program import main
from updog.migrationkit.steps import (
    Add,
    AddBelow,
    AddMetadata,
    Remove,
    RemoveBelow,
    RemoveMetadata,
    Rename,
    ReplaceMetadata,
    ReplaceValue,
    Step,
)
from updog.migrationkit.templates import ReplaceTemplate

__all__ = [
    "Add",
    "AddBelow",
    "AddMetadata",
    "Direction",
    "Migration",
    "Remove",
    "RemoveBelow",
    "RemoveMetadata",
    "Rename",
    "ReplaceMetadata",
    "ReplaceTemplate",
    "ReplaceValue",
    "Step",
    "main",
]
