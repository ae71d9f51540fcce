from __future__ import annotations

from pathlib import Path

import pytest

from updog.errors import ConfigError
from updog.reboot import reboot


def test_the_command_is_run_with_its_arguments_and_without_a_shell(tmp_path: Path) -> None:
    reboot(["touch", str(tmp_path / "a; b")])
    assert (tmp_path / "a; b").exists()


def test_a_missing_program_is_told() -> None:
    with pytest.raises(ConfigError, match="/nowhere/reboot cannot be run") as caught:
        reboot(["/nowhere/reboot"])
    assert "by hand" in caught.value.hint


def test_a_failing_program_is_told() -> None:
    with pytest.raises(ConfigError, match="false ended with 1"):
        reboot(["false"])
