"""The commands as typed, on real repositories of the present."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from repo_tools import root
from repo_tools.cli import main
from repo_tools.draft import Edition
from repo_tools.publish import Lifetimes, publish
from repo_tools.repository import Repository
from repo_tools.serve import serving
from tests.fakes.nginx import free_port
from tests.fakes.repositories import EDITION, add_version, allow_step, make_images
from tests.fakes.repositories import published_repository as make
from updog.clock import SystemClock

OTHER = Edition("edge", "aarch64")
NAMES = ("--variant", "edge", "--arch", "x86_64")
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def now() -> datetime:
    return SystemClock().now()


@pytest.fixture
def repository(tmp_path: Path, now: datetime) -> Repository:
    return make(tmp_path / "repository", now)


@pytest.fixture
def url(repository: Repository) -> Iterator[str]:
    with serving(repository.published) as top:
        yield f"{top}/edge/x86_64"


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Everything below a folder: names, inodes and bytes."""
    return {
        str(path): (path.stat().st_ino, path.read_bytes() if path.is_file() else b"")
        for path in folder.rglob("*")
    }


def expiring_in(repository: Repository, now: datetime, **lives: timedelta) -> None:
    publish(repository, now=now, lifetimes=Lifetimes(**lives))


def writing_commands(repository: Repository) -> list[list[str]]:
    """Each command that drafts or publishes, so that it has something to do."""
    home = str(repository.folder)
    images = make_images(repository.folder.parent / "new", "1.2.0")
    release_file = repository.folder.parent / "Release.toml"
    release_file.write_text('version = "1.2.0"\n[migrations]\n"(1.0.0, 1.1.0)" = []\n')
    three = [
        f"--{flag}={path}" for flag, path in zip(("boot", "root", "hash"), images, strict=True)
    ]
    old = [*NAMES, "-v", "1.1.0"]
    return [
        ["publish", home],
        ["publish", home, "--to", str(repository.folder.parent / "elsewhere")],
        ["refresh", home],
        ["add-update", home, *NAMES, "-v", "1.2.0", *three, "--unchecked"],
        ["remove-update", home, *old],
        ["set-waves", home, *old, "--policy", "default"],
        ["set-max-version", home, "-v", "1.0.5"],
        ["set-migrations", home, "--from", str(release_file)],
        ["release", "remove", home, *old],
        ["release", "withdraw", home, *NAMES, "-v", "1.3.0"],
    ]


@pytest.mark.parametrize("number", range(10))
def test_a_rehearsal_writes_nothing(
    repository: Repository, now: datetime, number: int, capsys: Capture
) -> None:
    add_version(repository, "1.3.0")
    allow_step(repository, "1.1.0", "1.3.0")
    publish(repository, now=now)
    allow_step(repository, "1.0.0", "1.3.0")
    command = writing_commands(repository)[number]
    before = tree(repository.folder.parent)
    capsys.readouterr()
    assert main([*command, "--dry-run"]) == 0
    assert tree(repository.folder.parent) == before
    told = capsys.readouterr().err
    assert told.endswith("Nothing was written.\n")
    assert re.search(r"Would|^[+-] ", told, re.MULTILINE)


def test_a_rehearsal_finds_what_the_real_run_would(repository: Repository) -> None:
    add_version(repository, "1.3.0")
    (repository.draft(EDITION).targets / "os-1.3.0-root.ext4.lz4").unlink()
    assert main(["publish", str(repository.folder), "--dry-run"]) == 65


def test_a_rehearsal_does_not_wait_for_a_publisher(repository: Repository) -> None:
    with repository.locked():
        assert main(["publish", str(repository.folder), "--dry-run"]) == 0
        assert main(["publish", str(repository.folder)]) == 75


def test_publish_to_another_folder(repository: Repository, tmp_path: Path) -> None:
    site = tmp_path / "site"
    assert main(["publish", str(repository.folder), "--to", str(site)]) == 0
    assert (site / "edge/x86_64/timestamp.json").is_file()
    assert len(list((site / "targets").iterdir())) == len(
        list(repository.published_targets.iterdir())
    )


