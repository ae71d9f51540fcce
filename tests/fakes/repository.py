"""A TUF repository in memory that is a `Fetcher`: it signs when asked and keeps a log of fetches.

Tests change the parsed metadata (``repo.snapshot.version = 9``), then `publish`; or they change the
published bytes (``repo.files["metadata/3.snapshot.json"]``), with `resign` where the change has to
carry valid signatures.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from securesystemslib.formats import encode_canonical
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from tests.fakes.clock import NOW
from updog.body import OneBody, too_long
from updog.errors import CutShort, NotThere
from updog.session import RepositoryUrls

URLS = RepositoryUrls("fake://repo/metadata", "fake://repo/targets/")
TOP = ("root", "timestamp", "snapshot", "targets")

GENERATE: Mapping[str, Callable[[], CryptoSigner]] = {
    "ed25519": CryptoSigner.generate_ed25519,
    "ecdsa": CryptoSigner.generate_ecdsa,
    "rsa": CryptoSigner.generate_rsa,
}


@dataclass
class Faults:
    """What goes wrong, by path below the repository.

    Attributes:
        errors: raised instead of an answer.
        cuts: for each transfer in turn, after how many bytes it breaks off; None for not at all.
        no_range: files that are always sent from their start.
        totals: what is told about the length of a file before it is sent.
    """

    errors: dict[str, Exception] = field(default_factory=dict)
    cuts: dict[str, list[int | None]] = field(default_factory=dict)
    no_range: set[str] = field(default_factory=set)
    totals: dict[str, int] = field(default_factory=dict)


class FakeRepository:
    """A repository with one key for each top-level role, all of it published as version 1."""

    def __init__(
        self, *, now: datetime = NOW, key_type: str = "ed25519", consistent: bool = True
    ) -> None:
        self.expiry = (now + timedelta(days=30)).replace(microsecond=0)
        self.key_type = key_type
        self.files: dict[str, bytes] = {}
        self.log: list[str] = []
        self.queries: list[str] = []
        self.faults = Faults()
        self.hashes_in_metadata = True
        self.signers: dict[str, list[CryptoSigner]] = {role: [self.new_key()] for role in TOP}
        self.root = Root(1, None, self.expiry, {}, None, consistent)
        self.timestamp = Timestamp(1, None, self.expiry)
        self.snapshot = Snapshot(1, None, self.expiry)
        self.roles: dict[str, Targets] = {"targets": Targets(1, None, self.expiry)}
        for role in TOP:
            self.root.add_key(self.signers[role][0].public_key, role)
        self.publish_root(bump=False)
        self.publish(bump=False)

    # Editing -------------------------------------------------------------------------------------
    @property
    def targets(self) -> Targets:
        return self.roles["targets"]

    def new_key(self) -> CryptoSigner:
        return GENERATE[self.key_type]()

    def shipped_root(self, version: int = 1) -> bytes:
        return self.files[f"metadata/{version}.root.json"]

    def metadata(self, role: str) -> bytes:
        """The published bytes of the newest version of a role."""
        return self.files[f"metadata/{self._file_name(role)}"]

    def rotate(self, *roles: str) -> None:
        """Give roles new keys in place of all old ones; publish_root is still to come."""
        for role in roles:
            for old in list(self.root.roles[role].keyids):
                self.root.revoke_key(old, role)
            self.signers[role] = [self.new_key()]
            self.root.add_key(self.signers[role][0].public_key, role)

    def add_signers(self, role: str, count: int, *, threshold: int) -> None:
        """Give a top-level role more keys and a threshold; publish_root is still to come."""
        for _ in range(count):
            signer = self.new_key()
            self.signers[role].append(signer)
            self.root.add_key(signer.public_key, role)
        self.root.roles[role].threshold = threshold

    def add_target(
        self, name: str, data: bytes, *, role: str = "targets", algorithms: tuple[str, ...] = ()
    ) -> None:
        """List a target and put its file there under each name it may be asked for."""
        file = TargetFile.from_data(name, data, list(algorithms or ("sha256",)))
        self.roles[role].targets[name] = file
        for path in (*file.get_prefixed_paths(), name):
            self.files[f"targets/{path}"] = data

    def delegate(
        self, delegator: str, name: str, paths: list[str], *, terminating: bool = False
    ) -> None:
        """Delegate to a role with one key; the same role keeps its key under a second delegator."""
        above = self.roles[delegator]
        above.delegations = above.delegations or Delegations({}, {})
        assert above.delegations.roles is not None
        above.delegations.roles[name] = DelegatedRole(name, [], 1, terminating, paths)
        self.signers.setdefault(name, [self.new_key()])
        above.add_key(self.signers[name][0].public_key, name)
        self.roles.setdefault(name, Targets(1, None, self.expiry))

    # Publishing ----------------------------------------------------------------------------------
    def publish(self, *, bump: bool = True) -> None:
        """Sign and publish targets roles, snapshot, timestamp, in that order."""
        for role in self.roles:
            self.publish_targets(role, bump=bump)
        self.publish_snapshot(bump=bump)
        self.publish_timestamp(bump=bump)

    def publish_targets(self, role: str = "targets", *, bump: bool = True) -> None:
        data = self._publish(role, bump=bump)
        self.snapshot.meta[f"{role}.json"] = self._meta(self.roles[role].version, data)

    def publish_snapshot(self, *, bump: bool = True) -> None:
        data = self._publish("snapshot", bump=bump)
        self.timestamp.snapshot_meta = self._meta(self.snapshot.version, data)

    def publish_timestamp(self, *, bump: bool = True) -> None:
        self._publish("timestamp", bump=bump)

    def publish_root(self, *, bump: bool = True, also: tuple[CryptoSigner, ...] = ()) -> None:
        """Sign the root with its keys, and with old ones where it has to be cross-signed."""
        self.root.version += bump
        self.files[f"metadata/{self.root.version}.root.json"] = sign(
            self.root, [*also, *self.signers["root"]]
        )

    def resign(
        self,
        role: str,
        edit: Callable[[dict[str, Any]], None],
        *,
        signers: list[CryptoSigner] | None = None,
    ) -> None:
        """Change the published bytes of a role at will, sign them, and list them above it.

        The parsed metadata stays as it was: what is published is not always what can be parsed.
        """
        path = f"metadata/{self._file_name(role)}"
        document = json.loads(self.files[path])
        edit(document["signed"])
        data = sign_document(document["signed"], signers or self.signers[role])
        self.files[path] = data
        self._list(role, document["signed"], data)

    def _list(self, role: str, signed: dict[str, Any], data: bytes) -> None:
        if role in self.roles:
            self.snapshot.meta[f"{role}.json"] = self._meta(signed["version"], data)
            self.publish_snapshot()
        if role in self.roles or role == "snapshot":
            if role == "snapshot":
                self.timestamp.snapshot_meta = self._meta(signed["version"], data)
            self.publish_timestamp()

    def _publish(self, role: str, *, bump: bool) -> bytes:
        signed = self._signed(role)
        signed.version += bump
        data = sign(signed, self.signers[role])
        self.files[f"metadata/{self._file_name(role)}"] = data
        return data

    def _signed(self, role: str) -> Root | Timestamp | Snapshot | Targets:
        if role in self.roles:
            return self.roles[role]
        if role == "root":
            return self.root
        return self.timestamp if role == "timestamp" else self.snapshot

    def _file_name(self, role: str) -> str:
        versioned = role == "root" or (self.root.consistent_snapshot and role != "timestamp")
        prefix = f"{self._signed(role).version}." if versioned else ""
        return f"{prefix}{quote(role, safe='')}.json"

    def _meta(self, version: int, data: bytes) -> MetaFile:
        if self.hashes_in_metadata:
            return MetaFile.from_data(version, data, ["sha256"])
        return MetaFile(version)

    # Being a Fetcher -----------------------------------------------------------------------------
    def get(self, url: str, *, max_bytes: int) -> bytes:
        with self.open(url) as body:
            data = b"".join(body)
        if len(data) > max_bytes:
            raise too_long(url, max_bytes)
        return data

    def open(self, url: str, *, offset: int = 0) -> OneBody:
        path = self._path(url)
        self.log.append(path if not offset else f"{path}@{offset}")
        if path in self.faults.errors:
            raise self.faults.errors[path]
        if path not in self.files:
            raise NotThere(f"{path} does not exist")
        start = 0 if path in self.faults.no_range else offset
        return OneBody(self._chunks(path, start), start, total=self.faults.totals.get(path))

    def _path(self, url: str) -> str:
        parts = urlsplit(url)
        self.queries.append(parts.query)
        path = parts.path.removeprefix("/")
        # Role names stay encoded, as they are in file names; target names do not.
        return path if path.startswith("metadata/") else unquote(path)

    def _chunks(self, path: str, start: int) -> Iterator[bytes]:
        cuts = self.faults.cuts.get(path, [])
        cut = cuts.pop(0) if cuts else None
        data = self.files[path][start:]
        for begin in range(0, len(data[:cut]), 1000):
            yield data[:cut][begin : begin + 1000]
        if cut is not None:
            raise CutShort(f"{path} stopped before its end")


def sign(signed: Root | Timestamp | Snapshot | Targets, signers: list[CryptoSigner]) -> bytes:
    return sign_document(deepcopy(signed).to_dict(), signers)


def sign_document(signed: dict[str, Any], signers: list[CryptoSigner]) -> bytes:
    """Sign a dictionary that need not be what tuf.api would make."""
    payload = encode_canonical(signed)
    assert payload is not None
    signatures = [signer.sign(payload.encode()).to_dict() for signer in signers]
    return json.dumps({"signatures": signatures, "signed": signed}, indent=1).encode()
