from __future__ import annotations

import pytest

from partitions.errors import DeviceDenied
from updog.doctor.check import exit_code, fail, failed_by, ok, warn
from updog.doctor.render import line, tree
from updog.errors import ConfigError, UnreachableError

DNS = fail("dns", "x.example cannot be resolved", "Check DNS.", UnreachableError)


def test_a_line_shows_verdict_thing_and_remedy() -> None:
    assert line(DNS) == "FAIL  dns             x.example cannot be resolved -> Check DNS."
    assert line(ok("tcp", "answers")) == "ok    tcp             answers"
    assert line(warn("tls", "soon", "Renew.")) == "warn  tls             soon -> Renew."


def test_json_has_every_part() -> None:
    assert tree([DNS, ok("tcp", "answers")]) == [
        {
            "check": "dns",
            "verdict": "fail",
            "said": "x.example cannot be resolved",
            "todo": "Check DNS.",
            "exit_code": 69,
        },
        {"check": "tcp", "verdict": "ok", "said": "answers", "todo": None, "exit_code": 0},
    ]


def test_warnings_are_a_success() -> None:
    assert exit_code([ok("a", ""), warn("b", "")]) == 0


def test_the_first_failure_decides() -> None:
    config = fail("config", "", "", ConfigError)
    assert exit_code([ok("a", ""), DNS, config]) == 69
    assert exit_code([config, DNS]) == 78


@pytest.mark.parametrize(
    ("error", "code", "todo"),
    [(ConfigError("no", hint="Do it."), 78, "Do it."), (DeviceDenied("no"), 77, "else")],
)
def test_an_error_keeps_its_class_and_hint(error: ConfigError, code: int, todo: str) -> None:
    check = failed_by("x", error, "else")
    assert (check.said, check.exit_code, check.todo) == ("no", code, todo)
