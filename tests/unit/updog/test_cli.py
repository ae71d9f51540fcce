from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from partitions.bootflags import BootFlags
from partitions.layout import Slot
from tests.fakes.api_service import make_world
from tests.fakes.client_world import V2, V3, FileWorld, held_until, later, release
from tests.fakes.two_sets import RAW
from updog import arguments
from updog.cli import COMMANDS, main
from updog.ended import Terminated
from updog.lock import RunLock
from updog.manifest import update_as_json

ROOT = Path(__file__).parents[3]
CONFIRMED = BootFlags(1, 0, successful=True)
STAGED = {Slot.A: CONFIRMED, Slot.B: BootFlags(0, 1)}
ACTIVATED = {Slot.A: CONFIRMED, Slot.B: BootFlags(2, 1)}
OFFLINE = ("status", "update-apply", "update-revert", "rollback", "mark-successful")

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def world(tmp_path: Path) -> FileWorld:
    return make_world(tmp_path)


def offer_nothing_yet(world: FileWorld) -> None:
    world.client.offer(release(V2, held_until(later(hours=5))))
    world.save()


def run(world: FileWorld, *words: str) -> int:
    return main(["--config", str(world.config), *words])


def run_process(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "updog", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


# check-update -------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["check-update", "whats"])
def test_check_prints_variant_and_version(world: FileWorld, capsys: Capture, command: str) -> None:
    assert run(world, command) == 0
    assert capsys.readouterr() == ("edge-gw 1.2.0\n", "")


def test_check_as_json_is_one_update(world: FileWorld, capsys: Capture) -> None:
    assert run(world, "check-update", "--json") == 0
    out = capsys.readouterr().out
    assert out == json.dumps(update_as_json(release(V3)), indent=2) + "\n"


def test_check_all_lists_the_highest_first(world: FileWorld, capsys: Capture) -> None:
    assert run(world, "whats", "-a") == 0
    assert capsys.readouterr() == ("edge-gw 1.2.0\nedge-gw 1.1.0\n", "")


def test_check_all_as_json_is_an_array(world: FileWorld, capsys: Capture) -> None:
    assert run(world, "whats", "--all", "--json") == 0
    assert [each["version"] for each in json.loads(capsys.readouterr().out)] == ["1.2.0", "1.1.0"]


def test_check_all_without_any_is_empty_and_fine(world: FileWorld, capsys: Capture) -> None:
    offer_nothing_yet(world)
    assert run(world, "whats", "--all") == 0
    assert run(world, "whats", "--all", "--json") == 0
    assert capsys.readouterr() == ("[]\n", "")


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_nothing_available_is_exit_1_with_reason_and_time(
    world: FileWorld, capsys: Capture, flags: tuple[str, ...]
) -> None:
    offer_nothing_yet(world)
    assert run(world, "check-update", *flags) == 1
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[0] == "No update available"
    assert lines[1].startswith("Reason: 1.1.0 is held back by its waves")
    assert lines[2] == "Ready at: 2031-04-07T14:00:00Z"


@pytest.mark.parametrize("flag", ["-n", "--now", "--ignore-waves"])
def test_waves_can_be_ignored(world: FileWorld, capsys: Capture, flag: str) -> None:
    offer_nothing_yet(world)
    assert run(world, "check-update", flag) == 0
    assert capsys.readouterr().out == "edge-gw 1.1.0\n"


def test_an_image_can_be_asked_for(world: FileWorld, capsys: Capture) -> None:
    assert run(world, "check-update", "--image", "1.1.0") == 0
    assert capsys.readouterr().out == "edge-gw 1.1.0\n"


def test_another_variant_can_be_asked_for(world: FileWorld, capsys: Capture) -> None:
    assert run(world, "check-update", "--variant", "other") == 1
    assert "no update for other" in capsys.readouterr().err


def test_quiet_leaves_only_results(world: FileWorld, capsys: Capture) -> None:
    offer_nothing_yet(world)
    assert run(world, "check-update", "--quiet") == 1
    assert capsys.readouterr() == ("", "")


# update -------------------------------------------------------------------------------------------


def test_update_writes_activates_and_says_so(world: FileWorld, capsys: Capture) -> None:
    assert run(world, "update") == 0
    out, err = capsys.readouterr()
    assert out == "Update applied: edge-gw 1.2.0\n"
    started, moved = err.splitlines()
    assert started == "Starting update to 1.2.0"
    assert re.fullmatch(r"[\d.]+ MB fetched, [\d.]+ MB reused, [\d.]+ MB written", moved)
    assert world.bits() == ACTIVATED
    place = world.client.machine.places["root"]
    assert world.disk.read_bytes()[place.start :].startswith(RAW["root"])
    assert not world.rebooted


def test_an_update_that_stands_already_says_so(world: FileWorld, capsys: Capture) -> None:
    assert run(world, "update-image") == 0
    before = world.disk.read_bytes()
    capsys.readouterr()
    assert run(world, "update-image") == 0
    out, err = capsys.readouterr()
    assert out == "Update applied: edge-gw 1.2.0\n"
    assert err == "1.2.0 stands whole on the other set already; nothing was written.\n"
    assert world.disk.read_bytes() == before
    assert run(world, "update") == 0
    assert world.bits() == ACTIVATED


def test_update_as_json_is_the_update(world: FileWorld, capsys: Capture) -> None:
    assert run(world, "update", "--json") == 0
    assert json.loads(capsys.readouterr().out) == update_as_json(release(V3))


def test_update_can_reboot(world: FileWorld) -> None:
    assert run(world, "update", "--reboot") == 0
    assert world.rebooted


@pytest.mark.parametrize("command", ["update", "update-image", "prepare"])
def test_nothing_required_is_exit_0_with_the_reason(
    world: FileWorld, capsys: Capture, command: str
) -> None:
    offer_nothing_yet(world)
    assert run(world, command) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("No update required\nReason: ")
    assert "Ready at: 2031-04-07T14:00:00Z" in err


@pytest.mark.parametrize("command", ["update", "update-image", "prepare", "plan"])
def test_a_version_that_is_not_there_is_an_error_that_says_what_is(
    world: FileWorld, capsys: Capture, command: str
) -> None:
    before = world.disk.read_bytes()
    assert run(world, command, "--image", "9.9.9") == 64
    out, err = capsys.readouterr()
    assert out == ""
    assert "9.9.9 cannot be installed: the repository has no 9.9.9 for edge-gw on x86_64" in err
    assert "it has 1.2.0, 1.1.0." in err
    assert world.disk.read_bytes() == before


def test_a_blocked_version_that_is_asked_for_is_an_error(world: FileWorld, capsys: Capture) -> None:
    folder = world.config.with_suffix(".d")
    folder.mkdir()
    folder.joinpath("a.toml").write_text('[policy]\nblocked_versions = ["1.1.0"]\n')
    assert run(world, "update", "--image", "1.1.0") == 64
    assert "1.1.0 is among policy.blocked_versions" in capsys.readouterr().err


def test_a_version_that_is_asked_for_before_its_turn_is_no_error(world: FileWorld) -> None:
    offer_nothing_yet(world)
    assert run(world, "update", "--image", "1.1.0") == 0


def test_whether_there_is_a_version_is_a_question_with_an_answer(
    world: FileWorld, capsys: Capture
) -> None:
    assert run(world, "check-update", "--image", "9.9.9") == 1
    assert "it has 1.2.0, 1.1.0" in capsys.readouterr().err


def test_nothing_required_never_reboots(world: FileWorld) -> None:
    offer_nothing_yet(world)
    assert run(world, "update", "--reboot") == 0
    assert not world.rebooted


def test_update_image_apply_and_revert(world: FileWorld, capsys: Capture) -> None:
    assert run(world, "update-image") == 0
    assert capsys.readouterr().out == "Update applied: edge-gw 1.2.0\n"
    assert world.bits() == STAGED
    assert run(world, "update-apply", "-r") == 0
    assert capsys.readouterr() == ("", "Set B boots next.\n")
    assert world.bits() == ACTIVATED
    assert world.rebooted
    assert run(world, "update-revert") == 0
    assert world.bits() == {Slot.A: BootFlags(2, 0, successful=True), Slot.B: BootFlags(0, 1)}


def test_prepare_caches_and_leaves_the_disk_alone(world: FileWorld, capsys: Capture) -> None:
    before = world.disk.read_bytes()
    assert run(world, "prepare") == 0
    assert capsys.readouterr().out == "Update prepared: edge-gw 1.2.0\n"
    assert world.disk.read_bytes() == before
    assert any(world.client.paths.migrations_dir.iterdir())


def test_prepare_needs_no_disk_at_all(world: FileWorld, capsys: Capture) -> None:
    world.disk.unlink()
    assert run(world, "prepare") == 0
    assert capsys.readouterr().out == "Update prepared: edge-gw 1.2.0\n"


def test_a_failing_reboot_command_is_told(world: FileWorld, capsys: Capture) -> None:
    config = world.config.read_text().replace('["touch", ', '["false", ')
    world.config.write_text(config)
    assert run(world, "update", "--reboot") == 78
    err = capsys.readouterr().err
    assert "ended with 1" in err
    assert "by hand" in err
    assert world.bits() == ACTIVATED


# Boot bits, offline -------------------------------------------------------------------------------


def test_offline_commands_need_no_repository(world: FileWorld) -> None:
    assert run(world, "update-image") == 0
    for path in (world.home / "repository").rglob("*"):
        if path.is_file():
            path.unlink()
    world.client.paths.trusted_root.unlink()
    for command in ("status", "update-apply", "update-revert", "mark-successful"):
        assert run(world, command) == 0, command


def test_mark_successful_confirms_the_running_set(world: FileWorld, capsys: Capture) -> None:
    assert run(world, "mark-successful") == 0
    assert capsys.readouterr() == ("", "Set A is marked successful.\n")


@pytest.mark.parametrize("command", ["rollback", "rollback-to-inactive"])
def test_rollback_onto_nothing_is_refused(world: FileWorld, capsys: Capture, command: str) -> None:
    assert run(world, command, "--reboot") == 75
    assert capsys.readouterr().err.startswith("updog: ")
    assert not world.rebooted


@pytest.mark.parametrize(
    ("commands", "names"),
    [
        (("update", "update-apply"), ("'updog update-revert'", "'updog rollback'")),
        (("update-image", "rollback"), ("'updog update-apply'",)),
    ],
)
def test_a_refused_change_of_boot_bits_names_commands_of_ours(
    world: FileWorld, capsys: Capture, commands: tuple[str, str], names: tuple[str, ...]
) -> None:
    assert run(world, commands[0]) == 0
    capsys.readouterr()
    assert run(world, commands[1]) == 75
    err = capsys.readouterr().err
    assert not [name for name in names if name not in err]
    assert "signpost" not in err


def test_status_prints_both_sets(world: FileWorld, capsys: Capture) -> None:
    run(world, "update")
    capsys.readouterr()
    assert run(world, "status") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"OS disk: {world.disk}"
    assert lines[1].startswith(f"Set A:   boot={world.disk}#3 root={world.disk}#4")
    assert lines[2].endswith("priority=2 tries_left=1 successful=false")
    assert lines[3:5] == ["Active:  Set A", "Next:    Set B"]
    assert "Version: 1.0.0 in set A" in lines
    assert "Version: 1.2.0 in set B" in lines


def test_status_as_json(world: FileWorld, capsys: Capture) -> None:
    run(world, "update")
    capsys.readouterr()
    assert run(world, "status", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["active"], told["next"], told["confirmed"]) == ("A", "B", True)
    assert told["sets"]["B"]["version"] == "1.2.0"
    assert told["sets"]["B"]["tries_left"] == 1


def test_status_works_without_os_release(world: FileWorld, capsys: Capture) -> None:
    world.client.paths.os_release.unlink()
    assert run(world, "status") == 0
    assert "Version:" not in capsys.readouterr().out


# why ----------------------------------------------------------------------------------------------


def test_why_is_one_screen_about_everything(world: FileWorld, capsys: Capture) -> None:
    offer_nothing_yet(world)
    assert run(world, "why") == 0
    out = capsys.readouterr().out
    for part in (
        "Running:   edge-gw 1.0.0",
        "Seed:      1000",
        "Lock:      none",
        "Choice:    none, because 1.1.0 is held back",
        "(wave 1 of 1, ready at 2031-04-07T14:00:00Z)",
        "Active:  Set A",
        "Boot:    confirmed",
    ):
        assert part in out
    assert len(out.splitlines()) <= 25


def test_why_as_json_names_the_choice_and_each_objection(world: FileWorld, capsys: Capture) -> None:
    assert run(world, "why", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["choice"]["version"] == "1.2.0"
    assert [update["chosen"] for update in told["updates"]] == [True, False]
    assert told["updates"][1]["objections"][0]["reason"] == "superseded"
    assert told["boot"]["active"] == "A"
    assert told["problems"] == []


def test_why_tells_what_runs_although_another_variant_is_asked_for(
    world: FileWorld, capsys: Capture
) -> None:
    assert run(world, "why", "--variant", "other") == 0
    out = capsys.readouterr().out
    assert "Running:   edge-gw 1.0.0" in out
    assert "Asked for: variant other\n" in out
    assert run(world, "why", "--variant", "other", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["host"]["variant"], told["policy"]["variant"]) == ("edge-gw", "other")
    assert run(world, "why", "--variant", "edge-gw", "--json") == 0
    assert json.loads(capsys.readouterr().out)["policy"]["variant"] is None


def test_why_still_tells_of_the_disk_when_the_repository_is_gone(
    world: FileWorld, capsys: Capture
) -> None:
    (world.home / "repository" / "metadata" / "timestamp.json").unlink()
    assert run(world, "why") == 69
    out = capsys.readouterr().out
    assert "Choice:    unknown" in out
    assert "Problem:" in out
    assert "Active:  Set A" in out


def test_why_still_tells_of_the_repository_when_the_disk_is_gone(
    world: FileWorld, capsys: Capture
) -> None:
    world.disk.write_bytes(bytes(len(world.disk.read_bytes())))
    assert run(world, "why") == 65
    out = capsys.readouterr().out
    assert "Choice:    edge-gw 1.2.0" in out
    assert "Problem:" in out


def test_why_still_tells_of_the_repository_when_no_disk_can_be_found(
    world: FileWorld, capsys: Capture
) -> None:
    world.disk.unlink()
    assert run(world, "why") not in {0, 70}
    out = capsys.readouterr().out
    assert "Choice:    edge-gw 1.2.0" in out
    assert "Problem:" in out
    assert str(world.disk) in out


# Errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("unknown",),
        ("status", "update"),
        ("--all", "update"),
        ("update", "more"),
        ("update", "--unknown"),
        ("update", "-t", "now"),
        ("update", "--image", "1.x"),
        ("update", "--image", "v1.0.0"),
        ("update", "--reb"),
        ("status", "--reboot"),
        ("--log-level", "loud", "status"),
    ],
)
def test_a_usage_error_is_exit_64(capsys: Capture, words: tuple[str, ...]) -> None:
    assert main(list(words)) == 64
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("updog: ")
    assert "hint: See 'updog" in err


