from __future__ import annotations

import json
import stat
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from repo_tools import root
from repo_tools.draft import Edition
from repo_tools.errors import (
    DraftError,
    KeyFileError,
    PublishedError,
    PublisherBusy,
    RootError,
)
from repo_tools.publish import Lifetimes, publish, refresh
from repo_tools.repository import Repository
from tests.fakes.repositories import (
    EDITION,
    NOW,
    add_version,
    allow_step,
    image_bytes,
    new_repository,
    published_repository,
)
from updog.errors import UsageError
from updog.manifest import dump
from updog.version import Version
from waves.schedule import Schedule, Wave

LATER = NOW + timedelta(days=1)
OTHER = Edition("edge", "aarch64")
ROLES = ("targets", "snapshot", "timestamp")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return published_repository(tmp_path / "repository")


def folder_of(repository: Repository, edition: Edition = EDITION) -> Path:
    return edition.below(repository.published)


def signed(repository: Repository, name: str) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads((folder_of(repository) / name).read_bytes())
    return dict(tree["signed"])


def published_files(repository: Repository) -> dict[str, bytes]:
    return {
        str(path.relative_to(repository.published)): path.read_bytes()
        for path in repository.published.rglob("*")
        if path.is_file()
    }


def test_first_publish_has_the_layout_of_upstream(repository: Repository) -> None:
    names = set(published_files(repository))
    metadata = {name for name in names if name.startswith("edge/x86_64/")}
    assert {Path(name).name for name in metadata} == {
        "1.root.json",
        "1.targets.json",
        "1.snapshot.json",
        "timestamp.json",
    }
    assert {name.split(".", 1)[1] for name in names - metadata} == {
        "manifest.json",
        "os-1.1.0-boot.ext4.lz4",
        "os-1.1.0-boot.ext4.lz4.blockmap",
        "os-1.1.0-root.ext4.lz4",
        "os-1.1.0-root.ext4.lz4.blockmap",
        "os-1.1.0-root.verity.lz4",
        "os-1.1.0-root.verity.lz4.blockmap",
    }


def test_target_files_carry_their_hash(repository: Repository) -> None:
    for path in repository.published_targets.iterdir():
        assert path.name.split(".")[0] == sha256(path.read_bytes()).hexdigest()


def test_published_files_can_be_read_by_a_web_server(repository: Repository) -> None:
    for path in repository.published.rglob("*"):
        wanted = 0o755 if path.is_dir() else 0o644
        assert stat.S_IMODE(path.stat().st_mode) == wanted


def test_manifest_is_the_drafted_one(repository: Repository) -> None:
    (path,) = repository.published_targets.glob("*.manifest.json")
    assert path.read_bytes() == dump(repository.draft(EDITION).manifest())


def test_targets_metadata_has_the_form_that_other_clients_need(repository: Repository) -> None:
    targets = signed(repository, "1.targets.json")
    assert targets["spec_version"] == "1.0.0"
    assert targets["delegations"] == {"keys": {}, "roles": []}
    assert all(set(entry["hashes"]) == {"sha256"} for entry in targets["targets"].values())


def test_images_tell_what_they_decode_to(repository: Repository) -> None:
    entry = signed(repository, "1.targets.json")["targets"]["os-1.1.0-root.ext4.lz4"]
    raw = image_bytes("os-1.1.0-root.ext4")
    assert entry["custom"] == {
        "updog": {
            "raw_length": len(raw),
            "raw_sha256": sha256(raw).hexdigest(),
            "raw_blake3": blake3(raw).hexdigest(),
            "format": "lz4",
        }
    }


def test_manifest_has_no_custom_data(repository: Repository) -> None:
    entry = signed(repository, "1.targets.json")["targets"]["manifest.json"]
    assert set(entry) == {"length", "hashes"}


