"""A repository signed with each kind of key updates a machine, end to end."""

from __future__ import annotations

from pathlib import Path

import pytest

from repo_tools.keys import KeyType
from tests.integration.conftest import Releases, make_world


@pytest.mark.parametrize("key_type", list(KeyType))
def test_update_from_a_repository_of_this_key_type(
    tmp_path: Path, releases: Releases, key_type: KeyType
) -> None:
    for world in make_world(tmp_path, releases, key_type):
        done = world.machine.updog("update", "--now")
        assert done.returncode == 0, done.stderr
        assert world.machine.boots()[-1].version == "1.1.0"
