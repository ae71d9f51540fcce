"""What clients see today: the newest metadata of an edition, believed only when signed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, TypeAlias, TypeVar

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

from repo_tools.errors import PublishedError

Read: TypeAlias = Callable[[str], bytes | None]
"""Gives the bytes of a published file by its name; None if there is none."""

TIMESTAMP = "timestamp.json"
T = TypeVar("T", Timestamp, Snapshot, Targets)


@dataclass(frozen=True, slots=True)
class Released:
    """The metadata that clients are led to, each verified by the one before.

    Attributes:
        digest: SHA-256 of the bytes of ``targets.json``, hexadecimal.
    """

    timestamp: Timestamp
    snapshot: Snapshot
    targets: Targets
    digest: str

    def expires(self) -> datetime:
        """The moment from which clients refuse it: the earliest of the three expiries."""
        return min(self.timestamp.expires, self.snapshot.expires, self.targets.expires)


def highest_version(names: Iterable[str]) -> int:
    """The highest version of metadata among the files of an edition; 0 when there is none.

    Files of an interrupted publish count too: a client or a cache may have seen them.
    """
    split = (name.split(".") for name in names if name.endswith(".json"))
    return max(
        (int(parts[0]) for parts in split if parts[0].isdecimal() and parts[1] in _NUMBERED),
        default=0,
    )


_NUMBERED = (Snapshot.type, Targets.type)


def released(read: Read, folder: str, root: Root) -> Released:
    """The metadata that ``timestamp.json`` leads to, verified along the whole way.

    Expiry is not looked at: signing again is the remedy for what has expired.

    Args:
        read: gives a published file.
        folder: of the edition, such as ``edge/x86_64``.
        root: whose keys must have signed.

    Raises:
        PublishedError: a file is missing or damaged, or not signed by the keys of ``root``.
    """
    timestamp, _ = _signed(read, f"{folder}/{TIMESTAMP}", Timestamp, root, None)
    meta = timestamp.snapshot_meta
    name = f"{folder}/{meta.version}.snapshot.json"
    snapshot, _ = _signed(read, name, Snapshot, root, meta.hashes)
    meta = snapshot.meta["targets.json"]
    name = f"{folder}/{meta.version}.targets.json"
    targets, digest = _signed(read, name, Targets, root, meta.hashes)
    return Released(timestamp, snapshot, targets, digest)


def _signed(
    read: Read, name: str, kind: type[T], root: Root, hashes: dict[str, str] | None
) -> tuple[T, str]:
    """The metadata of one role, and the SHA-256 of its bytes."""
    data = read(name)
    if data is None:
        raise PublishedError(f"{name} cannot be used: it is not there.", hint=_HINT)
    try:
        metadata: Metadata[Any] = Metadata.from_bytes(data)
        valid = isinstance(metadata.signed, kind) and root.get_verification_result(
            kind.type, metadata.signed_bytes, metadata.signatures
        )
    except (RepositoryError, ValueError) as error:
        raise PublishedError(f"{name} cannot be used: {error}.", hint=_HINT) from error
    if not valid:
        raise PublishedError(
            f"{name} is not signed by the {kind.type} key(s) of the root.", hint=_HINT
        )
    digest = sha256(data).hexdigest()
    if hashes is not None and hashes.get("sha256") != digest:
        raise PublishedError(f"{name} is not the file that was published.", hint=_HINT)
    signed: T = metadata.signed
    return signed, digest


_HINT = "Publish again from the draft: updog-repo publish DIR"
