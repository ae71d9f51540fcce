"""``python -m updog.fleet.ecs``: the `updog-ecs` command."""

from __future__ import annotations

import sys

from updog.fleet.ecs.command import main

if __name__ == "__main__":
    sys.exit(main())