def test_the_place_may_stand_in_the_repository(repository: Repository, tmp_path: Path) -> None:
    (repository.folder / "publish.toml").write_text(f'to = "{tmp_path}/site"\n')
    assert main(["publish", str(repository.folder)]) == 0
    assert main(["refresh", str(repository.folder)]) == 0
    assert (tmp_path / "site/edge/x86_64/3.targets.json").is_file()
    assert not (repository.published / "edge/x86_64/3.targets.json").exists()


def test_lifetimes_may_stand_in_the_repository(repository: Repository, now: datetime) -> None:
    (repository.folder / "publish.toml").write_text('[lifetimes]\ntimestamp = "2 hours"\n')
    (release,) = publish(repository, now=now)
    assert release.expires == (now + timedelta(hours=2)).replace(microsecond=0)


def test_refresh_leaves_alone_what_lasts(repository: Repository, capsys: Capture) -> None:
    before = tree(repository.published)
    capsys.readouterr()
    assert main(["refresh", str(repository.folder), "--if-within", "3d"]) == 0
    assert tree(repository.published) == before
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "left as it is" in printed.err


def test_refresh_renews_what_would_expire_on_a_weekend(
    repository: Repository, now: datetime, capsys: Capture
) -> None:
    expiring_in(repository, now, timestamp=timedelta(days=2, hours=20))
    capsys.readouterr()
    assert main(["refresh", str(repository.folder), "--if-within", "3d"]) == 0
    assert capsys.readouterr().out == "edge x86_64 3\n"


def test_refresh_puts_out_a_waiting_root_at_once(repository: Repository, now: datetime) -> None:
    repository.renew_root(now=now)
    assert main(["refresh", str(repository.folder), "--if-within", "3d"]) == 0
    assert (repository.published / "edge/x86_64/2.root.json").is_file()


def test_refresh_only_renews_expiries(repository: Repository) -> None:
    folder = repository.published / "edge/x86_64"
    add_version(repository, "1.3.0")
    assert main(["refresh", str(repository.folder)]) == 0
    old, new = (
        json.loads((folder / f"{version}.targets.json").read_text())["signed"]["targets"]
        for version in (1, 2)
    )
    assert old == new


def test_refresh_renews_the_others_when_one_is_damaged(
    repository: Repository, now: datetime, capsys: Capture
) -> None:
    add_version(repository, "1.1.0", edition=OTHER)
    publish(repository, now=now)
    (repository.published / "edge/aarch64/timestamp.json").write_text("{}")
    capsys.readouterr()
    assert main(["refresh", str(repository.folder)]) == 65
    assert "edge/aarch64/timestamp.json cannot be used" in capsys.readouterr().err
    assert (repository.published / "edge/x86_64/3.targets.json").is_file()


def test_a_new_variant_in_the_draft_does_not_stop_the_timer(
    repository: Repository, capsys: Capture
) -> None:
    add_version(repository, "1.1.0", edition=OTHER)
    capsys.readouterr()
    assert main(["refresh", str(repository.folder)]) == 0
    assert "edge aarch64 is not published yet; left out." in capsys.readouterr().err
    assert main(["check-expirations", str(repository.folder)]) == 0


def test_a_monitor_of_nothing_is_told_so(repository: Repository) -> None:
    (repository.folder / "publish.toml").write_text('to = "elsewhere"\n')
    (repository.draft(EDITION).folder / "last-version").unlink()
    assert main(["check-expirations", str(repository.folder)]) == 64


def test_a_monitor_is_content(repository: Repository, url: str, capsys: Capture) -> None:
    capsys.readouterr()
    assert main(["check-expirations", str(repository.folder), url]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("OK edge x86_64: timestamp 1 expires in 6 days") for line in lines)


