"""Every command of every program run once, on machines and repositories made of files.

Commands go in an order in which they can: what one makes, another one shows.
"""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

from partitions import signpost
from repo_tools import cli as repo_cli
from tests.fakes.accesslogs import NEW, Story
from tests.fakes.api_service import LONG, ROOT, make_world, service
from tests.fakes.ceremony import Ceremony
from tests.fakes.client_world import FileWorld
from tests.fakes.migration_world import MigrationWorld
from tests.fakes.release_images import make_release
from tests.fakes.tiny_stand import tiny_bytes
from updog import cli as updog_cli
from updog.apiclient import cli as api_cli
from updog.health import record
from updog.health.record import Bad

EDITION = ("--variant", "edge", "--arch", "x86_64")
MAINS: Mapping[str, Callable[[Sequence[str]], int]] = {
    "updog": updog_cli.main,
    "signpost": signpost.main,
    "updog-repo": repo_cli.main,
    "apiclient": api_cli.main,
}


@dataclass
class Player:
    """Runs commands and keeps what they print.

    Attributes:
        printed: stdout of each run, by the words that name the command in the table of the test.
    """

    printed: dict[str, list[str]] = field(default_factory=dict)

    def run(self, named: str, *words: object, code: int = 0, keep: bool = True) -> str:
        """Run a command.

        Args:
            named: its name, with the flags that give it another form.
            words: what follows.
            code: that it must end with.
            keep: whether its output is what the table is about.
        """
        program, *path = named.split()
        out = io.StringIO()
        with redirect_stdout(out):
            ended = MAINS[program]([*path, *map(str, words)])
        assert ended == code, (named, ended, out.getvalue())
        if keep:
            self.keep(named, out.getvalue())
        return out.getvalue()

    def keep(self, named: str, out: str) -> None:
        self.printed.setdefault(named, []).append(out)


def play(home: Path) -> dict[str, list[str]]:
    """Run everything below a folder."""
    player = Player()
    for part in (machine, offline, service_and_client, publisher, planner):
        folder = home / part.__name__
        folder.mkdir()
        part(player, folder)
    return player.printed


def machine(player: Player, home: Path) -> None:
    """Commands of a machine and of its disk."""
    world = make_world(home)
    config = ("--config", world.config)
    told = (*config, "--json")
    player.run("updog check-update", *told)
    player.run("updog check-update --all", *told)
    for command in ("plan", "why", "status", "schedule", "doctor", "prepare"):
        player.run(f"updog {command}", *told)
    player.run("updog bundle export", home / "b.tar", "--version", "1.1.0", *told)
    player.run("updog update-image", *told)
    player.run("updog why", *told)
    player.run("updog update-apply", *config)
    player.run("updog update-revert", *config)
    player.run("updog update", *told)
    player.run("updog schedule", *told)
    player.run("updog status", *told)
    player.run("updog rollback", *config)
    player.run("updog mark-successful", *config)
    bad = Bad("1.2.0", "2031-04-07T09:00:00Z", "it did not come up")
    player.run("updog bad-versions", *told)
    record.change(world.client.paths.health, lambda old: old._replace(bad=(bad,)))
    player.run("updog bad-versions", *told)
    assert player.run("updog bad-versions", "clear", "all", *config, keep=False) == ""
    player.run("updog agent", "--once", *config)
    _boot_bits(player, world)
    player.keep("updog serve", "")  # told by `service_and_client`


def _boot_bits(player: Player, world: FileWorld) -> None:
    disk = ("--disk", world.disk, "--active", "A")
    for verb in ("status", "next", "has-boot-ever-succeeded", "repair"):
        player.run(f"signpost {verb}", *disk, "--json")
    content = bytearray(world.disk.read_bytes())
    content[512:520] = bytes(8)
    world.disk.write_bytes(content)
    player.run("signpost repair", *disk, "--json")
    for verb in (
        "cancel-upgrade",
        "clear-inactive",
        "mark-inactive-valid",
        "upgrade-to-inactive",
        "mark-successful-boot",
        "rollback-to-inactive",
        "rewrite-table",
    ):
        player.run(f"signpost {verb}", *disk)


def offline(player: Player, home: Path) -> None:
    """Commands that need other machines than the first one."""
    disk = home / "tiny.img"
    disk.write_bytes(tiny_bytes())
    scene = ("--scenario", "revert", "--sector", "512")
    player.run("updog crashtest", "--image", disk, *scene, "--json")
    world = MigrationWorld(home)
    world.place("1.0.0")
    world.publish({"1.0.0>1.1.0": ["a"]})
    told = ("--config", world.configure("1.1.0"), "--json")
    player.run("updog migrate --rehearse", *told)
    player.run("updog migrate", *told)


def service_and_client(player: Player, home: Path) -> None:
    """The update service and its client."""
    world = make_world(home)
    with service(world) as running:
        to = ("--socket", running.socket)
        player.run("apiclient update check", *to, "--json")
        player.run("apiclient update apply", *to)
        player.run("apiclient get", "/updates/status", "/metrics", *to, "--json")
        player.run("apiclient raw", "-u", "/os", *to, "--json")
        player.run("apiclient raw", "-u", "/metrics", *to, "--json")
        player.run("apiclient update cancel", *to)
        player.run("apiclient reboot", *to)


