"""What clients see today: the newest metadata of an edition, believed only when signed."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

from repo_tools.errors import PublishedError

TIMESTAMP = "timestamp.json"


def highest_version(folder: Path) -> int:
    """The highest version of metadata that ever reached ``folder``; 0 when there is none.

    Files of an interrupted publish count too: a client or a cache may have seen them.
    """
    names = (path.name.split(".") for path in folder.glob("*.json"))
    return max(
        (int(parts[0]) for parts in names if parts[0].isdecimal() and parts[1] in _NUMBERED),
        default=0,
    )


_NUMBERED = (Snapshot.type, Targets.type)


def targets(folder: Path, root: Root) -> Targets:
    """The targets metadata that ``timestamp.json`` leads to, verified along the whole way.

    Expiry is not looked at: signing again is the remedy for what has expired.

    Raises:
        PublishedError: a file is missing or damaged, or not signed by the keys of ``root``.
    """
    timestamp = _signed(folder / TIMESTAMP, Timestamp.type, root, None)
    meta = timestamp.snapshot_meta
    snapshot = _signed(folder / f"{meta.version}.snapshot.json", Snapshot.type, root, meta.hashes)
    meta = snapshot.meta["targets.json"]
    found = _signed(folder / f"{meta.version}.targets.json", Targets.type, root, meta.hashes)
    assert isinstance(found, Targets)  # noqa: S101 - narrows for the type checker; _signed checked
    return found


def _signed(path: Path, role: str, root: Root, hashes: dict[str, str] | None) -> Any:  # noqa: ANN401
    """The metadata of one role; ``Any`` because tuf's classes share no useful type here."""
    try:
        data = path.read_bytes()
        metadata: Metadata[Any] = Metadata.from_bytes(data)
        valid = metadata.signed.type == role and root.get_verification_result(
            role, metadata.signed_bytes, metadata.signatures
        )
    except (OSError, RepositoryError, ValueError) as error:
        raise PublishedError(f"{path} cannot be used: {error}.", hint=_HINT) from error
    if not valid:
        raise PublishedError(f"{path} is not signed by the {role} key(s) of the root.", hint=_HINT)
    if hashes is not None and hashes.get("sha256") != sha256(data).hexdigest():
        raise PublishedError(f"{path} is not the file that was published.", hint=_HINT)
    return metadata.signed


_HINT = "Publish again from the draft: updog-repo publish DIR"
