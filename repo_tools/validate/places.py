"""Which repository is meant by a URL or a folder, and how a client of it is configured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from repo_tools.stores.place import read_place
from updog.errors import UsageError
from updog.session import RepositoryUrls

TIMESTAMP = "timestamp.json"
TARGETS = "targets"


@dataclass(frozen=True, slots=True)
class Place:
    """The metadata of one variant and architecture.

    Attributes:
        name: ``VARIANT/ARCH``, or the address where that is not known.
        urls: as a client would have them.
        shipped_root: the first root of the repository, where the folder of its publisher tells it.
    """

    name: str
    urls: RepositoryUrls
    shipped_root: Path | None = None


@dataclass(frozen=True, slots=True)
class Where:
    """What was typed.

    Attributes:
        spec: a URL or a folder.
        targets: the URL or folder of the targets; None: beside the metadata, as published.
        variant: only this one; None: all.
        arch: the same.
    """

    spec: str
    targets: str | None = None
    variant: str | None = None
    arch: str | None = None


def find(where: Where) -> tuple[Place, ...]:
    """The places that are meant.

    A URL is that of one variant and architecture, as a client is configured with it. A folder is
    that of a publisher (`updog-repo init`), whose ``publish.toml`` says where to look, what it has
    published, or the metadata in there.

    Raises:
        ConfigError: ``publish.toml`` cannot be read.
        UsageError: there is no repository, or nothing of that variant and architecture; or the
            repository publishes to a bucket.
    """
    if urlsplit(where.spec).scheme in {"http", "https", "file"}:
        return (_by_url(where),)
    folder = Path(where.spec)
    if not folder.is_dir():
        raise UsageError(f"{where.spec} is neither a URL nor a folder.")
    found = tuple(_in_folder(folder.resolve(), where))
    if not found:
        asked = "/".join(each for each in (where.variant, where.arch) if each)
        raise UsageError(
            f"{where.spec} holds no published repository{f' for {asked}' if asked else ''}.",
            hint="Give the folder of updog-repo, the published one, or that of timestamp.json.",
        )
    return found


def _by_url(where: Where) -> Place:
    base = where.spec.rstrip("/")
    parts = base.split("/")
    targets = where.targets or "/".join([*parts[:-2], TARGETS])
    return Place("/".join(parts[-2:]), RepositoryUrls(base, _as_url(targets)))


def _in_folder(folder: Path, where: Where) -> Iterator[Place]:
    root = folder / "root" / "1.root.json"
    published = _published_to(folder) if root.is_file() else None
    if published is not None and published.is_dir():
        yield from _published(published, where, root)
    elif (folder / TIMESTAMP).is_file():
        yield _place(folder, folder.parents[1], where, None)
    else:
        yield from _published(folder, where, None)


def _published_to(folder: Path) -> Path:
    """The folder that ``publish.toml`` of a repository names, or its own."""
    told = read_place(folder).to
    if told is not None and "://" in told:
        raise UsageError(
            f"{folder} publishes to {told}, which is only read as devices read it.",
            hint="Give the metadata_base_url of devices, with --root root/1.root.json of the"
            " repository; or the folder published/ itself, if that is meant.",
        )
    return folder / "published" if told is None else Path(told).resolve()


def _published(folder: Path, where: Where, root: Path | None) -> Iterator[Place]:
    for timestamp in sorted(folder.glob(f"*/*/{TIMESTAMP}")):
        arch = timestamp.parent
        wanted = (where.variant in {None, arch.parent.name}, where.arch in {None, arch.name})
        if all(wanted):
            yield _place(arch, folder, where, root)


def _place(metadata: Path, top: Path, where: Where, root: Path | None) -> Place:
    targets = where.targets or str(top / TARGETS)
    urls = RepositoryUrls(metadata.as_uri(), _as_url(targets))
    return Place(f"{metadata.parent.name}/{metadata.name}", urls, root)


def _as_url(place: str) -> str:
    return place if urlsplit(place).scheme else Path(place).resolve().as_uri()