def publisher(player: Player, home: Path) -> None:
    """Commands of the publishing side that make something."""
    repository = home / "repository"
    told = (repository, "--json")
    player.run("updog-repo init", *told)
    player.run("updog-repo renew-root", *told)
    images = [make_release(home / "images", version) for version in ("1.1.0", "1.2.0")]
    for command, each in zip(("add-update", "release add"), images, strict=True):
        flags = ("--boot", each.boot, "--root", each.root, "--hash", each.hash)
        player.run(f"updog-repo {command}", *told, *EDITION, "--version", each.version, *flags)
    toml = home / "Release.toml"
    toml.write_text('version = "1.2.0"\n[migrations]\n"(1.1.0, 1.2.0)" = []\n')
    player.run("updog-repo set-migrations", repository, "--from", toml)
    player.run("updog-repo set-max-version", repository, "-v", "1.2.0")
    player.run("updog-repo release max-version", repository, "-v", "1.2.0")
    new = (*EDITION, "--version", "1.2.0")
    player.run("updog-repo set-waves", *told, *new, "--policy", "default")
    player.run("updog-repo make-delta", *told, *new, "--from", "1.1.0")
    player.run("updog-repo show", *told)
    player.run("updog-repo publish", *told)
    player.run("updog-repo refresh", *told)
    player.run("updog-repo check-expirations", *told)
    player.run("updog-repo metrics", *told)
    player.run("updog-repo validate", *told, code=1)
    player.run("updog-repo reachability", *told)
    for word, *pace in (["extend", "--factor", "2"], ["expedite", "--factor", "1/2"], ["pause"]):
        player.run(f"updog-repo rollout {word}", *told, *new, *pace, "--fleet", "200", "--yes")
    player.run("updog-repo rollout resume", *told, *new, "--fleet", "200", "--yes")
    player.run("updog-repo rollout halt", *told, *new, "--fleet", "200", "--yes")
    player.run("updog-repo release withdraw", *told, *new)
    player.run("updog-repo release remove", repository, *new)
    player.run("updog-repo remove-update", repository, *EDITION, "--version", "1.1.0")
    flags = ("--boot", images[0].boot, "--root", images[0].root, "--hash", images[0].hash)
    player.run("updog-repo disk-image", home / "disk.img", *flags, "--json")
    player.keep("updog-repo serve", _served(repository))
    # What it takes is not on every machine; what it makes is a file, named by the caller.
    missing = ("--kernel-modules", home / "none")
    player.run("updog-repo bootstage build", home / "initramfs", *missing, code=65)


def _served(repository: Path) -> str:
    """The line that a server prints before it serves."""
    words = ["serve", str(repository), "--port", "0", "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "repo_tools.cli", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        out = "".join(iter(process.stdout.readline, "}\n")) + "}\n"
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=LONG)
    return out


def planner(player: Player, home: Path) -> None:
    """Roots that several people sign, waves, and what access logs tell."""
    _ceremony(player, Ceremony(home / "ceremony"))
    player.run("updog-repo waves lint", "default", "--json")
    player.run("updog-repo waves show", "default", "--json")
    simulated = ("--policy", "default", "--fleet", "200", "--poll", "6h")
    player.run("updog-repo waves simulate", *simulated, "--json")
    log = home / "access.log"
    log.write_text("\n".join(Story().checks(0, 5).fetches(1, 5).checks(2, 5, NEW).lines))
    light = ("--threads", "1", "--memory", "500MB")
    player.run("updog-repo fleet", log, "-v", NEW, *light, "--json")
    player.run("updog-repo fleet --export-sql", home / "sql", "-v", NEW, "--json")


def _ceremony(player: Player, people: Ceremony) -> None:
    people.home.mkdir()
    draft, told = people.draft, (people.draft, "--json")
    player.run("updog-repo root init", *told)
    for name in ("alice", "bob"):
        player.run("updog-repo key new", people.key(name), "--json")
        public = player.run("updog-repo key public", people.key(name), keep=False)
        people.public(name).write_text(public)
        player.run("updog-repo key public", people.key(name), "--json")
        player.run("updog-repo root add-key", draft, "root", people.public(name), "--json")
    player.run("updog-repo root threshold", draft, "root", "2", "--json")
    player.run("updog-repo root threshold", draft, "root", "1", "--json")
    player.run("updog-repo root remove-key", draft, "root", people.public("bob"), "--json")
    for role in ("targets", "snapshot", "timestamp"):
        people.do("key", "new", people.online / f"{role}.pem")
        people.root("add-key", role, people.online / f"{role}.pem")
    player.run("updog-repo root expire", draft, "400 days", "--json")
    player.run("updog-repo root show", *told)
    copy = people.home / "copy.json"
    copy.write_bytes(draft.read_bytes())
    player.run("updog-repo root sign", copy, "--key", people.key("alice"), "--yes", "--json")
    player.run("updog-repo root merge", draft, copy, "--json")
    player.run("updog-repo root show", *told)
    player.run("updog-repo root accept", people.repository, draft, "--json")
    player.run(
        "updog-repo root rotate", people.home / "2.json", "--last", people.repository, "--json"
    )
    player.run(
        "updog-repo root diff", people.home / "2.json", "--last", people.repository, "--json"
    )
