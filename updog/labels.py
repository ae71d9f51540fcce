"""Which versions the partition sets hold, as far as this host knows."""

from __future__ import annotations

import logging

from partitions.bootreport import Labels
from updog import staged
from updog.errors import UpdogError
from updog.osrelease import read_identity
from updog.settings import Paths

log = logging.getLogger(__name__)


def gather(paths: Paths) -> Labels:
    """The versions, where they can be told; a status must not fail for want of them."""
    running, written = None, {}
    try:
        running = str(read_identity(paths.os_release)[0])
        if label := staged.recall(paths.staged):
            written = {label.slot: label.version}
    except UpdogError as error:
        log.debug("version of a set unknown: %s", error)
    return Labels(running, written)