@pytest.mark.parametrize(
    ("upper", "lower"), [("timestamp.json", "snapshot.json"), ("1.snapshot.json", "targets.json")]
)
def test_each_file_names_the_next_by_version_length_and_hash(
    repository: Repository, upper: str, lower: str
) -> None:
    data = (folder_of(repository) / f"1.{lower}").read_bytes()
    assert signed(repository, upper)["meta"] == {
        lower: {
            "version": 1,
            "length": len(data),
            "hashes": {"sha256": sha256(data).hexdigest()},
        }
    }


def test_metadata_lasts_two_weeks_and_the_timestamp_one(repository: Repository) -> None:
    names = ("1.targets.json", "1.snapshot.json", "timestamp.json")
    assert [signed(repository, name)["expires"] for name in names] == [
        "2031-04-21T09:00:00Z",
        "2031-04-21T09:00:00Z",
        "2031-04-14T09:00:00Z",
    ]


def test_lifetimes_can_be_chosen(repository: Repository) -> None:
    short = Lifetimes(timedelta(hours=3), timedelta(hours=2), timedelta(hours=1))
    (release,) = publish(repository, now=NOW, lifetimes=short)
    assert release.expires == NOW.replace(microsecond=0) + timedelta(hours=1)
    assert signed(repository, "2.targets.json")["expires"] == "2031-04-07T12:00:00Z"


def test_each_publish_has_the_next_version(repository: Repository) -> None:
    versions = [publish(repository, now=LATER)[0].version for _ in range(10)]
    assert versions == list(range(2, 12))
    assert signed(repository, "timestamp.json")["meta"]["snapshot.json"]["version"] == 11


def test_versions_go_on_from_whatever_was_used(repository: Repository) -> None:
    (folder_of(repository) / "1931900000.snapshot.json").write_text("{}")
    assert publish(repository, now=LATER)[0].version == 1931900001


def test_versions_go_on_when_the_published_files_are_lost(repository: Repository) -> None:
    publish(repository, now=LATER)
    for path in folder_of(repository).iterdir():
        path.unlink()
    assert publish(repository, now=LATER)[0].version == 3


def test_nothing_published_is_ever_changed_but_the_timestamp(repository: Repository) -> None:
    before = published_files(repository)
    add_version(repository, "1.2.0")
    allow_step(repository, "1.1.0", "1.2.0")
    publish(repository, now=LATER)
    after = published_files(repository)
    changed = {name for name, data in before.items() if after.get(name) != data}
    assert changed == {"edge/x86_64/timestamp.json"}


def test_target_that_is_there_is_not_written_again(repository: Repository) -> None:
    before = {path: path.stat().st_ino for path in repository.published_targets.iterdir()}
    publish(repository, now=LATER)
    after = {path: path.stat().st_ino for path in repository.published_targets.iterdir()}
    assert after == before


def test_target_that_was_cut_is_written_again(repository: Repository) -> None:
    (path,) = repository.published_targets.glob("*-root.ext4.lz4")
    whole = path.read_bytes()
    path.write_bytes(whole[:10])
    publish(repository, now=LATER)
    assert path.read_bytes() == whole


def test_small_target_with_other_bytes_is_written_again(repository: Repository) -> None:
    (path,) = repository.published_targets.glob("*.manifest.json")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"x")
    publish(repository, now=LATER)
    assert path.read_bytes() == whole


def test_refresh_refuses_a_small_target_with_other_bytes(repository: Repository) -> None:
    (path,) = repository.published_targets.glob("*.manifest.json")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(PublishedError, match="has other bytes"):
        refresh(repository, now=LATER)


def test_targets_go_first_and_the_timestamp_last(tmp_path: Path) -> None:
    repository = new_repository(tmp_path / "r")
    for edition in (EDITION, OTHER):
        add_version(repository, "1.1.0", edition=edition)
        allow_step(repository, "1.0.0", "1.1.0", edition)
    told: list[str] = []
    publish(repository, now=NOW, report=told.append)
    steps = [Path(line.removeprefix("Writing ")) for line in told]
    kinds = [step.parts[0] if step.parts[0] == "targets" else step.name for step in steps]
    metadata = ["1.targets.json", "1.snapshot.json", "1.root.json", "timestamp.json"]
    assert kinds[-8:] == metadata * 2
    assert set(kinds[:-8]) == {"targets"}


