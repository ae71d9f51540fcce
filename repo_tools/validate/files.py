"""The metadata files of a repository as bytes that nobody believes yet. PURE."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from repo_tools.findings import Finding


@dataclass(frozen=True, slots=True)
class Files:
    """The metadata files that there are.

    Attributes:
        roots: by the version in their name.
        timestamp: None where there is none; so are the others.
        snapshot: the one that the timestamp leads to.
        targets: the one that the snapshot leads to.
        names: the file name of each role but the roots.
    """

    roots: Mapping[int, bytes]
    timestamp: bytes | None
    snapshot: bytes | None
    targets: bytes | None
    names: Mapping[str, str]
    findings: tuple[Finding, ...]

    @property
    def consistent(self) -> bool:
        """Whether names carry versions and hashes: the newest root says so."""
        newest = self.roots[max(self.roots)] if self.roots else b""
        return signed_part(newest).get("consistent_snapshot", True) is not False


def signed_part(data: bytes | None) -> Mapping[str, Any]:
    """What a file says, unverified; empty where it is not even that."""
    try:
        found = json.loads(data or b"null")["signed"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
