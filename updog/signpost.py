"""The ``signpost`` command as installed: that of `partitions`, and it knows what the sets hold."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from partitions import signpost
from partitions.bootcontrol import GptBootControl
from partitions.bootreport import Labels
from partitions.bootstatus import BootStatus
from partitions.errors import PartitionError
from partitions.sysfs import Located, locate
from updog import config, labels
from updog.control import kept_by
from updog.errors import UpdogError
from updog.settings import Settings


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; see `partitions.signpost.main`."""
    return signpost.main(argv, _labels, _control)


def _labels(status: BootStatus) -> Labels:
    """The versions, if the disk is this host's own; another disk's contents are not known."""
    settings = _settings_of(status.disk)
    return Labels() if settings is None else labels.gather(settings.paths)


def _control(located: Located) -> GptBootControl:
    """This host's bootloader, if the disk is its own; what starts another disk is not known."""
    settings = _settings_of(located.disk)
    return GptBootControl(located) if settings is None else kept_by(settings.boot, located)


def _settings_of(disk: Path) -> Settings | None:
    try:
        settings = config.load(Path(os.environ.get("UPDOG_CONFIG") or config.DEFAULT_PATH))
        own = settings.boot.disk or locate().disk
    except (UpdogError, PartitionError):
        return None
    return settings if own == disk else None


if __name__ == "__main__":
    sys.exit(main())
