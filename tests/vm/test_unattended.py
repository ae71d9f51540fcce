"""The agent on its own: it asks, installs, waits for its window, and restarts the machine."""

from __future__ import annotations

from datetime import UTC, datetime, time
from pathlib import Path

import pytest

from tests.vm.guest import Guest
from tests.vm.world import NEW, OLD, World, offered

pytestmark = pytest.mark.vm

PATIENCE = 300.0
SCHEDULE = """
[schedule]
check = "4 hours"
jitter = "0 days"
windows = ["daily 02:00-05:00"]
"""
WAITS = f"wait: {NEW} waits for a window"


def test_the_agent_updates_the_machine_in_its_window_and_not_before(
    world: World, tmp_path: Path
) -> None:
    # The machine's own clock: an hour before the window opens, whatever the time is here.
    today = datetime.now(UTC).date()
    with offered(world, "good") as url:
        computer = world.computer(tmp_path / "machine", url, SCHEDULE)
        with computer.on("-rtc", f"base={today}T01:00:00") as guest:
            guest.up(OLD)
            agent = guest.start("updog", "agent")
            said = guest.machine.expect(WAITS, "guest: restarting", limit=PATIENCE)
            assert WAITS in said, said
            _is_installed_and_does_not_run(guest)
            _go_on_at(guest, agent, datetime.combine(today, time(1, 59, 45), UTC))
            told = guest.restarts()
            assert "02:00:00" <= told.rpartition(" ")[2] < "05:00:00"
            guest.up(NEW)
            status = guest.json("updog", "status", "--json")
            assert (status["active"], status["confirmed"]) == ("B", True)
            guest.switch_off()


def _is_installed_and_does_not_run(guest: Guest) -> None:
    status = guest.json("updog", "status", "--json")
    assert (status["active"], status["next"]) == ("A", "A")
    assert status["sets"]["B"]["version"] == NEW
    assert guest.python("import time; print(time.strftime('%H:%M:%S'))") < "02:00:00"


def _go_on_at(guest: Guest, agent: int, moment: datetime) -> None:
    """Start the agent anew at another time; a sleep that has begun takes no notice of the clock."""
    code = f"import os, signal, time; os.kill({agent}, signal.SIGTERM)\n"
    code += f"time.clock_settime(time.CLOCK_REALTIME, {moment.timestamp()})"
    guest.python(code)
    guest.start("updog", "agent")
