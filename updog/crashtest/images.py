"""Images to install for a trial: bytes that look random, and are the same for the same seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256, shake_128

import lz4.frame

from partitions.blockio import Access, DeviceOpener, Extent
from partitions.bootcontrol import SetExtents
from updog.install import Image, ImageSet

_CHUNK = 1 << 18
KIB = 1 << 10
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of the three images, before compression; never more than their partitions hold.

    Attributes:
        root: the largest one.
        boot: the smaller one.
        hash: the hash tree, which fills its partition.
    """

    root: int = 5 * MIB + 3 * KIB
    boot: int = MIB + KIB
    hash: int = MIB

    def at_most(self, other: Sizes) -> Sizes:
        """The smaller one of each."""
        return Sizes(
            root=min(self.root, other.root),
            boot=min(self.boot, other.boot),
            hash=min(self.hash, other.hash),
        )


@dataclass(frozen=True, slots=True)
class TrialImages:
    """The images of one made-up update.

    Attributes:
        images: to hand to `updog.install.stage`.
        raw: what each partition has to hold afterwards, from its first byte, by target name.
    """

    images: ImageSet
    raw: Mapping[str, bytes]


def trial_images(
    place: SetExtents, open_device: DeviceOpener, sizes: Sizes, seed: str
) -> TrialImages:
    """Make three images that fit into a partition set.

    Args:
        place: the set.
        open_device: opens its partitions, to see how large they are.
        sizes: how large the images shall be.
        seed: another seed gives other bytes.

    Raises:
        DeviceError: a partition cannot be opened.
    """
    wanted = (("root", place.root, sizes.root), ("boot", place.boot, sizes.boot))
    raw = {
        role: _bytes(f"{seed} {role}", min(size, _size(extent, open_device)))
        for role, extent, size in (*wanted, ("hash", place.hash, sizes.hash))
    }
    made = {role: _image(f"trial-{seed}-{role}.lz4", data) for role, data in raw.items()}
    return TrialImages(
        ImageSet(boot=made["boot"], root=made["root"], hash=made["hash"]),
        {made[role].name: data for role, data in raw.items()},
    )


def _size(extent: Extent, open_device: DeviceOpener) -> int:
    with open_device(extent, Access.READ) as device:
        return device.size


def _bytes(seed: str, length: int) -> bytes:
    return shake_128(seed.encode()).digest(length)


def _image(name: str, raw: bytes) -> Image:
    packed = bytes(lz4.frame.compress(raw, content_checksum=True))
    hashes = {"sha256": sha256(packed).hexdigest()}
    return Image(name, len(packed), hashes, partial(_chunks, packed))


def _chunks(packed: bytes) -> Iterator[bytes]:
    return (packed[at : at + _CHUNK] for at in range(0, len(packed), _CHUNK))


def missing_from(place: SetExtents, open_device: DeviceOpener, made: TrialImages) -> str:
    """Say which partition of a set does not hold its image and zeros behind it; empty if none.

    Raises:
        DeviceError: a partition cannot be read.
    """
    for image, extent in made.images.placed(place):
        raw = made.raw[image.name]
        with open_device(extent, Access.READ) as device:
            held = device.pread(0, len(raw)) == raw
            for at in range(len(raw), device.size, MIB):
                rest = device.pread(at, min(MIB, device.size - at))
                held = held and rest == bytes(len(rest))
        if not held:
            return f"{extent} does not hold {image.name}"
    return ""
