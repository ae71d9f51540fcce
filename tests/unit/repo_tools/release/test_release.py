"""Releases of real images: what is wrong with them is found before they get into a draft."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.os_images import Recipe, Release, build_release
from repo_tools import cli
from repo_tools.draft import Edition
from repo_tools.errors import ImageError
from repo_tools.findings import Level
from repo_tools.release.add import Claims, add, look
from repo_tools.release.room import parse_layout
from repo_tools.repository import NewUpdate, Repository
from tests.fakes.repositories import new_repository
from updog.errors import UsageError
from updog.version import Version

EDITION = Edition("edge", "x86_64")


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return _build(tmp_path_factory.mktemp("build") / "1.1.0", "1.1.0")


@pytest.fixture
def release(build: Release, tmp_path: Path) -> Release:
    """A copy that a test may damage."""
    folder = shutil.copytree(build.root.parent, tmp_path / "copy")
    return with_files(build, lambda path: folder / path.name)


def with_files(release: Release, other: Callable[[Path], Path]) -> Release:
    """The release with other image files."""
    boot, root, tree = map(other, (release.boot, release.root, release.hash))
    return replace(release, boot=boot, root=root, hash=tree)


def _build(folder: Path, version: str) -> Release:
    return build_release(folder, Recipe(version, 1, variant="edge", arch="x86_64"))


def _new(release: Release, version: str = "1.1.0") -> NewUpdate:
    return NewUpdate(EDITION, Version.parse(version), release.boot, release.root, release.hash)


def errors(release: Release, claims: Claims | None = None, version: str = "1.1.0") -> str:
    return "\n".join(map(str, look(_new(release, version), claims).errors))


def test_a_real_release_is_found_well(release: Release) -> None:
    claims = Claims(release.root_hash, parse_layout("bottlerocket"))
    assert look(_new(release), claims).findings == ()


def test_compressed_images_are_looked_into(release: Release) -> None:
    for path in (release.boot, release.root, release.hash):
        subprocess.run(["lz4", "-q", "-9", path, f"{path}.lz4"], check=True)
    packed = with_files(release, lambda path: Path(f"{path}.lz4"))
    assert look(_new(packed)).findings == ()


def test_a_root_that_differs_in_one_bit_from_its_tree_is_refused(release: Release) -> None:
    _flip(release.root, 3 * 4096 + 5)
    assert "it is not the root image of its hash tree" in errors(release)


def test_a_damaged_tree_is_refused(release: Release) -> None:
    _flip(release.hash, 4096 + 7)
    assert "it is not the root image of its hash tree" in errors(release)


def test_boot_and_root_in_each_others_place_are_found(release: Release) -> None:
    swapped = replace(release, boot=release.root, root=release.boot)
    assert "boot and root were given in each other's place" in errors(swapped)


@pytest.mark.parametrize(
    ("magic", "at", "kind"), [(b"hsqs", 0, "squashfs"), (b"\xe2\xe1\xf5\xe0", 1024, "erofs")]
)
def test_an_os_release_that_a_packed_root_hides_is_said_not_to_be_looked_at(
    release: Release, magic: bytes, at: int, kind: str
) -> None:
    release.root.write_bytes(bytes(at) + magic + bytes(8192))
    notes = [found for found in look(_new(release)).findings if found.level is Level.NOTE]
    assert [note.check for note in notes] == ["os-release"]
    assert f"its os-release was not looked at: {kind} " in notes[0].what


def test_an_os_release_that_is_seen_needs_no_note(release: Release) -> None:
    assert all(found.level is not Level.NOTE for found in look(_new(release)).findings)


def test_the_tree_in_the_place_of_the_root_is_found(release: Release) -> None:
    swapped = replace(release, hash=release.root, root=release.hash)
    assert "this is a dm-verity tree, not a root image" in errors(swapped)
    assert "a hash image cannot be ext4" in errors(swapped)


def test_a_boot_image_of_another_release_is_refused(release: Release, tmp_path: Path) -> None:
    other = build_release(
        tmp_path / "other", Recipe("1.1.0", 1, skip=3, variant="edge", arch="x86_64")
    )
    assert "it accepts the root hash" in errors(replace(release, boot=other.boot))


def test_a_boot_image_without_any_root_hash_is_doubted(release: Release) -> None:
    release.boot.write_bytes(release.boot.read_bytes().replace(release.root_hash.encode(), b""))
    found = look(_new(release)).findings
    assert [finding.check for finding in found if finding.level is Level.WARNING] == ["root-hash"]


def test_another_root_hash_than_the_build_told_is_refused(release: Release) -> None:
    assert "but the build says" in errors(release, Claims("ab" * 32))


def test_an_image_larger_than_its_partition_is_refused(release: Release) -> None:
    room = parse_layout("boot=1,root=400,hash=10")
    assert "do not fit the boot partition of 1048576 bytes" in errors(release, Claims(room=room))


def test_an_image_that_was_cut_is_refused(release: Release) -> None:
    with release.boot.open("r+b") as file:
        file.truncate(1 << 20)
    assert "it was cut short" in errors(release)


def test_a_root_that_ends_before_its_tree_is_refused(release: Release) -> None:
    with release.root.open("r+b") as file:
        file.truncate(1 << 20)
    assert "ends after 1048576 bytes" in errors(release)


def test_another_version_in_the_os_release_is_refused(release: Release) -> None:
    assert "its os-release says edge 1.1.0, not edge 1.2.0" in errors(
        with_files(release, _renamed), version="1.2.0"
    )


def test_another_version_in_the_names_is_refused(release: Release) -> None:
    assert "by its name it belongs to edge x86_64 1.1.0, not to edge x86_64 1.2.0" in errors(
        release, version="1.2.0"
    )


@pytest.mark.parametrize("part", ["boot", "root", "hash"])
def test_a_cut_frame_is_one_finding_and_no_crash(release: Release, part: str) -> None:
    path: Path = getattr(release, part)
    packed = Path(f"{path}.lz4")
    subprocess.run(["lz4", "-q", path, packed], check=True)
    packed.write_bytes(packed.read_bytes()[:-9])
    cut = with_files(release, lambda image: packed if image == path else image)
    assert "ends in the middle of its LZ4 frame" in errors(cut)


def test_images_of_unknown_kinds_are_only_doubted(tmp_path: Path) -> None:
    boot, root, tree = (tmp_path / name for name in ("a", "b", "c"))
    for path in (boot, root, tree):
        path.write_bytes(path.name.encode() * 5000)
    found = look(NewUpdate(EDITION, Version.parse("1.0.0"), boot, root, tree)).findings
    assert {finding.level for finding in found} == {Level.WARNING}


def test_a_bad_release_never_gets_into_the_draft(release: Release, tmp_path: Path) -> None:
    _flip(release.root, 9000)
    repository = new_repository(tmp_path / "repository")
    with pytest.raises(ImageError, match="cannot be a release"):
        add(repository, look(_new(release)))
    assert repository.draft(EDITION).manifest().updates == ()
    assert not repository.draft(EDITION).targets.exists()


def test_unchecked_adds_it_all_the_same(release: Release, tmp_path: Path) -> None:
    _flip(release.root, 9000)
    repository = new_repository(tmp_path / "repository")
    assert add(repository, look(_new(release)), unchecked=True).version == Version.parse("1.1.0")


def test_an_image_that_did_not_change_is_there_once(release: Release, tmp_path: Path) -> None:
    repository = new_repository(tmp_path / "repository")
    add(repository, look(_new(release)))
    same = with_files(release, _renamed)
    add(repository, look(_new(same, "1.2.0")), unchecked=True)
    inodes = [path.stat().st_ino for path in repository.draft(EDITION).targets.iterdir()]
    assert (len(inodes), len(set(inodes))) == (6, 3)


Run = Callable[..., int]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return new_repository(tmp_path / "repository").folder


def test_a_folder_of_artefacts_names_the_release(
    home: Path, release: Release, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["release", "add", str(home), "--from-dir", str(release.root.parent)]) == 0
    assert capsys.readouterr().out == "edge x86_64 1.1.0\n"


def test_a_folder_of_two_releases_asks_which(
    home: Path, release: Release, capsys: pytest.CaptureFixture[str]
) -> None:
    for part in ("boot", "root", "hash"):
        path: Path = getattr(release, part)
        shutil.copyfile(path, path.with_name(path.name.replace("1.1.0", "1.2.0")))
    assert cli.main(["release", "add", str(home), "--from-dir", str(release.root.parent)]) == 64
    assert "edge x86_64 1.1.0; edge x86_64 1.2.0" in capsys.readouterr().err


def test_a_folder_without_an_image_says_which_is_missing(
    home: Path, release: Release, capsys: pytest.CaptureFixture[str]
) -> None:
    release.hash.unlink()
    assert cli.main(["release", "add", str(home), "--from-dir", str(release.root.parent)]) == 64
    assert "has no hash image of edge x86_64 1.1.0" in capsys.readouterr().err


def test_a_dry_run_looks_and_writes_nothing(home: Path, release: Release) -> None:
    before = _tree(home)
    folder = str(release.root.parent)
    assert cli.main(["release", "add", str(home), "--from-dir", folder, "--dry-run"]) == 0
    assert _tree(home) == before


def test_a_dry_run_finds_what_is_wrong(home: Path, release: Release) -> None:
    _flip(release.root, 9000)
    folder = str(release.root.parent)
    assert cli.main(["release", "add", str(home), "--from-dir", folder, "--dry-run"]) == 65


def test_add_update_has_the_same_checks(home: Path, release: Release) -> None:
    _flip(release.root, 9000)
    command = ["add-update", str(home), "--variant", "edge", "-a", "x86_64", "-v", "1.1.0"]
    images = ["-b", str(release.boot), "-r", str(release.root), "--hash", str(release.hash)]
    assert cli.main([*command, *images]) == 65
    assert cli.main([*command, *images, "--unchecked"]) == 0


def test_migrations_come_with_the_release(home: Path, release: Release, tmp_path: Path) -> None:
    toml = tmp_path / "Release.toml"
    toml.write_text('version = "1.1.0"\n[migrations]\n"(1.0.0, 1.1.0)" = []\n')
    folder = str(release.root.parent)
    command = ["release", "add", str(home), "--from-dir", folder, "--migrations", str(toml)]
    assert cli.main(command) == 0
    drafted = Repository.open(home).draft(EDITION).manifest()
    assert len(drafted.migrations) == 1


def test_a_release_that_no_migration_leads_to_is_refused(
    home: Path, release: Release, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["release", "add", str(home), "--from-dir", str(release.root.parent)])
    newer = _build(tmp_path / "1.2.0", "1.2.0")
    toml = tmp_path / "Release.toml"
    toml.write_text('version = "1.2.0"\n[migrations]\n"(1.0.0, 1.2.0)" = []\n')
    command = ["release", "add", str(home), "--from-dir", str(newer.root.parent)]
    assert cli.main([*command, "--migrations", str(toml)]) == 65
    assert "from 1.1.0 to 1.2.0" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "boot=1", "boot=1,root=2,hash=x", "boot=1,root=2,root=3"])
def test_a_layout_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a layout"):
        parse_layout(text)


def test_upstreams_layout_is_that_of_its_disks() -> None:
    assert sorted(parse_layout("bottlerocket:4").sizes.values()) == [20 << 20, 80 << 20, 1840 << 20]


def _flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def _renamed(path: Path) -> Path:
    """The image under a name that says nothing."""
    return Path(shutil.copyfile(path, path.with_name(f"plain.{path.suffix}{path.stem[-4:]}")))


def _tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "lock"
    }
