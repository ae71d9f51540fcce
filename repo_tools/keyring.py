"""Which keys sign for which role: those that ``keys.toml`` lists, or PEM files by their names.

    # keys.toml, beside the folder of the keys; paths count from its own folder
    targets = ["awskms:alias/updog-targets"]
    snapshot = ["envvar:SNAPSHOT_KEY"]
    timestamp = ["keys/timestamp.pem"]

    [retired]
    timestamp = ["awskms:alias/updog-timestamp-old"]

A role that is not listed has ``ROLE.pem`` and every ``ROLE-*.pem`` in the folder of the keys.
Retired are online keys that a new root takes away, until that root is published: they sign once
more. Those in files are found in the folder ``retired`` within that of the keys, too.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from securesystemslib.signer import Key, Signer
from tuf.api.metadata import TOP_LEVEL_ROLE_NAMES, Root

from repo_tools.errors import KeyFileError, UnknownKey
from repo_tools.keysources import FILE, Source, open_signer
from repo_tools.passphrases import Secrets
from repo_tools.signing import ONLINE_ROLES, Signers
from updog.errors import ConfigError

CONFIG = "keys.toml"
RETIRED = "retired"
"""The folder of retired keys within that of the keys, and the table of them in ``keys.toml``."""

Listed: TypeAlias = Mapping[str, tuple[Source, ...]]
"""Where the keys of each role are."""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys at hand.

    Attributes:
        folder: of the PEM files.
        listed: sources by role, where ``keys.toml`` names them.
        retired: the same of retired keys.
        secrets: unlock them.
    """

    folder: Path
    listed: Listed = field(default_factory=dict)
    retired: Listed = field(default_factory=dict)
    secrets: Secrets = field(default_factory=Secrets)

    @classmethod
    def of_repository(cls, folder: Path, keys: Path) -> KeyRing:
        """The keys of the repository in ``folder``.

        Raises:
            ConfigError: ``keys.toml`` says something that it cannot.
        """
        path = folder / CONFIG
        return cls(keys, *(read_config(path) if path.exists() else ()))

    def sources(self, role: str) -> tuple[Source, ...]:
        """Where the keys of a role are; empty when none is at hand."""
        if role in self.listed:
            return self.listed[role]
        found = sorted([*self.folder.glob(f"{role}.pem"), *self.folder.glob(f"{role}-*.pem")])
        return tuple(Source(FILE, str(path)) for path in found)

    def signers(self, role: str, known: Iterable[Key]) -> list[Signer]:
        """The private keys of a role.

        Args:
            role: one of the four.
            known: the keys that the root gives to it.

        Raises:
            KeyFileError: it has none, or one that the root does not know.
        """
        sources, known = self.sources(role), tuple(known)
        if not sources:
            raise KeyFileError(
                f"The key file {self.folder / role}.pem is missing.",
                hint="Put the key back, or name the folder of the keys by --keys.",
            )
        return [open_signer(source, known, self.secrets) for source in sources]

    def all_of(self, newest: Root) -> Signers:
        """The private keys of all online roles.

        Raises:
            KeyFileError: a role has no key, or one that the root does not know.
        """
        return Signers(
            newest,
            {
                role: self.signers(role, [newest.get_key(k) for k in newest.roles[role].keyids])
                for role in ONLINE_ROLES
            },
        )

    def all_before(self, earlier: Root) -> Signers | None:
        """Those of an earlier root that are at hand still; None if they are fewer than it wants."""
        by_role = {
            role: self.signers_before(
                role, [earlier.get_key(k) for k in earlier.roles[role].keyids]
            )
            for role in ONLINE_ROLES
        }
        enough = all(
            len({one.public_key.keyid for one in by_role[role]}) >= earlier.roles[role].threshold
            for role in ONLINE_ROLES
        )
        return Signers(earlier, by_role) if enough else None

    def signers_before(self, role: str, known: Iterable[Key]) -> list[Signer]:
        """Those of an earlier root's keys that are at hand still, among the retired ones too.

        Raises:
            KeyFileError: a key that is named, or lies there, cannot be used.
        """
        in_files = KeyRing(self.folder / RETIRED).sources(role)
        known, found = tuple(known), []
        for source in (*self.sources(role), *self.retired.get(role, ()), *in_files):
            with suppress(UnknownKey):  # a key of another root
                found.append(open_signer(source, known, self.secrets))
        return found


def read_config(path: Path) -> tuple[Listed, Listed]:
    """Read ``keys.toml``: the keys that are in use, and the retired ones.

    Raises:
        ConfigError: not TOML, not a role, not a list of texts, or a kind of key that is not known.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path} is not TOML: {error}.") from error
    retired = document.pop(RETIRED, {})
    if not isinstance(retired, dict):
        raise ConfigError(f"{path}: {RETIRED} has to be a table: [{RETIRED}], ROLE = [KEY, ...].")
    return _listed(path, document), _listed(path, retired)


def _listed(path: Path, table: Mapping[str, object]) -> Listed:
    return {role: _sources(path, role, value) for role, value in table.items()}


def _sources(path: Path, role: str, value: object) -> tuple[Source, ...]:
    if role not in TOP_LEVEL_ROLE_NAMES:
        raise ConfigError(
            f"{path}: {role!r} is no role.",
            hint="The roles are root, targets, snapshot, timestamp.",
        )
    if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
        raise ConfigError(f"{path}: {role} has to be a list of keys, each of them a text.")
    return tuple(Source.parse(text, path.parent) for text in value)
