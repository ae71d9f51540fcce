"""What this repository signed last for an edition, kept beside its draft.

    draft/VARIANT/ARCH/signed.json      SHA-256 of targets.json by version: the last one that was
                                        published to its end, and those begun since

A signature tells that somebody had the key. While online keys are being replaced, perhaps because
they were stolen, that is not enough: what stands in the store is believed, and signed again with
the new keys, only if it is what was signed here. Of what is older nothing is kept, so that nobody
can have an old state signed again either.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from repo_tools import storage
from repo_tools.errors import DraftError

NAME = "signed.json"


@dataclass(frozen=True, slots=True)
class OwnWork:
    """The notes about one edition.

    Attributes:
        folder: of its draft; it must exist before anything is noted.
    """

    folder: Path

    def begin(self, version: int, targets: bytes) -> None:
        """Note what is about to be written, before its first file is."""
        self._write({**self._noted(), str(version): sha256(targets).hexdigest()})

    def complete(self, version: int) -> None:
        """Note that devices are led to this version now; all others are forgotten."""
        kept = {
            number: digest for number, digest in self._noted().items() if number == str(version)
        }
        self._write(kept)

    def knows(self, version: int, digest: str) -> bool:
        """Whether ``targets.json`` of this version and SHA-256 was signed here lately.

        Raises:
            DraftError: the notes are damaged.
        """
        return self._noted().get(str(version)) == digest

    def _noted(self) -> Mapping[str, str]:
        path = self.folder / NAME
        try:
            return dict(json.loads(path.read_bytes())["targets"])
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, KeyError) as error:
            raise DraftError(
                f"{path} is damaged: {error}.", hint="Remove it; the next publish writes a new one."
            ) from error

    def _write(self, noted: Mapping[str, str]) -> None:
        tree = {"targets": dict(noted)}
        storage.write(self.folder / NAME, json.dumps(tree, indent=2).encode() + b"\n")
