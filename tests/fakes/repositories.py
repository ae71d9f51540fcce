"""Small real repositories: real keys, real signatures, three tiny images for each version."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from repo_tools.draft import Edition
from repo_tools.keys import KeyType
from repo_tools.publish import publish
from repo_tools.repository import NewUpdate, Repository
from repo_tools.root import RootPlan
from updog.manifest import Update
from updog.version import Version

NOW = datetime(2031, 4, 7, 9, 0, 0, 987_654, tzinfo=UTC)
EDITION = Edition("edge", "x86_64")
IMAGE_SIZE = 5000


def image_bytes(name: str, size: int = IMAGE_SIZE) -> bytes:
    """Bytes that depend on the name alone; half of them compress well."""
    block = sha256(name.encode()).digest()
    return (block * 2 + bytes(64)) * (size // 128) + block[: size % 128 % 32]


def make_images(folder: Path, version: str) -> tuple[Path, Path, Path]:
    """Raw boot, root and hash images of a version."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = tuple(
        folder / f"os-{version}-{part}" for part in ("boot.ext4", "root.ext4", "root.verity")
    )
    for path in paths:
        path.write_bytes(image_bytes(path.name))
    boot, root, hash_image = paths
    return boot, root, hash_image


def new_repository(
    folder: Path, now: datetime = NOW, key_type: KeyType = KeyType.ED25519
) -> Repository:
    """A repository with keys and a root, and nothing else."""
    return Repository.init(folder, RootPlan(key_type), now=now)


def add_version(
    repository: Repository, version: str, *, edition: Edition = EDITION, images: str | None = None
) -> Update:
    """Draft a version whose images are made up; ``images`` names others than its own."""
    boot, root, hash_image = make_images(repository.folder.parent / "images", images or version)
    return repository.add_update(NewUpdate(edition, Version.parse(version), boot, root, hash_image))


def allow_step(repository: Repository, start: str, end: str, edition: Edition = EDITION) -> None:
    """Add an edge without migrations between two versions."""
    edges = dict(repository.draft(edition).manifest().migrations)
    edges[Version.parse(start), Version.parse(end)] = ()
    repository.set_migrations([edition], edges, [])


def published_repository(folder: Path, now: datetime = NOW) -> Repository:
    """A repository that has published version 1.1.0, reachable from 1.0.0."""
    repository = new_repository(folder, now)
    add_version(repository, "1.1.0")
    allow_step(repository, "1.0.0", "1.1.0")
    publish(repository, now=now)
    return repository