def test_every_root_is_published(repository: Repository) -> None:
    for _ in range(2):
        root.renew(repository.keys, repository.roots, now=LATER)
    publish(repository, now=LATER)
    for version in (1, 2, 3):
        name = f"{version}.root.json"
        published = folder_of(repository) / name
        assert published.read_bytes() == (repository.roots / name).read_bytes()


def test_one_edition_can_be_published_alone(repository: Repository) -> None:
    add_version(repository, "1.1.0", edition=OTHER)
    allow_step(repository, "1.0.0", "1.1.0", OTHER)
    releases = publish(repository, now=LATER, editions=[OTHER])
    assert [release.edition for release in releases] == [OTHER]
    assert signed(repository, "timestamp.json")["version"] == 1


def test_left_behind_files_are_swept(repository: Repository) -> None:
    for folder in (repository.published_targets, folder_of(repository)):
        (folder / ".tmp-killed").write_text("half")
    publish(repository, now=LATER)
    assert not list(repository.published.rglob(".tmp-*"))


def test_repository_without_updates_can_be_published(tmp_path: Path) -> None:
    repository = published_repository(tmp_path / "r")
    repository.remove_update(EDITION, Version.parse("1.1.0"))
    (release,) = publish(repository, now=LATER, allow_stranding=True)
    assert list(signed(repository, f"{release.version}.targets.json")["targets"]) == [
        "manifest.json"
    ]


def test_only_listed_migrations_are_published(repository: Repository, tmp_path: Path) -> None:
    for name in ("listed", "unlisted"):
        (tmp_path / name).write_bytes(b"program")
    edge = (Version.parse("1.0.0"), Version.parse("1.1.0"))
    sources = [tmp_path / "listed", tmp_path / "unlisted"]
    repository.set_migrations([EDITION], {edge: ("listed.lz4",)}, sources)
    publish(repository, now=LATER)
    names = signed(repository, "2.targets.json")["targets"]
    assert "listed.lz4" in names
    assert "unlisted.lz4" not in names


def refused(repository: Repository, match: str) -> None:
    """The draft is refused in these words, and clients see what they saw before."""
    before = published_files(repository)
    with pytest.raises(DraftError, match=match):
        publish(repository, now=LATER)
    assert published_files(repository) == before


def test_missing_staged_image_is_refused(repository: Repository) -> None:
    add_version(repository, "1.2.0")
    allow_step(repository, "1.1.0", "1.2.0")
    (repository.draft(EDITION).targets / "os-1.2.0-root.ext4.lz4").unlink()
    refused(repository, r"os-1\.2\.0-root\.ext4\.lz4: the file is gone")


def test_image_that_was_never_added_is_refused(repository: Repository) -> None:
    path = repository.draft(EDITION).folder / "manifest.json"
    path.write_text(path.read_text().replace("1.1.0-boot", "1.1.0-bott"))
    refused(repository, r"its boot image os-1\.1\.0-bott\.ext4\.lz4 was never added")


def test_image_cut_after_it_was_added_is_refused(repository: Repository) -> None:
    add_version(repository, "1.2.0")
    allow_step(repository, "1.1.0", "1.2.0")
    path = repository.draft(EDITION).targets / "os-1.2.0-boot.ext4.lz4"
    path.write_bytes(path.read_bytes()[:-1])
    refused(repository, "changed after it had been added")


def test_image_changed_after_it_was_added_never_reaches_clients(repository: Repository) -> None:
    add_version(repository, "1.2.0")
    allow_step(repository, "1.1.0", "1.2.0")
    path = repository.draft(EDITION).targets / "os-1.2.0-boot.ext4.lz4"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    refused(repository, "changed after it had been added")


def test_published_image_need_not_stay_in_the_draft(repository: Repository) -> None:
    for path in repository.draft(EDITION).targets.iterdir():
        path.unlink()
    assert publish(repository, now=LATER)[0].version == 2


