"""The configuration in three steps: what each file said, what they say together, what that means.

A `Fragment` is one TOML file, with every key known by name. Fragments are merged in order, the
later one winning key by key. `Settings` is the merged result turned into checked values; an error
names the file and the key that it came from (formats 5.4 and 16, D15). Only the value that wins is
checked, so a drop-in can repair a bad one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

from partitions.slot import Slot
from updog import config_agent, config_health, config_service
from updog import config_values as values
from updog.config_fragment import Fragment, Key
from updog.errors import ConfigError, PermissionDenied
from updog.settings import Backend, Boot, Download, Mode, Paths, Settings
from waves.seed import MAX_SEED

DEFAULT_PATH = Path("/etc/updog.toml")
MAX_TRIES = 15
MAX_RETRIES = 100
MAX_RATE = 1 << 40
MAX_SECONDS = 24 * 3600.0
MAX_FILE = 1 << 20
MAX_NAME = 80
MAX_FRESHNESS = timedelta(days=3650)

METADATA_URL = Key("metadata_base_url", values.url)
TARGETS_URL = Key("targets_base_url", values.url)
SEED: Key[int | None] = Key("seed", values.whole(0, MAX_SEED - 1))
VERSION_LOCK = Key("version_lock", values.version_lock)
IGNORE_WAVES = Key("ignore_waves", values.flag)
HTTPS_PROXY = Key("https_proxy", values.text)
NO_PROXY = Key("no_proxy", values.words)
BLOCKED = Key("policy.blocked_versions", values.versions)
FRESHNESS = Key("policy.freshness", values.span(MAX_FRESHNESS))
REHEARSE = Key("policy.rehearse", values.flag)
STATE_DIR = Key("paths.state_dir", values.path)
LOCK = Key("paths.lock", values.path)
TRUSTED_ROOT = Key("paths.trusted_root", values.path)
OS_RELEASE = Key("paths.os_release", values.path)
MIGRATIONS_DIR = Key("paths.migrations_dir", values.path)
METADATA_CACHE_DIR = Key("paths.metadata_cache_dir", values.path)
DATASTORE = Key("paths.datastore", values.path)
DISK: Key[Path | None] = Key("boot.disk", values.path)
ACTIVE: Key[Slot | None] = Key("boot.active", values.slot)
TRIES = Key("boot.tries", values.whole(1, MAX_TRIES))
REBOOT_COMMAND = Key("boot.reboot_command", values.command)
BACKEND = Key("boot.backend", values.one_of(*Backend))
ESP = Key("boot.esp", values.path)
ENTRIES = Key("boot.entries", values.entries)
TIMEOUT_CONNECT = Key("download.timeout_connect", values.seconds(MAX_SECONDS))
TIMEOUT_STALL = Key("download.timeout_stall", values.seconds(MAX_SECONDS))
RETRIES = Key("download.retries", values.whole(0, MAX_RETRIES))
CA_FILE: Key[Path | None] = Key("download.ca_file", values.path)
CLIENT_CERT: Key[Path | None] = Key("download.client_cert", values.path)
CLIENT_KEY: Key[Path | None] = Key("download.client_key", values.path)
PINS = Key("download.pin_sha256", values.pins)
MIRRORS = Key("download.mirrors", values.mirrors)
RATE_LIMIT = Key("download.rate_limit", values.whole(0, MAX_RATE))
HEADERS = Key("download.headers", values.headers)
SEND_HOST_INFO = Key("download.send_host_info", values.flag)

KEYS = frozenset(
    key.name
    for source in (globals(), vars(config_agent), vars(config_health), vars(config_service))
    for key in list(source.values())
    if isinstance(key, Key)
)
TABLES = frozenset(name.partition(".")[0] for name in KEYS if "." in name)


def load(path: Path = DEFAULT_PATH, dropins: Path | None = None) -> Settings:
    """Read the configuration file and its drop-ins, in the order of their names.

    Args:
        path: the main file.
        dropins: folder of ``*.toml`` files; by default beside `path`: ``updog.toml`` → ``updog.d``.
            A missing folder means that there are none.

    Raises:
        ConfigError: a file is missing or broken, has an unknown key, or a value breaks its rule.
        PermissionDenied: a file may not be read.
    """
    merged = read_fragment(path)
    for dropin in _dropins_in(dropins or path.with_suffix(".d")):
        merged = merged.under(read_fragment(dropin))
    for key in (METADATA_URL, TARGETS_URL):
        if key.name not in merged.said:
            hint = f'Add a line like: {key.name} = "https://updates.example.com/..."'
            raise ConfigError(f"{path}: the required key {key.name} is missing.", hint=hint)
    return to_settings(merged)


def read_fragment(path: Path) -> Fragment:
    """Read one TOML file.

    Raises:
        ConfigError: the file is missing, is not TOML, or has a key that nobody reads.
        PermissionDenied: the file may not be read.
    """
    return parse_fragment(_read(path), path)


def parse_fragment(content: bytes, path: Path) -> Fragment:
    """Read the content of one TOML file.

    Args:
        content: the bytes of the file.
        path: where they come from, for messages.

    Raises:
        ConfigError: it is not TOML, or has a key that nobody reads.
    """
    try:
        table = tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not a TOML file: {error}") from error
    said = dict(_flatten(table, path))
    for name in said:
        if name not in KEYS:
            hint = "Every key is listed in docs/configuration.md; correct or remove this one."
            raise ConfigError(f"{path}: unknown key {name[:MAX_NAME]}.", hint=hint)
    return Fragment({name: (value, path) for name, value in said.items()})


def to_settings(merged: Fragment) -> Settings:
    """Check every value and build the settings.

    Raises:
        ConfigError: a value breaks its rule, or two values do not go together.
    """
    get = merged.get
    return Settings(
        metadata_base_url=get(METADATA_URL, ""),
        targets_base_url=get(TARGETS_URL, ""),
        seed=get(SEED, None),
        version_lock=get(VERSION_LOCK, None),
        ignore_waves=get(IGNORE_WAVES, default=False),
        blocked_versions=get(BLOCKED, frozenset()),
        freshness=get(FRESHNESS, timedelta(0)),
        rehearse=get(REHEARSE, default=True),
        https_proxy=get(HTTPS_PROXY, ""),
        no_proxy=get(NO_PROXY, ()),
        paths=_paths(merged),
        boot=_boot(merged),
        download=_download(merged),
        mode=get(config_agent.MODE, Mode.AUTOMATIC),
        soak=get(config_agent.SOAK, timedelta(0)),
        schedule=config_agent.schedule(merged),
        health=config_health.health(merged),
        service=config_service.service(merged),
    )


def _paths(merged: Fragment) -> Paths:
    get, default = merged.get, Paths()
    return Paths(
        state_dir=get(STATE_DIR, default.state_dir),
        lock=get(LOCK, default.lock),
        trusted_root=get(TRUSTED_ROOT, default.trusted_root),
        os_release=get(OS_RELEASE, default.os_release),
        migrations_dir=get(MIGRATIONS_DIR, default.migrations_dir),
        metadata_cache_dir=get(METADATA_CACHE_DIR, default.metadata_cache_dir),
        datastore=get(DATASTORE, default.datastore),
    )


def _boot(merged: Fragment) -> Boot:
    get, default = merged.get, Boot()
    if ACTIVE.name in merged.said and DISK.name not in merged.said:
        source = merged.said[ACTIVE.name][1]
        raise ConfigError(f"{source}: boot.active needs boot.disk beside it.")
    return Boot(
        disk=get(DISK, default.disk),
        active=get(ACTIVE, default.active),
        tries=get(TRIES, default.tries),
        reboot_command=get(REBOOT_COMMAND, default.reboot_command),
        backend=Backend(get(BACKEND, default.backend.value)),
        esp=get(ESP, default.esp),
        entries=get(ENTRIES, default.entries),
    )


def _download(merged: Fragment) -> Download:
    get, default = merged.get, Download()
    if CLIENT_KEY.name in merged.said and CLIENT_CERT.name not in merged.said:
        source = merged.said[CLIENT_KEY.name][1]
        raise ConfigError(f"{source}: download.client_key needs download.client_cert beside it.")
    return Download(
        timeout_connect=get(TIMEOUT_CONNECT, default.timeout_connect),
        timeout_stall=get(TIMEOUT_STALL, default.timeout_stall),
        retries=get(RETRIES, default.retries),
        ca_file=get(CA_FILE, default.ca_file),
        client_cert=get(CLIENT_CERT, default.client_cert),
        client_key=get(CLIENT_KEY, default.client_key),
        pins=get(PINS, default.pins),
        headers=get(HEADERS, default.headers),
        mirrors=get(MIRRORS, default.mirrors),
        rate_limit=get(RATE_LIMIT, default.rate_limit),
        send_host_info=get(SEND_HOST_INFO, default.send_host_info),
    )


def _flatten(table: Mapping[str, object], path: Path) -> Iterator[tuple[str, object]]:
    """Yield dotted names and values; only our tables are opened, ``headers`` stays one value."""
    for name, value in table.items():
        if name not in TABLES:
            yield name, value
        elif isinstance(value, dict):
            yield from ((f"{name}.{inner}", content) for inner, content in value.items())
        else:
            raise ConfigError(f"{path}: {name} must be a table, written as [{name}].")


def _dropins_in(folder: Path) -> list[Path]:
    """The drop-ins of a folder; a folder that cannot be read must not pass for an empty one."""
    try:
        found = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except PermissionError as error:
        raise PermissionDenied(f"{folder} may not be read.", hint="Run as root.") from error
    except OSError as error:
        raise ConfigError(f"{folder} cannot be read: {error.strerror}.") from error
    return [path for path in found if path.suffix == ".toml" and not path.name.startswith(".")]


def _read(path: Path) -> bytes:
    """Read a whole file of bounded size, with every failure told in our own words."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE + 1)
    except FileNotFoundError as error:
        hint = "Create it (docs/configuration.md), or name another with --config PATH."
        raise ConfigError(f"There is no configuration file {path}.", hint=hint) from error
    except PermissionError as error:
        raise PermissionDenied(f"{path} may not be read.", hint="Run as root.") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    if len(content) > MAX_FILE:
        raise ConfigError(f"{path} is longer than {MAX_FILE} bytes.")
    return content
