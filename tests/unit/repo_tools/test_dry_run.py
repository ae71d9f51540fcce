"""``--dry-run``: on all that writes a repository, a root, a key or a disk; nothing is written."""

from __future__ import annotations

import argparse
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from repo_tools import arguments
from repo_tools.cli import main
from tests.fakes.elf import module_tree
from tests.fakes.release_images import make_release

RELEASE = """
version = "1.2.0"
[migrations]
"(1.0.0, 1.1.0)" = []
"(1.1.0, 1.2.0)" = []
"""
EDITION = "--variant edge --arch x86_64"
NAMES = f"{EDITION} -v 1.2.0"
IMAGES = "-b in/os-1.3.0-boot -r in/os-1.3.0-root --hash in/os-1.3.0-verity"
NEW = f"{EDITION} -v 1.3.0 {IMAGES} --unchecked"

# What each command that writes is given in the folder that `place` makes.
WRITING = {
    "init": "fresh",
    "renew-root": "repo",
    "add-update": f"repo {NEW}",
    "remove-update": f"repo {NAMES}",
    "set-waves": f"repo {NAMES} --policy emergency",
    "set-max-version": "repo -v 1.5.0",
    "set-migrations": "repo --from Other.toml",
    "disk-image": f"disk.img {IMAGES}",
    "make-delta": f"repo {NAMES} --from 1.1.0",
    "publish": "repo",
    "refresh": "repo",
    "release add": f"repo {NEW}",
    "release remove": f"repo {NAMES}",
    "release max-version": "repo -v 1.5.0 --variant edge",
    "release withdraw": f"repo {NAMES}",
    "rollout pause": f"repo {NAMES} --yes --fleet 100",
    "rollout resume": f"paused {NAMES} --yes --fleet 100",
    "rollout extend": f"repo {NAMES} --yes --fleet 100 --factor 2",
    "rollout expedite": f"repo {NAMES} --yes --fleet 100 --factor 0.5",
    "rollout halt": f"repo {NAMES} --yes --fleet 100",
    "root init": "first.json",
    "root rotate": "next.json --last repo",
    "root add-key": "draft.json timestamp key.pem",
    "root remove-key": "draft.json root repo/keys/root-3.pem",
    "root threshold": "draft.json root 3",
    "root expire": "draft.json '500 days'",
    "root sign": "draft.json --key repo/keys/root-1.pem --last repo --yes",
    "root merge": "draft.json signed.json",
    "root accept": "repo signed.json",
    "key new": "new/key.pem",
    "bootstage build": "stage.img --kernel-modules modules --compression none",
}
# What only reads. Some can write what they found to a file that a flag names; that is asked for.
READING = {
    *("show", "serve", "validate", "reachability", "check-expirations", "metrics", "fleet"),
    *("waves lint", "waves show", "waves simulate", "root show", "root diff", "key public"),
}


def leaves(parser: argparse.ArgumentParser, word: str = "") -> Iterator[tuple[str, bool]]:
    """Every command, and whether it has ``--dry-run``."""
    below = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
    if not below:
        yield word.strip(), "--dry-run" in parser._option_string_actions
    for action in below:
        for name, child in action.choices.items():
            yield from leaves(child, f"{word} {name}")


def run(line: str) -> None:
    assert main(shlex.split(line)) == 0, line


def seen(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file and folder, with times, so that nothing is written again unseen."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mode,
            path.stat().st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in folder.rglob("*")
    }


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Something for every command to change."""
    home = tmp_path_factory.mktemp("model")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        for version in ("1.1.0", "1.2.0", "1.3.0"):
            make_release(Path("in"), version)
        Path("Release.toml").write_text(RELEASE)
        Path("Other.toml").write_text(RELEASE + '"(1.0.0, 1.2.0)" = []\n')
        module_tree(Path("modules"), {"dm-verity": ""})
        run("init repo")
        for version in ("1.1.0", "1.2.0"):
            run(f"add-update repo {EDITION} -v {version} {IMAGES.replace('1.3.0', version)}")
        run("set-migrations repo --from Release.toml")
        run(f"set-waves repo {NAMES} --policy default --start-at 'in 2 hours'")
        run("publish repo")
        shutil.copytree("repo", "paused")
        run(f"rollout pause paused {NAMES} --yes --fleet 100")
        run("key new key.pem")
        run("root rotate draft.json --last repo")
        shutil.copy("draft.json", "signed.json")
        for number in (1, 2):
            run(f"root sign signed.json --key repo/keys/root-{number}.pem --last repo --yes")
    return home


@pytest.fixture
def place(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, in which the commands are run."""
    home = tmp_path / "place"
    shutil.copytree(model, home)
    monkeypatch.chdir(home)
    return home


def test_every_command_that_writes_has_it_and_no_other() -> None:
    there = dict(leaves(arguments.parser()))
    assert {word for word, has in there.items() if has} == set(WRITING)
    assert {word for word, has in there.items() if not has} == READING


@pytest.mark.parametrize("command", WRITING)
def test_nothing_is_written(place: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    line = f"{command} {WRITING[command]}"
    before = seen(place)
    run(f"{line} --dry-run")
    assert seen(place) == before
    assert "Nothing was written." in capsys.readouterr().err
    run(line)
    assert seen(place) != before, "there was nothing to rehearse"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("init repo", 64),
        ("init fresh --root-threshold 9", 65),
        ("renew-root repo --keys in", 78),
        ("disk-image Release.toml " + IMAGES, 75),
        ("disk-image nowhere/disk.img " + IMAGES, 74),
        ("disk-image disk.img -b in/gone -r in/gone --hash in/gone", 65),
        ("root init draft.json", 64),
        ("root remove-key draft.json root key.pem", 78),
        ("root sign draft.json --key key.pem --last repo --yes", 78),
        ("root accept repo draft.json", 65),
        ("key new key.pem", 64),
    ],
)
def test_what_is_wrong_is_found_as_it_would_be(place: Path, line: str, code: int) -> None:
    before = seen(place)
    assert main([*shlex.split(line), "--dry-run"]) == code
    assert main(shlex.split(line)) == code
    assert {name: kept[2] for name, kept in seen(place).items() if name != "lock"} == {
        name: kept[2] for name, kept in before.items() if name != "lock"
    }
