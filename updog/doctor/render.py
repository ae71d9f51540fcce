"""Checks as lines for people and as JSON for programs. PURE."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from updog.doctor.check import Check, Verdict

_NAME_WIDTH = 14


def line(check: Check, paint: Callable[[str, Verdict], str] = lambda text, _verdict: text) -> str:
    """The verdict, what was found, and after an arrow what to do.

    Args:
        check: what was looked at.
        paint: gives the verdict its colour.
    """
    todo = f" -> {check.todo}" if check.todo else ""
    verdict = paint(f"{check.verdict:<4}", check.verdict)
    return f"{verdict}  {check.name:<{_NAME_WIDTH}}  {check.said}{todo}"


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
