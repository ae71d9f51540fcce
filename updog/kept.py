"""The hashes of what each set holds, kept when it was written, so that nobody has to look again.

They only say where a block probably is: whoever takes one from there hashes it first. So nothing
here is signed or checked, and a file that is damaged, old or gone costs time only.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from updog.blockmap import HASH_LENGTH, MAX_RAW, blocks_in
from updog.durable import read_small, remove_durably, write_durably
from updog.errors import UpdogError
from updog.pipeline.columns import Slices

log = logging.getLogger(__name__)

ROLES = ("root", "boot", "hash")
_LIMIT = blocks_in(MAX_RAW) * HASH_LENGTH


def remember(folder: Path, slot: str, role: str, hashes: Slices) -> None:
    """Keep the hashes of a partition.

    Args:
        folder: where such files are.
        slot: of which set.
        role: root, boot or hash.
        hashes: 8 bytes for each block.

    Raises:
        StorageError: the file system refused.
        PermissionDenied: this user may not write there.
    """
    write_durably(_path(folder, slot, role), bytes(hashes[: len(hashes)]))


def recall(folder: Path, slot: str, role: str) -> memoryview | None:
    """Return the hashes of a partition, or None where there are none that can be read."""
    try:
        found = read_small(_path(folder, slot, role), _LIMIT)
    except UpdogError as error:
        log.debug("kept hashes are not used: %s", error)
        return None
    if found is None or len(found) % HASH_LENGTH:
        return None
    return memoryview(found)


def forget(folder: Path, slot: str) -> None:
    """Drop the hashes of a set, before it is overwritten.

    Raises:
        StorageError: the file system refused.
        PermissionDenied: this user may not write there.
    """
    for role in ROLES:
        remove_durably(_path(folder, slot, role))


@dataclass(frozen=True, slots=True)
class Kept:
    """The hashes in a folder, for looking only (see `updog.writing.Ledger`)."""

    folder: Path

    def cleared(self) -> None:
        """Nothing is overwritten by whoever only looks."""

    def hashes(self, slot: str, role: str) -> Slices | None:
        """The kept hashes of a partition."""
        return recall(self.folder, slot, role)


def _path(folder: Path, slot: str, role: str) -> Path:
    return folder / f"{slot}-{role}.hashes"
