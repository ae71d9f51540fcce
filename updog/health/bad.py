"""The versions that failed on this host, for whoever chooses an update."""

from __future__ import annotations

import logging
from pathlib import Path

from updog.health import record
from updog.version import Version

log = logging.getLogger(__name__)


def bad_versions(path: Path) -> frozenset[Version]:
    """Return the versions that are not to be taken again.

    Raises:
        StorageError: the file system refused.
        PermissionDenied: this user may not read the record.
    """
    found: set[Version] = set()
    for each in record.load(path).bad:
        try:
            found.add(Version.parse(each.version))
        except ValueError:
            log.warning("%s notes %r as bad, which is no version.", path, each.version)
    return frozenset(found)
