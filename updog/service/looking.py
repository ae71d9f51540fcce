"""Reading the machine: its disk, what was written last, what runs, and what is remembered."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

from updog import invocation, staged
from updog.durable import read_small
from updog.errors import StorageError
from updog.osrelease import read_fields, read_identity
from updog.service.record import ImageId, Record, parse
from updog.service.view import Label, Status, look
from updog.settings import Paths, Settings

log = logging.getLogger(__name__)

RECORD_LIMIT = 4 << 20
OS_MEMBERS = ("pretty_name", "variant_id", "version_id", "build_id")


def status(settings: Settings, record: Record) -> Status:
    """How things are now.

    Raises:
        UpdogError: the system does not say what it is.
        PartitionError: the disk cannot be read.
    """
    version, variant = read_identity(settings.paths.os_release)
    host = ImageId(os.uname().machine, str(version), variant)
    said = staged.recall(settings.paths.staged)
    label = (
        None if said is None else Label(said.slot, ImageId(said.arch, said.version, said.variant))
    )
    return look(invocation.control(settings).status(), label, host, record)


def system(paths: Paths) -> Mapping[str, str]:
    """What runs here, in upstream's words for ``/os``.

    Raises:
        UpdogError: os-release cannot be read.
    """
    fields = read_fields(paths.os_release)
    told = {name: fields.get(name.upper(), "") for name in OS_MEMBERS}
    return {**told, "arch": os.uname().machine}


def remembered(paths: Paths) -> Record:
    """What an earlier service remembered; nothing where that cannot be read.

    Raises:
        PermissionDenied: the file may not be read.
    """
    try:
        content = read_small(paths.service_record, RECORD_LIMIT)
        return Record() if content is None else parse(content)
    except (StorageError, ValueError) as error:
        log.warning("%s is begun anew: %s", paths.service_record, error)
        return Record()
