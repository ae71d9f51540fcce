from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from repo_tools.draft import Edition
from repo_tools.errors import AlreadyThere, DraftError, ImageError, NotARepository, PublisherBusy
from repo_tools.keys import KeyType
from repo_tools.repository import NewUpdate, Repository
from repo_tools.root import RootPlan
from tests.fakes.repositories import (
    EDITION,
    NOW,
    add_version,
    allow_step,
    image_bytes,
    make_images,
    new_repository,
)
from updog.errors import ManifestError, UsageError
from updog.version import Version
from waves.schedule import Schedule, Wave

OTHER = Edition("edge", "aarch64")
V1, V2 = Version.parse("1.1.0"), Version.parse("1.2.0")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return new_repository(tmp_path / "repository")


def new_update(folder: Path, version: Version = V1) -> NewUpdate:
    return NewUpdate(EDITION, version, *make_images(folder, str(version)))


def staged_files(repository: Repository) -> set[str]:
    return {path.name for path in repository.draft(EDITION).targets.iterdir()}


def test_new_repository_can_be_opened(repository: Repository) -> None:
    assert Repository.open(repository.folder) == repository


def test_second_init_changes_nothing(repository: Repository) -> None:
    before = {path: path.read_bytes() for path in repository.folder.rglob("*") if path.is_file()}
    with pytest.raises(AlreadyThere):
        Repository.init(repository.folder, RootPlan(KeyType.ECDSA), now=NOW)
    after = {path: path.read_bytes() for path in repository.folder.rglob("*") if path.is_file()}
    assert after == before


@pytest.mark.parametrize("folder", ["gone", "."])
def test_other_folders_are_no_repositories(tmp_path: Path, folder: str) -> None:
    with pytest.raises(NotARepository, match="holds no repository"):
        Repository.open(tmp_path / folder)


def test_keys_may_lie_elsewhere(tmp_path: Path) -> None:
    keys = tmp_path / "safe"
    Repository.init(tmp_path / "r", RootPlan(), now=NOW, keys=keys)
    assert not (tmp_path / "r/keys").exists()
    assert (keys / "targets.pem").exists()


def test_added_update_is_in_the_draft(repository: Repository, tmp_path: Path) -> None:
    added = repository.add_update(new_update(tmp_path / "in"))
    assert repository.draft(EDITION).manifest().updates == (added,)
    assert added.images.root == "os-1.1.0-root.ext4.lz4"
    assert added.max_version == V1


def test_images_are_staged_with_their_hashes(repository: Repository, tmp_path: Path) -> None:
    repository.add_update(new_update(tmp_path / "in"))
    staged = repository.draft(EDITION).staged()
    assert staged.keys() == staged_files(repository)
    assert staged["os-1.1.0-root.ext4.lz4"].raw_length == len(image_bytes("x"))


def test_highest_version_can_be_given(repository: Repository, tmp_path: Path) -> None:
    images = make_images(tmp_path / "in", "1.1.0")
    added = repository.add_update(NewUpdate(EDITION, V1, *images, max_version=V2))
    assert added.max_version == V2


def test_same_version_cannot_be_added_twice(repository: Repository, tmp_path: Path) -> None:
    repository.add_update(new_update(tmp_path / "in"))
    with pytest.raises(UsageError, match="already"):
        repository.add_update(new_update(tmp_path / "in"))


def test_bad_image_leaves_the_draft_as_it_was(repository: Repository, tmp_path: Path) -> None:
    boot, root, _ = make_images(tmp_path / "in", "1.1.0")
    with pytest.raises(ImageError):
        repository.add_update(NewUpdate(EDITION, V1, boot, root, tmp_path / "gone"))
    assert repository.editions() == ()


def test_image_in_use_does_not_get_other_bytes(repository: Repository, tmp_path: Path) -> None:
    first = new_update(tmp_path / "in")
    repository.add_update(first)
    before = repository.draft(EDITION).staged()
    first.root.write_bytes(b"rebuilt")
    with pytest.raises(DraftError, match="other bytes"):
        repository.add_update(NewUpdate(EDITION, V2, first.boot, first.root, first.hash))
    assert repository.draft(EDITION).staged() == before


def test_image_may_be_shared_by_two_updates(repository: Repository, tmp_path: Path) -> None:
    first = new_update(tmp_path / "in")
    repository.add_update(first)
    repository.add_update(NewUpdate(EDITION, V2, first.boot, first.root, first.hash))
    assert len(staged_files(repository)) == 3


def test_images_need_three_names(repository: Repository, tmp_path: Path) -> None:
    boot, root, _ = make_images(tmp_path / "in", "1.1.0")
    with pytest.raises(UsageError, match="three names"):
        repository.add_update(NewUpdate(EDITION, V1, boot, root, root))


@pytest.mark.parametrize("name", ["a b", "\u00e9", "a+b", ".hidden", "x" * 181])
def test_names_that_clients_write_differently_are_refused(
    repository: Repository, tmp_path: Path, name: str
) -> None:
    boot, root, _ = make_images(tmp_path / "in", "1.1.0")
    with pytest.raises(UsageError, match="name of a target"):
        repository.add_update(NewUpdate(EDITION, V1, boot, root, tmp_path / name))


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "\u00e9", ".x"])
def test_editions_with_odd_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="name of a variant"):
        Edition(name, "x86_64")
    with pytest.raises(UsageError, match="name of an architecture"):
        Edition("edge", name)


