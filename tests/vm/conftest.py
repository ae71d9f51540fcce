"""What all tests of whole machines share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.vm.world import World


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    base = tmp_path_factory.getbasetemp()
    # Workers of pytest-xdist have folders of their own below the one of the run.
    shared: Path = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    home = shared / "vm-world"
    home.mkdir(exist_ok=True)
    return World(home)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The many short tests go last: workers end together, and none is left with a long one."""
    items.sort(key=lambda item: item.path.name == "test_kills.py")
