from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from repo_tools.cli import _as_ours, main
from repo_tools.repository import Repository
from tests.fakes.release_images import make_release
from tests.fakes.repositories import EDITION, make_images

ROOT = Path(__file__).resolve().parents[3]
NAMES = ("--variant", "edge", "--arch", "x86_64", "--version", "1.1.0")
RELEASE_TOML = """
version = "1.1.0"
[migrations]
"(1.0.0, 1.1.0)" = ["migrate_v1.1.0_x.lz4"]
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A repository without updates, named by its folder."""
    assert main(["init", str(tmp_path / "repository")]) == 0
    return tmp_path / "repository"


@pytest.fixture
def drafted(home: Path) -> Path:
    """The same with one update in the draft."""
    assert main(add_update(home)) == 0
    return home


def add_update(home: Path) -> list[str]:
    boot, root, hash_image = map(str, make_images(home.parent / "in", "1.1.0"))
    images = ["-b", boot, "-r", root, "--hash", hash_image]
    return ["add-update", str(home), *NAMES, *images]


def with_migrations(home: Path) -> Path:
    """Release.toml, with the file of the migration beside it."""
    (home.parent / "migrate_v1.1.0_x").write_bytes(b"program")
    release = home.parent / "Release.toml"
    release.write_text(RELEASE_TOML)
    return release


def test_init_prints_the_root_that_devices_need(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", str(tmp_path / "r")]) == 0
    printed = capsys.readouterr()
    assert Path(printed.out.strip()) == tmp_path / "r/root/1.root.json"
    assert "root-*.pem" in printed.err


def test_init_takes_numbers_kinds_and_times(tmp_path: Path) -> None:
    options = ["--key-type", "ecdsa", "--root-keys", "5", "--root-threshold", "3"]
    assert main(["init", str(tmp_path / "r"), *options, "--root-expires", "2 weeks"]) == 0
    signed = json.loads((tmp_path / "r/root/1.root.json").read_bytes())["signed"]
    assert (len(signed["roles"]["root"]["keyids"]), signed["roles"]["root"]["threshold"]) == (5, 3)
    assert {key["keytype"] for key in signed["keys"].values()} == {"ecdsa"}


def test_second_init_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(home)]) == 64
    assert "ever overwritten" in capsys.readouterr().err


def test_impossible_threshold_is_refused(tmp_path: Path) -> None:
    assert main(["init", str(tmp_path / "r"), "--root-threshold", "9"]) == 65
    assert not (tmp_path / "r").exists()


def test_whole_way_to_a_published_update(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commands = [
        add_update(home),
        ["set-migrations", str(home), "--from", str(with_migrations(home))],
        ["set-waves", str(home), *NAMES, "--policy", "default", "--start-at", "in 2 hours"],
        ["set-max-version", str(home), "-v", "1.2.0"],
    ]
    assert [main(command) for command in commands] == [0] * 4
    capsys.readouterr()
    assert main(["publish", str(home)]) == 0
    printed = capsys.readouterr()
    assert printed.out == "edge x86_64 1\n"
    assert "Valid until " in printed.err
    update = Repository.open(home).draft(EDITION).manifest().updates[0]
    assert str(update.max_version) == "1.2.0"
    assert len(update.schedule.waves) == 7


def test_add_update_prints_what_was_added(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(add_update(home)) == 0
    assert capsys.readouterr().out == "edge x86_64 1.1.0\n"


def test_version_may_begin_with_v(home: Path) -> None:
    command = [*add_update(home), "-v", "v1.3.0"]
    assert main(command) == 0
    assert str(Repository.open(home).draft(EDITION).manifest().updates[0].version) == "1.3.0"


def test_remove_update(drafted: Path) -> None:
    assert main(["remove-update", str(drafted), *NAMES]) == 0
    assert Repository.open(drafted).draft(EDITION).manifest().updates == ()


def test_show_lists_the_draft(drafted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["show", str(drafted)]) == 0
    printed = capsys.readouterr()
    assert printed.out == "edge x86_64 1.1.0  max 1.1.0  no waves\n"
    assert "not published yet" in printed.err


def test_waves_from_a_file(drafted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy = drafted.parent / "mine.toml"
    policy.write_text('[[waves]]\nstart_after = "0 hours"\nfleet_percentage = 100\n')
    capsys.readouterr()
    start = ("--start-at", "2031-04-07T09:00:00Z")
    assert main(["set-waves", str(drafted), *NAMES, "--policy", str(policy), *start]) == 0
    assert capsys.readouterr().out == "seed    0  2031-04-07T09:00:00Z\n"


def test_refresh_and_renewed_root(drafted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish", str(drafted)]) == 0
    assert main(["renew-root", str(drafted)]) == 0
    capsys.readouterr()
    assert main(["refresh", str(drafted), "--variant", "edge"]) == 0
    assert capsys.readouterr().out == "edge x86_64 2\n"
    assert (drafted / "published/edge/x86_64/2.root.json").exists()


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (["publish", "{home}", "--variant", "lab"], 64, "no draft for lab"),
        (["publish", "{home}/gone"], 64, "holds no repository"),
        (["set-waves", "{home}", *NAMES, "--policy", "nope"], 64, "no policy file nope"),
        (["set-waves", "{home}", *NAMES, "--policy", "{home}/bad.toml"], 65, "bad.toml"),
        (
            ["set-waves", "{home}", *NAMES, "--policy", "default", "--start-at", "soon"],
            65,
            "soon",
        ),
        (["set-migrations", "{home}", "--from", "{home}/gone.toml"], 64, "gone.toml"),
        (["set-migrations", "{home}", "--from", "{home}/bad.toml"], 65, "migrations"),
        (["publish", "{home}", "--keys", "{home}/elsewhere"], 78, "targets.pem is missing"),
        (["remove-update", "{home}", *NAMES[:4], "-v", "9.9.9"], 64, "9.9.9"),
        (["serve", "{home}", "--host", "203.0.113.1", "--port", "0"], 74, "assign"),
    ],
)
def test_errors_have_a_line_and_a_code(
    drafted: Path, capsys: pytest.CaptureFixture[str], command: list[str], code: int, words: str
) -> None:
    (drafted / "bad.toml").write_text("version = '1.0.0'")
    capsys.readouterr()
    assert main([part.format(home=drafted) for part in command]) == code
    printed = capsys.readouterr()
    assert words in printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["nonsense"],
        ["init"],
        ["init", "d", "--key-type", "dsa"],
        ["add-update", "d"],
        ["publish", "d", "--fast"],
        ["set-max-version", "d", "-v", "one"],
    ],
)
def test_wrong_command_lines_end_with_64(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(command)
    assert caught.value.code == 64
    assert capsys.readouterr().err.startswith("usage: updog-repo")


def test_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("updog-repo ")


@pytest.mark.parametrize(
    "command", ["", "init", "add-update", "set-waves", "publish", "refresh", "serve", "show"]
)
def test_help_is_given(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*command.split(), "--help"])
    assert caught.value.code == 0
    assert "DIR" in capsys.readouterr().out


