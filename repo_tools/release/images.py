"""The three images of a release, each read once from its first to its last byte.

Images are streams, not files: a release on a disk and one behind a web server are looked at by the
same code. The tree is small and is held; the root flows past it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

from partitions import verity
from partitions.blockio import Buffer
from partitions.errors import PartitionError
from partitions.verity import BLOCK, Superblock, VerityError
from repo_tools.findings import Check, Finding
from repo_tools.release.look import Onlooker, Sight, Tree
from repo_tools.release.names import Part
from updog.errors import UpdogError

Raw: TypeAlias = Callable[[], Iterator[bytes]]
"""Begins to read the raw bytes of an image; each failure is an `UpdogError`."""

MOST_TREE = 256 << 20
"""Bytes of a hash image that is taken into memory: that of a root of 32 GiB."""


@dataclass(frozen=True, slots=True)
class Image:
    """One image to look at.

    Attributes:
        name: for messages: its file or target name.
        raw: its bytes, decoded.
    """

    name: str
    raw: Raw = field(repr=False)


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that was seen of a release.

    Attributes:
        sights: of the images that could be read.
        tree: what the hash image says; None if it could not be read.
        findings: about images that could not be read.
    """

    sights: Mapping[Part, Sight]
    tree: Tree | None
    findings: tuple[Finding, ...]


def look_at(images: Mapping[Part, Image]) -> Seen:
    """Read all three images, the hash image first, each to its end."""
    looks = _Looks(images)
    held = looks.hold(Part.HASH)
    tree = None if held is None else _tree(held)
    if tree is not None and held is not None and tree.root_hash:
        tree = _compared(looks, tree, held)
    else:
        looks.read(Part.ROOT)
    looks.read(Part.BOOT)
    return Seen(looks.sights, tree, tuple(looks.findings))


class _Looks:
    """Reads images, and keeps what was seen or why one could not be read."""

    def __init__(self, images: Mapping[Part, Image]) -> None:
        self.images = images
        self.sights: dict[Part, Sight] = {}
        self.findings: list[Finding] = []

    def read(self, part: Part, use: Callable[[Iterator[bytes]], None] | None = None) -> bool:
        """Read an image to its end, whatever is left of it after ``use`` had its part."""
        image, onlooker = self.images[part], Onlooker()
        try:
            chunks = onlooker.through(image.raw())
            if use is not None:
                use(chunks)
            for _ in chunks:
                pass
        except UpdogError as error:
            told = str(error).removeprefix(f"{image.name}: ")
            self.findings.append(Check("image", image.name).error(told))
            return False
        self.sights[part] = onlooker.sight()
        return True

    def hold(self, part: Part) -> bytes | None:
        """Read an image into memory, as far as it may be that long; None if it cannot be read."""
        held = bytearray()

        def take(chunks: Iterator[bytes]) -> None:
            for chunk in chunks:
                if len(held) <= MOST_TREE:
                    held.extend(chunk)

        return bytes(held) if self.read(part, take) else None


def _tree(held: bytes) -> Tree:
    if len(held) > MOST_TREE:
        return Tree(fault=f"it is longer than {MOST_TREE} bytes, which no tree is")
    try:
        superblock = Superblock.from_block(held[:BLOCK])
    except VerityError as error:
        return Tree(fault=str(error))
    covered = superblock.data_blocks * BLOCK
    top = held[BLOCK : 2 * BLOCK]
    if superblock.data_blocks <= 1:
        return Tree(covered=covered)
    if len(top) < BLOCK:
        return Tree(fault="it was cut short right behind its superblock", covered=covered)
    return Tree(sha256(superblock.salt + top).hexdigest(), covered=covered)


def _compared(looks: _Looks, tree: Tree, held: bytes) -> Tree:
    """The tree beside every byte of the root image."""
    root, verdict = looks.images[Part.ROOT], ""

    def verify(chunks: Iterator[bytes]) -> None:
        nonlocal verdict
        data = _Flow(Path(root.name), tree.covered, chunks)
        blocks = _Held(Path(looks.images[Part.HASH].name), held)
        try:
            verity.verify(data, blocks, tree.root_hash)
        except PartitionError as error:
            verdict = str(error)

    if not looks.read(Part.ROOT, verify):
        return tree
    return Tree(tree.root_hash, covered=tree.covered, mismatch=verdict)


class _Reading:
    """The parts of `partitions.blockio.BlockIO` that a reader of bytes at hand never needs."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size
        self.sector_size: int | None = None

    def pread(self, offset: int, length: int) -> bytes:
        raise NotImplementedError

    def pwrite(self, _offset: int, _data: Buffer) -> None:
        raise NotImplementedError

    def flush(self) -> None:
        """Nothing was written."""

    def reread(self, offset: int, length: int) -> bytes:
        return self.pread(offset, length)

    def close(self) -> None:
        """Nothing is open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        self.close()


class _Held(_Reading):
    """Bytes in memory as something to read blocks from."""

    def __init__(self, path: Path, content: bytes) -> None:
        super().__init__(path, len(content))
        self._content = content

    def pread(self, offset: int, length: int) -> bytes:
        return self._content[offset : offset + length]


class _Flow(_Reading):
    """A stream as something to read blocks from, provided that it is read from front to back.

    Its length is not known before its end, so it is given that which the tree covers; a stream that
    ends before shows when it does.
    """

    def __init__(self, path: Path, size: int, chunks: Iterator[bytes]) -> None:
        super().__init__(path, size)
        self._chunks = chunks
        self._ahead = bytearray()
        self._taken = 0

    def pread(self, offset: int, length: int) -> bytes:
        if offset != self._taken:
            raise VerityError(f"{self.path} can only be read from front to back")
        while len(self._ahead) < length:
            chunk = next(self._chunks, None)
            if chunk is None:
                end = self._taken + len(self._ahead)
                raise VerityError(
                    f"{self.path} ends after {end} bytes; the tree covers {self.size}"
                )
            self._ahead += chunk
        found = bytes(self._ahead[:length])
        del self._ahead[:length]
        self._taken += length
        return found
