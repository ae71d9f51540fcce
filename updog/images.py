"""What the repository signed about the images of an update, and how to fetch them."""

from __future__ import annotations

from collections.abc import Iterator

from updog.errors import TrustError
from updog.install import Image, ImageSet
from updog.manifest import Images
from updog.session import Session
from updog.tuffiles import Target

HEX_SHA256 = 64


def image_set(session: Session, names: Images) -> ImageSet:
    """Look up the signed facts of an update's images and how to fetch them.

    Raises:
        TrustError: the repository lists no such target, or its signed facts make no sense.
    """
    boot, root, hash_ = (
        _image(session, session.target(name)) for name in (names.boot, names.root, names.hash)
    )
    return ImageSet(boot=boot, root=root, hash=hash_)


def _image(session: Session, target: Target) -> Image:
    def chunks() -> Iterator[bytes]:
        with session.stream(target) as body:
            yield from body

    raw_length, raw_sha256 = _raw_facts(target)
    return Image(target.name, target.length, target.hashes, chunks, raw_length, raw_sha256)


def _raw_facts(target: Target) -> tuple[int | None, str | None]:
    """What the repository signed about the decompressed image, where it did."""
    ours = target.custom.get("updog", {})
    if not isinstance(ours, dict):
        raise TrustError(f"{target.name}: its signed custom.updog is not an object.")
    length, sha256 = ours.get("raw_length"), ours.get("raw_sha256")
    if length is not None and (type(length) is not int or length <= 0):
        raise TrustError(f"{target.name}: its signed raw_length is not a positive number.")
    if sha256 is not None and not (isinstance(sha256, str) and len(sha256) == HEX_SHA256):
        raise TrustError(f"{target.name}: its signed raw_sha256 is not a sha256.")
    return length, None if sha256 is None else sha256.lower()