def test_migration_that_is_not_there_is_named(
    drafted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release = with_migrations(drafted)
    empty = str(drafted / "draft")
    command = ["set-migrations", str(drafted), "-f", str(release), "--migrations-dir", empty]
    assert main(command) == 65
    assert "migrate_v1.1.0_x.lz4" in capsys.readouterr().err


def test_migration_must_be_listed_with_its_suffix(
    drafted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release = with_migrations(drafted)
    release.write_text(RELEASE_TOML.replace(".lz4", ""))
    assert main(["set-migrations", str(drafted), "-f", str(release)]) == 65
    assert "must be listed as migrate_v1.1.0_x.lz4" in capsys.readouterr().err


def test_migration_name_does_not_lead_out_of_its_folder(drafted: Path) -> None:
    release = with_migrations(drafted)
    release.write_text(RELEASE_TOML.replace("migrate_", "sub/../../in/migrate_"))
    assert main(["set-migrations", str(drafted), "-f", str(release)]) == 65


def test_full_disk_is_told_with_a_code(drafted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # A folder in the place of a file stands for whatever the file system may refuse.
    (drafted / "published/edge").write_text("in the way")
    assert main(["publish", str(drafted)]) == 74
    printed = capsys.readouterr()
    assert "published/edge" in printed.err


# Tests that run in the background ignore interruptions, and so does all that they start.
INTERRUPTIBLE = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from repo_tools.cli import main
sys.exit(main(sys.argv[1:]))
"""


def run(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, *arguments],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_serve_gives_files_until_it_is_interrupted(drafted: Path) -> None:
    assert main(["publish", str(drafted)]) == 0
    with run("serve", str(drafted), "--port", "0") as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        with urllib.request.urlopen(f"{url}/edge/x86_64/timestamp.json", timeout=10) as answer:  # noqa: S310
            assert json.load(answer)["signed"]["version"] == 1
        os.kill(server.pid, signal.SIGINT)
        _, said = server.communicate(timeout=10)
    assert server.returncode == 0
    assert said.endswith("Stopped.\n")
    assert "Traceback" not in said


def test_closed_output_is_no_traceback(drafted: Path) -> None:
    with run("show", str(drafted)) as command:
        assert command.stdout is not None
        command.stdout.close()
        assert command.stderr is not None
        said = command.stderr.read()
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/keys"), 77, "/keys: permission"),
        (OSError(errno.ENOSPC, "No space left on device", "/repo"), 74, "/repo: No space left"),
        (OSError("odd"), 74, "The system: odd"),
        (RuntimeError("cannot be"), 70, "RuntimeError: cannot be"),
    ],
)
def test_every_exception_has_a_place_in_the_tree(error: Exception, code: int, words: str) -> None:
    ours = _as_ours(error)
    assert ours.exit_code == code
    assert words in str(ours)


def test_our_own_mistake_tells_where_it_happened() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        _ = 1 // 0
    assert "test_cli.py:" in str(_as_ours(caught.value))


@pytest.mark.parametrize("port", ["80000", "-1", "http"])
def test_a_port_that_is_none_is_a_usage_error(tmp_path: Path, port: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["serve", str(tmp_path), f"--port={port}"])
    assert caught.value.code == 64


def release_images(folder: Path, version: str) -> list[str]:
    made = make_release(folder, version)
    flags = ["-b", str(made.boot), "-r", str(made.root), "--hash", str(made.hash), "--unchecked"]
    return ["--variant", "edge", "--arch", "x86_64", "--version", version, *flags]


def test_add_update_makes_maps_and_deltas(home: Path, tmp_path: Path) -> None:
    add = ["add-update", str(home)]
    assert main([*add, *release_images(tmp_path / "in", "1.1.0")]) == 0
    assert main([*add, *release_images(tmp_path / "in", "1.2.0"), "--delta-from", "1.1.0"]) == 0
    kinds = [
        name.rpartition(".")[2] for name in Repository.open(home).draft(EDITION).shortcuts.noted()
    ]
    assert kinds.count("blockmap") == 6
    assert kinds.count("delta") >= 2


def test_add_update_makes_zstd_images_without_maps(home: Path, tmp_path: Path) -> None:
    flags = ["--format", "zstd", "--no-blockmap"]
    assert main(["add-update", str(home), *release_images(tmp_path / "in", "1.1.0"), *flags]) == 0
    draft = Repository.open(home).draft(EDITION)
    assert {Path(name).suffix for name in draft.staged()} == {".zst"}
    assert draft.shortcuts.noted() == {}


def test_make_delta_prints_names_and_lengths(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for version in ("1.1.0", "1.2.0"):
        assert main(["add-update", str(home), *release_images(tmp_path / "in", version)]) == 0
    old = make_release(tmp_path / "in", "1.1.0")
    names = ("--variant", "edge", "--arch", "x86_64", "--version", "1.2.0")
    capsys.readouterr()
    before = sorted(home.rglob("*"))
    assert main(["make-delta", str(home), *names, "--from", "1.1.0", "--dry-run"]) == 0
    assert "Would make a delta to" in capsys.readouterr().err
    assert sorted(home.rglob("*")) == before
    assert main(["make-delta", str(home), *names, "--from", "1.1.0"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert main(["make-delta", str(home), *names, "--from-images", *map(str, old.paths)]) == 0
    assert capsys.readouterr().out.splitlines() == printed
    noted = Repository.open(home).draft(EDITION).shortcuts.noted()
    assert all(noted[line.split()[0]].length == int(line.split()[1]) for line in printed)


def test_make_delta_needs_exactly_one_kind_of_base(home: Path) -> None:
    for bases in ([], ["--from", "1.0.0", "--from-images", "b", "r", "h"]):
        with pytest.raises(SystemExit) as ended:
            main(["make-delta", str(home), *NAMES, *bases])
        assert ended.value.code == 64


def test_a_reader_that_has_seen_enough_ends_it_in_silence() -> None:
    words = [sys.executable, "-m", "repo_tools.cli", "waves", "show", "default"]
    read, write = os.pipe()
    os.close(read)
    try:
        ended = subprocess.run(words, stdout=write, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(write)
    assert (ended.returncode, ended.stderr) == (141, b"")


def test_taken_port_is_named_with_what_to_do(
    drafted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", str(drafted), "--port", str(port)]) == 74
    told = capsys.readouterr().err
    assert f"Cannot listen on 127.0.0.1 port {port}: Address already in use." in told
    assert "Choose another --port" in told


def test_address_of_another_machine_is_named(
    drafted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", str(drafted), "--host", "192.0.2.1", "--port", "0"]) == 74
    told = capsys.readouterr().err
    assert "Cannot listen on 192.0.2.1 port 0: " in told
    assert "--host" in told


def test_release_toml_that_is_not_there_is_a_wrong_command_line(
    drafted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["set-migrations", str(drafted), "--from", "nofile"]) == 64
    assert "There is no file nofile." in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", [["remove-update"], ["set-waves", "--policy", "default"], ["release", "remove"]]
)
def test_release_that_is_not_drafted_is_told_with_those_that_are(
    drafted: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    names = ["--variant", "edge", "--arch", "x86_64", "-v", "9.9.9"]
    assert main([*command, str(drafted), *names]) == 64
    told = capsys.readouterr().err
    assert "The draft has no update for edge x86_64 9.9.9, so nothing was changed." in told
    assert "It has: edge x86_64 1.1.0. See all with: updog-repo show DIR" in told


def test_set_max_version_says_whom_it_calls_back(
    drafted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["set-max-version", str(drafted), "-v", "1.5.0"]) == 0
    told = capsys.readouterr().err
    assert "edge x86_64: the highest version for hosts is 1.5.0; not published yet." in told
    assert "go back" not in told
    assert main(["set-max-version", str(drafted), "-v", "1.0.0"]) == 0
    assert "1.1.0 is above it, so hosts that run it will go back." in capsys.readouterr().err


def test_withdrawal_of_what_was_never_published_names_the_other_command(
    drafted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["release", "withdraw", str(drafted), *NAMES]) == 64
    told = capsys.readouterr().err
    assert "not published yet" in told
    assert "updog-repo release remove" in told
