"""An update onto the inactive set, and what this host remembers of it.

`updog.install` has the order of the writes; here stands what surrounds it: the images as signed,
other servers where one sends damaged bytes, labels and hashes that later runs are helped by.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from partitions import verity
from partitions.blockio import Access, DeviceOpener
from partitions.bootcontrol import BootControl
from partitions.errors import PartitionError
from updog import events, install, kept, staged
from updog.environment import Environment
from updog.errors import PermissionDenied, StorageError, TargetMismatch
from updog.images import image_set
from updog.install import ImageSet, Receipt
from updog.manifest import Update
from updog.moving import Watch
from updog.pipeline.columns import Slices
from updog.session import Session
from updog.staged import StagedImage

log = logging.getLogger(__name__)

ROOT_HASH_START = 8192
"""Bytes at the start of a hash image that its root hash depends on."""


def stage(
    env: Environment, session: Session, chosen: Update, *, force: bool
) -> tuple[Receipt, ...]:
    """Write an update to the inactive set, mark it valid, and remember what stands there now.

    Raises:
        UpdogError: see `updog.install.stage`.
        PartitionError: the disk failed or refused.
    """
    images = image_set(session, chosen.images, running_release(env.control, env.open_device))
    paths, slot = env.settings.paths, env.control.inactive_set().slot
    receipts = _write_images(env, session, images, force=force)
    for receipt in receipts:
        log.debug("%s", receipt)
    label = staged.StagedUpdate(
        slot, chosen.variant, chosen.arch, str(chosen.version), _written(images, receipts)
    )
    may_fail(lambda: staged.remember(paths.staged, label))
    may_fail(lambda: _remember_blocks(paths.kept_hashes, slot, receipts))
    events.tell(events.INSTALLED, version=chosen.version, slot=slot)
    return receipts


def running_release(control: BootControl, open_device: DeviceOpener) -> str | None:
    """The root hash of the running release, by which deltas are named; None where it has none."""
    try:
        with open_device(control.active_set().hash, Access.READ) as device:
            return verity.read_root_hash(device.pread(0, min(ROOT_HASH_START, device.size)))
    except PartitionError as error:
        log.debug("the running release has no root hash: %s", error)
        return None


def _written(images: ImageSet, receipts: Sequence[Receipt]) -> tuple[StagedImage, ...]:
    """What each partition holds, by which it is known again (`updog.standing`)."""
    signed = (images.root, images.boot, images.hash)
    return tuple(
        StagedImage(role, one.name, one.hashes.get("sha256", ""), done.bytes, str(done.written))
        for role, one, done in zip(kept.ROLES, signed, receipts, strict=True)
    )


def _remember_blocks(folder: Path, slot: str, receipts: Sequence[Receipt]) -> None:
    for role, receipt in zip(kept.ROLES, receipts, strict=True):
        if receipt.hashes is not None:
            kept.remember(folder, slot, role, receipt.hashes)


@dataclass(frozen=True, slots=True)
class _Kept:
    """What this host remembers about its sets (see `updog.beside.Ledger`)."""

    env: Environment

    def cleared(self) -> None:
        """What is known about a set goes before the first write to it, and comes back at the end.

        So it never tells of what is not there, and a refused update leaves it alone.
        """
        paths, slot = self.env.settings.paths, self.env.control.inactive_set().slot
        may_fail(lambda: staged.forget(paths.staged))
        may_fail(lambda: kept.forget(paths.kept_hashes, slot))

    def hashes(self, slot: str, role: str) -> Slices | None:
        """The kept hashes of a partition."""
        return kept.Kept(self.env.settings.paths.kept_hashes).hashes(slot, role)


def _write_images(
    env: Environment, session: Session, images: ImageSet, *, force: bool
) -> tuple[Receipt, ...]:
    while True:
        try:
            return install.stage(
                images,
                env.control,
                env.open_device,
                tries=env.settings.boot.tries,
                force=force,
                watch=Watch(env.progress, env.cancel),
                ledger=_Kept(env),
            )
        except TargetMismatch as error:
            # The set stays cleared until another server's bytes are what was signed.
            if not session.elsewhere(error):
                raise


def may_fail(step: Callable[[], None]) -> None:
    """Take a step of bookkeeping: one that fails is said, and is no reason to go without an update.

    What a set holds and whether it may boot is decided by its bytes and bits alone.
    """
    try:
        step()
    except (StorageError, PermissionDenied) as error:
        log.warning("%s", error)
