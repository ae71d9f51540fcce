"""The ``signpost`` command as installed: that of `partitions`, and it knows what the sets hold."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from partitions import signpost
from partitions.bootreport import Labels
from partitions.bootstatus import BootStatus
from partitions.errors import PartitionError
from partitions.sysfs import locate
from updog import config, labels
from updog.errors import UpdogError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; see `partitions.signpost.main`."""
    return signpost.main(argv, _labels)


def _labels(status: BootStatus) -> Labels:
    """The versions, if the disk is this host's own; another disk's contents are not known."""
    try:
        settings = config.load(Path(os.environ.get("UPDOG_CONFIG") or config.DEFAULT_PATH))
        own = settings.boot.disk or locate().disk
    except (UpdogError, PartitionError):
        return Labels()
    return labels.gather(settings.paths) if own == status.disk else Labels()


if __name__ == "__main__":
    sys.exit(main())