def test_waves_out_of_order_are_refused(repository: Repository) -> None:
    moment = NOW.replace(microsecond=0)
    schedule = Schedule((Wave(0, moment), Wave(100, moment)))
    repository.set_waves(EDITION, Version.parse("1.1.0"), schedule)
    refused(repository, "edge x86_64 1.1.0: the wave of seed 100")


def test_listed_migration_that_was_never_added_is_refused(repository: Repository) -> None:
    edge = (Version.parse("1.0.0"), Version.parse("1.1.0"))
    repository.set_migrations([EDITION], {edge: ("migrate_x.lz4",)}, [])
    refused(repository, r"\(1\.0\.0, 1\.1\.0\): migrate_x\.lz4 was never added")


def test_versions_without_a_chain_of_migrations_are_refused(repository: Repository) -> None:
    add_version(repository, "1.2.0")
    refused(repository, "no migration leads from 1.1.0")


def test_version_listed_twice_is_refused(repository: Repository) -> None:
    draft = repository.draft(EDITION)
    manifest = draft.manifest()
    draft.save(type(manifest)(manifest.updates * 2, manifest.migrations))
    refused(repository, "two updates to 1.1.0")


def test_target_name_that_not_every_client_can_ask_for_is_refused(repository: Repository) -> None:
    draft = repository.draft(EDITION)
    for name in ("manifest.json", "staged.json"):
        path = draft.folder / name
        path.write_text(path.read_text().replace("os-1.1.0-boot", "../os-1.1.0-boot"))
    refused(repository, "not every client can ask")


def test_all_faults_are_told_at_once(repository: Repository) -> None:
    add_version(repository, "1.2.0")
    edge = (Version.parse("1.0.0"), Version.parse("1.1.0"))
    repository.set_migrations([EDITION], {edge: ("a.lz4", "b.lz4")}, [])
    with pytest.raises(DraftError) as caught:
        publish(repository, now=LATER)
    assert str(caught.value).count("\n  - ") == 3


def test_version_that_nothing_leads_to_is_noted(tmp_path: Path) -> None:
    repository = new_repository(tmp_path / "r")
    add_version(repository, "1.1.0")
    told: list[str] = []
    publish(repository, now=NOW, report=told.append)
    assert any(line.startswith("Note:") and "no migration leads" in line for line in told)


def test_withdrawn_version_is_noted(repository: Repository) -> None:
    repository.set_max_version([EDITION], Version.parse("1.0.0"))
    told: list[str] = []
    publish(repository, now=LATER, report=told.append)
    assert any("withdrawn" in line for line in told)


def test_nothing_to_publish_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no draft"):
        publish(new_repository(tmp_path / "r"), now=NOW)


def test_second_publisher_is_refused(repository: Repository) -> None:
    with repository.locked(), pytest.raises(PublisherBusy):
        publish(repository, now=LATER)


@pytest.mark.parametrize("role", ROLES)
def test_missing_online_key_stops_before_anything_is_written(
    repository: Repository, role: str
) -> None:
    (repository.keys / f"{role}.pem").unlink()
    before = published_files(repository)
    with pytest.raises(KeyFileError, match=role):
        publish(repository, now=LATER)
    assert published_files(repository) == before


def test_key_of_another_role_is_refused(repository: Repository) -> None:
    (repository.keys / "targets.pem").write_bytes((repository.keys / "snapshot.pem").read_bytes())
    with pytest.raises(KeyFileError, match="current root"):
        publish(repository, now=LATER)


def test_root_keys_are_not_needed(repository: Repository) -> None:
    for path in repository.keys.glob("root-*.pem"):
        path.unlink()
    assert publish(repository, now=LATER)[0].version == 2


def test_expired_root_is_refused_with_the_remedy(repository: Repository) -> None:
    with pytest.raises(RootError, match="expired") as caught:
        publish(repository, now=NOW + timedelta(days=366))
    assert "renew-root" in caught.value.hint


