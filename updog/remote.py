"""A repository as files at addresses: how each is asked for. Nothing here is believed.

What may be asked for at all, and whether what came is what was signed, `updog.session` decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from updog.body import Body, Fetcher, RangeFetcher, of_length
from updog.errors import UpdogError
from updog.mirrors import elsewhere
from updog.patience import Budget
from updog.resume import STEP, ResumingBody
from updog.tuffiles import Target
from updog.tufnames import url, url_path

if TYPE_CHECKING:
    from updog.pipeline.source import RangeSource

RESUMES = 5


@dataclass(frozen=True, slots=True)
class RepositoryUrls:
    """Where a repository is, with or without slashes at the end.

    Attributes:
        metadata: the directory of ``timestamp.json``.
        targets: the directory of the target files.
    """

    metadata: str
    targets: str


class Remote:
    """The files of a repository; targets go by their file names (`Session.target_file`).

    Args:
        urls: where it is.
        fetcher: the way to the network.

    Attributes:
        query: parameters of every address, by name (formats 7).
    """

    def __init__(self, urls: RepositoryUrls, fetcher: Fetcher) -> None:
        self._urls = urls
        self._fetcher = fetcher
        self.query: dict[str, str] = {}

    def metadata(self, file_name: str, max_bytes: int) -> bytes:
        """Return a file of the metadata.

        Raises:
            NotThere, UnreachableError: it could not be fetched.
            TrustError: it is longer than `max_bytes`.
        """
        address = url(self._urls.metadata, file_name, self.query)
        return self._fetcher.get(address, max_bytes=max_bytes)

    def target(self, file_name: str, max_bytes: int) -> bytes:
        """Return a whole target; raises what `metadata` does."""
        return self._fetcher.get(self._target_url(file_name), max_bytes=max_bytes)

    def stream(self, file_name: str, target: Target, offset: int) -> Body:
        """Begin to read a target; what breaks off is taken up again, a bounded number of times.

        Raises:
            TargetMismatch: whoever sends it tells another length than was signed.
            NotThere, UnreachableError: it could not be fetched.
        """
        address = self._target_url(file_name)

        def start(at: int) -> Body:
            return of_length(self._fetcher.open(address, offset=at), target.length, target.name)

        return ResumingBody(start, offset, RESUMES, _budget(target))

    def ranges(self, file_name: str, target: Target) -> RangeSource | None:
        """Return a target in ranges, or None where it can only be streamed.

        Raises:
            NotThere, UnreachableError: a local one cannot be read.
        """
        if not isinstance(self._fetcher, RangeFetcher):
            return None
        address = self._target_url(file_name)
        return self._fetcher.ranges(address, target.name, _budget(target).take)

    def elsewhere(self, error: UpdogError) -> bool:
        """Whether to try another server after this error (`updog.mirrors`).

        Raises:
            TrustError: no server is left, and this is what was wrong with an earlier one.
        """
        return elsewhere(self._fetcher, error)

    def _target_url(self, file_name: str) -> str:
        return url(self._urls.targets, url_path(file_name), self.query)


def _budget(target: Target) -> Budget:
    """The most bytes that may be spent on a target, however often it breaks off."""
    return Budget(2 * target.length + STEP, target.name)
