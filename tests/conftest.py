"""The order of the tests: long ones first, so that no worker is alone with one at the end."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by what the ``slow`` markers say of ``seconds``; all else stays in order."""
    longest: defaultdict[Path, int] = defaultdict(int)
    for item in items:
        mark = item.get_closest_marker("slow")
        seconds = mark.kwargs.get("seconds", 0) if mark else 0
        longest[item.path] = max(longest[item.path], seconds)
    items.sort(key=lambda item: longest[item.path], reverse=True)
