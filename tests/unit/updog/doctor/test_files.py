from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from updog.doctor.check import Verdict
from updog.doctor.files import configuration, identity, permissions
from updog.settings import Paths, Settings

URLS = 'metadata_base_url = "https://a.example/m"\ntargets_base_url = "https://a.example/t"\n'


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    made = Paths(
        state_dir=tmp_path / "state",
        lock=tmp_path / "run/lock",
        trusted_root=tmp_path / "root.json",
        os_release=tmp_path / "os-release",
        migrations_dir=tmp_path / "migrations",
        metadata_cache_dir=tmp_path / "metadata",
    )
    made.trusted_root.write_text("{}")
    return made


def of(paths: Paths, name: str) -> list[tuple[Verdict, str]]:
    return [(one.verdict, one.said) for one in permissions(paths) if one.name == name]


def test_every_file_that_was_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "updog.toml").write_text(URLS)
    (tmp_path / "updog.d").mkdir()
    for name in ("b.toml", "a.toml", ".hidden.toml", "notes.txt"):
        (tmp_path / "updog.d" / name).write_text("")
    check, settings = configuration(tmp_path / "updog.toml")
    files = ("updog.toml", "updog.d/a.toml", "updog.d/b.toml")
    assert check.said == "read from " + ", ".join(str(tmp_path / name) for name in files)
    assert settings is not None


def test_what_will_be_made_is_not_made(paths: Paths, tmp_path: Path) -> None:
    assert all(verdict is Verdict.OK for verdict, _ in of(paths, "permissions"))
    assert [path.name for path in tmp_path.iterdir()] == ["root.json"]


def test_a_file_where_a_directory_has_to_be_fails(paths: Paths) -> None:
    paths.state_dir.write_text("")
    (verdict, said), *_ = of(paths, "permissions")
    assert verdict is Verdict.FAIL
    assert str(paths.state_dir) in said


def test_a_directory_that_everybody_can_write_is_a_warning(paths: Paths) -> None:
    paths.state_dir.mkdir()
    paths.state_dir.chmod(0o777)
    assert of(paths, "permissions")[0][0] is Verdict.WARN


@pytest.mark.parametrize(
    ("mode", "verdict"), [(0o644, Verdict.OK), (0o664, Verdict.WARN), (0o646, Verdict.FAIL)]
)
def test_who_can_write_the_root_decides(paths: Paths, mode: int, verdict: Verdict) -> None:
    paths.trusted_root.chmod(mode)
    assert of(paths, "trusted root")[0][0] is verdict


def test_a_missing_root_is_a_matter_of_configuration(paths: Paths) -> None:
    paths.trusted_root.unlink()
    (check,) = (one for one in permissions(paths) if one.name == "trusted root")
    assert (check.verdict, check.exit_code) == (Verdict.FAIL, 78)


def test_a_held_lock_names_its_process_and_stays_held(paths: Paths) -> None:
    paths.lock.parent.mkdir()
    paths.lock.touch()
    descriptor = os.open(paths.lock, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        ((verdict, said),) = of(paths, "lock")
    finally:
        os.close(descriptor)
    assert verdict is Verdict.WARN
    assert f"held by process {os.getpid()}" in said


def test_a_free_lock_is_free(paths: Paths) -> None:
    paths.lock.parent.mkdir()
    paths.lock.touch()
    assert of(paths, "lock") == [(Verdict.OK, f"{paths.lock} is free")]


def test_a_link_in_place_of_the_lock_fails(paths: Paths) -> None:
    paths.lock.parent.mkdir()
    paths.lock.symlink_to("/dev/null")
    assert of(paths, "lock")[0][0] is Verdict.FAIL


def test_no_seed_is_drawn_to_tell_who_we_are(paths: Paths) -> None:
    paths.os_release.write_text("VERSION_ID=1.2.3\nVARIANT_ID=edge\n")
    check = identity(Settings("https://a/m", "https://a/t", paths=paths))
    assert check.said.startswith("edge 1.2.3 on ")
    assert check.said.endswith("seed not drawn yet")
    assert not paths.seed.exists()


def test_a_missing_os_release_is_said(paths: Paths) -> None:
    check = identity(Settings("https://a/m", "https://a/t", paths=paths))
    assert (check.verdict, check.exit_code) == (Verdict.FAIL, 78)
