"""Which root vouches for what is published, while new online keys are on their way to devices.

As a rule that is the newest. Between the moment in which a root with new online keys is accepted
and the publish that brings it out, what is published is still signed by the old keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from repo_tools import released
from repo_tools.errors import PublishedError
from repo_tools.ownwork import OwnWork
from repo_tools.released import Read, Released
from repo_tools.root import SignedRoot


@dataclass(frozen=True, slots=True)
class Vouching:
    """The roots that may vouch.

    Attributes:
        read: gives a published file.
        roots: all that were ever signed.
    """

    read: Read
    roots: Sequence[SignedRoot]

    def any(self, folder: str) -> Released | None:
        """What clients of an edition are led to, whichever root vouches for it; None: nothing."""
        try:
            return self._newest(folder)
        except PublishedError:
            # Told by those who need it; a publish from the draft is the remedy.
            return self._earlier(folder)

    def ours(self, folder: str, own: OwnWork) -> Released:
        """What clients of an edition are led to, if it may be signed again.

        Raises:
            PublishedError: it is damaged, or not signed by the newest root's keys. While new online
                keys are not published yet: not by those before, or not what was signed here.
        """
        try:
            return self._newest(folder)
        except PublishedError as fault:
            found = self._earlier(folder)
            if found is None:
                raise
            if not own.knows(found.targets.version, found.digest):
                raise PublishedError(
                    f"What is published in {folder} is signed by online keys that"
                    f" {self.roots[-1].name} takes away, and it is not what was published from here"
                    " last, so it cannot be signed again.",
                    hint="Put out the draft in its place: updog-repo publish DIR"
                    " (--dry-run shows what that changes).",
                ) from fault
            return found

    def _newest(self, folder: str) -> Released:
        return released.released(self.read, folder, self.roots[-1].root)

    def _earlier(self, folder: str) -> Released | None:
        for one in reversed(self.roots[:-1]):
            try:
                return released.released(self.read, folder, one.root)
            except PublishedError:
                continue
        return None
