from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.fakes.fleetworld import FleetWorld, fleet_world

Worlds = Callable[..., FleetWorld]


@pytest.fixture
def worlds() -> Iterator[Worlds]:
    """Fleets by the settings of their controller."""
    with ExitStack() as stack:
        yield lambda **said: stack.enter_context(fleet_world(**said))
