"""``python -m updog``."""

from __future__ import annotations

import sys

from updog.cli import main

sys.exit(main())
