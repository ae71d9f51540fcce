"""Every target file: the signed bytes, one sound frame, the image that it should be, its block map.

Files are streamed, several at once, and nothing is kept. The three images of a release are read one
after the other, because the root is compared with its hash tree on the way.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import IO, TypeAlias, cast

import zstandard

from repo_tools.findings import Check, Finding
from repo_tools.release.images import Image, look_at
from repo_tools.release.judge import Case, Expected, judge
from repo_tools.release.names import Part
from repo_tools.release.room import Room
from repo_tools.validate.mapcheck import MapCheck
from repo_tools.validate.offers import MANIFEST, images_of
from updog import blockmap
from updog.blockmap import SUFFIX, BlockMap
from updog.digests import BLAKE3, IMAGE, SHA256
from updog.errors import TargetMismatch, UpdogError
from updog.fetch import Fetcher
from updog.manifest import Manifest, Update
from updog.pipeline.formats import Format, detect
from updog.stream import Tally, algorithms_in, cap, decompress
from updog.tuffiles import Target
from updog.tufnames import target_file, url, url_path

JOBS = 4
_PIECE = 1 << 20
_WINDOW = 8 << 20
_NO_LIMIT = 1 << 62
_MOST_MAP = 256 << 20

MakeFetcher: TypeAlias = Callable[[], Fetcher]


@dataclass(frozen=True, slots=True)
class Listed:
    """The targets of a repository, and how to get them.

    Attributes:
        targets: by name.
        base: address of the target files.
        consistent: whether their names carry their hashes.
        fetcher: makes a way to the network; each thread has its own.
    """

    targets: Mapping[str, Target]
    base: str
    consistent: bool
    fetcher: MakeFetcher


def check_targets(
    listed: Listed, manifest: Manifest | None, *, room: Room | None = None, jobs: int = JOBS
) -> tuple[Finding, ...]:
    """Read every target, and tell what is wrong with any of them."""
    reader = _Reader(listed, room)
    tasks: list[Callable[[], Iterable[Finding]]] = []
    images: set[str] = set()
    for update in manifest.updates if manifest else ():
        names = set(images_of(update).values())
        if names <= listed.targets.keys():
            images |= names
            tasks.append(partial(reader.release, update))
    rest = sorted(listed.targets.keys() - images - {MANIFEST})
    tasks.extend(partial(reader.single, name) for name in rest)
    with ThreadPoolExecutor(jobs) as pool:
        return tuple(one for found in pool.map(lambda task: tuple(task()), tasks) for one in found)


@dataclass(slots=True)
class _Reader:
    """Reads targets on whichever thread it is called."""

    listed: Listed
    room: Room | None
    own: threading.local = field(default_factory=threading.local)

    def release(self, update: Update) -> Iterable[Finding]:
        """The three images of a release, each with its map."""
        names = {Part(part): name for part, name in images_of(update).items()}
        reads = {part: _Read(self, name) for part, name in names.items()}
        images = {part: Image(names[part], reads[part].raw) for part in Part}
        seen = look_at(images)
        yield from seen.findings
        for read in reads.values():
            yield from read.findings
        expected = Expected(update.variant, update.arch, str(update.version), room=self.room)
        yield from judge(Case(expected, names, seen.sights, seen.tree))

    def single(self, name: str) -> Iterable[Finding]:
        """Any other target: a migration, a map, a delta."""
        read = _Read(self, name)
        try:
            for _ in read.raw() if name.endswith(".lz4") else read.packed():
                pass
        except UpdogError as error:
            yield Check("target", name).error(str(error).removeprefix(f"{name}: "))
        yield from read.findings

    def open(self, target: Target) -> Iterator[bytes]:
        """The bytes of a target, unverified."""
        if not hasattr(self.own, "fetcher"):
            self.own.fetcher = self.listed.fetcher()
        fetcher: Fetcher = self.own.fetcher
        name = target_file(target.name, target.hashes, consistent=self.listed.consistent)
        with fetcher.open(url(self.listed.base, url_path(name), {})) as body:
            yield from body

    def map_of(self, name: str) -> BlockMap | None:
        """The map of an image; None where there is none, or none that can be used."""
        target = self.listed.targets.get(f"{name}{SUFFIX}")
        if target is None or target.length > _MOST_MAP:
            return None
        try:
            content = b"".join(cap(self.open(target), target.length, target.name))
            target.check(content)
            return blockmap.parse(content, target.name)
        except UpdogError:
            # Told where the map itself is read.
            return None


class _Read:
    """One target being read."""

    def __init__(self, reader: _Reader, name: str) -> None:
        self._reader = reader
        self._target = reader.listed.targets[name]
        self.findings: list[Finding] = []

    def packed(self) -> Iterator[bytes]:
        """The file as it is published; ends in an error unless it is the signed one."""
        target = self._target
        tally = Tally(algorithms_in(target.hashes, target.name))
        held = bytearray()
        is_map = target.name.endswith(SUFFIX) and target.length <= _MOST_MAP
        for chunk in tally.through(cap(self._reader.open(target), target.length, target.name)):
            if is_map:
                held += chunk
            yield chunk
        tally.check(target.name, target.length, target.hashes)
        if is_map:
            blockmap.parse(bytes(held), target.name)

    def raw(self) -> Iterator[bytes]:
        """What it decodes to; ends in an error unless the file is the signed one, and sound."""
        target, tally = self._target, Tally(IMAGE)
        found = self._reader.map_of(target.name)
        check = None if found is None else MapCheck(found)
        packed = self.packed()
        seen = packed if check is None else check.packed(packed)
        try:
            for piece in tally.through(decoded(seen, target.name)):
                if check is not None:
                    check.raw(piece)
                yield piece
        except TargetMismatch:
            # Other bytes than the signed ones explain everything else, so that is told first.
            for _ in packed:
                pass
            raise
        for _ in packed:
            pass
        self._compare(tally, check)

    def _compare(self, tally: Tally, check: MapCheck | None) -> None:
        ours = self._target.custom.get("updog")
        told = ours if isinstance(ours, dict) else {}
        wrong = {
            "raw_length": tally.length,
            "raw_sha256": tally.hex(SHA256),
            "raw_blake3": tally.hex(BLAKE3),
        }
        for member, found in wrong.items():
            if told.get(member, found) != found:
                self.findings.append(
                    Check("custom", self._target.name).error(
                        f"{member} is signed as {told[member]}, but it decodes to {found}"
                    )
                )
        for fault in check.faults(tally) if check is not None else ():
            self.findings.append(Check("blockmap", f"{self._target.name}{SUFFIX}").error(fault))


def decoded(chunks: Iterator[bytes], name: str) -> Iterator[bytes]:
    """The raw bytes of a published file, by what its first bytes say it is.

    Raises:
        TargetMismatch: the frame is damaged, cut, or not alone.
    """
    first = next(chunks, b"")
    whole = _again(first, chunks)
    found = detect(first)
    if found is Format.LZ4:
        return decompress(whole, _NO_LIMIT, name)
    if found is Format.ZSTD:
        return _zstd(whole, name)
    if name.endswith(".lz4"):
        raise TargetMismatch(f"{name} is not an LZ4 frame.")
    return whole


def _again(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _zstd(chunks: Iterator[bytes], name: str) -> Iterator[bytes]:
    # The decoder asks for nothing but ``read``.
    source = cast("IO[bytes]", _Readable(chunks))
    decoder = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
    reader = decoder.stream_reader(source, read_across_frames=True)
    try:
        while piece := reader.read(_PIECE):
            yield piece
    except zstandard.ZstdError as error:
        raise TargetMismatch(f"{name} is not made of sound zstd frames: {error}") from error


class _Readable:
    """Chunks behind the ``read`` that the decoder asks for."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = b""

    def read(self, size: int) -> bytes:
        """The next bytes, at most ``size``; empty at the end."""
        if not self._left:
            self._left = next(self._chunks, b"")
        found, self._left = self._left[:size], self._left[size:]
        return found
