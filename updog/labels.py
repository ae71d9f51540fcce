"""Which versions the partition sets hold, as far as this host knows."""

from __future__ import annotations

from partitions.bootreport import Labels
from updog import staged
from updog.errors import UpdogError
from updog.osrelease import read_fields
from updog.settings import Paths


def gather(paths: Paths) -> Labels:
    """The versions, where they can be told; a status must not fail for want of them."""
    running, written = None, {}
    try:
        running = read_fields(paths.os_release).get("VERSION_ID") or None
        if label := staged.recall(paths.staged):
            written = {label.slot: label.version}
    except UpdogError as error:
        import logging  # noqa: PLC0415 - start-up: hardly ever

        logging.getLogger(__name__).debug("version of a set unknown: %s", error)
    return Labels(running, written)
