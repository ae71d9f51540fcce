from __future__ import annotations

import platform
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from updog.errors import ConfigError
from updog.host import host_seed, parse_os_release, read_host, read_identity
from updog.settings import Paths, Settings
from updog.version import Version

OS_RELEASE = 'NAME=Example\nVERSION_ID=1.2.3\nVARIANT_ID="edge-gw"\n'


def settings_in(folder: Path, seed: int | None = None) -> Settings:
    paths = Paths(state_dir=folder / "state", os_release=folder / "os-release")
    return Settings("http://host/m", "http://host/t", seed=seed, paths=paths)


def no_draw(_count: int) -> bytes:
    raise AssertionError("nothing may be drawn here")


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("VERSION_ID=1.2.3", "1.2.3"),
        ('VERSION_ID="1.2.3"', "1.2.3"),
        ("VERSION_ID='1.2.3'", "1.2.3"),
        ("  VERSION_ID=1.2.3  ", "1.2.3"),
        ('VERSION_ID="a b"', "a b"),
        (r'VERSION_ID="a\"b"', 'a"b'),
        ("VERSION_ID=", ""),
        ('VERSION_ID="1.2.3', '"1.2.3'),
        ("VERSION_ID=1=2", "1=2"),
    ],
)
def test_os_release_values_are_unquoted_as_by_the_shell(line: str, value: str) -> None:
    assert parse_os_release(line)["VERSION_ID"] == value


@pytest.mark.parametrize("line", ["", "# VERSION_ID=1", "no assignment", "lower=1", "A B=1", "=1"])
def test_other_lines_of_os_release_are_passed_over(line: str) -> None:
    assert parse_os_release(line) == {}


def test_the_last_of_equal_names_wins() -> None:
    assert parse_os_release("A=1\nA=2")["A"] == "2"


def test_identity_is_version_and_variant(tmp_path: Path) -> None:
    (tmp_path / "os-release").write_text(OS_RELEASE)
    assert read_identity(tmp_path / "os-release") == (Version.parse("1.2.3"), "edge-gw")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("VARIANT_ID=x", "has no VERSION_ID"),
        ("VERSION_ID=1.2.3", "has no VARIANT_ID"),
        ("VERSION_ID=1.2.3\nVARIANT_ID=", "has no VARIANT_ID"),
        ("VERSION_ID=12\nVARIANT_ID=x", "VERSION_ID '12' is not a semantic version"),
        ("VERSION_ID=1.2.3\nVARIANT_ID=x\n#" + "x" * 70_000, "longer than"),
    ],
)
def test_an_os_release_without_identity_is_refused(
    tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "os-release").write_text(content)
    with pytest.raises(ConfigError, match=message):
        read_identity(tmp_path / "os-release")


def test_a_missing_os_release_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no"):
        read_identity(tmp_path / "os-release")


def test_the_configured_seed_wins_and_nothing_is_drawn(tmp_path: Path) -> None:
    (tmp_path / "os-release").write_text(OS_RELEASE)
    host = read_host(settings_in(tmp_path, seed=7), draw=no_draw)
    assert (host.variant, host.arch, host.seed) == ("edge-gw", platform.machine(), 7)
    assert not (tmp_path / "state").exists()


def test_another_variant_and_architecture_can_be_asked_for(tmp_path: Path) -> None:
    (tmp_path / "os-release").write_text(OS_RELEASE)
    host = read_host(settings_in(tmp_path, seed=7), variant="other", arch="riscv64")
    assert (host.variant, host.arch) == ("other", "riscv64")


def test_a_seed_is_drawn_once_and_kept(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    assert host_seed(settings, lambda _count: b"\x0f\xff") == 2047
    assert host_seed(settings, no_draw) == 2047
    assert (tmp_path / "state" / "seed").read_text() == "2047\n"


@pytest.mark.parametrize("content", ["", "x", "-1", "2048", "1.5", "\0\0\0\0", "99999999"])
def test_a_damaged_seed_is_drawn_anew(tmp_path: Path, content: str) -> None:
    settings = settings_in(tmp_path)
    settings.paths.state_dir.mkdir()
    settings.paths.seed.write_text(content)
    assert host_seed(settings, lambda _count: b"\0\x05") == 5
    assert host_seed(settings, no_draw) == 5


def test_each_seed_is_drawn_equally_often(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    drawn = []
    for value in range(0, 65536, 97):
        settings.paths.seed.unlink(missing_ok=True)
        drawn.append(host_seed(settings, lambda _count, value=value: value.to_bytes(2)))  # type: ignore[misc]
    assert drawn == [value % 2048 for value in range(0, 65536, 97)]


def test_first_runs_at_once_agree_on_one_seed(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        seeds = set(pool.map(lambda _: host_seed(settings), range(32)))
    assert len(seeds) == 1


def test_no_draft_of_a_seed_is_left_behind(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    host_seed(settings)
    assert [path.name for path in settings.paths.state_dir.iterdir()] == ["seed"]