def test_a_missing_configuration_is_exit_78(tmp_path: Path, capsys: Capture) -> None:
    assert main(["--config", str(tmp_path / "none.toml"), "status"]) == 78
    assert "There is no configuration file" in capsys.readouterr().err


def test_a_tampered_image_is_exit_65_and_leaves_the_running_set(
    world: FileWorld, capsys: Capture
) -> None:
    (image,) = (world.home / "repository" / "targets").glob("*.boot.lz4")
    image.write_bytes(image.read_bytes()[:-1] + b"\xff")
    assert run(world, "update") == 65
    assert "boot.lz4" in capsys.readouterr().err
    assert world.bits() == {Slot.A: CONFIRMED, Slot.B: BootFlags()}


def test_an_absent_repository_is_exit_69(world: FileWorld) -> None:
    (world.home / "repository" / "metadata" / "timestamp.json").unlink()
    assert run(world, "check-update") == 69


def test_a_damaged_disk_is_told_in_one_line(world: FileWorld, capsys: Capture) -> None:
    world.disk.write_bytes(bytes(1 << 20))
    assert run(world, "status") == 65
    assert capsys.readouterr().err.count("\n") <= 2


def test_a_missing_disk_is_told(world: FileWorld) -> None:
    world.disk.unlink()
    assert run(world, "status") == 74


