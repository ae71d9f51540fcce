"""A repository with one fault each: validation finds it, and says where it is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fixtures.os_images import Recipe, Release, build_release
from fixtures.publisher import EDITION, Publisher
from repo_tools import cli
from repo_tools.findings import Finding, Level
from repo_tools.keys import KeyType
from repo_tools.release.room import parse_layout
from repo_tools.repository import Repository
from repo_tools.root import renew
from repo_tools.validate.places import Where, find
from repo_tools.validate.run import Options, Report, validate
from updog.errors import UsageError
from updog.fetch import HttpFetcher
from updog.manifest import Manifest

SCHEMAS = Path(__file__).parents[4] / "docs" / "schemas"
NOW = datetime(2031, 4, 7, 9, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
NAME = f"updog-{EDITION.variant}-{EDITION.arch}"
Json = dict[str, Any]


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Release, Release]:
    home = tmp_path_factory.mktemp("builds")
    one, two = (
        build_release(home / version, Recipe(version, 1, skip=skip))
        for skip, version in enumerate(("1.1.0", "1.2.0"))
    )
    return one, two


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, releases: tuple[Release, ...]) -> Publisher:
    """A repository of two releases, without a fault."""
    publisher = Publisher.create(tmp_path_factory.mktemp("sound") / "repository", NOW)
    for release in releases:
        publisher.release(release, "default")
    return publisher


@pytest.fixture
def publisher(sound: Publisher, tmp_path: Path) -> Publisher:
    """A copy that a test may damage."""
    folder = Path(shutil.copytree(sound.repository.folder, tmp_path / "repository"))
    return Publisher(Repository.open(folder), NOW)


def report(publisher: Publisher, now: datetime = LATER, **options: Any) -> Report:
    (place,) = find(Where(str(publisher.repository.folder)))
    return validate(place, Options(**options), HttpFetcher, now)


def errors(publisher: Publisher, **options: Any) -> list[Finding]:
    return [f for f in report(publisher, **options).findings if f.level is Level.ERROR]


def checks(publisher: Publisher, **options: Any) -> set[str]:
    return {finding.check for finding in errors(publisher, **options)}


def said(publisher: Publisher, **options: Any) -> str:
    return "\n".join(map(str, report(publisher, **options).findings))


def edit_manifest(publisher: Publisher, change: Callable[[Json], None]) -> None:
    """Change the published manifest, rightly signed."""
    old = publisher.target(".manifest.json", _manifest_hash(publisher))
    tree = json.loads(old.read_bytes())
    change(tree)
    data = json.dumps(tree).encode()
    digest = sha256(data).hexdigest()
    old.with_name(f"{digest}.manifest.json").write_bytes(data)

    def relist(body: Json) -> None:
        entry = body["targets"]["manifest.json"]
        entry["length"], entry["hashes"] = len(data), {"sha256": digest}

    publisher.resign("targets", relist)


def _manifest_hash(publisher: Publisher) -> str:
    signed = json.loads(publisher.metadata("targets", EDITION).read_bytes())["signed"]
    return str(signed["targets"]["manifest.json"]["hashes"]["sha256"])


def test_a_sound_repository_has_no_findings(publisher: Publisher) -> None:
    found = report(publisher, room=parse_layout("bottlerocket"))
    assert (found.findings, found.versions["root"], found.versions["targets"]) == ((), 1, 2)


def test_a_damaged_target_is_named(publisher: Publisher) -> None:
    publisher.tamper("root.ext4.lz4", "1.1.0")
    (finding,) = errors(publisher)
    assert finding.place == f"{NAME}-1.1.0-root.ext4.lz4"
    assert "its sha256 is not the signed one" in finding.what


def test_a_missing_target_is_named(publisher: Publisher) -> None:
    publisher.target("boot.ext4.lz4", "1.2.0").unlink()
    assert f"{NAME}-1.2.0-boot.ext4.lz4" in said(publisher)


def test_all_faults_are_told_not_only_the_first(publisher: Publisher) -> None:
    publisher.tamper("root.ext4.lz4", "1.1.0")
    publisher.tamper("boot.ext4.lz4", "1.2.0")
    publisher.tamper("root.verity.lz4", "1.2.0")
    assert len(errors(publisher)) == 3


def test_targets_can_be_left_alone(publisher: Publisher) -> None:
    publisher.tamper("root.ext4.lz4", "1.1.0")
    assert report(publisher, targets=False).findings == ()


def test_a_listed_length_that_is_wrong_is_found(publisher: Publisher) -> None:
    def longer(body: Json) -> None:
        body["targets"][f"{NAME}-1.2.0-boot.ext4.lz4"]["length"] -= 1

    publisher.resign("targets", longer)
    assert "is longer than the" in said(publisher)


def test_custom_data_about_another_image_is_found(publisher: Publisher) -> None:
    def other(body: Json) -> None:
        entry = body["targets"][f"{NAME}-1.2.0-boot.ext4.lz4"]
        entry["custom"]["updog"]["raw_length"] += 4096

    publisher.resign("targets", other)
    assert "custom" in checks(publisher)


def test_images_that_do_not_fit_are_found(publisher: Publisher) -> None:
    assert checks(publisher, room=parse_layout("boot=1,root=1,hash=1")) == {"size"}


def test_a_boot_image_of_another_release_is_found(publisher: Publisher) -> None:
    def mix(tree: Json) -> None:
        tree["updates"][1]["images"]["boot"] = tree["updates"][0]["images"]["boot"]

    edit_manifest(publisher, mix)
    assert checks(publisher) == {"root-hash", "name"}


def test_the_image_of_another_version_is_found(publisher: Publisher) -> None:
    def mix(tree: Json) -> None:
        tree["updates"][1]["images"] = tree["updates"][0]["images"]

    edit_manifest(publisher, mix)
    assert checks(publisher) == {"os-release", "name"}


def test_a_manifest_against_its_schema_is_found(publisher: Publisher) -> None:
    edit_manifest(publisher, lambda tree: tree["updates"][0].pop("max_version"))
    assert "$.updates[0]: the member 'max_version' is missing" in said(publisher)


def test_waves_out_of_order_are_found(publisher: Publisher) -> None:
    def swap(tree: Json) -> None:
        tree["updates"][0]["waves"]["20"] = "2030-01-01T00:00:00Z"

    edit_manifest(publisher, swap)
    assert checks(publisher) == {"waves"}


def test_a_manifest_without_any_update_is_remarked(publisher: Publisher) -> None:
    edit_manifest(publisher, lambda tree: tree["updates"].clear())
    assert "offers no update at all" in said(publisher)


def test_an_image_that_is_no_target_is_found(publisher: Publisher) -> None:
    def rename(tree: Json) -> None:
        tree["updates"][0]["images"]["root"] = "nowhere.lz4"

    edit_manifest(publisher, rename)
    assert "its root image nowhere.lz4 is not among the targets" in said(publisher)


def test_a_migration_that_is_no_target_is_found(publisher: Publisher) -> None:
    def list_it(tree: Json) -> None:
        tree["migrations"]["(1.1.0, 1.2.0)"] = ["migrate_v1.2.0_x.lz4"]

    edit_manifest(publisher, list_it)
    assert checks(publisher) == {"migrations", "reachability"}


def test_a_hole_between_two_releases_is_found(publisher: Publisher) -> None:
    edit_manifest(publisher, lambda tree: tree["migrations"].pop("(1.1.0, 1.2.0)"))
    assert f"no way between {EDITION} 1.1.0 and 1.2.0, forth or back" in said(publisher)


def test_expired_metadata_is_found_and_the_rest_too(publisher: Publisher) -> None:
    publisher.expire("timestamp")
    publisher.tamper("root.ext4.lz4", "1.1.0")
    assert checks(publisher) == {"expiry", "client", "image"}


def test_metadata_that_expires_soon_is_a_warning(publisher: Publisher) -> None:
    found = report(publisher, now=NOW + timedelta(days=6))
    assert [(f.level, f.check) for f in found.findings] == [(Level.WARNING, "expiry")]


def test_expiries_out_of_order_are_a_warning(publisher: Publisher) -> None:
    def sooner(body: Json) -> None:
        body["expires"] = (NOW + timedelta(days=4)).strftime("%Y-%m-%dT%H:%M:%SZ")

    publisher.resign("targets", sooner)
    assert "snapshot.json: it outlives targets.json" in said(publisher)


def test_fractions_of_a_second_are_a_warning(publisher: Publisher) -> None:
    def fraction(body: Json) -> None:
        body["expires"] = body["expires"].replace("Z", ".25Z")

    publisher.resign("timestamp", fraction)
    assert "which stock python-tuf refuses" in said(publisher)


def test_a_file_that_is_not_the_listed_one_is_found(publisher: Publisher) -> None:
    path = publisher.metadata("targets", EDITION)
    path.write_bytes(path.read_bytes() + b"\n")
    assert checks(publisher) >= {"client", "listed"}


def test_a_signature_that_is_missing_is_found(publisher: Publisher) -> None:
    path = publisher.metadata("timestamp", EDITION)
    tree = json.loads(path.read_bytes())
    path.write_text(json.dumps({**tree, "signatures": []}))
    assert "is signed by 0 of the 1 keys" in said(publisher)


def test_a_root_that_is_missing_in_the_middle_is_found(publisher: Publisher) -> None:
    _renew(publisher, 2)
    (EDITION.below(publisher.published) / "2.root.json").unlink()
    found = report(publisher)
    assert ("roots", "2.root.json") in {(f.check, f.place) for f in found.findings}
    assert found.versions["root"] == 3


def test_a_first_root_that_is_gone_is_a_warning(publisher: Publisher) -> None:
    _renew(publisher, 1)
    (EDITION.below(publisher.published) / "1.root.json").unlink()
    assert {(f.level, f.check) for f in report(publisher).findings} == {(Level.WARNING, "roots")}


def test_without_any_root_signatures_are_held_against_the_one_that_was_given(
    publisher: Publisher,
) -> None:
    (EDITION.below(publisher.published) / "1.root.json").unlink()
    path = publisher.metadata("targets", EDITION)
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "signatures": []}))
    given = publisher.repository.roots / "1.root.json"
    assert ("signed", path.name) in {(f.check, f.place) for f in errors(publisher, root=given)}


def test_a_halt_is_a_note_and_no_warning(publisher: Publisher) -> None:
    words = ("--variant", EDITION.variant, "-a", EDITION.arch, "-v", "1.2.0", "--yes")
    assert cli.main(["rollout", "halt", str(publisher.repository.folder), *words]) == 0
    publisher.publish_again()
    found = [f for f in report(publisher).findings if "different maximum versions" in f.what]
    assert [f.level for f in found] == [Level.NOTE]
    assert report(publisher).level is Level.NOTE


def test_maxima_that_differ_without_a_halt_are_a_warning(publisher: Publisher) -> None:
    def raise_one(body: Json) -> None:
        body["updates"][0]["max_version"] = "9.0.0"

    edit_manifest(publisher, raise_one)
    found = [f for f in report(publisher).findings if "different maximum versions" in f.what]
    assert [f.level for f in found] == [Level.WARNING]


def test_a_root_of_somebody_else_is_found(publisher: Publisher, tmp_path: Path) -> None:
    other = Publisher.create(tmp_path / "other", NOW)
    _renew(other, 1, publish=False)
    folder = EDITION.below(publisher.published)
    shutil.copyfile(other.repository.roots / "2.root.json", folder / "2.root.json")
    assert "2.root.json: it does not follow version 1" in said(publisher)


def test_a_key_id_that_upstream_refuses_is_found(publisher: Publisher) -> None:
    folder = EDITION.below(publisher.published)

    def add_member(body: Json) -> None:
        next(iter(body["keys"].values()))["note"] = "changes the id"

    data = publisher.resign_root(add_member)
    for path in (folder / "1.root.json", publisher.repository.roots / "1.root.json"):
        path.write_bytes(data)
    assert "key-id" in checks(publisher)


def test_a_repository_that_trusts_one_key_is_a_warning(
    tmp_path: Path, releases: tuple[Release, ...]
) -> None:
    home = tmp_path / "repository"
    command = ["init", str(home), "--root-keys", "1", "--root-threshold", "1"]
    assert cli.main(command) == 0
    publisher = Publisher(Repository.open(home), datetime.now(UTC))
    publisher.release(releases[0])
    assert "the threshold is 1" in said(publisher, now=publisher.now)


def test_a_repository_behind_a_web_server_is_read_the_same_way(publisher: Publisher) -> None:
    publisher.tamper("root.ext4.lz4", "1.1.0")
    root = str(publisher.repository.roots / "1.root.json")
    with publisher.serving() as url:
        (place,) = find(Where(f"{url}/{EDITION.variant}/{EDITION.arch}/"))
        found = validate(place, Options(root=Path(root)), HttpFetcher, LATER)
    assert [finding.check for finding in found.findings] == ["image"]


def test_the_published_folder_alone_is_enough(publisher: Publisher) -> None:
    for spec in (publisher.published, EDITION.below(publisher.published)):
        (place,) = find(Where(str(spec)))
        found = validate(place, Options(), HttpFetcher, LATER)
        assert {finding.check for finding in found.findings} == {"client"}


def test_the_folder_that_the_repository_publishes_to_is_looked_at(publisher: Publisher) -> None:
    folder = publisher.repository.folder
    shutil.copytree(publisher.published, folder.parent / "www")
    (folder / "publish.toml").write_text('to = "../www"\n')
    publisher.tamper("root.ext4.lz4", "1.1.0")
    (place,) = find(Where(str(folder)))
    assert "/www/" in place.urls.metadata
    assert "/www/" in place.urls.targets
    assert checks(publisher) == set()


def test_a_repository_that_publishes_to_a_bucket_is_asked_for_its_url(publisher: Publisher) -> None:
    folder = publisher.repository.folder
    (folder / "publish.toml").write_text('to = "s3://bucket/site"\n')
    with pytest.raises(UsageError, match="publishes to s3://bucket/site"):
        find(Where(str(folder)))


@pytest.mark.parametrize("key_type", list(KeyType))
def test_every_kind_of_key_is_read(tmp_path: Path, key_type: KeyType) -> None:
    publisher = Publisher.create(tmp_path / "repository", NOW, key_type)
    publisher.repository.draft(EDITION).save(Manifest())
    publisher.publish_again()
    (remark,) = report(publisher).findings
    assert "offers no update at all" in remark.what


@pytest.fixture
def fresh(tmp_path: Path, releases: tuple[Release, ...]) -> Publisher:
    """A repository of today, for the command, which reads the clock."""
    publisher = Publisher.create(tmp_path / "fresh", datetime.now(UTC))
    for release in releases:
        publisher.release(release)
    return publisher


def test_the_command_ends_by_the_worst_level(
    fresh: Publisher, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["validate", str(fresh.repository.folder)]
    assert cli.main(command) == 0
    assert "0 errors, 0 warnings, 2 notes" in capsys.readouterr().out
    fresh.resign("timestamp", partial(_expires_in, timedelta(hours=5)))
    assert cli.main(command) == 1
    fresh.tamper("root.ext4.lz4", "1.1.0")
    assert cli.main(command) == 65
    assert capsys.readouterr().out.count("FAIL ") == 1


def test_the_document_follows_its_schema(
    fresh: Publisher, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh.tamper("root.ext4.lz4", "1.1.0")
    cli.main(["validate", str(fresh.repository.folder), "--json"])
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, json.loads((SCHEMAS / "validate.json").read_text()))
    assert document["level"] == "error"


def test_what_is_no_repository_is_a_usage_error(tmp_path: Path) -> None:
    assert cli.main(["validate", str(tmp_path)]) == 64
    assert cli.main(["validate", str(tmp_path / "nowhere")]) == 64


def test_a_server_that_does_not_answer_is_told_apart() -> None:
    assert cli.main(["validate", "http://127.0.0.1:9/edge/x86_64"]) == 69


def _expires_in(span: timedelta, body: Json) -> None:
    body["expires"] = (datetime.now(UTC) + span).strftime("%Y-%m-%dT%H:%M:%SZ")


def _renew(publisher: Publisher, times: int, *, publish: bool = True) -> None:
    repository = publisher.repository
    for _ in range(times):
        renew(repository.keys, repository.roots, now=NOW)
    if publish:
        publisher.publish_again()
