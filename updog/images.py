"""What the repository signed about the images of an update, and how to fetch them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from updog import blockmap
from updog.blockmap import BlockMap
from updog.deltaformat import target_name
from updog.errors import Expired, TargetMismatch, TrustError, UpdogError
from updog.install import Image, ImageSet
from updog.manifest import Images
from updog.pipeline.adaptive import check_facts
from updog.pipeline.delta import Delta
from updog.pipeline.facts import Signed
from updog.pipeline.formats import Format
from updog.pipeline.scratch import Scratch, check_map_length, receive_signed
from updog.session import Session
from updog.tuffiles import Target

log = logging.getLogger(__name__)

HEX_DIGEST = 64
_FORMATS = {one.value: one for one in Format}


def image_set(session: Session, names: Images, base: str | None = None) -> ImageSet:
    """Look up the signed facts of an update's images and how to fetch them.

    Args:
        session: the repository.
        names: of the three images.
        base: what names the running set for deltas (docs/blockmap.md); None where it has no name.

    Raises:
        TrustError: the repository lists no such target, or its signed facts make no sense.
    """
    boot, root, hash_ = (
        _image(session, session.target(name), base) for name in (names.boot, names.root, names.hash)
    )
    return ImageSet(boot=boot, root=root, hash=hash_)


def _image(session: Session, target: Target, base: str | None) -> Image:
    raw = _raw_facts(target)
    about = Signed(target.name, target.length, target.hashes, *raw)
    return Image(
        target.name,
        target.length,
        target.hashes,
        _chunks(session, target),
        *raw,
        _format(target),
        source=partial(session.ranges, target),
        blockmap=partial(_blockmap, session, target, about),
        delta=partial(_delta, session, target, base),
    )


def _chunks(session: Session, target: Target) -> Callable[[], Iterator[bytes]]:
    def chunks() -> Iterator[bytes]:
        with session.stream(target) as body:
            yield from body

    return chunks


def _blockmap(session: Session, image: Target, about: Signed) -> BlockMap | None:
    """The map of an image, where the repository has one that can be used.

    A map only makes things cheaper: without it the image is fetched whole.
    """
    found = session.find(image.name + blockmap.SUFFIX)
    if found is None:
        return None
    signed = Signed(found.name, found.length, found.hashes)
    try:
        check_map_length(signed, about.raw_length)
        known = blockmap.parse(_received(session, found, signed), found.name)
        check_facts(about, known)
    except Expired:
        raise
    except UpdogError as error:
        log.warning("%s; %s is fetched without its map.", error, image.name)
        return None
    return known


def _received(session: Session, target: Target, signed: Signed) -> Scratch:
    """The verified bytes of a target, from another server where one sends others."""
    while True:
        try:
            return receive_signed(signed, _chunks(session, target))
        except TargetMismatch as error:
            if not session.elsewhere(error):
                raise


def _delta(session: Session, image: Target, base: str | None) -> Delta | None:
    """What leads from the running set to an image, where the repository has it."""
    found = None if base is None else session.find(target_name(image.name, base))
    if found is None:
        return None
    return Delta(Signed(found.name, found.length, found.hashes), _chunks(session, found))


def _format(target: Target) -> Format | None:
    """How the repository says that a target is packed; an unknown word says nothing."""
    ours = target.custom.get("updog", {})
    said = ours.get("format") if isinstance(ours, dict) else None
    return _FORMATS.get(said) if isinstance(said, str) else None


def _raw_facts(target: Target) -> tuple[int | None, str | None, str | None]:
    """Length, SHA-256 and BLAKE3 of the decompressed image, where the repository signed them."""
    ours = target.custom.get("updog", {})
    if not isinstance(ours, dict):
        raise TrustError(f"{target.name}: its signed custom.updog is not an object.")
    length = ours.get("raw_length")
    if length is not None and (type(length) is not int or length <= 0):
        raise TrustError(f"{target.name}: its signed raw_length is not a positive number.")
    return (
        length,
        _digest(target.name, ours, "raw_sha256"),
        _digest(target.name, ours, "raw_blake3"),
    )


def _digest(name: str, ours: Mapping[str, object], member: str) -> str | None:
    found = ours.get(member)
    if found is None:
        return None
    if not (isinstance(found, str) and len(found) == HEX_DIGEST):
        raise TrustError(f"{name}: its signed {member} is not {HEX_DIGEST} hexadecimal digits.")
    return found.lower()
