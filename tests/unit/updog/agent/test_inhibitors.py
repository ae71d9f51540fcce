from __future__ import annotations

import json
from pathlib import Path

import pytest

from updog.agent.inhibitors import blocking, parse

ROWS = [
    ["shutdown:sleep", "backup", "runs until six", "block", 0, 100],
    ["shutdown", "editor", "unsaved", "delay", 1000, 101],
    ["idle", "player", "a film", "block", 1000, 102],
]
ANSWER = json.dumps({"type": "a(ssssuu)", "data": [ROWS]}).encode()


def test_only_what_blocks_a_shutdown_counts() -> None:
    assert parse(ANSWER) == ("backup (runs until six)",)


@pytest.mark.parametrize("junk", [b"", b"{}", b"[1]", b'{"data": [[1]]}', b'{"data": [[["a"]]]}'])
def test_an_answer_that_cannot_be_read_holds_the_machine(junk: bytes) -> None:
    assert parse(junk) == ("something that cannot be read",)


def test_a_real_program_is_asked(tmp_path: Path) -> None:
    asked = tmp_path / "busctl"
    asked.write_text(f"#!/bin/sh\ncat <<'END'\n{ANSWER.decode()}\nEND\n")
    asked.chmod(0o755)
    assert blocking((str(asked),)) == ("backup (runs until six)",)


def test_without_a_logind_nobody_inhibits(tmp_path: Path) -> None:
    assert blocking((str(tmp_path / "none"),)) == ()
    assert blocking(("false",)) == ()


def test_a_logind_that_does_not_answer_holds_the_machine(tmp_path: Path) -> None:
    asked = tmp_path / "busctl"
    asked.write_text("#!/bin/sh\nexec sleep 60\n")
    asked.chmod(0o755)
    assert blocking((str(asked),), 0.1) == ("logind, which does not answer",)
