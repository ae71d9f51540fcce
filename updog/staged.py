"""What was last written to the inactive set, kept for people: the disk itself does not tell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from updog.durable import read_small, remove_durably, write_durably

LIMIT = 64 << 10


class StagedImage(NamedTuple):
    """What was written to one partition.

    Attributes:
        role: root, boot or hash.
        target: name of the published file.
        packed_sha256: digest of that file, as signed; hex.
        length: bytes of the image.
        digest: of the image, as `updog.digests.Digest` is written.
    """

    role: str
    target: str
    packed_sha256: str
    length: int
    digest: str


class StagedUpdate(NamedTuple):
    """An update that `install.stage` finished.

    It is only a label: whether the set may boot is decided by its boot bits alone, and what it
    holds by its bytes.
    """

    slot: str
    variant: str
    arch: str
    version: str
    images: tuple[StagedImage, ...] = ()


def remember(path: Path, staged: StagedUpdate) -> None:
    """Keep the label.

    Raises:
        StorageError: the file system refused.
        PermissionDenied: this user may not write there.
    """
    said = {**staged._asdict(), "images": [image._asdict() for image in staged.images]}
    write_durably(path, json.dumps(said, indent=2).encode() + b"\n")


def forget(path: Path) -> None:
    """Drop the label, before the set it names is overwritten.

    Raises:
        StorageError: the file system refused.
        PermissionDenied: this user may not write there.
    """
    remove_durably(path)


def recall(path: Path) -> StagedUpdate | None:
    """The label, or None where there is none that can be read.

    Raises:
        StorageError: the file system refused.
        PermissionDenied: this user may not read it.
    """
    content = read_small(path, LIMIT)
    try:
        said = json.loads(content or b"null")
    except (ValueError, RecursionError):
        return None
    names = StagedUpdate._fields[:-1]
    if not isinstance(said, dict) or not all(isinstance(said.get(name), str) for name in names):
        return None
    slot, variant, arch, version = (said[name] for name in names)
    return StagedUpdate(slot, variant, arch, version, _images(said.get("images")))


def _images(said: object) -> tuple[StagedImage, ...]:
    """The images of a label; none where one makes no sense, or an older version wrote it."""
    found = []
    for one in said if isinstance(said, list) else ():
        kinds = StagedImage.__annotations__
        if not isinstance(one, dict) or one.keys() != kinds.keys():
            return ()
        image = StagedImage(**one)
        texts = (image.role, image.target, image.packed_sha256, image.digest)
        if not all(isinstance(text, str) for text in texts) or type(image.length) is not int:
            return ()
        if image.length <= 0:
            return ()
        found.append(image)
    return tuple(found)
