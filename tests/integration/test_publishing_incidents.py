"""What publishers have done to their fleets, each played once: it is refused, or found before.

The incidents are those that trackers of update systems tell of. Each test is named for one.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fixtures.os_images import Recipe, Release, build_release
from fixtures.publisher import EDITION, Publisher
from repo_tools import cli
from repo_tools.repository import Repository
from repo_tools.root import RootPlan, renew
from tests.fakes.repositories import EDITION as EDGE
from tests.fakes.repositories import add_version, allow_step, new_repository, rotate_online
from updog.errors import UsageError

NAMED = ("--variant", "edge", "-a", "x86_64")
POLICY = """
[[waves]]
start_after = "1 hour"
fleet_percentage = {first}
[[waves]]
start_after = "1 day"
fleet_percentage = {last}
"""


class Desk:
    """A release manager at the command line."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.repository = new_repository(home, datetime.now(UTC))
        self._capsys = capsys

    def run(self, *words: str) -> tuple[int, str]:
        """Run a command of `updog-repo` on the repository; its exit code and all its output."""
        group = 2 if words[0] == "release" else 1
        self._capsys.readouterr()
        code = cli.main([*words[:group], str(self.repository.folder), *words[group:]])
        out, err = self._capsys.readouterr()
        return code, out + err

    def set_waves(self, policy: str, *more: str) -> tuple[int, str]:
        """Give 1.1.0 the policy of a file with this text."""
        file = self.repository.folder / "policy.toml"
        file.write_text(policy)
        return self.run("set-waves", *NAMED, "-v", "1.1.0", "--policy", str(file), *more)

    def set_migrations(self, release_toml: str) -> tuple[int, str]:
        """Take the migrations of a Release.toml with this text."""
        file = self.repository.folder / "Release.toml"
        file.write_text(release_toml)
        return self.run("set-migrations", "--from", str(file))


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    desk = Desk(tmp_path / "repository", capsys)
    add_version(desk.repository, "1.1.0")
    return desk


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Release, ...]:
    home = tmp_path_factory.mktemp("builds")
    return tuple(
        build_release(home / version, Recipe(version, 1, skip=skip))
        for skip, version in enumerate(("1.1.0", "1.2.0"))
    )


@pytest.fixture
def publisher(tmp_path: Path, releases: tuple[Release, ...]) -> Publisher:
    publisher = Publisher.create(tmp_path / "published", datetime.now(UTC))
    for release in releases:
        publisher.release(release, "default")
    return publisher


# Policies ----------------------------------------------------------------------------------------
def test_wave_file_with_a_wrong_table_name_was_ignored_and_the_whole_fleet_came(desk: Desk) -> None:
    code, said = desk.set_waves(POLICY.replace("waves", "wave").format(first=5, last=100))
    assert (code, "wave" in said) == (65, True)
    assert not desk.repository.draft(EDGE).manifest().updates[0].schedule.waves


@pytest.mark.parametrize("key", ["fleet_percent", "startafter", "percentage"])
def test_unknown_key_in_a_wave_file_was_ignored(desk: Desk, key: str) -> None:
    code, said = desk.set_waves(POLICY.format(first=5, last=100) + f"{key} = 50\n")
    assert (code, key in said) == (65, True)


@pytest.mark.parametrize(("first", "last"), [(50, 20), (50, 50), (0, 100), (50, 101)])
def test_percentages_out_of_order_merged_waves_in_silence(
    desk: Desk, first: int, last: int
) -> None:
    code, said = desk.set_waves(POLICY.format(first=first, last=last))
    assert (code, "policy.toml" in said) == (65, True)


def test_rollout_that_started_in_the_past_let_everybody_in_at_once(desk: Desk) -> None:
    policy = POLICY.format(first=5, last=100)
    code, said = desk.set_waves(policy, "--start-at", "2020-01-01T00:00:00Z")
    assert (code, "--allow-past" in said) == (64, True)
    assert desk.set_waves(policy, "--start-at", "2020-01-01T00:00:00Z", "--allow-past")[0] == 0


def test_fixed_start_in_the_past_is_refused_too(desk: Desk) -> None:
    policy = POLICY.format(first=5, last=100).replace('"1 hour"', '"2020-01-01T00:00:00Z"')
    assert desk.set_waves(policy)[0] == 64


def test_waves_for_a_release_that_is_not_there_were_a_success(desk: Desk) -> None:
    words = ("set-waves", *NAMED, "-v", "1.1.1", "--policy", "default")
    code, said = desk.run(*words)
    assert (code, "no update for edge x86_64 1.1.1" in said) == (64, True)


# Migrations --------------------------------------------------------------------------------------
@pytest.mark.parametrize("table", ["migration", "Migrations"])
def test_release_toml_with_a_wrong_table_name_dropped_all_migrations(
    desk: Desk, table: str
) -> None:
    allow_step(desk.repository, "1.0.0", "1.1.0")
    code, said = desk.set_migrations(f'version = "1.1.0"\n[{table}]\n"(1.0.0, 1.1.0)" = []\n')
    assert (code, "'migrations' is missing" in said) == (65, True)
    assert desk.repository.draft(EDGE).manifest().migrations


