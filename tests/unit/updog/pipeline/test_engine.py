from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.images import changed, chunks, image, medium, signed
from tests.fakes.published import Published, as_delta, as_zstd
from updog.blockmap import BLOCK
from updog.errors import TargetMismatch
from updog.pipeline.adaptive import Base
from updog.pipeline.delta import Delta
from updog.pipeline.engine import Offer, install
from updog.pipeline.facts import Done, Way
from updog.pipeline.survey import survey

OLD = image(300, seed=3)
NEW = changed(OLD)


@pytest.fixture
def new(tmp_path: Path) -> Published:
    return as_zstd(tmp_path, NEW, [OLD])


@pytest.fixture
def offer(tmp_path: Path, new: Published) -> Offer:
    packed = as_delta(tmp_path, NEW, OLD, level=3)
    delta = Delta(signed(b"", packed, "delta"), lambda: chunks(packed))
    return Offer(new.signed, lambda: chunks(new.packed), new.source, new.blockmap, delta)


def put(
    tmp_path: Path, offer: Offer, ways: tuple[Way, ...], base: bytes = OLD
) -> tuple[Done, list[Way]]:
    disk, active = tmp_path / "disk", tmp_path / "active"
    disk.write_bytes(b"\xee" * len(NEW))
    active.write_bytes(base)
    given_up: list[Way] = []
    with medium(disk) as target, medium(active) as source:
        done = install(
            offer, target, Base(source), ways, changed=lambda way, _why: given_up.append(way)
        )
    assert disk.read_bytes() == NEW
    return done, given_up


@pytest.mark.parametrize("way", Way)
def test_every_way_leads_to_the_image(tmp_path: Path, offer: Offer, way: Way) -> None:
    done, given_up = put(tmp_path, offer, (way,))
    assert done.way is way
    assert not given_up


def test_a_delta_for_another_base_is_followed_by_the_next_way(tmp_path: Path, offer: Offer) -> None:
    other = OLD[: 100 * BLOCK] + image(200, seed=9)
    done, given_up = put(tmp_path, offer, (Way.DELTA, Way.ADAPTIVE), other)
    assert done.way is Way.ADAPTIVE
    assert given_up == [Way.DELTA]


def test_the_whole_file_is_always_the_last_way(tmp_path: Path, offer: Offer) -> None:
    other = OLD[: 100 * BLOCK] + image(200, seed=9)
    done, given_up = put(tmp_path, offer, (Way.DELTA,), other)
    assert done.way is Way.FULL
    assert given_up == [Way.DELTA]


@pytest.mark.parametrize("way", [Way.DELTA, Way.ADAPTIVE])
def test_a_way_that_is_not_there_is_refused(tmp_path: Path, offer: Offer, way: Way) -> None:
    with pytest.raises(TargetMismatch, match="could be used"):
        put(tmp_path, replace(offer, delta=None, blockmap=None), (way,))


def test_a_survey_foretells_what_is_fetched(tmp_path: Path, offer: Offer, new: Published) -> None:
    old = as_zstd(tmp_path, OLD)
    found = survey(new.blockmap, None, old.blockmap.hashes)
    done, _ = put(tmp_path, offer, (Way.ADAPTIVE,))
    assert found.fetched == done.moved.received
    assert found.copied == done.moved.copied
    assert found.written == len(NEW)


def test_a_survey_sees_what_is_right_already(tmp_path: Path, new: Published) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(NEW)
    with medium(disk) as target:
        found = survey(new.blockmap, target, None)
    assert (found.fetched, found.written, found.copied, found.requests) == (0, 0, 0, 0)
