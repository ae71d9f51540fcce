"""Whether an update stands on the inactive set already, so that nothing has to be written.

The label of the set only says what to look for; believed is what the medium gives back. A set that
has changed since, or that has spent a try, is written again.
"""

from __future__ import annotations

import logging

from partitions.blockio import Access, Extent
from partitions.errors import DeviceError
from updog import digests, kept, staged
from updog.blockmap import blocks_in
from updog.digests import Digest
from updog.environment import Environment
from updog.manifest import Update
from updog.pipeline.direct import open_medium
from updog.pipeline.frontier import Frontier
from updog.pipeline.proof import Proof
from updog.session import Session
from updog.staged import StagedImage

log = logging.getLogger(__name__)


def stands_whole(env: Environment, session: Session, chosen: Update) -> bool:
    """Tell whether the inactive set holds this update, byte for byte, and may boot.

    Raises:
        UpdogError: the label cannot be read, or the repository lists no such images.
        PartitionError: the boot bits cannot be read.
    """
    place = env.control.inactive_set()
    flags = env.control.status().flags(place.slot)
    if flags.successful or flags.tries_left < env.settings.boot.tries:
        return False
    label = staged.recall(env.settings.paths.staged)
    kind = (place.slot, chosen.variant, chosen.arch, str(chosen.version))
    if label is None or label[:4] != kind or not _are_signed(label.images, session, chosen):
        return False
    extents = (place.root, place.boot, place.hash)
    for image, extent in zip(label.images, extents, strict=True):
        expected = digests.parse(image.digest)
        if expected is None:
            return False
        if _digest(env, extent, image.length, expected.algorithm) != expected:
            log.warning("%s no longer holds what was written to it; it is written again.", extent)
            return False
    return True


def _are_signed(images: tuple[StagedImage, ...], session: Session, chosen: Update) -> bool:
    """Whether these are the images that the repository signs now: a version may be made anew."""
    named = (chosen.images.root, chosen.images.boot, chosen.images.hash)
    now = [
        (role, name, _sha256(session, name)) for role, name in zip(kept.ROLES, named, strict=True)
    ]
    return [image[:3] for image in images] == now


def _sha256(session: Session, name: str) -> str:
    return session.target(name).hashes.get("sha256", "unsigned")


def _digest(env: Environment, extent: Extent, length: int, algorithm: str) -> Digest | None:
    """The digest of what the medium gives back; None where it gives not so much back."""
    try:
        with (
            env.open_device(extent, Access.READ) as device,
            open_medium(device, extent, Access.READ) as medium,
        ):
            if length > medium.size:
                return None
            frontier = Frontier(blocks_in(length))
            frontier.finish(length)
            proof = Proof(medium, frontier, algorithm)
            proof.follow()
            return proof.digest()
    except DeviceError as error:
        log.warning("%s cannot be read: %s", extent, error)
        return None