def test_canary_was_fine_but_older_releases_broke_on_a_migration_hole(desk: Desk) -> None:
    add_version(desk.repository, "1.2.0")
    add_version(desk.repository, "1.3.0")
    allow_step(desk.repository, "1.2.0", "1.3.0")
    code, said = desk.run("publish")
    assert (code, "no migration leads from 1.1.0" in said) == (65, True)
    assert not list(desk.repository.published.rglob("timestamp.json"))


def test_old_release_that_left_the_draft_was_stranded_in_silence(desk: Desk) -> None:
    allow_step(desk.repository, "1.0.0", "1.1.0")
    assert desk.run("publish")[0] == 0
    add_version(desk.repository, "1.2.0")
    desk.set_migrations('version = "1.2.0"\n[migrations]\n"(1.1.0, 1.2.0)" = []\n')
    for words in (("publish",), ("publish", "--dry-run")):
        code, said = desk.run(*words)
        assert (code, "edge x86_64 1.0.0 would be stranded" in said) == (65, True)
        assert "edge x86_64 1.1.0 would" not in said
    assert _offered(desk) == ["1.1.0"]


def test_stranding_that_is_meant_is_published_and_told(desk: Desk) -> None:
    allow_step(desk.repository, "1.0.0", "1.1.0")
    assert desk.run("publish")[0] == 0
    desk.set_migrations('version = "1.1.0"\n[migrations]\n"(1.0.5, 1.1.0)" = []\n')
    code, said = desk.run("publish", "--allow-stranding")
    assert (code, "Warning: edge x86_64 1.0.0 would be stranded" in said) == (0, True)
    # What was done to it once does not hold the next publish back.
    assert desk.run("publish")[0] == 0


def test_empty_draft_took_every_release_away(desk: Desk) -> None:
    assert desk.run("publish")[0] == 0
    desk.run("remove-update", *NAMED, "-v", "1.1.0")
    code, said = desk.run("publish")
    assert (code, "edge x86_64 1.1.0 would be stranded" in said) == (65, True)
    assert _offered(desk) == ["1.1.0"]


@pytest.mark.parametrize("published", [False, True])
def test_maximum_below_every_release_left_hosts_with_nowhere_to_go(
    desk: Desk, *, published: bool
) -> None:
    allow_step(desk.repository, "1.0.0", "1.1.0")
    if published:
        assert desk.run("publish")[0] == 0
    assert desk.run("set-max-version", "-v", "0.5.0")[0] == 0
    code, said = desk.run("publish")
    assert (code, "1.1.0 would be stranded: it is above the maximum 0.5.0" in said) == (65, True)


def test_halt_of_the_only_release_needs_no_permission(desk: Desk) -> None:
    allow_step(desk.repository, "1.0.0", "1.1.0")
    assert desk.run("publish")[0] == 0
    assert desk.run("set-max-version", "-v", "1.0.0")[0] == 0
    assert desk.run("publish")[0] == 0


def test_pending_change_of_online_keys_hid_what_a_draft_would_strand(desk: Desk) -> None:
    assert desk.run("publish")[0] == 0
    rotate_online(desk.repository, "timestamp")
    desk.run("remove-update", *NAMED, "-v", "1.1.0")
    code, said = desk.run("publish")
    assert (code, "edge x86_64 1.1.0 would be stranded" in said) == (65, True)


def test_hole_that_was_published_elsewhere_is_found(
    publisher: Publisher, capsys: pytest.CaptureFixture[str]
) -> None:
    draft = publisher.repository.draft(EDITION)
    code, said = _reachability(publisher, capsys, "--from", "0.9.0")
    assert (code, "no migration leads from 0.9.0" in said) == (65, True)
    assert draft.manifest().migrations


# Images and targets ------------------------------------------------------------------------------
def test_release_with_a_missing_target_was_published(desk: Desk) -> None:
    next(desk.repository.draft(EDGE).targets.glob("*root.ext4*")).unlink()
    code, said = desk.run("publish")
    assert (code, "the file is gone from the draft" in said) == (65, True)


def test_target_that_never_reached_the_server_is_found(
    publisher: Publisher, capsys: pytest.CaptureFixture[str]
) -> None:
    publisher.target("root.ext4.lz4", "1.2.0").unlink()
    assert cli.main(["validate", str(publisher.repository.folder)]) == 65
    assert "1.2.0-root.ext4.lz4" in capsys.readouterr().out


def test_image_that_does_not_match_its_hash_tree_bricked_every_host(
    desk: Desk, tmp_path: Path
) -> None:
    broken = build_release(tmp_path / "broken", Recipe("1.2.0", 1, broken=True))
    code, said = desk.run("release", "add", "--from-dir", str(broken.root.parent))
    assert (code, "it is not the root image of its hash tree" in said) == (65, True)


