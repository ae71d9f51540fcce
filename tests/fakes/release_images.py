"""Three raw images that belong together: a root with much in common with the one before it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from partitions import verity
from repo_tools.repository import NewUpdate
from tests.fakes.images import changed, image
from tests.fakes.repositories import EDITION
from updog.version import Version

ROOTS = {"1.1.0": image(300, seed=3)}
ROOTS["1.2.0"] = changed(ROOTS["1.1.0"])
ROOTS["1.3.0"] = changed(ROOTS["1.2.0"], seed=4)
_NAME = UUID("12345678-1234-1234-1234-123456789abc")


@dataclass(frozen=True)
class ReleaseImages:
    """The files of a release, and its dm-verity root hash."""

    version: str
    boot: Path
    root: Path
    hash: Path
    root_hash: str

    @property
    def paths(self) -> tuple[Path, Path, Path]:
        return self.boot, self.root, self.hash

    @property
    def new(self) -> NewUpdate:
        return NewUpdate(EDITION, Version.parse(self.version), *self.paths)

    def names(self, suffix: str = ".lz4") -> list[str]:
        """The target names of the images."""
        return [path.name + suffix for path in self.paths]


def make_release(folder: Path, version: str, root: bytes | None = None) -> ReleaseImages:
    """Write the images of a version."""
    folder.mkdir(parents=True, exist_ok=True)
    boot, data, tree = (folder / f"os-{version}-{part}" for part in ("boot", "root", "verity"))
    boot.write_bytes(image(20) + version.encode())
    data.write_bytes(root or ROOTS[version])
    root_hash = verity.build_tree(data, tree, salt=b"salt", uuid=_NAME)
    return ReleaseImages(version, boot, data, tree, root_hash)
