"""Looking at published metadata as a client does, but past what has expired.

A monitor that stopped at the first expired file could not tell what else is wrong. Signatures are
checked from the first root on, so that a file which nobody would believe is a problem, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root

from repo_tools import released, root
from repo_tools.errors import PublishedError
from repo_tools.publishing.expiry import Expiry, Sight
from repo_tools.publishrun import folder_of
from repo_tools.released import Read
from repo_tools.repository import Repository
from repo_tools.root import SignedRoot
from repo_tools.stores.opening import open_store
from repo_tools.stores.place import read_place
from updog.errors import DataError, NotThere, UsageError
from updog.fetch import Fetcher, FetchSettings, HttpFetcher

_LIMIT = 64 << 20
# A monitor asks again by itself, and waits only so long for an answer.
_FETCHING = FetchSettings(retries=1)
_SCHEMES = frozenset({"http", "https", "file"})


@dataclass(frozen=True, slots=True)
class Edge:
    """One edition at its place.

    Attributes:
        read: gives the bytes of a published file by its name.
        folder: of the edition's metadata, before each name.
        first_root: what all trust begins with; None: the oldest one published, unseen.
    """

    read: Read
    folder: str
    first_root: bytes | None = None

    def look(self) -> Sight:
        """What there is; faults end up in the sight and are not raised.

        Raises:
            UnreachableError: nobody answered.
        """
        try:
            return self._seen()
        except DataError as error:
            return self.unseen(str(error))

    def unseen(self, problem: str) -> Sight:
        """The sight of an edition that cannot be followed."""
        variant, _, arch = self.folder.partition("/")
        return Sight(variant, arch, problem=problem)

    def _seen(self) -> Sight:
        variant, _, arch = self.folder.partition("/")
        newest = list(self._roots())[-1].root
        found = released.released(self.read, self.folder, newest)
        roles = (newest, found.targets, found.snapshot, found.timestamp)
        files = found.targets.targets.values()
        return Sight(
            variant,
            arch,
            tuple(Expiry(each.type, each.version, each.expires) for each in roles),
            len(files),
            sum(each.length for each in files),
        )

    def _roots(self) -> Iterator[SignedRoot]:
        """The chain of roots, each signed by the one before."""
        known = self._first()
        yield known
        for version in count(known.root.version + 1):
            name = f"{version}.{Root.type}.json"
            data = self.read(f"{self.folder}/{name}".lstrip("/"))
            if data is None:
                return
            known = root.read(data, known, name)
            yield known

    def _first(self) -> SignedRoot:
        name = f"1.{Root.type}.json"
        data = self.first_root or self.read(f"{self.folder}/{name}".lstrip("/"))
        if data is None:
            raise PublishedError(
                f"There is no {name} in {self.folder}.",
                hint="Name the root that devices have by --root.",
            )
        return root.read(data, None, f"{_version(data)}.{Root.type}.json")


def editions(where: str, first_root: Path | None, fetcher: Fetcher | None = None) -> list[Edge]:
    """The editions at a place.

    Args:
        where: the URL of one edition's metadata, as devices have it, or the folder of a repository,
            whose ``publish.toml`` then says where it publishes to.
        first_root: the root that devices have; None: the first one of the repository.
        fetcher: the way to the network.

    Raises:
        NotARepository: the folder holds none.
        UsageError: nothing is published there yet.
        OSError: ``first_root`` cannot be read.
    """
    data = first_root.read_bytes() if first_root else None
    if urlsplit(where).scheme in _SCHEMES:
        top, folder = _split(where)
        return [Edge(_reader(top, fetcher or HttpFetcher(_FETCHING)), folder, data)]
    repository = Repository.open(Path(where))
    store = open_store(read_place(repository.folder), repository.published)
    start = data or root.history(repository.roots)[0].data
    found = [
        Edge(store.read, folder_of(edition), start)
        for edition in repository.select()
        if repository.draft(edition).last_version() or store.sizes(folder_of(edition))
    ]
    if not found:
        raise UsageError(f"{store.where}: nothing is published yet.")
    return found


def _version(data: bytes) -> int:
    """The version that a root says it is; 0 if it is not one, which its reader then tells."""
    try:
        return Metadata[Root].from_bytes(data).signed.version
    except (RepositoryError, ValueError, AttributeError):
        return 0


def _split(url: str) -> tuple[str, str]:
    """What is before the last two steps of a URL's path, and those: variant and architecture."""
    parts = urlsplit(url.rstrip("/"))
    steps = parts.path.strip("/").split("/")
    top = parts._replace(path="/".join(["", *steps[:-2]]), query="", fragment="").geturl()
    return top, "/".join(steps[-2:])


def _reader(top: str, fetcher: Fetcher) -> Read:
    def read(name: str) -> bytes | None:
        try:
            return fetcher.get(f"{top.rstrip('/')}/{name}", max_bytes=_LIMIT)
        except NotThere:
            return None

    return read
