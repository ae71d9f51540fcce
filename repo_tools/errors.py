"""What can go wrong while publishing, as children of the client's error tree.

    UpdogError
     ├── UsageError
     │    ├── NotARepository     64   the folder holds no repository made by ``updog-repo init``
     │    └── AlreadyThere       64   something that must never be overwritten exists
     ├── DataError
     │    ├── ImageError         65   an image file is unusable: missing, empty, not one LZ4 frame
     │    ├── DraftError         65   the draft may not be published; the message lists every reason
     │    ├── StrandedError      65   the draft would strand releases in the field; each is named
     │    ├── RootError          65   the signed root history does not hold together
     │    └── PublishedError     65   what was published before is damaged or not signed by our keys
     ├── BusyError
     │    └── PublisherBusy      75   another updog-repo works on the same repository
     └── ConfigError
          └── KeyFileError       78   a private key is missing, unreadable or unknown to the root
               └── UnknownKey    78   it is there, and belongs to none of the keys asked for

Exit codes are those of docs/cli.md; the tree of the client decides, so that both tools agree.
"""

from __future__ import annotations

from updog.errors import BusyError, ConfigError, DataError, UsageError


class NotARepository(UsageError):
    """The folder holds no repository."""


class AlreadyThere(UsageError):
    """Something that must never be overwritten exists."""


class ImageError(DataError):
    """An image or migration file cannot be published as it is."""


class DraftError(DataError):
    """The draft has faults that every client would stumble over."""


class StrandedError(DataError):
    """Hosts in the field would find no way on, so the draft is published only on demand."""


class RootError(DataError):
    """The history of root.json files is broken, under-signed or over."""


class PublishedError(DataError):
    """The published metadata is damaged or was not signed by this repository's keys."""


class PublisherBusy(BusyError):
    """Another process edits or publishes the same repository."""


class KeyFileError(ConfigError):
    """A private key that is needed cannot be used."""


class UnknownKey(KeyFileError):
    """A key that was found is not one of those that are asked for."""


class ExitWith(Exception):
    """A command has done its work and said what it had to say; this is how it ends.

    Args:
        code: of the process, as docs/publishing.md lists them for the command.
    """

    def __init__(self, code: int) -> None:
        super().__init__(f"exit code {code}")
        self.code = code
