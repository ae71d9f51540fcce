"""Checks as lines for people and as JSON for programs. PURE."""

from __future__ import annotations

from collections.abc import Iterable

from updog.doctor.check import Check

_NAME_WIDTH = 14


def line(check: Check) -> str:
    """The verdict, what was found, and after an arrow what to do."""
    todo = f" -> {check.todo}" if check.todo else ""
    return f"{check.verdict:<4}  {check.name:<{_NAME_WIDTH}}  {check.said}{todo}"


def tree(checks: Iterable[Check]) -> list[dict[str, object]]:
    """An array of objects, in the order of looking."""
    return [
        {
            "check": check.name,
            "verdict": check.verdict.value.lower(),
            "said": check.said,
            "todo": check.todo or None,
            "exit_code": check.exit_code,
        }
        for check in checks
    ]