@pytest.mark.parametrize("command", ["check-update", "update", "update-apply", "rollback"])
def test_a_busy_lock_is_exit_75(world: FileWorld, capsys: Capture, command: str) -> None:
    with RunLock(world.client.paths.lock):
        assert run(world, command) == 75
    assert "Another run (process " in capsys.readouterr().err


def test_a_boot_can_be_confirmed_while_another_run_is_at_work(world: FileWorld) -> None:
    with RunLock(world.client.paths.lock):
        assert run(world, "mark-successful") == 0


def run_failing(error: BaseException, *words: str) -> int:
    """Run a command whose work ends in this error."""

    def fail(_args: object) -> int:
        raise error

    return main([*words, "status"], {"status": fail})


def test_our_own_mistake_is_exit_70_without_a_traceback(capsys: Capture) -> None:
    assert run_failing(ZeroDivisionError("oh")) == 70
    err = capsys.readouterr().err
    assert err == "updog: internal error: ZeroDivisionError: oh. Please report it.\n"


def test_debugging_shows_the_traceback(capsys: Capture) -> None:
    assert run_failing(ZeroDivisionError("oh"), "--log-level", "debug") == 70
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PermissionError(13, "denied"), 77),
        (OSError(28, "disk full"), 74),
        (RecursionError(), 70),
        (KeyboardInterrupt(), 130),
        (Terminated(), 143),
    ],
)
def test_foreign_errors_have_exit_codes_too(error: BaseException, code: int) -> None:
    assert run_failing(error) == code


