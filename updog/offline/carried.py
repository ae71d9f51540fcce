"""A carried repository behind the same seam as the network: addresses, and a fetcher for them.

Everything above, the trust above all, is what it is online. Addresses have the scheme ``offline``,
which no configuration can name, so that nothing carried is ever mistaken for the repository.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote, unquote, urlsplit

from updog.body import OneBody, read_capped
from updog.errors import NotThere
from updog.offline.sources import Source
from updog.pipeline.readranges import ReadRanges
from updog.session import RepositoryUrls
from updog.tufnames import check_target_name

PLAIN_METADATA = "metadata"
"""Where metadata may lie in a directory for one kind of system only."""
TARGETS = "targets"
_SCHEME = "offline:///"


class CarriedFetcher:
    """Gets files from a bundle or a directory (see `updog.body.Fetcher`).

    Args:
        source: it.
    """

    def __init__(self, source: Source) -> None:
        self._source = source

    def get(self, url: str, *, max_bytes: int) -> bytes:
        """Return a whole file (see `updog.body.Fetcher`)."""
        return read_capped(self.open(url), self._shown(url), max_bytes)

    def open(self, url: str, *, offset: int = 0) -> OneBody:
        """Begin to read a file (see `updog.body.Fetcher`)."""
        return self._source.open(_name(url), offset)

    def ranges(self, url: str, name: str, spend: Callable[[int], object]) -> ReadRanges:
        """Return a file in ranges (see `updog.body.RangeFetcher`)."""
        return ReadRanges(self._source.reader(_name(url)), name, spend)

    def _shown(self, url: str) -> str:
        return f"{_name(url)} in {self._source.path}"


def metadata_folder(variant: str, arch: str) -> str:
    """Return the folder of the metadata for one kind of system.

    Raises:
        TrustError: variant or architecture would lead out of the repository.
    """
    return check_target_name(f"{variant}/{arch}")


def find_urls(source: Source, variant: str, arch: str) -> RepositoryUrls:
    """Find the metadata for one kind of system.

    Raises:
        NotThere: there is none.
        TrustError: variant or architecture would lead out of the repository.
    """
    for folder in (metadata_folder(variant, arch), PLAIN_METADATA):
        if source.holds(f"{folder}/timestamp.json"):
            return RepositoryUrls(f"{_SCHEME}{quote(folder)}", f"{_SCHEME}{TARGETS}")
    raise NotThere(
        f"{source.path} has nothing for {variant} on {arch}: neither"
        f" {variant}/{arch}/timestamp.json nor {PLAIN_METADATA}/timestamp.json is in it.",
        hint="Name the bundle, or the directory that holds VARIANT/ARCH and targets.",
    )


def _name(url: str) -> str:
    # A query names this host to a server; there is none here.
    return check_target_name(unquote(urlsplit(url).path).removeprefix("/"))


def path_of(file_name: str) -> str:
    """Return the path in a carried repository of a file whose address ends in `file_name`.

    Args:
        file_name: percent-encoded, as a repository names metadata.

    Raises:
        TrustError: it would lead out of the repository.
    """
    return check_target_name(unquote(file_name))
