"""The checked configuration as values: what `updog.config` builds and the rest reads. PURE.

Nothing here can be half configured: each field has passed its check before the object exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from partitions.slot import Slot

if TYPE_CHECKING:
    from updog.agent.windows import Blackout, CronWindow, Every, Fires, Window
    from updog.version import Version


class Paths(NamedTuple):
    """Where things are kept (formats 1 and 16, D15). Every path is absolute."""

    state_dir: Path = Path("/var/lib/updog")
    lock: Path = Path("/run/lock/updog.lock")
    trusted_root: Path = Path("/usr/share/updog/root.json")
    os_release: Path = Path("/usr/lib/os-release")
    migrations_dir: Path = Path("/var/lib/bottlerocket-migrations")
    metadata_cache_dir: Path = Path("/var/cache/bottlerocket-metadata")
    datastore: Path = Path("/var/lib/bottlerocket/datastore/current")

    @property
    def tuf_dir(self) -> Path:
        """The trusted metadata kept between runs (D5)."""
        return self.state_dir / "tuf"

    @property
    def unchanged(self) -> Path:
        """What the last check verified (`updog.unchanged`)."""
        return self.state_dir / "unchanged"

    @property
    def seed(self) -> Path:
        """The seed this host drew at first use."""
        return self.state_dir / "seed"

    @property
    def staged(self) -> Path:
        """What was last written to the inactive set."""
        return self.state_dir / "stage.json"

    @property
    def health(self) -> Path:
        """Versions that failed here, and the update that waits to be judged."""
        return self.state_dir / "health.json"

    @property
    def seen(self) -> Path:
        """When each version was first offered to this host; only kept where there is a soak."""
        return self.state_dir / "seen.json"

    @property
    def agent(self) -> Path:
        """What the agent remembers between its runs."""
        return self.state_dir / "agent.json"

    @property
    def kept_hashes(self) -> Path:
        """What the blocks of both sets are, as far as that was told when they were written."""
        return self.state_dir / "blocks"

    @property
    def mirror_failures(self) -> Path:
        """Which servers failed lately; advice about the order, nothing else."""
        return self.state_dir / "mirrors.json"

    @property
    def progress(self) -> Path:
        """How far the run under way is, for whoever wants to look."""
        return self.state_dir / "progress.json"

    @property
    def service_record(self) -> Path:
        """What the update service remembers (`updog.service.record`)."""
        return self.state_dir / "service.json"


class Service(NamedTuple):
    """Who may speak to the update service, and where (formats 10.1).

    Attributes:
        socket: the Unix socket, where systemd does not bring one.
        group: the group of the socket, by name or number; empty leaves it to the service's own.
        read_groups: members may ask; none named: whoever can open the socket.
        act_groups: members may ask and change; none named: whoever can open the socket.
    """

    socket: Path = Path("/run/api.sock")
    group: str = ""
    read_groups: tuple[str, ...] = ()
    act_groups: tuple[str, ...] = ()


class Backend(StrEnum):
    """What starts the machine, and so where the boot bits are kept."""

    GPTPRIO = "gptprio"
    """GRUB with gptprio, or the boot stage: in the partition table (formats 9.2)."""
    SYSTEMD_BOOT = "systemd-boot"
    """In the names of boot loader entries (docs/systemd-boot.md)."""


class Boot(NamedTuple):
    """Which disk to work on, and how (formats 9.3, D10, D16).

    Attributes:
        disk: the whole disk or an image file; None finds the disk of the running root.
        active: the set that runs; None asks the running system or the disk.
        tries: boots a new set gets before the bootloader falls back, 1..15.
        reboot_command: program and arguments that ``--reboot`` runs.
        backend: what starts the machine.
        esp: where systemd-boot's EFI system partition is mounted.
        entries: beginnings of the names of its entries, for set A and set B.
    """

    disk: Path | None = None
    active: Slot | None = None
    tries: int = 1
    reboot_command: tuple[str, ...] = ("systemctl", "reboot")
    backend: Backend = Backend.GPTPRIO
    esp: Path = Path("/efi")
    entries: tuple[str, str] = ("updog-a", "updog-b")


class Mirror(NamedTuple):
    """Another place of the same repository; an empty address: it has no files of that kind."""

    metadata: str = ""
    targets: str = ""


class Download(NamedTuple):
    """How the repository is talked to; times in seconds.

    Attributes:
        timeout_connect: longest wait for a connection.
        timeout_stall: longest wait for the next byte; a slow transfer that moves is never cut.
        retries: further attempts after a failed one, 0..100.
        ca_file: the only certificate authorities to believe, or None for the system's.
        client_cert: certificate shown to the server (mutual TLS).
        client_key: its private key, or None when `client_cert` holds both.
        pins: SHA-256 of the public keys that servers may have; empty for any.
        headers: sent with each request.
        mirrors: where else the repository lies, in the order to try them.
        rate_limit: bytes a second to stay below; 0 for no limit.
        send_host_info: whether URLs carry this host's version and seed (formats 7).
    """

    timeout_connect: float = 10.0
    timeout_stall: float = 30.0
    retries: int = 4
    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    pins: frozenset[bytes] = frozenset()
    headers: Mapping[str, str] = MappingProxyType({})
    mirrors: tuple[Mirror, ...] = ()
    rate_limit: int = 0
    send_host_info: bool = True


class Mode(StrEnum):
    """How far the agent goes on its own."""

    AUTOMATIC = "automatic"
    """It installs, and restarts the machine inside a window."""
    STAGED = "staged"
    """It writes and checks the other set; a person applies it and restarts."""
    MANUAL = "manual"
    """It only looks."""


class Schedule(NamedTuple):
    """When the agent does what (docs/schedule.md).

    Attributes:
        check: when to ask the repository; None for every four hours.
        timezone: name of the zone of all its times.
        jitter: what the fleet's questions are spread over.
        windows: when the machine may restart; empty for any time.
        blackouts: days without installing and restarting.
        downloads_in_windows: whether installing keeps to the windows too.
        backoff_min: wait after the first failure.
        backoff_max: longest wait after failures.
        daily_bytes: most bytes to fetch in a day; 0 for no limit.
    """

    check: Every | Fires | None = None
    timezone: str = "UTC"
    jitter: timedelta = timedelta(hours=1)
    windows: tuple[Window | CronWindow, ...] = ()
    blackouts: tuple[Blackout, ...] = ()
    downloads_in_windows: bool = False
    backoff_min: timedelta = timedelta(minutes=5)
    backoff_max: timedelta = timedelta(hours=6)
    daily_bytes: int = 0


class OnFailure(StrEnum):
    """What becomes of an update that made a required check worse."""

    ROLLBACK = "rollback"
    UNMARKED = "unmarked"


class Isolation(StrEnum):
    """How checks and hooks are run."""

    AUTO = "auto"
    PROCESS = "process"
    UNIT = "unit"


class Health(NamedTuple):
    """How a boot is judged (docs/health.md).

    Attributes:
        required_dir: checks that an update may not make worse.
        wanted_dir: checks that are only reported.
        before_dir: programs to run before the checks.
        after_dir: programs to run after the verdict.
        timeout: seconds for each of them.
        parallel: how many run at once.
        on_failure: what to do with an update that made a required check worse.
        max_rollbacks: restarts in a row that the gate may cause.
        isolation: how they are run.
    """

    required_dir: Path = Path("/etc/updog/check/required.d")
    wanted_dir: Path = Path("/etc/updog/check/wanted.d")
    before_dir: Path = Path("/etc/updog/check/before.d")
    after_dir: Path = Path("/etc/updog/check/after.d")
    timeout: float = 120.0
    parallel: int = 8
    on_failure: OnFailure = OnFailure.ROLLBACK
    max_rollbacks: int = 3
    isolation: Isolation = Isolation.AUTO


class Settings(NamedTuple):
    """The whole configuration of one run (formats 5.4).

    Attributes:
        metadata_base_url: where ``timestamp.json`` lies, without a trailing slash.
        targets_base_url: where the targets lie, without a trailing slash.
        seed: this host's place in the waves, 0..2047; None means the drawn one.
        version_lock: the only version to run, or None for the latest.
        ignore_waves: take updates before this host's turn.
        blocked_versions: versions never to install.
        freshness: how long past its expiry metadata carried here by hand is believed.
        rehearse: try the migrations of an update on a copy before it is installed.
        https_proxy: proxy for the repository, or empty.
        no_proxy: hosts to reach without that proxy.
        mode: how far the agent goes on its own.
        soak: how long after its publication an update becomes this host's.
        schedule: when the agent does what.
        health: how a boot is judged.
        service: who may speak to the update service, and where.
    """

    metadata_base_url: str
    targets_base_url: str
    seed: int | None = None
    version_lock: Version | None = None
    ignore_waves: bool = False
    blocked_versions: frozenset[Version] = frozenset()
    freshness: timedelta = timedelta(0)
    rehearse: bool = True
    https_proxy: str = ""
    no_proxy: tuple[str, ...] = ()
    paths: Paths = Paths()
    boot: Boot = Boot()
    download: Download = Download()
    service: Service = Service()
    mode: Mode = Mode.AUTOMATIC
    soak: timedelta = timedelta(0)
    schedule: Schedule = Schedule()
    health: Health = Health()