def test_output_that_cannot_be_written_is_told_without_a_number(world: FileWorld) -> None:
    words = [sys.executable, "-m", "updog", "--config", str(world.config), "status"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            words, stdout=full, stderr=subprocess.PIPE, text=True, check=False, cwd=ROOT
        )
    assert done.returncode == 74
    assert done.stderr == "updog: the output: No space left on device.\n"


def test_a_foreign_error_names_its_file(capsys: Capture) -> None:
    run_failing(OSError(28, "No space left on device", "/srv/x"))
    assert capsys.readouterr().err.endswith("updog: /srv/x: No space left on device.\n")


def test_an_interruption_says_that_the_running_set_is_safe(capsys: Capture) -> None:
    run_failing(KeyboardInterrupt())
    assert "The running set is as it was" in capsys.readouterr().err


def test_a_reader_who_leaves_causes_no_complaint(world: FileWorld) -> None:
    command = f"{sys.executable} -m updog --config {world.config} status | true"
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


# The command line itself --------------------------------------------------------------------------


def test_global_flags_may_stand_before_or_after_the_command(world: FileWorld) -> None:
    words = ["--config", str(world.config), "--log-level", "error", "-q"]
    before = arguments.parse([*words, "status"], {})
    after = arguments.parse(["status", *words], {})
    assert vars(before) == vars(after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("--json check-update", "check-update --json"),
        ("-n -a whats", "whats -n -a"),
        ("--image 1.2.0 -q update -r", "update --image 1.2.0 -q -r"),
        ("-i 1.2.0 --from carried update", "update -i 1.2.0 --from carried"),
        ("--config updog.toml -r rollback", "rollback --config updog.toml -r"),
    ],
)
def test_the_flags_of_a_command_may_stand_before_it(before: str, after: str) -> None:
    assert vars(arguments.parse(before.split(), {})) == vars(arguments.parse(after.split(), {}))


