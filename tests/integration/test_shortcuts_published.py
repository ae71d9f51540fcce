"""Maps and deltas as a stock TUF client fetches them, and as our engine uses them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tuf.ngclient import Updater

from repo_tools.publish import publish, refresh
from repo_tools.repository import Repository
from repo_tools.serve import serving
from tests.fakes.images import chunks, image, medium
from tests.fakes.published import MemorySource
from tests.fakes.release_images import ROOTS, ReleaseImages, make_release
from tests.fakes.repositories import EDITION, allow_step, new_repository
from updog.blockmap import parse
from updog.clock import SystemClock
from updog.pipeline.adaptive import Base
from updog.pipeline.delta import Delta
from updog.pipeline.engine import Offer, install
from updog.pipeline.facts import Done, Signed, Way
from updog.pipeline.formats import Format
from updog.version import Version

OLD, NEW = ROOTS["1.1.0"], ROOTS["1.2.0"]
V1, V2 = Version.parse("1.1.0"), Version.parse("1.2.0")


@dataclass(frozen=True)
class Site:
    """A published repository and a stock client of it."""

    repository: Repository
    old: ReleaseImages
    new: ReleaseImages
    updater: Updater
    home: Path

    def read(self, name: str) -> bytes:
        """A target, verified by the stock client."""
        info = self.updater.get_targetinfo(name)
        assert info is not None, name
        return Path(self.updater.download_target(info, str(self.home / name))).read_bytes()

    def signed(self, name: str) -> Signed:
        """What our client makes of the signed facts."""
        info = self.updater.get_targetinfo(name)
        assert info is not None
        ours = (info.custom or {}).get("updog", {})
        packed = Format(ours["format"]) if "format" in ours else None
        raw = ours.get("raw_length"), ours.get("raw_sha256"), ours.get("raw_blake3")
        return Signed(name, info.length, info.hashes, *raw, packed)

    def offer(self, suffix: str) -> Offer:
        """The root image of the new release with everything that there is for it."""
        name = self.new.root.name + suffix
        packed = self.read(name)
        delta = f"{name}.from-{self.old.root_hash}.delta"
        content = self.read(delta)
        return Offer(
            self.signed(name),
            lambda: chunks(packed),
            MemorySource(packed),
            parse(self.read(f"{name}.blockmap"), name),
            Delta(self.signed(delta), lambda: chunks(content)),
        )

    def install(self, offer: Offer, way: Way, base: bytes = OLD) -> tuple[Done, list[Way]]:
        """Install it beside an active partition."""
        disk, active = self.home / "disk", self.home / "active"
        disk.write_bytes(b"\xee" * len(NEW))
        active.write_bytes(base)
        given_up: list[Way] = []
        with medium(disk) as target, medium(active) as source:
            done = install(
                offer, target, Base(source), (way,), changed=lambda way, _why: given_up.append(way)
            )
        assert disk.read_bytes() == NEW
        return done, given_up


@pytest.fixture(params=[Format.LZ4, Format.ZSTD], ids=lambda form: form.value)
def site(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Site]:
    now = SystemClock().now()
    repository = new_repository(tmp_path / "repository", now)
    old, new = (make_release(tmp_path / "images", version) for version in ("1.1.0", "1.2.0"))
    repository.add_update(replace(old.new, format=request.param))
    repository.add_update(replace(new.new, format=request.param, delta_from=(V1,)))
    allow_step(repository, "1.1.0", "1.2.0")
    publish(repository, now=now)
    with serving(repository.published) as url:
        home = tmp_path / "home"
        home.mkdir()
        yield Site(repository, old, new, stock_client(repository, url, home), home)


def stock_client(repository: Repository, url: str, home: Path) -> Updater:
    updater = Updater(
        metadata_dir=str(home),
        metadata_base_url=f"{url}/edge/x86_64/",
        target_dir=str(home),
        target_base_url=f"{url}/targets/",
        bootstrap=(repository.roots / "1.root.json").read_bytes(),
    )
    updater.refresh()
    return updater


@pytest.fixture
def suffix(site: Site) -> str:
    (update, _) = site.repository.draft(EDITION).manifest().updates
    return Path(update.images.root).suffix


def test_a_published_map_fits_the_published_image(site: Site, suffix: str) -> None:
    for image_name in site.new.names(suffix):
        found = parse(site.read(f"{image_name}.blockmap"), image_name)
        signed = site.signed(image_name)
        assert found.whole.packed_length == signed.packed_length
        assert found.whole.packed_sha256.hex() == signed.hashes["sha256"]
        assert found.whole.raw_length == signed.raw_length
        assert found.whole.raw_sha256.hex() == signed.raw_sha256


@pytest.mark.parametrize("way", Way)
def test_every_way_from_what_is_published_leads_to_the_image(
    site: Site, suffix: str, way: Way
) -> None:
    done, given_up = site.install(site.offer(suffix), way)
    assert done.way is way
    assert given_up == []


def test_a_delta_on_another_base_is_found_out_and_the_whole_image_fetched(
    site: Site, suffix: str
) -> None:
    done, given_up = site.install(site.offer(suffix), Way.DELTA, image(300, seed=99))
    assert given_up == [Way.DELTA]
    assert done.way is Way.FULL


def test_what_is_signed_beside_images_maps_and_deltas(site: Site, suffix: str) -> None:
    root = site.new.root.name + suffix
    delta = f"{root}.from-{site.old.root_hash}.delta"
    customs = {
        name: info.custom
        for name in (root, f"{root}.blockmap", delta, site.old.root.name + suffix)
        if (info := site.updater.get_targetinfo(name))
    }
    assert customs[root]["updog"]["delta_from"] == [site.old.root_hash]
    assert customs[f"{root}.blockmap"] is None
    old = site.signed(site.old.root.name + suffix)
    assert customs[delta] == {
        "updog": {"base_length": old.raw_length, "base_sha256": old.raw_sha256}
    }
    assert "delta_from" not in customs[old.name]["updog"]


def test_the_manifest_names_the_three_images_and_nothing_else(site: Site, suffix: str) -> None:
    updates = json.loads(site.read("manifest.json"))["updates"]
    assert updates[1]["images"] == dict(
        zip(("boot", "root", "hash"), site.new.names(suffix), strict=True)
    )
    assert not any("blockmap" in json.dumps(update) for update in updates)


def test_a_refresh_keeps_maps_and_deltas(site: Site) -> None:
    before = signed_targets(site.repository)
    refresh(site.repository, now=SystemClock().now())
    assert signed_targets(site.repository) == before


def test_what_belongs_to_a_removed_release_is_no_longer_signed(site: Site, suffix: str) -> None:
    site.repository.remove_update(EDITION, V2)
    publish(site.repository, now=SystemClock().now())
    names = site.old.names(suffix)
    assert signed_targets(site.repository).keys() == {
        "manifest.json",
        *names,
        *(f"{name}.blockmap" for name in names),
    }


def signed_targets(repository: Repository) -> dict[str, object]:
    """The newest targets.json of the edition."""
    folder = EDITION.below(repository.published)
    newest = max(folder.glob("*.targets.json"), key=lambda path: int(path.name.split(".")[0]))
    listed: dict[str, object] = json.loads(newest.read_bytes())["signed"]["targets"]
    return listed