@pytest.mark.parametrize(("hours", "code"), [(60, 1), (20, 2), (-1, 2)])
def test_a_monitor_is_warned(
    repository: Repository, url: str, now: datetime, hours: int, code: int
) -> None:
    expiring_in(repository, now - timedelta(days=1), snapshot=timedelta(days=1, hours=hours))
    assert main(["check-expirations", str(repository.folder)]) == code
    assert main(["check-expirations", url]) == code


def test_limits_of_a_monitor_can_be_chosen(repository: Repository) -> None:
    home = str(repository.folder)
    assert main(["check-expirations", home, "--warning", "8d"]) == 1
    assert main(["check-expirations", home, "--critical", "8d"]) == 2
    assert main(["check-expirations", home, "--root-warning", "366d"]) == 1


def test_a_monitor_gets_json(repository: Repository, capsys: Capture) -> None:
    capsys.readouterr()
    assert main(["check-expirations", str(repository.folder), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["state"] == "ok"
    assert [each["role"] for each in told["editions"][0]["roles"]] == [
        "root",
        "targets",
        "snapshot",
        "timestamp",
    ]


@pytest.mark.parametrize("name", ["timestamp.json", "1.snapshot.json", "1.root.json"])
def test_what_no_client_would_believe_is_critical(
    repository: Repository, url: str, name: str, capsys: Capture
) -> None:
    path = repository.published / "edge/x86_64" / name
    path.write_text(path.read_text().replace('"version": 1', '"version": 7'))
    capsys.readouterr()
    assert main(["check-expirations", url]) == 2
    assert capsys.readouterr().out.startswith("CRITICAL edge x86_64: ")


def test_a_monitor_follows_the_chain_of_roots(
    repository: Repository, url: str, now: datetime, capsys: Capture
) -> None:
    for _ in range(2):
        repository.renew_root(now=now - timedelta(days=340))
    publish(repository, now=now)
    capsys.readouterr()
    assert main(["check-expirations", url]) == 1
    assert "root 3 expires in 2" in capsys.readouterr().out


def test_a_foreign_repository_is_critical_to_who_knows_the_root(
    repository: Repository, url: str, tmp_path: Path, now: datetime
) -> None:
    other = make(tmp_path / "other", now)
    repository.renew_root(now=now)
    publish(repository, now=now)
    foreign = str(root.history(other.roots)[0].name)
    assert main(["check-expirations", url, "--root", str(other.roots / foreign)]) == 2


def test_a_repository_that_is_gone_is_critical() -> None:
    assert main(["check-expirations", "file:///nowhere/edge/x86_64"]) == 2


def test_a_server_that_does_not_answer_is_unknown_to_a_monitor_and_down_for_metrics(
    capsys: Capture,
) -> None:
    url = f"http://127.0.0.1:{free_port()}/edge/x86_64"
    assert main(["check-expirations", url]) == 69
    capsys.readouterr()
    assert main(["metrics", url]) == 0
    assert 'updog_repo_up{variant="edge",arch="x86_64"} 0' in capsys.readouterr().out


def test_metrics_are_written_in_one_step(repository: Repository, tmp_path: Path) -> None:
    out = tmp_path / "collector" / "updog.prom"
    out.parent.mkdir()
    out.write_text("old")
    inode = out.stat().st_ino
    assert main(["metrics", str(repository.folder), "--out", str(out)]) == 0
    assert out.stat().st_ino != inode
    assert [path.name for path in out.parent.iterdir()] == ["updog.prom"]
    sample = re.compile(r'\w+(\{(\w+="[^"]*",?)*\})? [0-9.e+-]+')
    for line in out.read_text().splitlines():
        assert line.startswith(("# HELP ", "# TYPE ")) or sample.fullmatch(line), line


def test_metrics_of_a_broken_repository_are_no_error(
    repository: Repository, url: str, capsys: Capture
) -> None:
    (repository.published / "edge/x86_64/timestamp.json").unlink()
    capsys.readouterr()
    assert main(["metrics", url]) == 0
    assert 'updog_repo_up{variant="edge",arch="x86_64"} 0' in capsys.readouterr().out
