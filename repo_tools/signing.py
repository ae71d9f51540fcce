"""Metadata objects to signed bytes, in the one form that every known client reads.

The form (formats 6.2, 6.3, 13.5): spec_version 1.0.0, whole-second ``expires``, SHA-256 in every
``hashes``, ``delegations`` always present in targets, pretty JSON that ends with a newline.
Nothing leaves this module without enough signatures for the root that will judge it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from securesystemslib.signer import Signer
from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import (
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from repo_tools.errors import KeyFileError

# Upstream's editing tool rewrites only this version, and clients compare the major number alone.
SPEC_VERSION = "1.0.0"
# The roles that sign at each publish; their keys are online. Root keys are not.
ONLINE_ROLES = (Targets.type, Snapshot.type, Timestamp.type)


@dataclass(frozen=True, slots=True)
class Signers:
    """Who signs for one root.

    Attributes:
        root: the root that gives keys and thresholds to the roles.
        by_role: the private keys at hand for each online role.
        before: who signed for roots that devices may still hold this one against.
    """

    root: Root
    by_role: Mapping[str, Sequence[Signer]]
    before: Sequence[Signers] = ()

    def sign(self, signed: Targets | Snapshot | Timestamp) -> bytes:
        """Sign with every key at hand for the role; clients pass over keys they do not know.

        Raises:
            KeyFileError: fewer keys than the root's threshold, or one that does not sign.
        """
        metadata: Metadata[Any] = Metadata(signed)
        everybody = [one for each in (self, *self.before) for one in each.by_role[signed.type]]
        for signer in {one.public_key.keyid: one for one in everybody}.values():
            add_signature(metadata, signer)
        result = self.root.get_verification_result(
            signed.type, metadata.signed_bytes, metadata.signatures
        )
        if not result:
            raise KeyFileError(
                f"{result.missing} more {signed.type} key(s) needed to reach the root's threshold."
            )
        return pretty(metadata)


def add_signature(metadata: Metadata[Any], signer: Signer) -> None:
    """Sign ``metadata`` with one key more.

    Raises:
        KeyFileError: the key service or token that holds the key does not sign.
    """
    try:
        metadata.sign(signer, append=True)
    except UnsignedMetadataError as error:
        raise cannot_sign(signer, error) from error


def cannot_sign(signer: Signer, error: Exception) -> KeyFileError:
    """The error for a key that was found and yet does not sign."""
    cause = error.__cause__ or error
    told = str(cause) or type(cause).__name__
    return KeyFileError(
        f"The key {signer.public_key.keyid[:8]} does not sign: {told}.",
        hint="Check the token or the key service, and what these credentials may do there.",
    )


def pretty(metadata: Metadata[Any]) -> bytes:
    """The published form of metadata: sorted members, two-space indent, newline at the end."""
    return json.dumps(metadata.to_dict(), indent=2, sort_keys=True).encode() + b"\n"


def whole_second(moment: datetime) -> datetime:
    """``moment`` in UTC without its fraction: the one form of ``expires`` every reader takes."""
    return moment.astimezone(UTC).replace(microsecond=0)


def targets_of(files: Iterable[TargetFile], version: int, expires: datetime) -> Targets:
    """Unsigned targets metadata that lists ``files``."""
    return Targets(
        version=version,
        spec_version=SPEC_VERSION,
        expires=whole_second(expires),
        targets={file.path: file for file in files},
        delegations=Delegations(keys={}, roles={}),
    )


def snapshot_of(targets: bytes, version: int, expires: datetime) -> Snapshot:
    """Unsigned snapshot metadata that names the signed ``targets``."""
    return Snapshot(
        version=version,
        spec_version=SPEC_VERSION,
        expires=whole_second(expires),
        meta={"targets.json": meta_file(targets, version)},
    )


def timestamp_of(snapshot: bytes, version: int, expires: datetime) -> Timestamp:
    """Unsigned timestamp metadata that names the signed ``snapshot``."""
    return Timestamp(
        version=version,
        spec_version=SPEC_VERSION,
        expires=whole_second(expires),
        snapshot_meta=meta_file(snapshot, version),
    )


def meta_file(data: bytes, version: int) -> MetaFile:
    """How one metadata file names another: version, length in bytes, SHA-256."""
    return MetaFile(version, len(data), {"sha256": sha256(data).hexdigest()})
