"""Small real repositories: real keys, real signatures, three tiny images for each version."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from repo_tools import keys, root, storage
from repo_tools.ceremony import rootdraft
from repo_tools.draft import Edition
from repo_tools.keys import KeyType
from repo_tools.publish import publish
from repo_tools.repository import NewUpdate, Repository
from repo_tools.root import RootPlan, SignedRoot
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


def rotate_online(repository: Repository, role: str, retired: Path | None = None) -> SignedRoot:
    """A next root with a new key for an online role, not published yet.

    The old key's file goes into the folder ``retired``, or is gone.
    """
    path = repository.keys / f"{role}.pem"
    newest = root.history(repository.roots)[-1].root
    if retired is not None:
        storage.make_folder(retired, mode=0o700)
        path.rename(retired / f"{role}-{newest.version}.pem")
    path.unlink(missing_ok=True)
    made = keys.generate(KeyType.ED25519)
    keys.save(path, made)
    changed = rootdraft.next_after(newest, newest.expires)
    for keyid in newest.roles[role].keyids:
        changed = rootdraft.remove_key(changed, role, keyid)
    changed = rootdraft.add_keys(changed, role, [made.public_key])
    known = [newest.get_key(keyid) for keyid in newest.roles["root"].keyids]
    draft = rootdraft.RootDraft.of(changed)
    for signer in repository.ring().signers("root", known):
        draft = root.sign(draft, signer)
    return root.accept(repository.roots, draft.data, now=newest.expires - timedelta(days=1))


def published_repository(folder: Path, now: datetime = NOW) -> Repository:
    """A repository that has published version 1.1.0, reachable from 1.0.0."""
    repository = new_repository(folder, now)
    add_version(repository, "1.1.0")
    allow_step(repository, "1.0.0", "1.1.0")
    publish(repository, now=now)
    return repository