def test_variant_cannot_take_the_folder_of_the_targets() -> None:
    with pytest.raises(UsageError, match="taken"):
        Edition("targets", "x86_64")


def test_removed_update_takes_its_images_along(repository: Repository) -> None:
    add_version(repository, "1.1.0")
    add_version(repository, "1.2.0")
    repository.remove_update(EDITION, V1)
    assert [update.version for update in repository.draft(EDITION).manifest().updates] == [V2]
    assert all("1.2.0" in name for name in staged_files(repository))
    assert repository.draft(EDITION).staged().keys() == staged_files(repository)


def test_images_that_another_update_uses_stay(repository: Repository) -> None:
    add_version(repository, "1.1.0")
    add_version(repository, "1.2.0", images="1.1.0")
    repository.remove_update(EDITION, V1)
    assert len(staged_files(repository)) == 3


def test_removing_what_is_not_there_is_an_error(repository: Repository) -> None:
    add_version(repository, "1.1.0")
    with pytest.raises(UsageError):
        repository.remove_update(EDITION, V2)


def test_waves_replace_the_ones_before(repository: Repository) -> None:
    add_version(repository, "1.1.0")
    moment = NOW.replace(microsecond=0)
    for hours in (1, 2):
        schedule = Schedule((Wave(0, moment + timedelta(hours=hours)),))
        repository.set_waves(EDITION, V1, schedule)
    assert repository.draft(EDITION).manifest().updates[0].schedule == schedule


def test_highest_version_is_set_for_the_chosen_editions(repository: Repository) -> None:
    for edition in (EDITION, OTHER):
        add_version(repository, "1.2.0", edition=edition)
    repository.set_max_version([OTHER], V1)
    highest = {
        edition: repository.draft(edition).manifest().updates[0].max_version
        for edition in repository.editions()
    }
    assert highest == {EDITION: V2, OTHER: V1}


def test_migrations_are_replaced_wholesale(repository: Repository, tmp_path: Path) -> None:
    add_version(repository, "1.1.0")
    allow_step(repository, "1.0.0", "1.1.0")
    (tmp_path / "migrate_v1.2.0_x").write_bytes(b"program")
    listed = {(V1, V2): ("migrate_v1.2.0_x.lz4",)}
    repository.set_migrations([EDITION], listed, [tmp_path / "migrate_v1.2.0_x"])
    assert dict(repository.draft(EDITION).manifest().migrations) == listed
    assert "migrate_v1.2.0_x.lz4" in staged_files(repository)
    repository.set_migrations([EDITION], {}, [])
    assert "migrate_v1.2.0_x.lz4" not in staged_files(repository)


def test_same_migration_differs_between_architectures(
    repository: Repository, tmp_path: Path
) -> None:
    listed = {(V1, V2): ("m.lz4",)}
    for edition in (EDITION, OTHER):
        add_version(repository, "1.1.0", edition=edition)
        (tmp_path / "m").write_bytes(f"for {edition}".encode())
        repository.set_migrations([edition], listed, [tmp_path / "m"])
    hashes = {repository.draft(one).staged()["m.lz4"].sha256 for one in repository.editions()}
    assert len(hashes) == 2


def test_editions_are_chosen_by_either_name(repository: Repository) -> None:
    for edition in (EDITION, OTHER, Edition("lab", "aarch64")):
        add_version(repository, "1.1.0", edition=edition)
    assert repository.select("edge") == (OTHER, EDITION)
    assert repository.select(arch="aarch64") == (OTHER, Edition("lab", "aarch64"))
    assert repository.select("edge", "x86_64") == (EDITION,)
    assert len(repository.select()) == 3


def test_choosing_nothing_names_what_there_is(repository: Repository) -> None:
    add_version(repository, "1.1.0")
    with pytest.raises(UsageError) as caught:
        repository.select("lab")
    assert "edge x86_64" in caught.value.hint


def test_two_editors_do_not_meet(repository: Repository) -> None:
    add_version(repository, "1.1.0")
    with repository.locked(), pytest.raises(PublisherBusy) as caught:
        repository.remove_update(EDITION, V1)
    assert caught.value.exit_code == 75


def test_manifest_broken_by_hand_is_told(repository: Repository) -> None:
    add_version(repository, "1.1.0")
    (repository.draft(EDITION).folder / "manifest.json").write_text("{")
    with pytest.raises(ManifestError):
        add_version(repository, "1.2.0")


@pytest.mark.parametrize("junk", ["", "[]", '{"targets": []}', '{"targets": {"x": {"a": 1}}}'])
def test_damaged_notes_are_told(repository: Repository, junk: str) -> None:
    add_version(repository, "1.1.0")
    (repository.draft(EDITION).folder / "staged.json").write_text(junk)
    with pytest.raises(DraftError, match=r"staged\.json is damaged"):
        add_version(repository, "1.2.0")


def test_notes_are_readable_by_people(repository: Repository) -> None:
    add_version(repository, "1.1.0")
    text = (repository.draft(EDITION).folder / "staged.json").read_text()
    assert text.startswith('{\n  "targets": {\n')
    assert set(json.loads(text)["targets"]["os-1.1.0-boot.ext4.lz4"]) == {
        "length",
        "sha256",
        "raw_length",
        "raw_sha256",
        "raw_blake3",
        "format",
    }
