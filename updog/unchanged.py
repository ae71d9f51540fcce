"""The answer of an earlier check while nothing has changed, without verifying it a second time.

After a full refresh one file remembers what was verified: the digests of the shipped root, of the
root in use and of the timestamp, the addresses, and the bytes of the manifest. It is the answer of
the next check too if all of this holds, and anything else leads to a full refresh:

1. Shipped root, stored root, stored timestamp and addresses are those remembered.
2. The stored timestamp lists the stored snapshot by SHA-256, that the stored targets, and those the
   remembered manifest. None of these digests is taken from the memory, so damage to it shows.
3. None of the four metadata files is about to expire.
4. The server has no next root, and its timestamp is the stored one, byte by byte.

Why this is sound, and what it does not protect against, is argued in docs/adr/0002.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from updog.body import Body, Fetcher, too_long
from updog.durable import read_small, write_durably
from updog.errors import NotThere, PermissionDenied, StorageError
from updog.jsontree import MAX_BYTES
from updog.tufnames import role_file
from waves.duration import parse_moment

Files: TypeAlias = Mapping[str, bytes]
"""The exact bytes of the four top-level metadata files, by role."""

ROLES = ("root", "timestamp", "snapshot", "targets")
MANIFEST = "manifest.json"

# To be raised whenever a rule of verification becomes stricter: what was remembered under the older
# rule then counts for nothing.
_FORMAT = 1
_HEADER_LIMIT = 16 << 10
_LIMIT = MAX_BYTES + _HEADER_LIMIT
# Expiry times may have fractions of a second; a full refresh decides about the last moments.
_MARGIN = timedelta(seconds=1)
_WRONG = (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError)


class Known(NamedTuple):
    """What would be the answer if the server has nothing new.

    Attributes:
        manifest: its verified bytes.
        next_root: the name of the root that the server must not have.
    """

    manifest: bytes
    next_root: str


class Memory:
    """What the last full refresh of one repository verified.

    Args:
        path: the file; need not exist.
        shipped_root: the root that came with the image.
        addresses: of metadata and targets.
    """

    def __init__(self, path: Path, shipped_root: bytes, addresses: Iterable[str]) -> None:
        self._path = path
        self._shipped_root = shipped_root
        self._addresses = list(addresses)

    def recall(self, files: Files, now: datetime) -> Known | None:
        """What the last check found if that still follows from the stored files, or None.

        Args:
            files: the stored metadata; some may be missing.
            now: the time of the run.
        """
        try:
            content, header = read_small(self._path, _LIMIT), self._header(files)
            if content is None or not content.startswith(header):
                return None
            manifest = content[len(header) :]
            return Known(manifest, _next_root(files)) if _follows(files, manifest, now) else None
        except (StorageError, PermissionDenied, *_WRONG):
            return None

    def keep(self, files: Files, manifest: bytes, now: datetime) -> None:
        """Remember what a full refresh has just verified, unless it is remembered already.

        Nothing is kept where a later check could not do without the refresh: a repository that
        lists its files without SHA-256, or the manifest in a delegated role.

        Raises:
            StorageError, PermissionDenied: the file system refused.
        """
        known = self.recall(files, now)
        if known is not None and known.manifest == manifest:
            return
        try:
            usable = _follows(files, manifest, now)
        except _WRONG:
            return
        if usable:
            write_durably(self._path, self._header(files) + manifest)

    def _header(self, files: Files) -> bytes:
        said = {
            "format": _FORMAT,
            "shipped_root": _sha256(self._shipped_root),
            "root": _sha256(files["root"]),
            "timestamp": _sha256(files["timestamp"]),
            "addresses": self._addresses,
        }
        return json.dumps(said).encode() + b"\n"


class Asked:
    """A fetcher that hands on what was already asked, so that no file is fetched twice in a run.

    Args:
        inner: the way to the repository.
    """

    def __init__(self, inner: Fetcher) -> None:
        self._inner = inner
        self._answers: dict[str, bytes | NotThere] = {}

    @property
    def anything(self) -> bool:
        """Whether there are answers that were not handed on yet."""
        return bool(self._answers)

    def ask(self, url: str, *, max_bytes: int) -> bytes | None:
        """Fetch a file and keep the answer for `get`; None: there is no such file.

        Raises:
            UnreachableError, TrustError: see `updog.body.Fetcher.get`.
        """
        try:
            answer = self._inner.get(url, max_bytes=max_bytes)
        except NotThere as error:
            self._answers[url] = error
            return None
        self._answers[url] = answer
        return answer

    def get(self, url: str, *, max_bytes: int) -> bytes:
        """Return a whole file (see `updog.body.Fetcher`), once from what was asked before."""
        answer = self._answers.pop(url, None)
        if answer is None:
            return self._inner.get(url, max_bytes=max_bytes)
        if isinstance(answer, NotThere):
            raise answer
        if len(answer) > max_bytes:
            raise too_long(url, max_bytes)
        return answer

    def open(self, url: str, *, offset: int = 0) -> Body:
        """Begin to read a file (see `updog.body.Fetcher`)."""
        return self._inner.open(url, offset=offset)


def _follows(files: Files, manifest: bytes, now: datetime) -> bool:
    """Whether each file is listed by the one above it, and none is about to expire."""
    signed = {role: _signed(files[role]) for role in ROLES}
    chain = (
        (signed["timestamp"]["meta"]["snapshot.json"], files["snapshot"]),
        (signed["snapshot"]["meta"]["targets.json"], files["targets"]),
        (signed["targets"]["targets"][MANIFEST], manifest),
    )
    listed = all(_sha256(data) == facts["hashes"]["sha256"] for facts, data in chain)
    return listed and all(now + _MARGIN < parse_moment(one["expires"]) for one in signed.values())


def _next_root(files: Files) -> str:
    version = _signed(files["root"])["version"]
    if type(version) is not int:
        raise ValueError("a root without a version")
    return role_file("root", version + 1)


def _signed(data: bytes) -> dict[str, Any]:
    signed: dict[str, Any] = json.loads(data)["signed"]
    return signed


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
