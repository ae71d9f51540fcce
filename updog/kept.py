"""The hashes of what each set holds, kept when it was written, so that nobody has to look again.

They only say where a block probably is: what is copied on their word is proven by the digest of the
whole image, read back, and block by block where that is another (`updog.pipeline.adaptive`). So
nothing here is signed or checked, and a file that is damaged, old or gone costs time only.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from updog.blockmap import HASH_LENGTH, MAX_RAW, blocks_in
from updog.durable import remove_durably, write_pieces
from updog.errors import UpdogError
from updog.pipeline.columns import WINDOW, Slices, windows
from updog.pipeline.scratch import Scratch

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
    write_pieces(_path(folder, slot, role), windows(hashes))


def recall(folder: Path, slot: str, role: str) -> Slices | None:
    """Return the hashes of a partition, or None where there are none that can be read."""
    kept = Scratch()
    try:
        with _path(folder, slot, role).open("rb") as file:
            while (piece := file.read(WINDOW)) and len(kept) <= _LIMIT:
                kept.append(piece)
    except (OSError, UpdogError) as error:
        log.debug("kept hashes are not used: %s", error)
        return None
    # A copy: the next update may replace the file while this one reads from it.
    return kept if len(kept) <= _LIMIT and len(kept) % HASH_LENGTH == 0 else None


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
    """The hashes in a folder, for looking only (see `updog.beside.Ledger`)."""

    folder: Path

    def cleared(self) -> None:
        """Nothing is overwritten by whoever only looks."""

    def hashes(self, slot: str, role: str) -> Slices | None:
        """The kept hashes of a partition."""
        return recall(self.folder, slot, role)


def _path(folder: Path, slot: str, role: str) -> Path:
    return folder / f"{slot}-{role}.blake3"
