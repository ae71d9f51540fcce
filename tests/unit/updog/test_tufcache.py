"""The cache for the next boot, under power cuts."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.fakes.syncs import Syncs
from updog.body import Body, OneBody
from updog.errors import TargetMismatch
from updog.tufcache import cache_target
from updog.tuffiles import Target

DATA = b"migration" * 1000
TARGET = Target("m.lz4", len(DATA), {"sha256": hashlib.sha256(DATA).hexdigest()})


def sent(data: bytes) -> Body:
    return OneBody(iter([data]), 0)


def test_a_target_is_on_stable_storage_before_it_has_its_name(tmp_path: Path) -> None:
    syncs, folder = Syncs(), tmp_path / "cache" / "migrations"
    path = cache_target(folder, "0.m.lz4", TARGET, lambda: sent(DATA), syncs)
    syncs.assert_proven(path, DATA)


def test_the_folders_of_a_cache_are_flushed_into_their_parents(tmp_path: Path) -> None:
    syncs, folder = Syncs(), tmp_path / "cache" / "migrations"
    cache_target(folder, "0.m.lz4", TARGET, lambda: sent(DATA), syncs)
    assert syncs.of_folders()[:2] == [
        (tmp_path, frozenset({"cache"})),
        (tmp_path / "cache", frozenset({"migrations"})),
    ]


def test_other_bytes_never_get_the_name(tmp_path: Path) -> None:
    with pytest.raises(TargetMismatch):
        cache_target(tmp_path, "0.m.lz4", TARGET, lambda: sent(DATA[:-1] + b"X"))
    assert list(tmp_path.iterdir()) == []
