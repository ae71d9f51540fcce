"""Where things lie in the folder of a repository.

keys/              private keys, mode 0700; root-*.pem belong offline
keys.toml          where the keys of a role are, if not there (see `repo_tools.keyring`)
root/N.root.json   every signed root
draft/             what the next publish will put out (see `repo_tools.draft`)
published/         what a web server gives to clients (see `repo_tools.publish`)
lock               held by whoever edits or publishes
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Folders:
    """The folder of a repository, and those in it.

    Attributes:
        folder: of everything.
        keys: folder of the private keys.
    """

    folder: Path
    keys: Path

    @property
    def roots(self) -> Path:
        """The signed roots, old and new."""
        return self.folder / "root"

    @property
    def drafts(self) -> Path:
        """The drafts, a folder for each variant with one for each architecture."""
        return self.folder / "draft"

    @property
    def published(self) -> Path:
        """What clients see; a web server needs nothing else."""
        return self.folder / "published"

    @property
    def published_targets(self) -> Path:
        """The target files of all editions."""
        return self.published / "targets"

    @property
    def lock(self) -> Path:
        """Held by whoever edits or publishes."""
        return self.folder / "lock"
