from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import lz4.frame
import pytest

from partitions.layout import Slot
from tests.fakes.client_world import V1, V2, ClientWorld, release
from tests.fakes.migration_world import LOG, appends, log_of
from tests.fakes.stores import place_store
from updog.datastore.reader import read_store
from updog.errors import MigrationError
from updog.update import Environment, Installed, Wish, update

FAILING = b"#!/bin/sh\nexit 7\n"


def _environment(client: ClientWorld, program: bytes, **changes: object) -> Environment:
    client.offer(release(V2), migrations={(V1, V2): ("move",)})
    client.repo.add_target("move", lz4.frame.compress(program))
    client.repo.publish()
    paths = client.paths._replace(datastore=client.home / "datastore" / "current")
    return client.environment(client.settings._replace(paths=paths, **changes))  # type: ignore[arg-type]


@pytest.fixture
def client(tmp_path: Path) -> ClientWorld:
    client = ClientWorld(tmp_path)
    place_store(tmp_path / "datastore", str(V1), LOG)
    return client


def test_an_update_whose_migrations_fail_is_refused_before_the_disk_is_touched(
    client: ClientWorld,
) -> None:
    env = _environment(client, FAILING)
    before = bytes(client.machine.disk.data)
    with pytest.raises(MigrationError, match=r"cannot be migrated to 1\.1\.0: .* failed with 7"):
        update(env, Wish())
    assert bytes(client.machine.disk.data) == before


def test_an_update_whose_migrations_work_is_installed(client: ClientWorld) -> None:
    env = _environment(client, appends("move"))
    assert isinstance(update(env, Wish()), Installed)
    assert env.control.status().next is Slot.B
    assert log_of(read_store(env.settings.paths.datastore.resolve())) == ["start"]


def test_the_rehearsal_can_be_switched_off(client: ClientWorld) -> None:
    env = _environment(client, FAILING, rehearse=False)
    assert isinstance(update(env, Wish()), Installed)


def test_a_host_without_a_data_store_is_updated(tmp_path: Path) -> None:
    env = _environment(ClientWorld(tmp_path), FAILING)
    assert isinstance(update(env, Wish()), Installed)


def test_settings_of_another_version_are_not_rehearsed(tmp_path: Path) -> None:
    place_store(tmp_path / "datastore", "0.9.0", LOG)
    env = _environment(ClientWorld(tmp_path), FAILING)
    assert isinstance(update(replace(env), Wish()), Installed)
