"""Do three images make the release they are said to be? Values in, findings out. PURE.

Errors are what is provably wrong, so that no device could run the release: images in each other's
place, a root that its hash tree does not cover byte for byte, a boot image with another root hash,
an image larger than its partition, an os-release with another version. What may be unusual but
right, such as a file system that is not known here, is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from repo_tools.findings import Check, Finding
from repo_tools.release import names
from repo_tools.release.look import Identity, Sight, Tree
from repo_tools.release.names import Part, ReleaseName
from repo_tools.release.recognise import Kind
from repo_tools.release.room import Room

_BELONGS = {
    Part.BOOT: {Kind.EXT4, Kind.VFAT},
    Part.ROOT: {Kind.EXT4, Kind.EROFS, Kind.SQUASHFS},
    Part.HASH: {Kind.VERITY},
}
_READABLE = {Kind.EXT4, Kind.VFAT}
"""Kinds whose files stand in the image as they are, so that a text in one can be found."""
_PACKED = {Kind.EROFS, Kind.SQUASHFS}
"""Kinds that compress, as a rule, so that a text which is not seen may be there."""
_SECTOR = 512


@dataclass(frozen=True, slots=True)
class Expected:
    """What the images are said to be.

    Attributes:
        variant: of the release.
        arch: of the release.
        version: of the release, as text.
        root_hash: as the build told it, hexadecimal; empty if nobody did.
        room: what the devices have for it; None if that is not known.
    """

    variant: str
    arch: str
    version: str
    root_hash: str = ""
    room: Room | None = None

    def __str__(self) -> str:
        return f"{self.variant} {self.arch} {self.version}"


@dataclass(frozen=True, slots=True)
class Case:
    """What is to be judged.

    Attributes:
        expected: what the images should be.
        names: file or target names.
        sights: of the images that could be read.
        tree: of the hash image; None if that could not be read.
    """

    expected: Expected
    names: Mapping[Part, str]
    sights: Mapping[Part, Sight]
    tree: Tree | None

    def at(self, part: Part, check: str = "image") -> Check:
        """The place of one image."""
        return Check(check, self.names[part])


def judge(case: Case) -> Iterator[Finding]:
    """Everything that is wrong with the release, or may be."""
    for part in Part:
        yield from _name(case, part)
        if part in case.sights:
            yield from _kind(case, part)
            yield from _length(case, part)
    yield from _tree(case)
    yield from _root_hash(case)
    yield from _identity(case)


def _kind(case: Case, part: Part) -> Iterator[Finding]:
    kind, at = case.sights[part].kind, case.at(part, "kind")
    if kind in _BELONGS[part]:
        return
    if kind is Kind.UNKNOWN:
        wanted = " or ".join(sorted(_BELONGS[part]))
        yield at.warning(f"the {part} image begins like nothing that is known; expected {wanted}")
    elif kind is Kind.VERITY:
        yield at.error(f"this is a {kind}, not a {part} image: it was given in the wrong place")
    else:
        yield at.error(f"a {part} image cannot be {kind}: images were given in each other's place")


def _length(case: Case, part: Part) -> Iterator[Finding]:
    sight, at = case.sights[part], case.at(part, "size")
    told = sight.told_length
    # Some builders cut FAT images to what is in use, whole sectors, which mounts as well.
    if told is not None and told > sight.length + _SECTOR:
        yield at.error(
            f"its file system has {told} bytes, the image {sight.length}: it was cut short"
        )
    room = case.expected.room
    if room is not None and sight.length > room.sizes[part]:
        yield at.error(
            f"{sight.length} bytes do not fit the {part} partition of {room.sizes[part]} bytes"
            f" (layout {room.name})"
        )


def _tree(case: Case) -> Iterator[Finding]:
    tree, root = case.tree, case.sights.get(Part.ROOT)
    at = case.at(Part.HASH, "verity")
    if tree is None or case.sights[Part.HASH].kind is not Kind.VERITY:
        return
    if tree.fault:
        yield at.error(tree.fault)
    elif tree.mismatch:
        yield from _mismatch(case, tree)
    elif root is not None and tree.mismatch == "" and root.length > tree.covered:
        yield _uncovered(case.at(Part.ROOT, "verity"), root, tree)


def _uncovered(at: Check, root: Sight, tree: Tree) -> Finding:
    what = f"the hash tree covers {tree.covered} of its {root.length} bytes"
    if root.told_length is not None and root.told_length > tree.covered:
        return at.error(f"{what}, which cuts its file system: no device could mount it")
    return at.warning(f"{what}; devices cannot read the rest")


def _mismatch(case: Case, tree: Tree) -> Iterator[Finding]:
    boot, root = case.sights.get(Part.BOOT), case.sights.get(Part.ROOT)
    if boot and root and boot.length == tree.covered != root.length:
        yield case.at(Part.ROOT, "verity").error(
            f"the hash tree covers {tree.covered} bytes, which is the length of the boot image:"
            " boot and root were given in each other's place"
        )
        return
    yield case.at(Part.ROOT, "verity").error(
        f"it is not the root image of its hash tree, so no device could boot it: {tree.mismatch}"
    )


def _root_hash(case: Case) -> Iterator[Finding]:
    tree_hash = case.tree.root_hash if case.tree and not case.tree.fault else ""
    told = case.expected.root_hash.lower()
    if told and tree_hash and told != tree_hash:
        yield case.at(Part.HASH, "root-hash").error(
            f"its root hash is {tree_hash}, but the build says {told}"
        )
    wanted, boot = tree_hash or told, case.sights.get(Part.BOOT)
    if wanted and boot is not None and boot.kind is not Kind.VERITY and wanted not in boot.hashes:
        yield _no_root_hash(case.at(Part.BOOT, "root-hash"), boot, wanted)


def _no_root_hash(at: Check, boot: Sight, wanted: str) -> Finding:
    if boot.kind in _READABLE and boot.hashes:
        return at.error(
            f"it accepts the root hash {', '.join(sorted(boot.hashes))}, but that of this release"
            f" is {wanted}: no device could boot it"
        )
    return at.warning(f"the root hash {wanted} was not found in it")


def _identity(case: Case) -> Iterator[Finding]:
    root, expected = case.sights.get(Part.ROOT), case.expected
    wanted = Identity(expected.variant, expected.version)
    if root is not None and not root.identities and root.kind in _PACKED:
        yield case.at(Part.ROOT, "os-release").note(
            f"its os-release was not looked at: {root.kind} may pack it so that it cannot be seen"
            f" from outside. Make sure that it says {wanted}"
        )
    if root is None or not root.identities or wanted in root.identities:
        return
    said = ", ".join(sorted(map(str, root.identities)))
    yield case.at(Part.ROOT, "os-release").error(
        f"its os-release says {said}, not {wanted}: devices would go on updating to it for ever"
    )


def _name(case: Case, part: Part) -> Iterator[Finding]:
    """What the file's name says, where it is one of upstream's names."""
    at, expected = case.at(part, "name"), case.expected
    said = names.part_of(case.names[part])
    if said is not None and said is not part:
        yield at.error(f"by its name it is the {said} image, not the {part} image")
    parsed = names.parse(case.names[part])
    if parsed is None:
        return
    release = ReleaseName(parsed.variant, parsed.arch, parsed.version)
    if str(release) != str(expected):
        yield at.error(f"by its name it belongs to {release}, not to {expected}")