def test_root_that_expires_soon_is_told(repository: Repository) -> None:
    told: list[str] = []
    publish(repository, now=NOW + timedelta(days=350), report=told.append)
    assert told[0].startswith("Warning: the root expires in 14 days.")


def test_strange_root_in_the_published_folder_is_refused(repository: Repository) -> None:
    (folder_of(repository) / "1.root.json").write_text("{}")
    with pytest.raises(PublishedError, match=r"not the 1\.root\.json of this"):
        publish(repository, now=LATER)


def test_under_signed_root_is_never_published(repository: Repository) -> None:
    root.renew(repository.keys, repository.roots, now=LATER)
    path = repository.roots / "2.root.json"
    tree = json.loads(path.read_bytes())
    tree["signatures"].clear()
    path.write_text(json.dumps(tree))
    before = published_files(repository)
    with pytest.raises(RootError):
        publish(repository, now=LATER)
    assert published_files(repository) == before


def test_refresh_renews_expiries_and_leaves_targets_alone(repository: Repository) -> None:
    before = signed(repository, "1.targets.json")["targets"]
    add_version(repository, "1.2.0")
    refresh(repository, now=LATER)
    after = signed(repository, "2.targets.json")
    assert after["targets"] == before
    assert after["expires"] == "2031-04-22T09:00:00Z"
    assert signed(repository, "timestamp.json")["expires"] == "2031-04-15T09:00:00Z"


def test_refresh_revives_what_has_expired(repository: Repository) -> None:
    (release,) = refresh(repository, now=NOW + timedelta(days=100))
    assert release.version == 2


def test_refresh_puts_out_a_renewed_root(repository: Repository) -> None:
    root.renew(repository.keys, repository.roots, now=LATER)
    refresh(repository, now=LATER)
    assert (folder_of(repository) / "2.root.json").exists()


@pytest.mark.parametrize("name", ["1.targets.json", "1.snapshot.json", "timestamp.json"])
def test_refresh_does_not_sign_what_was_tampered_with(repository: Repository, name: str) -> None:
    path = folder_of(repository) / name
    path.write_text(path.read_text().replace('"expires": "2031', '"expires": "2041'))
    with pytest.raises(PublishedError, match="not signed by"):
        refresh(repository, now=LATER)


def test_refresh_does_not_take_one_role_for_another(repository: Repository) -> None:
    folder = folder_of(repository)
    (folder / "timestamp.json").write_bytes((folder / "1.snapshot.json").read_bytes())
    with pytest.raises(PublishedError):
        refresh(repository, now=LATER)


def test_refresh_does_not_take_an_older_file_under_a_newer_name(repository: Repository) -> None:
    publish(repository, now=LATER)
    folder = folder_of(repository)
    (folder / "2.targets.json").write_bytes((folder / "1.targets.json").read_bytes())
    with pytest.raises(PublishedError, match="not the file that was published"):
        refresh(repository, now=LATER)


def test_refresh_needs_every_target_file(repository: Repository) -> None:
    (path,) = repository.published_targets.glob("*-root.ext4.lz4")
    path.unlink()
    with pytest.raises(PublishedError, match="missing"):
        refresh(repository, now=LATER)


def test_refresh_needs_something_published(tmp_path: Path) -> None:
    repository = new_repository(tmp_path / "r")
    add_version(repository, "1.1.0")
    with pytest.raises(PublishedError, match=r"timestamp\.json cannot be used"):
        refresh(repository, now=NOW)


def test_damaged_version_note_is_told(repository: Repository) -> None:
    (repository.draft(EDITION).folder / "last-version").write_text("many")
    with pytest.raises(DraftError, match="does not hold a number"):
        publish(repository, now=LATER)


def test_publish_says_that_nothing_is_new(repository: Repository) -> None:
    said: list[str] = []
    publish(repository, now=LATER, report=said.append)
    assert "Note: edge x86_64: the draft says what metadata version 1 said" in "\n".join(said)
    allow_step(repository, "0.9.0", "1.0.0")
    said.clear()
    publish(repository, now=LATER, report=said.append)
    assert "nothing is new" not in "\n".join(said)