@pytest.mark.parametrize("flag", ["--config", "--variant", "--from"])
def test_a_value_that_reads_like_a_command_is_none(flag: str) -> None:
    said = vars(arguments.parse([flag, "update", "check-update"], {}))
    assert said["command"] == "check-update"
    assert "update" in {str(value) for value in said.values()}


def test_help_before_a_command_is_that_of_all_commands(capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        arguments.parse(["--help", "status"], {})
    assert "mark-successful" in capsys.readouterr().out


def test_the_environment_names_the_configuration(world: FileWorld) -> None:
    assert arguments.parse(["status"], {"UPDOG_CONFIG": "/a.toml"}).config == Path("/a.toml")
    said = arguments.parse(["--config", "/b.toml", "status"], {"UPDOG_CONFIG": "/a.toml"})
    assert said.config == Path("/b.toml")
    assert arguments.parse(["status"], {}).config == Path("/etc/updog.toml")
    assert world.config.exists()


def test_every_command_and_flag_is_documented() -> None:
    page = (ROOT / "docs" / "cli.md").read_text()
    shown = run_process("--help").stdout
    for command in COMMANDS:
        assert f"`{command}`" in page
        assert command in shown
        for word in run_process(command, "--help").stdout.split():
            flag = word.strip("[],")
            if flag.startswith("--"):
                assert f"`{flag}`" in page, (command, flag)


def test_every_exit_code_is_documented() -> None:
    page = (ROOT / "docs" / "cli.md").read_text()
    for code in (0, 1, 64, 65, 69, 70, 74, 75, 77, 78, 130, 143):
        assert f"| {code} |" in page


def test_the_module_runs_as_a_program() -> None:
    done = run_process("--help")
    assert done.returncode == 0
    assert done.stdout.startswith("usage: updog")
    assert run_process("nonsense").returncode == 64


@pytest.mark.parametrize("command", [(), *((name,) for name in OFFLINE)])
def test_offline_commands_import_no_network_and_no_tuf(
    world: FileWorld, command: tuple[str, ...]
) -> None:
    words = ["--config", str(world.config), *command] if command else ["--help"]
    probe = (
        "import sys, contextlib\n"
        "from updog.cli import main\n"
        "with contextlib.suppress(SystemExit):\n"
        f"    main({words!r})\n"
        "heavy = {'requests', 'urllib3', 'tuf', 'securesystemslib', 'cryptography', 'ssl'}\n"
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr


def test_version_alone_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert re.fullmatch(r"updog \d+\.\d+\.\d+\S*\n", capsys.readouterr().out)