def test_images_given_in_each_others_place(desk: Desk, releases: tuple[Release, ...]) -> None:
    one = releases[0]
    words = ("--variant", one.variant, "-a", one.arch, "-v", one.version)
    swapped = ("-b", str(one.root), "-r", str(one.boot), "--hash", str(one.hash))
    code, said = desk.run("release", "add", *words, *swapped)
    assert (code, "in each other's place" in said) == (65, True)


def test_old_image_under_a_new_version_updated_for_ever(
    desk: Desk, releases: tuple[Release, ...], tmp_path: Path
) -> None:
    one = releases[0]
    for name, path in (("boot", one.boot), ("root", one.root), ("hash", one.hash)):
        (tmp_path / name).write_bytes(path.read_bytes())
    images = ("-b", f"{tmp_path}/boot", "-r", f"{tmp_path}/root", "--hash", f"{tmp_path}/hash")
    words = ("--variant", one.variant, "-a", one.arch, "-v", "1.3.0")
    code, said = desk.run("release", "add", *words, *images)
    assert (code, f"its os-release says {one.variant} 1.1.0" in said) == (65, True)


# Trust and old releases --------------------------------------------------------------------------
def test_repository_without_the_roots_in_between_stranded_old_releases(
    publisher: Publisher, capsys: pytest.CaptureFixture[str]
) -> None:
    _renew(publisher, 2)
    (EDITION.below(publisher.published) / "2.root.json").unlink()
    assert cli.main(["validate", str(publisher.repository.folder)]) == 65
    assert "2.root.json: it is missing" in capsys.readouterr().out


def test_release_with_the_root_of_another_repository_is_stranded(
    publisher: Publisher, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    other = Publisher.create(tmp_path / "other", publisher.now)
    _renew(other, 1, publish=False)
    foreign = other.repository.roots / "1.root.json"
    code, said = _reachability(publisher, capsys, "--root", f"1.1.0={foreign}")
    assert (code, f"FAIL  {EDITION} 1.1.0" in said) == (65, True)
    assert "trust from 1.root.json" in said


def test_bad_release_is_withdrawn_and_hosts_find_the_way_back(
    publisher: Publisher, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(publisher.repository.folder)
    named = ("--variant", EDITION.variant, "-a", EDITION.arch, "-v", "1.2.0")
    assert cli.main(["release", "withdraw", folder, *named]) == 0
    code, said = _reachability(publisher, capsys)
    assert (code, f"ok    {EDITION} 1.2.0 -> 1.1.0 and back" in said) == (0, True)


def test_withdrawing_the_only_release_is_refused(desk: Desk) -> None:
    assert desk.run("publish")[0] == 0
    code, said = desk.run("release", "withdraw", *NAMED, "-v", "1.1.0")
    assert (code, "cannot go back from 1.1.0" in said) == (64, True)


def test_successor_of_a_withdrawn_release_brought_it_back(desk: Desk) -> None:
    add_version(desk.repository, "1.2.0")
    allow_step(desk.repository, "1.1.0", "1.2.0")
    assert desk.run("publish")[0] == 0
    assert desk.run("release", "withdraw", *NAMED, "-v", "1.2.0")[0] == 0
    with pytest.raises(UsageError, match=r"1\.2\.0 is held back"):
        add_version(desk.repository, "1.3.0")
    assert desk.run("remove-update", *NAMED, "-v", "1.2.0")[0] == 0
    add_version(desk.repository, "1.3.0")


def test_expired_metadata_stopped_a_fleet_for_a_weekend(
    publisher: Publisher, capsys: pytest.CaptureFixture[str]
) -> None:
    publisher.expire("targets", timedelta(minutes=1))
    assert cli.main(["validate", str(publisher.repository.folder)]) == 65
    assert "targets.json: it expired at" in capsys.readouterr().out


def test_threshold_that_one_key_reaches_is_remarked(tmp_path: Path) -> None:
    plan = RootPlan(root_keys=1, threshold=1)
    repository = Repository.init(tmp_path / "one", plan, now=datetime.now(UTC))
    add_version(repository, "1.1.0")
    assert cli.main(["publish", str(repository.folder)]) == 0
    assert cli.main(["validate", str(repository.folder), "--metadata-only"]) == 1


def _offered(desk: Desk) -> list[str]:
    """The versions that devices see."""
    found = json.loads(next(desk.repository.published.glob("targets/*.manifest.json")).read_text())
    return [update["version"] for update in found["updates"]]


def _reachability(
    publisher: Publisher, capsys: pytest.CaptureFixture[str], *more: str
) -> tuple[int, str]:
    capsys.readouterr()
    code = cli.main(["reachability", str(publisher.repository.folder), *more])
    return code, capsys.readouterr().out


def _renew(publisher: Publisher, times: int, *, publish: bool = True) -> None:
    repository = publisher.repository
    for _ in range(times):
        renew(repository.keys, repository.roots, now=publisher.now)
    if publish:
        publisher.publish_again()
