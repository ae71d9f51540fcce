"""The agent on its own: it asks, installs, waits for its window, and restarts the machine."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.vm.world import NEW, OLD, World, offered

pytestmark = pytest.mark.vm

SCHEDULE = """
[schedule]
check = "4 hours"
jitter = "0 days"
windows = ["daily 02:00-05:00"]
"""


def test_the_agent_updates_the_machine_in_its_window(world: World, tmp_path: Path) -> None:
    # The machine's own clock: one minute before the window opens, whatever the time is here.
    today = datetime.now(UTC).date()
    with offered(world, "good") as url:
        computer = world.computer(tmp_path / "machine", url, SCHEDULE)
        with computer.on("-rtc", f"base={today}T01:59:00") as guest:
            guest.up(OLD)
            guest.start("updog", "agent")
            told = guest.restarts()
            assert "02:00:00" <= told.rpartition(" ")[2] < "05:00:00"
            guest.up(NEW)
            status = guest.json("updog", "status", "--json")
            assert (status["active"], status["confirmed"]) == ("B", True)
            guest.switch_off()
